//! A JSON document, walked with the place of each value at hand. Knows nothing of what the values mean.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::mistakes::Mistakes;

/// Longest piece of somebody's text that is given back in a mistake, in characters.
const ECHO_MAX: usize = 40;

/// What a text may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    /// In characters.
    pub(super) len_max: usize,
    /// Whether it may have several lines.
    pub(super) lines: bool,
    /// Whether it may be empty.
    pub(super) empty: bool,
}

impl Text {
    /// One line of this many characters.
    pub(super) const fn line(len_max: usize) -> Self {
        Self {
            len_max,
            lines: false,
            empty: false,
        }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    value: &'a Value,
    pub(super) place: String,
}

/// The fields of an object and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Object<'a> {
    fields: &'a Map<String, Value>,
    pub(super) place: String,
}

impl<'a> Part<'a> {
    /// The whole document.
    pub(super) fn root(value: &'a Value) -> Self {
        Self {
            value,
            place: String::new(),
        }
    }

    /// Its fields, each of which must be one of these.
    pub(super) fn object(&self, known: &[&str], mistakes: &mut Mistakes) -> Option<Object<'a>> {
        let Value::Object(fields) = self.value else {
            mistakes.add(&self.place, "must be an object");
            return None;
        };
        let object = Object {
            fields,
            place: self.place.clone(),
        };
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            let why = format!("is not known here; known are {}", known.join(", "));
            mistakes.add(object.place_of(&echo(name)), why);
        }
        Some(object)
    }

    /// A text, without the blanks around it.
    pub(super) fn text(&self, bound: Text, mistakes: &mut Mistakes) -> Option<String> {
        let Value::String(text) = self.value else {
            mistakes.add(&self.place, "must be text");
            return None;
        };
        let text = text.trim();
        let control = |c: char| c.is_control() && !(bound.lines && c == '\n');
        let why = if text.is_empty() && !bound.empty {
            "must not be empty".to_owned()
        } else if text.chars().count() > bound.len_max {
            format!("must be at most {} characters long", bound.len_max)
        } else if text.contains(control) {
            "must not have control characters in it".to_owned()
        } else {
            return Some(text.to_owned());
        };
        mistakes.add(&self.place, why);
        None
    }

    /// A text that is read as something; `must` says what.
    pub(super) fn parsed<T>(
        &self,
        mistakes: &mut Mistakes,
        must: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.value.as_str();
        let parsed = text.and_then(parse);
        if parsed.is_none() {
            let why = match text {
                Some(text) => format!("{:?} {must}", echo(text)),
                None => must.to_owned(),
            };
            mistakes.add(&self.place, why);
        }
        parsed
    }

    /// A whole number.
    pub(super) fn whole(&self, range: RangeInclusive<i64>, mistakes: &mut Mistakes) -> Option<i64> {
        let number = self.value.as_i64().filter(|number| range.contains(number));
        if number.is_none() {
            let why = format!("must be a whole number from {} to {}", range.start(), range.end());
            mistakes.add(&self.place, why);
        }
        number
    }

    /// Yes or no.
    pub(super) fn flag(&self, mistakes: &mut Mistakes) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            mistakes.add(&self.place, "must be true or false");
        }
        flag
    }

    /// The text, if it is one; no mistake if not.
    pub(super) fn as_text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    /// A text among its fields, if there is one; no mistake if not.
    pub(super) fn text_at(&self, name: &str) -> Option<&'a str> {
        self.value.get(name)?.as_str()
    }

    /// What is in a list of at most so many.
    pub(super) fn items(&self, most: usize, mistakes: &mut Mistakes) -> Option<Vec<Part<'a>>> {
        let Value::Array(items) = self.value else {
            mistakes.add(&self.place, "must be a list");
            return None;
        };
        if items.len() > most {
            let why = format!("must have at most {most} items, and has {}", items.len());
            mistakes.add(&self.place, why);
            return None;
        }
        let item = |(at, value)| Part {
            value,
            place: format!("{}[{at}]", self.place),
        };
        Some(items.iter().enumerate().map(item).collect())
    }
}

impl<'a> Object<'a> {
    /// Where a field of it stands.
    pub(super) fn place_of(&self, name: &str) -> String {
        if self.place.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.place)
        }
    }

    /// A field, if it is there; `null` counts as absent.
    pub(super) fn optional(&self, name: &str) -> Option<Part<'a>> {
        let value = self.fields.get(name).filter(|value| !value.is_null())?;
        Some(Part {
            value,
            place: self.place_of(name),
        })
    }

    /// A field that must be there.
    pub(super) fn need(&self, name: &str, mistakes: &mut Mistakes) -> Option<Part<'a>> {
        let part = self.optional(name);
        if part.is_none() {
            mistakes.add(self.place_of(name), "is missing");
        }
        part
    }

    /// A text that must be there.
    pub(super) fn text(&self, name: &str, bound: Text, mistakes: &mut Mistakes) -> Option<String> {
        self.need(name, mistakes)?.text(bound, mistakes)
    }

    /// A whole number that must be there.
    pub(super) fn whole(
        &self,
        name: &str,
        range: RangeInclusive<i64>,
        mistakes: &mut Mistakes,
    ) -> Option<i64> {
        self.need(name, mistakes)?.whole(range, mistakes)
    }
}

fn echo(text: &str) -> String {
    text.chars().take(ECHO_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_mistake_has_its_place() {
        let document = json!({"a": [{"b": 1, "typo": 2}, 7], "c": "x\u{0}y", "d": 1.5, "e": null});
        let mut mistakes = Mistakes::default();
        let root = Part::root(&document)
            .object(&["a", "c", "d", "e"], &mut mistakes)
            .expect("an object");
        for item in root
            .need("a", &mut mistakes)
            .and_then(|a| a.items(2, &mut mistakes))
            .expect("a list")
        {
            if let Some(item) = item.object(&["b"], &mut mistakes) {
                item.text("b", Text::line(3), &mut mistakes);
            }
        }
        root.text("c", Text::line(3), &mut mistakes);
        root.whole("d", 1..=2, &mut mistakes);
        root.need("e", &mut mistakes);
        root.need("a", &mut mistakes).map(|a| a.items(1, &mut mistakes));
        let told: Vec<String> = mistakes.list().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "a[0].typo: is not known here; known are b",
                "a[0].b: must be text",
                "a[1]: must be an object",
                "c: must not have control characters in it",
                "d: must be a whole number from 1 to 2",
                "e: is missing",
                "a: must have at most 1 items, and has 2",
            ]
        );
    }

    #[test]
    fn a_text_is_counted_in_characters_and_kept_as_it_is() {
        let mut mistakes = Mistakes::default();
        let mut read = |text: &str, bound| Part::root(&json!(text)).text(bound, &mut mistakes);
        assert_eq!(read("  <b>ää'--  ", Text::line(8)).as_deref(), Some("<b>ää'--"));
        assert_eq!(read("äää", Text::line(2)), None);
        assert_eq!(read(" ", Text::line(2)), None);
        assert_eq!(read("a\nb", Text::line(9)), None);
        let lines = Text {
            lines: true,
            ..Text::line(9)
        };
        assert_eq!(read("a\nb", lines).as_deref(), Some("a\nb"));
        assert_eq!(mistakes.list().len(), 3);
    }
}
