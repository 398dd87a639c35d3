//! Collects the problems of one text, and knows on which line a byte stands.

use std::cell::RefCell;
use std::ops::Range;

use crate::problems::{Problem, Problems, Wrong};

/// Problems shown at most; a file that is wrong from top to bottom is no configuration of ours.
const PROBLEMS_MAX: usize = 200;

/// What is wrong with one text, as far as it was read.
pub(crate) struct Report {
    line_starts: Vec<usize>,
    list: RefCell<Vec<Problem>>,
    /// Set when the text is no TOML throughout: what is missing then may only not have been understood.
    broken: bool,
    /// Lines of which the syntax is wrong, and about which nothing else is said.
    broken_lines: Vec<usize>,
    /// The first line from which sections may have been misread.
    misread_from: usize,
}

impl Report {
    /// Begins with the errors of the TOML parser.
    pub(crate) fn new(text: &str, syntax: &[toml::de::Error]) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let mut report = Self {
            line_starts: std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect(),
            list: RefCell::default(),
            broken: !syntax.is_empty(),
            broken_lines: Vec::new(),
            misread_from: usize::MAX,
        };
        for error in syntax {
            let message = error.message();
            let line = error.span().map_or(1, |span| report.line(&span));
            if !report.broken_lines.contains(&line) {
                report.problem(
                    line,
                    "",
                    Wrong::new(format!("not TOML: {message}"), syntax_remedy(message)),
                );
            }
            report.broken_lines.push(line);
            if !concerns_one_value(message) {
                report.misread_from = report.misread_from.min(line);
            }
        }
        report
    }

    /// The line on which a span begins, from 1.
    pub(crate) fn line(&self, span: &Range<usize>) -> usize {
        self.line_starts.partition_point(|start| *start <= span.start)
    }

    /// Notes a problem with something that stands in the file.
    pub(crate) fn add(&self, line: usize, key: &str, wrong: Wrong) {
        if !self.broken_lines.contains(&line) && line < self.misread_from {
            self.problem(line, key, wrong);
        }
    }

    /// Notes a problem with something that does not stand in the file, or that shows only in comparison.
    pub(crate) fn add_missing(&self, line: usize, key: &str, wrong: Wrong) {
        if !self.broken {
            self.problem(line, key, wrong);
        }
    }

    /// How many problems there are so far.
    pub(crate) fn count(&self) -> usize {
        self.list.borrow().len()
    }

    /// All problems in the order of their lines, or the value if there are none.
    pub(crate) fn finish<T>(self, source: &str, value: T) -> Result<T, Problems> {
        let mut list = self.list.into_inner();
        if list.is_empty() {
            return Ok(value);
        }
        list.sort_by_key(|problem| problem.line);
        if list.len() > PROBLEMS_MAX {
            let more = list.len() - PROBLEMS_MAX;
            list.truncate(PROBLEMS_MAX);
            list.push(Problem {
                line: None,
                key: String::new(),
                message: format!("and {more} more"),
                remedy: "put those above right first".to_owned(),
            });
        }
        Err(Problems {
            source: source.to_owned(),
            list,
        })
    }

    fn problem(&self, line: usize, key: &str, wrong: Wrong) {
        let Wrong { message, remedy } = wrong;
        self.list.borrow_mut().push(Problem {
            line: Some(line),
            key: key.to_owned(),
            message,
            remedy,
        });
    }
}

/// Whether the parser's complaint leaves everything around that value as it was meant.
fn concerns_one_value(message: &str) -> bool {
    [
        "string values must be quoted",
        "duplicate key",
        "invalid float",
        "invalid integer",
        "invalid basic string",
    ]
    .iter()
    .any(|known| message.starts_with(known))
}

/// What to write instead, from what the parser says. Its message is the only thing it offers to tell errors apart.
fn syntax_remedy(message: &str) -> &'static str {
    let remedies = [
        (
            "duplicate key",
            "write each key and each [section] once; remove one of the two",
        ),
        (
            "string values must be quoted",
            "put text, addresses and durations between double quotes: key = \"text\"",
        ),
        (
            "invalid basic string",
            "close the text with a double quote on the same line; write \\\\ for a backslash",
        ),
        (
            "invalid float",
            "put text, addresses and durations between double quotes: key = \"127.0.0.1:8080\"",
        ),
        ("invalid integer", "write a number in digits: 3000 (or 3_000)"),
        (
            "unclosed array table",
            "close the header with two brackets: [[room]]",
        ),
        ("unclosed table", "close the header with a bracket: [edge]"),
        ("unclosed array", "close the list: key = [\"one\", \"two\"]"),
        (
            "unclosed inline table",
            "close the braces: key = { name = \"value\" }",
        ),
        ("missing comma", "write a comma between the entries"),
        ("extra comma", "remove the comma"),
        ("leading zero", "write the number without the zero before it"),
        (
            "unquoted key",
            "write keys in a-z, 0-9, '_' and '-', or between double quotes",
        ),
        (
            "key with no value",
            "write key = value; a key's name has no spaces",
        ),
        (
            "missing value",
            "write a value behind the equals sign, or remove the key to get its default",
        ),
        ("recurs", "write it with fewer brackets inside brackets"),
    ];
    remedies.iter().find(|(said, _)| message.contains(said)).map_or(
        "write key = value lines below [section] headers, with text between double quotes",
        |(_, remedy)| remedy,
    )
}
