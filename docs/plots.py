#!/usr/bin/env python3
"""Draws the figures of docs/discipline.md from the scenario files that ship.

    docs/plots.py [--maser PATH] [NAME...]

Each figure is one run of `maser sim SCENARIO --seeds 1 --report PAGE`; its drawings are taken from the
page, thinned to fewer columns (a column keeps its least and its largest, so no bad second is lost) and
written to docs/discipline/NAME.svg with the style that they need, for light and dark. Two figures show
seconds rather than a day: they run the same scenario shortened, as FIGURES says. The same binary gives
the same bytes.
"""

import argparse
import html
import math
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "discipline"

# name: scenario, drawing on the left, on the right, below, lines replaced in the scenario,
# and seconds shown of how many.
FIGURES = {
    "network": ("a1", "error", "histogram", None, {}, None),
    "asymmetric": ("c1", "error", "histogram", None, {}, None),
    "bursts": ("c2", "error", "histogram", None, {}, None),
    "pulses": ("d1-1e-7", "error", "allan", None, {}, None),
    "falseticker": ("f", "error", "histogram", "verdicts", {}, None),
    "several": ("three-asymmetric", "error", "histogram", None, {}, None),
    "stamps": ("p1-1e-7", "error", "histogram", None, {}, None),
    "route": ("route-change", "error", "histogram", "ledger", {}, None),
    "holdover": ("g-1e-10", "error", None, "ledger", {}, None),
    "set": (
        "e1", "error", None, "ledger",
        {'duration = "26h"': 'duration = 1000\nsettle = 600', "at = 50400": "at = 800"},
        (790, 830, 1000),
    ),
    "start": (
        "a1", "error", None, "ledger",
        {'duration = "26h"': 'duration = 1000\nsettle = 1'}, (0, 200, 1000),
    ),
}

COLUMNS = 250
LEFT, WIDE, NARROW, HEIGHT = 66, 430, 196, 190
FULL = 690
WIDTH = 780

LIGHT = dict(
    paper="#ffffff", panel="#f6f7f9", ink="#16202a", soft="#55616e", rule="#dfe4ea", blue="#0072b2",
    sky="#56b4e9", green="#009e73", yellow="#e8d83a", orange="#e69f00", red="#d55e00",
    purple="#cc79a7", grey="#c3c9d0", dark="#6b7580", band="#cfe3f2", sure="#a9cde6",
)
DARK = dict(
    paper="#10151b", panel="#171e26", ink="#e8edf2", soft="#9eabb8", rule="#2b3540", blue="#3d9be0",
    sky="#8fd0f5", green="#2dbd92", yellow="#f0e442", orange="#f0b030", red="#f07a2d",
    purple="#dd92bb", grey="#55606b", dark="#8d98a4", band="#1c3547", sure="#274d68",
)
# Properties that have no colour, then those that have.
SHAPES = """
text{font:11.5px system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
text.y{text-anchor:end}text.x,.mark text{text-anchor:middle}text.head{font-size:13px;font-weight:600}
.grid{stroke-width:1;shape-rendering:crispEdges}.settle{fill-opacity:.13}
.shapes path{vector-effect:non-scaling-stroke;stroke-linejoin:round}
.mark line{stroke-width:1;stroke-dasharray:3 3}.mark rect{fill-opacity:.06}
.error{stroke-width:1.2}.outside{stroke-width:1.5}.unclaimed{stroke-width:2}.bars{stroke-width:1}
.curve{fill:none;stroke-width:2}.curve.free{stroke-dasharray:7 4}
.curve.reference{stroke-width:1.6;stroke-dasharray:2 4}
"""
COLOURS = {
    "fill": {
        ".paper": "paper", ".field": "panel", "text": "soft", "text.head,text.row,.mark text": "ink",
        ".settle": "soft", ".mark rect": "ink", ".bound": "band", ".bound.sure": "sure",
        ".error": "blue", ".outside": "red", ".unclaimed": "purple", ".bars": "sky",
        ".point.served": "blue", ".point.free": "orange", ".point.reference": "ink",
        ".t-reading": "dark", ".t-quantization": "grey", ".t-serial": "purple",
        ".t-declared": "orange", ".t-sawtooth": "yellow", ".t-path": "sky", ".t-server": "green",
        ".t-noise": "blue", ".t-lag": "red", ".t-local": "ink", ".c-grey": "grey",
        ".c-dark": "dark", ".c-red": "red", ".c-blue": "blue", ".c-purple": "purple",
        ".c-orange": "orange", ".c-yellow": "yellow", ".c-sky": "sky", ".c-green": "green",
    },
    "stroke": {
        ".grid": "rule", ".grid.zero": "soft", ".mark line": "ink", ".error": "blue",
        ".outside": "red", ".unclaimed": "purple", ".bars": "blue", ".curve.served": "blue",
        ".curve.free": "orange", ".curve.reference": "ink",
    },
}


