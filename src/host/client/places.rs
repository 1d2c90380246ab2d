//! At which of its addresses a server is asked: one that works is kept, one that does not makes way
//! for the next, and after all of them for whatever the name means by then.

use std::net::SocketAddr;

use super::resolver::Found;

/// The addresses of a server.
#[derive(Debug, Default)]
pub(super) struct Places {
    list: Vec<SocketAddr>,
    at: usize,
    /// Requests without an answer since the last answer or move.
    silent: u32,
    /// The address in use has answered.
    works: bool,
}

/// What to do after a request without an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Next {
    /// Another address is in use.
    pub moved: bool,
    /// Ask for the addresses anew.
    pub resolve: bool,
}

impl Places {
    /// The address in use.
    pub fn current(&self) -> Option<SocketAddr> {
        self.list.get(self.at).copied()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// The name was resolved. Whether another address is in use now.
    pub fn found(&mut self, found: &Found) -> bool {
        let before = self.current();
        if found.addresses().is_empty() {
            return false;
        }
        self.list = found.addresses().to_vec();
        let kept = before.and_then(|before| self.list.iter().position(|a| *a == before));
        self.at = kept.unwrap_or(0);
        let moved = kept.is_none();
        if moved {
            self.silent = 0;
            self.works = false;
        }
        moved
    }

    /// The server answered.
    pub fn answered(&mut self) {
        self.silent = 0;
        self.works = true;
    }

    /// A request goes out, or could not (`unsent`); it counts as one without an answer until one
    /// comes.
    pub fn asked(&mut self, unsent: bool) {
        // What cannot even be sent need not be tried again soon.
        self.silent = if unsent && !self.works { SILENT_NEW } else { self.silent + 1 };
    }

    /// Before a request: whether those before it call for something else.
    pub fn next(&mut self) -> Next {
        let patience = if self.works { SILENT_KNOWN } else { SILENT_NEW };
        if self.silent < patience {
            return Next::default();
        }
        if self.count() < 2 {
            // Every eighth request: a name may mean something else by now.
            return Next { moved: false, resolve: self.silent.is_multiple_of(SILENT_KNOWN) };
        }
        self.at = (self.at + 1) % self.list.len();
        self.silent = 0;
        // A name is asked for again when a server that worked is lost, and after each round.
        let resolve = core::mem::take(&mut self.works) || self.at == 0;
        Next { moved: true, resolve }
    }
}

/// Requests in vain after which an address that never answered makes way.
const SILENT_NEW: u32 = 2;
/// The same for one that did: a whole reach register.
const SILENT_KNOWN: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, n], 123))
    }

    fn places(numbers: &[u8]) -> Places {
        let mut places = Places::default();
        let addresses: Vec<SocketAddr> = numbers.iter().map(|n| address(*n)).collect();
        assert!(places.found(&Found::of(&addresses)));
        places
    }

    /// Asks in vain so many times; the last octets that were asked, and how often the name was.
    fn in_vain(places: &mut Places, times: usize) -> (Vec<u8>, usize) {
        let mut resolved = 0;
        let asked = (0..times)
            .map(|_| {
                resolved += usize::from(places.next().resolve);
                places.asked(false);
                match places.current() {
                    Some(SocketAddr::V4(v4)) => v4.ip().octets()[3],
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        (asked, resolved)
    }

    #[test]
    fn one_that_never_answers_makes_way_soon_and_a_round_asks_for_the_name() {
        let mut places = places(&[1, 2, 3]);
        let (asked, resolved) = in_vain(&mut places, 8);
        assert_eq!((asked, resolved), (vec![1, 1, 2, 2, 3, 3, 1, 1], 1));
    }

    #[test]
    fn one_that_works_is_kept_until_eight_fail() {
        let mut places = places(&[1, 2]);
        in_vain(&mut places, 1);
        places.answered();
        let (asked, resolved) = in_vain(&mut places, 9);
        assert_eq!((asked, resolved), (vec![1, 1, 1, 1, 1, 1, 1, 1, 2], 1));
    }

    #[test]
    fn what_cannot_be_sent_makes_way_at_once() {
        let mut places = places(&[1, 2]);
        places.asked(true);
        assert!(places.next().moved);
        assert_eq!(places.current(), Some(address(2)));
    }

    #[test]
    fn a_single_address_stays_and_its_name_is_asked_for_now_and_then() {
        let mut places = places(&[1]);
        let (asked, resolved) = in_vain(&mut places, 25);
        assert!(asked.iter().all(|n| *n == 1));
        assert_eq!(resolved, 3);
    }

    #[test]
    fn a_new_meaning_of_the_name_keeps_the_address_if_it_may() {
        let mut places = places(&[1, 2]);
        assert!(!places.found(&Found::of(&[address(3), address(1)])));
        assert_eq!(places.current(), Some(address(1)));
        assert!(!places.found(&Found::of(&[])), "a name that is lost changes nothing");
        assert_eq!(places.current(), Some(address(1)));
        assert!(places.found(&Found::of(&[address(4)])));
        assert_eq!(places.current(), Some(address(4)));
    }
}
