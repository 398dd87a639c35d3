//! One table of the file: takes its keys one by one, each with its place, and at the end reports what nobody took.

use toml::de::{DeTable, DeValue};

use super::report::Report;
use super::spot::{Spot, State};
use super::values::kind;
use crate::problems::{Wrong, did_you_mean, quoted};

/// A table being read.
pub(crate) struct Section<'t> {
    report: &'t Report,
    table: &'t DeTable<'t>,
    /// The path of the table (`room[0].page`); empty for the whole file.
    pub(crate) path: String,
    /// The line of its header.
    pub(crate) line: usize,
    taken: Vec<&'static str>,
}

impl<'t> Section<'t> {
    /// A section over a table that stands at `line`.
    pub(crate) fn new(report: &'t Report, table: &'t DeTable<'t>, path: String, line: usize) -> Self {
        Self {
            report,
            table,
            path,
            line,
            taken: Vec::new(),
        }
    }

    /// Takes a key that has a default.
    pub(crate) fn take<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&DeValue<'t>) -> Result<T, Wrong>,
    ) -> Spot<T> {
        let spot = self.left_out(key, default);
        match self.claim(key) {
            None => spot,
            Some((line, value)) => match read(value) {
                Ok(value) => Spot {
                    value,
                    line,
                    state: State::Written,
                    ..spot
                },
                Err(wrong) => {
                    self.report.add(line, &spot.key, wrong);
                    Spot {
                        line,
                        state: State::Bad,
                        ..spot
                    }
                }
            },
        }
    }

    /// Takes a key that may be left out and has no default.
    pub(crate) fn take_option<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'t>) -> Result<T, Wrong>,
    ) -> Spot<Option<T>> {
        self.take(key, None, |value| read(value).map(Some))
    }

    /// Takes a key that must be there. `example` is what to write where it is missing, `stand_in` what to go on with.
    pub(crate) fn need<T>(
        &mut self,
        key: &'static str,
        stand_in: T,
        example: &str,
        read: impl FnOnce(&DeValue<'t>) -> Result<T, Wrong>,
    ) -> Spot<T> {
        let mut spot = self.take(key, stand_in, read);
        if spot.state == State::LeftOut {
            self.missing(key, example);
            spot.state = State::Bad;
        }
        spot
    }

    /// Takes a list, each entry with its own place; entries that are wrong are reported and left out. `None` where it
    /// was left out or is no list.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        entries_max: usize,
        example: &str,
        mut read: impl FnMut(&DeValue<'t>) -> Result<T, Wrong>,
    ) -> Option<Vec<Spot<T>>> {
        let (line, value) = self.claim(key)?;
        let path = self.path_of(key);
        let DeValue::Array(entries) = value else {
            let remedy = format!("write a list in brackets: {key} = {example}");
            self.report.add(
                line,
                &path,
                Wrong::new(format!("is {}, not a list", kind(value)), remedy),
            );
            return None;
        };
        if entries.len() > entries_max {
            let message = format!("has {} entries, more than {entries_max}", entries.len());
            self.report.add(
                line,
                &path,
                Wrong::new(message, format!("write at most {entries_max}")),
            );
        }
        let mut list = Vec::new();
        for (index, entry) in entries.iter().take(entries_max).enumerate() {
            let (line, key) = (self.report.line(&entry.span()), format!("{path}[{index}]"));
            match read(entry.get_ref()) {
                Ok(value) => list.push(Spot {
                    value,
                    line,
                    key,
                    state: State::Written,
                }),
                Err(wrong) => self.report.add(line, &key, wrong),
            }
        }
        Some(list)
    }

    /// As [`Section::list`], and reports a list without entries.
    pub(crate) fn list_not_empty<T>(
        &mut self,
        key: &'static str,
        entries_max: usize,
        example: &str,
        read: impl FnMut(&DeValue<'t>) -> Result<T, Wrong>,
    ) -> Option<Vec<Spot<T>>> {
        if let Some((line, DeValue::Array(entries))) = self.find(key)
            && entries.is_empty()
        {
            self.report.add(
                line,
                &self.path_of(key),
                Wrong::new("is empty", format!("write {key} = {example}")),
            );
        }
        self.list(key, entries_max, example, read)
    }

    /// The default of a key that was left out.
    pub(crate) fn left_out<T>(&self, key: &str, default: T) -> Spot<T> {
        Spot {
            value: default,
            line: self.line,
            key: self.path_of(key),
            state: State::LeftOut,
        }
    }

    /// Takes a table, such as `[edge]`.
    pub(crate) fn table(&mut self, key: &'static str) -> Option<Section<'t>> {
        let (line, value) = self.claim(key)?;
        let path = self.path_of(key);
        if let DeValue::Table(table) = value {
            return Some(Section::new(self.report, table, path, line));
        }
        let (message, remedy) = match value {
            DeValue::Array(_) => (
                format!("[[{key}]] stands here more than once"),
                format!("write [{key}], once"),
            ),
            other => (
                format!("is {}, not a section", kind(other)),
                format!("write [{path}] and its keys below it"),
            ),
        };
        self.report.add(line, &path, Wrong::new(message, remedy));
        None
    }

    /// Takes repeated tables, such as `[[room]]`.
    pub(crate) fn tables(&mut self, key: &'static str, entries_max: usize) -> Vec<Section<'t>> {
        let Some((line, value)) = self.claim(key) else {
            return Vec::new();
        };
        let path = self.path_of(key);
        let wrong = |message| {
            Wrong::new(
                message,
                format!("write [[{key}]], with two brackets, before each of them"),
            )
        };
        let DeValue::Array(entries) = value else {
            self.report.add(
                line,
                &path,
                wrong(format!("is {}, but there may be several", kind(value))),
            );
            return Vec::new();
        };
        if entries.len() > entries_max {
            let message = format!("there are {}, more than {entries_max}", entries.len());
            self.report.add(
                line,
                &path,
                Wrong::new(message, format!("write at most {entries_max}")),
            );
        }
        let mut sections = Vec::new();
        for (index, entry) in entries.iter().take(entries_max).enumerate() {
            let (line, path) = (self.report.line(&entry.span()), format!("{path}[{index}]"));
            match entry.get_ref() {
                DeValue::Table(table) => sections.push(Section::new(self.report, table, path, line)),
                other => self
                    .report
                    .add(line, &path, wrong(format!("is {}, not a section", kind(other)))),
            }
        }
        sections
    }

    /// Every key of a table whose keys are free, with the line and text of each key.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (usize, &'t str, &'t DeValue<'t>)> {
        self.table.iter().map(|(key, value)| {
            (
                self.report.line(&key.span()),
                key.get_ref().as_ref(),
                value.get_ref(),
            )
        })
    }

    /// A section over a table inside this one whose key is free.
    pub(crate) fn inner(&self, table: &'t DeTable<'t>, path: String, line: usize) -> Section<'t> {
        Section::new(self.report, table, path, line)
    }

    /// Whether the key stands in the file.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// How many problems there are so far, anywhere. What was read without raising it is sound.
    pub(crate) fn problems(&self) -> usize {
        self.report.count()
    }

    /// Notes a problem with this section as a whole, or with something it does not have.
    pub(crate) fn problem(&self, wrong: Wrong) {
        self.report.add_missing(self.line, &self.path, wrong);
    }

    /// Notes a problem on a line.
    pub(crate) fn problem_on(&self, line: usize, key: &str, wrong: Wrong) {
        self.report.add(line, key, wrong);
    }

    /// Notes a problem where the table's keys are free and there are too many of them.
    pub(crate) fn bounded(&self, entries_max: usize) {
        if self.table.len() > entries_max {
            let message = format!("has {} entries, more than {entries_max}", self.table.len());
            self.report.add(
                self.line,
                &self.path,
                Wrong::new(message, format!("write at most {entries_max}")),
            );
        }
    }

    /// Notes that a key is missing.
    pub(crate) fn missing(&self, key: &str, example: &str) {
        let message = format!("{key} is missing");
        self.report.add_missing(
            self.line,
            &self.path,
            Wrong::new(message, format!("write {key} = {example}")),
        );
    }

    /// Reports the keys that nobody took.
    pub(crate) fn finish(self) {
        for (line, key, value) in self.entries() {
            if self.taken.contains(&key) {
                continue;
            }
            let remedy = match did_you_mean(key, self.taken.iter().copied()) {
                Some(meant) => format!(
                    "write {}",
                    if self.path.is_empty() {
                        header(meant)
                    } else {
                        meant.to_owned()
                    }
                ),
                None => format!("remove it; known here: {}", self.taken.join(", ")),
            };
            let what = if matches!(value, DeValue::Table(_)) {
                "section"
            } else {
                "key"
            };
            let shown = quoted(key);
            let path = self.path_of(shown.trim_matches('"'));
            self.report
                .add(line, &path, Wrong::new(format!("unknown {what}"), remedy));
        }
    }

    /// The path of a key in this section.
    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn claim(&mut self, key: &'static str) -> Option<(usize, &'t DeValue<'t>)> {
        self.taken.push(key);
        self.find(key)
    }

    fn find(&self, key: &str) -> Option<(usize, &'t DeValue<'t>)> {
        let (_, value) = self
            .table
            .iter()
            .find(|(name, _)| name.get_ref().as_ref() == key)?;
        Some((self.report.line(&value.span()), value.get_ref()))
    }
}

/// How the header of a section of the file is written.
fn header(section: &str) -> String {
    match section {
        "upstream" | "room" | "route" => format!("[[{section}]]"),
        single => format!("[{single}]"),
    }
}
