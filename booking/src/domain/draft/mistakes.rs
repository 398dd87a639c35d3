//! What is wrong in a document, each with its place.

use std::fmt;

/// Most mistakes told at once. Who has made more mends these first; a file of nothing else must not come back larger.
const MISTAKES_MAX: usize = 100;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mistake {
    /// Where it stands, such as `events[3].prices`; empty for the whole document.
    pub place: String,
    /// What is wrong, and what it must be.
    pub why: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            write!(f, "The body {}", self.why)
        } else {
            write!(f, "{}: {}", self.place, self.why)
        }
    }
}

/// All that is wrong, in the order in which it was found, up to a bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    list: Vec<Mistake>,
    more: usize,
}

impl Mistakes {
    /// One mistake.
    pub fn one(place: impl Into<String>, why: impl Into<String>) -> Self {
        let mut mistakes = Self::default();
        mistakes.add(place, why);
        mistakes
    }

    /// One more.
    pub fn add(&mut self, place: impl Into<String>, why: impl Into<String>) {
        if self.list.len() < MISTAKES_MAX {
            self.list.push(Mistake {
                place: place.into(),
                why: why.into(),
            });
        } else {
            self.more += 1;
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Those that are told.
    pub fn list(&self) -> &[Mistake] {
        &self.list
    }

    /// How many were found beyond those.
    pub fn more(&self) -> usize {
        self.more
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.list.as_slice() {
            [] => Ok(()),
            [one] => write!(f, "{one}."),
            [first, ..] => write!(
                f,
                "{first}. Found {} mistakes in all.",
                self.list.len() + self.more
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_bounded_and_what_is_not_is_counted() {
        let mut mistakes = Mistakes::one("a", "must be text");
        assert_eq!(mistakes.to_string(), "a: must be text.");
        for _ in 0..MISTAKES_MAX {
            mistakes.add("", "is wrong");
        }
        assert_eq!((mistakes.list().len(), mistakes.more()), (MISTAKES_MAX, 1));
        assert_eq!(
            mistakes.to_string(),
            "a: must be text. Found 101 mistakes in all."
        );
        assert_eq!(
            Mistakes::one("", "is no object").to_string(),
            "The body is no object."
        );
    }
}