def style(palette):
    rules = []
    for what, of in COLOURS.items():
        rules += [f"{selector}{{{what}:{palette[name]}}}" for selector, name in of.items()]
    return "".join(rules)


def scenario(name, changes, folder):
    text = (ROOT / "config" / "scenarios" / f"{name}.toml").read_text()
    # What must come out is said of the whole day.
    text = text.split("[expect]")[0] if changes else text
    for old, new in changes.items():
        if old not in text:
            sys.exit(f"{name}.toml has no {old!r} any more")
        text = text.replace(old, new)
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def page(maser, name, changes):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        report = folder / "report.html"
        file = scenario(name, changes, folder)
        command = [maser, "sim", file, "--seeds", "1", "--jobs", "1", "--report", report]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return report.read_text()


def drawing(text, kind):
    """One drawing of a page, without its own frame: (inner SVG, height, legend)."""
    start = text.index(f'<svg role="img" aria-labelledby="s1-{kind}-t')
    end = text.index("</svg></div>", start)
    opening, inner = re.match(r"(<svg[^>]*>)(.*)", text[start:end], re.S).groups()
    after = text[end : text.index("</figure>", end)]
    legend = re.findall(
        r'<li>(<svg class="swatch".*?</svg>)(.*?)</li>', after.split('<ul class="legend">')[1]
    )
    inner = re.sub(r' id="[^"]*"', "", inner).replace("\n", "")
    return inner, int(re.search(r'height="(\d+)"', opening)[1]), legend


def number(value):
    return f"{value:.1f}".rstrip("0").rstrip(".")


def thinned(kind, path, columns, window):
    """A path of one point a column, with fewer columns."""
    first, last = window
    width = (last - first) / columns
    out = []
    for part in re.findall(r"M([^MZ]*)(Z?)", path):
        points = [tuple(map(float, p.split(","))) for p in part[0].split()]
        half = len(points) // 2 if part[1] else len(points)
        edges = [points[:half], points[:half - 1:-1] if part[1] else []]
        # The narrowest of the sure bound, the widest of all else, the mean of what is stacked.
        narrow, mean = kind == "bound sure", kind.startswith("term")
        picks = (max, min) if narrow else (min, max)
        if mean:
            picks = (lambda ys: sum(ys) / len(ys),) * 2
        lines = []
        for edge, pick in zip(edges, picks):
            bins = {}
            for x, y in edge:
                if first <= x <= last:
                    bins.setdefault(min(int((x - first) / width), columns - 1), []).append((x, y))
            line = []
            for group in bins.values():
                x = sum(x for x, _ in group) / len(group)
                line.append(f"{number(x)},{number(pick([y for _, y in group]))}")
            lines.append(line)
        if lines[0]:
            out.append("M" + " ".join(lines[0] + lines[1][::-1]) + part[1])
    return "".join(out)


def percent(value):
    return float(value.rstrip("%"))


def cropped(inner, shown):
    """Only a span of the time axis, with ticks of its own."""
    first, last, whole = shown
    left, right = 100 * first / whole, 100 * last / whole
    place = lambda p: (p - left) / (right - left) * 100
    inner = re.sub(r'<line class="grid[^"]*" y2="100%" x1[^>]*/><text class="x[^>]*>[^<]*</text>', "", inner)
    settle = re.search(r'<rect class="settle" width="([\d.]+)%" height="100%"/>', inner)
    if settle:
        end = min(max(place(percent(settle[1])), 0), 100)
        new = f'<rect class="settle" width="{end:.2f}%" height="100%"/>' if end > 0 else ""
        inner = inner.replace(settle[0], new)
    inner = re.sub(
        r'((?:x1|x2|x)=")([\d.]+)%"(?=[^<]*(?:y2="100%"|y="-4"))',
        lambda m: f'{m[1]}{place(percent(m[2])):.2f}%"', inner,
    )
    box = f"{first * 1000 / whole:g} 0 {(last - first) * 1000 / whole:g} 1000"
    inner = inner.replace('viewBox="0 0 1000 1000"', f'viewBox="{box}"')
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100) if (last - first) / s <= 9)
    ticks = ""
    for second in range(math.ceil(first / step) * step, last + 1, step):
        x = place(100 * second / whole)
        ticks += f'<line class="grid" y2="100%" x1="{x:.2f}%" x2="{x:.2f}%"/>'
        ticks += f'<text class="x" x="{x:.2f}%" y="100%" dy="1.45em">{second} s</text>'
    return inner.replace('<svg class="shapes"', ticks + '<svg class="shapes"', 1)


