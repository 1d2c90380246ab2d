#!/usr/bin/env bash
# tests/peers.sh DIR [NAME...]: unpacks the programs that judge Maser into DIR/NAME, with a starter
# DIR/bin/PROGRAM for each, and installs nothing: Debian's time daemons exclude one another, and to
# install one starts a daemon that steers the machine's clock. Every starter drops CAP_SYS_TIME.
#
#   chrony ntpsec linuxptp gpsd   of this Debian
#   ntp-classic                   of bullseye: ntpd, ntpq and ntpdate 4.2.8p15
#   chrony-new                    of trixie: chronyd and chronyc, with their own libc
#
# Packages come from the mirror that the machine uses already. A peer that cannot be had is reported
# and the others are unpacked all the same; then the exit status is 1.
set -euo pipefail

DIR=$(mkdir -p "$1" && cd "$1" && pwd)
shift
NAMES=${*:-chrony ntpsec linuxptp gpsd ntp-classic chrony-new}
APT=$DIR/.apt
mkdir -p "$APT/partial" "$APT/cache/partial" "$APT/debs" "$DIR/bin"

mirror() {
  awk '/^URIs:/ { print $2; exit }' /etc/apt/sources.list.d/*.sources 2>/dev/null |
    grep . || awk '$1 == "deb" { print $2; exit }' /etc/apt/sources.list
}
MIRROR=$(mirror)
KEYRING=$(ls /usr/share/keyrings/debian-archive-keyring.* | head -1)
HERE=$(. /etc/os-release && echo "$VERSION_CODENAME")

# suite NAME: package lists of one suite, apart from the machine's own.
suite() {
  local name=$1
  mkdir -p "$APT/$name/partial"
  echo "deb [signed-by=$KEYRING] $MIRROR $name main" >"$APT/$name.list"
  APT_OPTIONS=(
    -oDir::Etc::SourceList="$APT/$name.list" -oDir::Etc::SourceParts=/dev/null
    -oDir::State::Lists="$APT/$name" -oDir::Cache="$APT/cache"
    -oDir::State::status=/dev/null -oAPT::Sandbox::User=root
  )
  [ -e "$APT/$name.done" ] && return
  apt-get "${APT_OPTIONS[@]}" update -qq >/dev/null
  touch "$APT/$name.done"
}

# unpack PEER SUITE PACKAGE...
unpack() {
  local peer=$1 name=$2 package file
  shift 2
  mkdir -p "$DIR/$peer"
  suite "$name"
  for package in "$@"; do
    file=$APT/debs/${package}_$name.deb
    if [ ! -e "$file" ]; then
      rm -rf "$APT/debs/new" && mkdir "$APT/debs/new"
      (cd "$APT/debs/new" && apt-get "${APT_OPTIONS[@]}" download -qq "$package" >/dev/null) || return
      mv "$APT"/debs/new/*.deb "$file"
    fi
    dpkg-deb -x "$file" "$DIR/$peer" || return
  done
}

# starter NAME PEER PROGRAM [LOADER]: DIR/bin/NAME runs the program without the right to set clocks.
starter() {
  local out=$DIR/bin/$1 root=$DIR/$2 program=$3 loader=${4:-}
  local libraries=$root/lib/x86_64-linux-gnu:$root/usr/lib/x86_64-linux-gnu
  local drop='setpriv --bounding-set=-sys_time --inh-caps=-sys_time'
  [ "$(id -u)" = 0 ] || drop=
  {
    echo '#!/bin/sh'
    if [ -n "$loader" ]; then
      echo "exec $drop $root$loader --library-path $libraries $root/$program \"\$@\""
    else
      echo "export LD_LIBRARY_PATH=$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
      echo "export PYTHONPATH=$root/usr/lib/python3/dist-packages"
      echo "exec $drop $root/$program \"\$@\""
    fi
  } >"$out"
  chmod +x "$out"
}

peer() {
  case $1 in
  chrony)
    unpack chrony "$HERE" chrony libedit2 libnettle8 libseccomp2 libcap2 libgnutls30 libhogweed6 \
      libtasn1-6 libp11-kit0 libunistring2 libidn2-0 libbsd0 libmd0 libffi8
    starter chronyd chrony usr/sbin/chronyd
    starter chronyc chrony usr/bin/chronyc
    ;;
  ntpsec)
    unpack ntpsec "$HERE" ntpsec ntpsec-ntpdig python3-ntp libbsd0 libmd0 libssl3
    # The Python modules look for their library beside them, then where it would be installed.
    ln -sf ../../../x86_64-linux-gnu/ntp/libntpc.so "$DIR/ntpsec/usr/lib/python3/dist-packages/ntp/"
    starter ntpsec-ntpd ntpsec usr/sbin/ntpd
    starter ntpsec-ntpq ntpsec usr/bin/ntpq
    starter ntpdig ntpsec usr/bin/ntpdig
    ;;
  linuxptp)
    unpack linuxptp "$HERE" linuxptp
    for program in ptp4l pmc phc2sys ts2phc phc_ctl; do
      starter $program linuxptp usr/sbin/$program
    done
    ;;
  gpsd)
    unpack gpsd "$HERE" gpsd gpsd-tools libgps28 libusb-1.0-0 libdbus-1-3 ||
      unpack gpsd "$HERE" gpsd libgps28 libusb-1.0-0 libdbus-1-3
    starter gpsd gpsd usr/sbin/gpsd
    ;;
  ntp-classic)
    unpack ntp-classic bullseye ntp ntpdate sntp libssl1.1 libopts25 libevent-core-2.1-7 \
      libevent-pthreads-2.1-7
    starter ntp-ntpd ntp-classic usr/sbin/ntpd
    starter ntp-ntpq ntp-classic usr/bin/ntpq
    starter ntpdate ntp-classic usr/sbin/ntpdate
    ;;
  chrony-new)
    unpack chrony-new trixie chrony libc6 libedit2 libtinfo6 libbsd0 libmd0 libnettle8t64 \
      libhogweed6t64 libgmp10 libseccomp2 libcap2 libgnutls30t64 libtasn1-6 libp11-kit0 \
      libunistring5 libidn2-0 libffi8
    local loader=/usr/lib64/ld-linux-x86-64.so.2
    [ -e "$DIR/chrony-new$loader" ] || loader=/lib64/ld-linux-x86-64.so.2
    starter chronyd-new chrony-new usr/sbin/chronyd $loader
    starter chronyc-new chrony-new usr/bin/chronyc $loader
    ;;
  *)
    echo "peers.sh: no peer is named $1" >&2
    return 1
    ;;
  esac
}

status=0
for name in $NAMES; do
  # A shell of its own: `set -e` does not hold inside a condition.
  if [ "${PEERS_ONE:-}" = "$name" ]; then
    peer "$name"
  elif ! PEERS_ONE=$name bash "$0" "$DIR" "$name"; then
    echo "peers.sh: $name could not be had" >&2
    status=1
  fi
done
exit $status
