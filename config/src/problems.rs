//! What is wrong with a configuration, said so that it can be put right without looking anything up.

use std::fmt;

/// One mistake: where it stands, what it is, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line in the file, from 1; `None` where the problem is the file itself, or a variable or flag.
    pub line: Option<usize>,
    /// The key, with its path (`room[0].active_max`, counted from 0); empty where no key is meant.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
}

/// Everything that is wrong with a configuration, in the order of its lines. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The file's name as it was given, or what else the configuration came from.
    pub source: String,
    /// The problems.
    pub list: Vec<Problem>,
}

/// What is wrong with a room's waiting page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageFault {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
}

impl Problems {
    /// A single problem that belongs to no line.
    pub(crate) fn of_source(source: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        let problem = Problem {
            line: None,
            key: String::new(),
            message: message.into(),
            remedy: remedy.into(),
        };
        Self {
            source: source.to_owned(),
            list: vec![problem],
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            f.write_str(&self.source)?;
            if let Some(line) = problem.line {
                write!(f, ":{line}")?;
            }
            if !problem.key.is_empty() {
                write!(f, ": {}", problem.key)?;
            }
            writeln!(f, ": {}", problem.message)?;
            writeln!(f, "    {}", problem.remedy)?;
        }
        match self.list.len() {
            1 => write!(f, "1 problem in {}", self.source),
            n => write!(f, "{n} problems in {}", self.source),
        }
    }
}

impl std::error::Error for Problems {}

/// What is wrong with a value, before it is known where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) remedy: String,
}

impl Wrong {
    pub(crate) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

/// Text from a file as it may be shown in a terminal: quoted, control characters escaped, cut short.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((cut, _)) => format!("{:?}...", &text[..cut]),
        None => format!("{text:?}"),
    }
}

/// The one of `known` that was probably meant by `written`.
pub(crate) fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // 0.8 takes a letter left out, doubled or swapped and a missing prefix or suffix, and no unrelated word.
    const LIKENESS_MIN: f64 = 0.8;
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&written.to_lowercase(), candidate),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_well_in_a_terminal() {
        let mut problems = Problems::of_source("tidegate.toml", "cannot be read", "check the path");
        problems.list.push(Problem {
            line: Some(12),
            key: "room[0].active_max".into(),
            message: "0 is too small".into(),
            remedy: "write a whole number of at least 1".into(),
        });
        let expected = "tidegate.toml: cannot be read\n    check the path\n\
                        tidegate.toml:12: room[0].active_max: 0 is too small\n    \
                        write a whole number of at least 1\n2 problems in tidegate.toml";
        assert_eq!(problems.to_string(), expected);
    }

    #[test]
    fn shows_text_without_its_control_characters() {
        assert_eq!(quoted("a\u{1b}[31m"), r#""a\u{1b}[31m""#);
        assert_eq!(quoted(&"é".repeat(100)).chars().count(), 65);
    }

    #[test]
    fn guesses_what_was_meant_and_otherwise_stays_silent() {
        let known = ["active_max", "admit_per_min", "id"];
        assert_eq!(did_you_mean("activ_max", known), Some("active_max"));
        assert_eq!(did_you_mean("admit_per_minute", known), Some("admit_per_min"));
        assert_eq!(did_you_mean("colour", known), None);
    }
}