def spaced(inner):
    """Labels of a narrow drawing that would touch are left out; that of zero stays."""
    labels = re.findall(r'<text class="x[^>]*>[^<]*</text>', inner)
    for label in labels[1:-1] if len(labels) > 3 else []:
        if not label.endswith(">0</text>"):
            inner = inner.replace(label, "")
    return inner


def panel(text, kind, at, size, shown):
    inner, height, legend = drawing(text, kind)
    window = (0, 1000)
    if shown:
        inner = cropped(inner, shown)
        window = (shown[0] * 1000 / shown[2], shown[1] * 1000 / shown[2])
    if kind not in ("histogram", "allan", "verdicts"):
        inner = re.sub(
            r'<path class="([^"]*)" d="([^"]*)"/>',
            lambda m: f'<path class="{m[1]}" d="{thinned(m[1], m[2], COLUMNS, window)}"/>', inner,
        )
    inner = re.sub(r'<path class="[^"]*" d=""/>', "", inner)
    if kind == "histogram":
        inner = spaced(inner)
    title = html.unescape(re.search(r"<title>(.*?)</title>", inner)[1])
    (x, y), (w, h) = at, size
    h = h or height
    head = f'<text class="head" x="{x}" y="{y - 32}">{html.escape(title)}</text>'
    drawn = f'<svg x="{x}" y="{y}" width="{w}" height="{h}" overflow="visible">{inner}</svg>'
    return head + drawn, h, legend


def entries(legend, y):
    """Swatches and words in rows."""
    out, x, known = "", LEFT, set()
    for swatch, words in legend:
        words = html.unescape(words)
        if words in known:
            continue
        known.add(words)
        width = 30 + 6.1 * len(words)
        if x + width > WIDTH - 10 and x > LEFT:
            x, y = LEFT, y + 18
        out += swatch.replace("<svg ", f'<svg x="{x:.0f}" y="{y - 10}" ').replace(' aria-hidden="true"', "")
        out += f'<text x="{x + 28:.0f}" y="{y}">{html.escape(words)}</text>'
        x += width + 14
    return out, y


def figure(maser, name):
    source, left, right, below, changes, shown = FIGURES[name]
    text = page(maser, source, changes)
    y, legend, body = 52, [], ""
    wide = WIDE if right else FULL
    drawn, height, words = panel(text, left, (LEFT, y), (wide, HEIGHT), shown)
    body, legend = body + drawn, legend + words
    if right:
        at = (WIDTH - 18 - NARROW, y)
        drawn, _, words = panel(text, right, at, (NARROW, HEIGHT), None)
        body, legend = body + drawn, legend + words
    y += height
    if below:
        y += 76
        size = (FULL, 110 if below == "ledger" else None)
        drawn, height, words = panel(text, below, (LEFT, y), size, shown)
        body, legend = body + drawn, legend + words
        y += height
    words, y = entries(legend, y + 46)
    height = y + 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img"><title>{source}, seed 1</title>'
        f"<style>{SHAPES.strip()}{style(LIGHT)}"
        f"@media(prefers-color-scheme:dark){{{style(DARK)}}}</style>"
        f'<rect class="paper" width="100%" height="100%" rx="8"/>{body}{words}</svg>\n'
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--maser", default="maser", help="the program")
    parser.add_argument("names", nargs="*", help="figures; all unless named")
    arguments = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    for name in arguments.names or FIGURES:
        if name not in FIGURES:
            sys.exit(f"no figure {name}; there are {', '.join(FIGURES)}")
        drawn = figure(arguments.maser, name)
        (OUT / f"{name}.svg").write_text(drawn)
        print(f"{name}.svg: {len(drawn.encode()) / 1024:.0f} kB")


if __name__ == "__main__":
    main()
