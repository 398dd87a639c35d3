//! What an origin's answer tells the room: end this visit, and how much is left.

use http::HeaderMap;

use super::headers::{COMMAND, STOCK, list};

/// Most elements read from either header.
const ELEMENTS_MAX: usize = 16;

/// What the origin asks for about the visit whose request it answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// The visit is over (order done): next fan in.
    pub release: bool,
}

/// What is left to sell, as the origin counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    /// Free to take now.
    pub free: u64,
    /// Held by someone who has not paid yet, and may come back.
    pub held: u64,
}

impl Stock {
    /// Nothing is left and nothing can come back.
    pub fn is_sold_out(&self) -> bool {
        self.free == 0 && self.held == 0
    }
}

/// Reads `Tidegate-Command`, a list; unknown commands are left to later versions.
pub fn commands(headers: &HeaderMap) -> Commands {
    let release = list(headers, &COMMAND)
        .take(ELEMENTS_MAX)
        .any(|command| command.eq_ignore_ascii_case("release"));
    Commands { release }
}

/// Reads `Tidegate-Stock: free=N, held=M`. Both figures must be there, once, as plain numbers: half a report must not
/// declare a room sold out. Unknown figures are left to later versions.
pub fn stock(headers: &HeaderMap) -> Option<Stock> {
    let (mut free, mut held) = (None, None);
    for element in list(headers, &STOCK).take(ELEMENTS_MAX) {
        let (name, value) = element.split_once('=')?;
        let slot = match name.trim() {
            "free" => &mut free,
            "held" => &mut held,
            _ => continue,
        };
        let value = value.trim();
        if slot.is_some() || !value.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *slot = Some(value.parse::<u64>().ok()?);
    }
    Some(Stock {
        free: free?,
        held: held?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn map(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| (name.clone(), line.parse().expect("value")))
            .collect()
    }

    #[test]
    fn release_among_others() {
        for (lines, release) in [
            (&["release"][..], true),
            (&["Release"], true),
            (&["future-thing, release"], true),
            (&["future-thing", "release"], true),
            (&["released"], false),
            (&[""], false),
            (&[], false),
        ] {
            assert_eq!(commands(&map(&COMMAND, lines)).release, release, "{lines:?}");
        }
    }

    #[test]
    fn whole_reports_only() {
        let read = |lines: &[&str]| stock(&map(&STOCK, lines)).map(|s| (s.free, s.held));
        assert_eq!(read(&["free=12, held=3"]), Some((12, 3)));
        assert_eq!(read(&["held = 3 ,free=0"]), Some((0, 3)));
        assert_eq!(read(&["free=1", "held=2"]), Some((1, 2)));
        assert_eq!(read(&["free=1, held=2, sold=9"]), Some((1, 2)));
        for bad in [
            "",
            "free=0",
            "held=0",
            "free=0, held=",
            "free=-1, held=0",
            "free=+1, held=0",
            "free=0, free=0, held=0",
            "free, held",
            "free=99999999999999999999, held=0",
        ] {
            assert_eq!(read(&[bad]), None, "{bad}");
        }
        assert!(Stock { free: 0, held: 0 }.is_sold_out() && !Stock { free: 0, held: 1 }.is_sold_out());
    }
}
