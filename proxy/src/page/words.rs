//! The message file, an operator's texts over it, and what is said in words: counts, waits, what is left.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use memchr::memchr;
use tidegate_config::Page;

use super::escape;
use super::lang::Lang;
use super::theme::ThemeError;

/// Between parts of a line; a break may come after it, not before.
const SEPARATOR: &str = "\u{a0}· ";

const MESSAGES: &str = include_str!("../../page/messages.toml");

/// Keys only the server renders; the rest goes along for the script.
const SERVER_ONLY: [&str; 13] = [
    "enter_button",
    "here_button",
    "leave",
    "leave_no",
    "leave_text",
    "leave_yes",
    "no_script",
    "number_label",
    "rejoin",
    "safe",
    "turn_confirm",
    "turn_enter",
    "wait_label",
];

type Texts = BTreeMap<String, String>;

/// One language's texts, with the room's own in place.
pub(super) struct Words {
    pub(super) lang: Lang,
    plain: Texts,
    /// Escaped. Looked up a dozen times a page.
    html: HashMap<String, String, RandomState>,
}

/// What is wrong with a room's own texts.
pub(super) fn text_faults(page: &Page) -> Vec<ThemeError> {
    let english = file().remove(Lang::En.tag()).unwrap_or_default();
    faults(page, &english).collect()
}

fn faults(page: &Page, english: &Texts) -> impl Iterator<Item = ThemeError> {
    page.texts.iter().flat_map(|(tag, texts)| {
        let known = Lang::ALL.iter().any(|lang| lang.tag() == tag);
        let of_language = (!known).then(|| ThemeError::UnknownLanguage { tag: tag.clone() });
        let of_texts = texts
            .iter()
            .filter_map(|(key, text)| text_fault(english, tag, key, text));
        of_language.into_iter().chain(of_texts)
    })
}

fn text_fault(english: &Texts, tag: &str, key: &str, text: &str) -> Option<ThemeError> {
    let (tag, key) = (tag.to_owned(), key.to_owned());
    let Some(built_in) = english.get(&key) else {
        let known = english.keys().cloned().collect::<Vec<_>>().join(", ");
        return Some(ThemeError::UnknownText { tag, key, known });
    };
    let allowed = placeholders(built_in);
    let name = placeholders(text)
        .into_iter()
        .find(|name| !allowed.contains(name))?;
    Some(ThemeError::TextPlaceholder {
        tag,
        key,
        name: name.to_owned(),
        allowed: listed(&allowed),
    })
}

impl Words {
    /// The words of `lang` under a room's configuration. A text in `texts` beats `title`, which beats the file.
    pub(super) fn load(page: &Page, lang: Lang) -> Result<Self, ThemeError> {
        let mut file = file();
        let english = file.get(Lang::En.tag()).cloned().unwrap_or_default();
        let mut plain = file.remove(lang.tag()).unwrap_or_default();
        if let Some(title) = &page.title {
            plain.insert("title".to_owned(), title.clone());
        }
        if let Some(fault) = faults(page, &english).next() {
            return Err(fault);
        }
        plain.extend(page.texts.get(lang.tag()).cloned().unwrap_or_default());
        let html = plain
            .iter()
            .map(|(key, text)| (key.clone(), escape::html(text)))
            .collect();
        Ok(Self { lang, plain, html })
    }

    /// A text, escaped. Keys come from this crate or were checked at load; one that is missing shows as nothing.
    pub(super) fn html(&self, key: &str) -> &str {
        self.html.get(key).map_or("", String::as_str)
    }

    /// Whether there is such a text.
    pub(super) fn has(&self, key: &str) -> bool {
        self.html.contains_key(key)
    }

    /// What the script says, as JSON fit for a script element.
    pub(super) fn for_script(&self) -> String {
        let sent: serde_json::Map<_, _> = self
            .plain
            .iter()
            .filter(|(key, _)| !SERVER_ONLY.contains(&key.as_str()))
            .map(|(key, text)| (key.clone(), text.clone().into()))
            .collect();
        escape::json_in_script(&serde_json::Value::Object(sent).to_string())
    }

    /// Appends a text with its placeholders filled in; the values must be escaped already.
    pub(super) fn say(&self, key: &str, values: &[(&str, &str)], out: &mut String) {
        let mut rest = self.html(key);
        while let Some(open) = memchr(b'{', rest.as_bytes()) {
            out.push_str(&rest[..open]);
            rest = &rest[open..];
            let filled = memchr(b'}', rest.as_bytes()).and_then(|close| {
                values
                    .iter()
                    .find(|(name, _)| *name == &rest[1..close])
                    .map(|(_, value)| (close, *value))
            });
            match filled {
                Some((close, value)) => {
                    out.push_str(value);
                    rest = &rest[close + 1..];
                }
                None => {
                    out.push('{');
                    rest = &rest[1..];
                }
            }
        }
        out.push_str(rest);
    }

    /// Appends the text for `n` of something.
    pub(super) fn count(&self, key: &str, n: u64, out: &mut String) {
        let key = format!("{key}_{}", self.lang.plural(n));
        self.say(&key, &[("n", &self.number(n))], out);
    }

    /// `n` as this language writes it.
    pub(super) fn number(&self, n: u64) -> String {
        let mut out = String::with_capacity(16);
        self.lang.number_into(n, &mut out);
        out
    }

    /// Appends a wait, rounded outward so that what it says holds whenever the range does. `page.js` says the same.
    pub(super) fn wait(&self, range_s: Option<(u32, u32)>, out: &mut String) {
        let Some((lo, hi)) = range_s else {
            return out.push_str(self.html("wait_unknown"));
        };
        if hi < 60 {
            return out.push_str(self.html("wait_moment"));
        }
        let (unit, step, key) = match hi {
            ..=1_800 => (60, 1, "wait_minutes"),
            1_801..=7_200 => (60, 5, "wait_minutes"),
            _ => (3_600, 1, "wait_hours"),
        };
        let from = u64::from(lo / unit / step * step);
        let to = u64::from(hi.div_ceil(unit).div_ceil(step) * step);
        if from == 0 {
            self.count(&format!("{key}_upto"), to, out);
        } else if from < to {
            let range = [("lo", &*self.number(from)), ("hi", &*self.number(to))];
            self.say(&format!("{key}_range"), &range, out);
        } else {
            self.count(key, to, out);
        }
    }

    /// Appends what is left. Nothing free with some held is said as it is, and that returns may come.
    pub(super) fn stock(&self, free: u64, held: u64, out: &mut String) {
        match (free, held) {
            (0, 0) => return,
            (0, _) => out.push_str(self.html("stock_none")),
            _ => self.count("stock_left", free, out),
        }
        if held > 0 {
            out.push_str(SEPARATOR);
            self.count("stock_held", held, out);
            out.push_str(SEPARATOR);
            out.push_str(self.html("stock_returns"));
        }
    }
}

fn file() -> BTreeMap<String, Texts> {
    toml::from_str(MESSAGES).expect("the compiled-in message file is read by this module's tests")
}

/// The `{name}`s of a text, in order.
fn placeholders(text: &str) -> Vec<&str> {
    text.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
        .collect()
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        return "no placeholders".to_owned();
    }
    names
        .iter()
        .map(|name| format!("{{{name}}}"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tidegate_config::Page;

    use super::{Lang, SERVER_ONLY, Words, file, placeholders};

    fn words(lang: Lang) -> Words {
        Words::load(&Page::default(), lang).expect("built-in words")
    }

    #[test]
    fn every_language_has_every_text_with_the_same_placeholders() {
        let file = file();
        let tags: BTreeSet<_> = file.keys().map(String::as_str).collect();
        assert_eq!(tags, Lang::ALL.iter().map(|lang| lang.tag()).collect());
        let english = &file["en"];
        for (tag, texts) in &file {
            assert_eq!(
                english.keys().collect::<Vec<_>>(),
                texts.keys().collect::<Vec<_>>(),
                "{tag}"
            );
            for (key, text) in texts {
                assert!(!text.trim().is_empty(), "{tag}.{key}");
                let sorted = |text| placeholders(text).into_iter().collect::<BTreeSet<_>>();
                assert_eq!(sorted(&english[key]), sorted(text), "{tag}.{key}");
                assert!(!text.contains(". ."), "{tag}.{key}");
            }
        }
        assert!(SERVER_ONLY.iter().all(|key| english.contains_key(*key)));
    }

    #[test]
    fn a_wait_is_rounded_outward() {
        let said = |lang, range| {
            let mut out = String::new();
            words(lang).wait(range, &mut out);
            out
        };
        let cases = [
            (None, "working it out"),
            (Some((0, 12)), "less than a minute"),
            (Some((20, 60)), "up to 1 minute"),
            (Some((20, 61)), "up to 2 minutes"),
            (Some((60, 60)), "about 1 minute"),
            (Some((95, 160)), "about 1 to 3 minutes"),
            (Some((240, 420)), "about 4 to 7 minutes"),
            (Some((1_100, 1_900)), "about 15 to 35 minutes"),
            (Some((200, 1_900)), "up to 35 minutes"),
            (Some((3_000, 9_000)), "up to 3 hours"),
            (Some((3_600, 9_000)), "about 1 to 3 hours"),
            (Some((7_200, 7_201)), "about 2 to 3 hours"),
            (Some((u32::MAX, u32::MAX)), "about 1,193,046 to 1,193,047 hours"),
        ];
        for (range, text) in cases {
            assert_eq!(said(Lang::En, range), text, "{range:?}");
        }
        assert_eq!(said(Lang::De, Some((240, 420))), "etwa 4 bis 7 Minuten");
        assert_eq!(said(Lang::Ja, Some((240, 420))), "約4～7分");
    }

    #[test]
    fn stock_says_what_is_left() {
        let said = |free, held| {
            let mut out = String::new();
            words(Lang::En).stock(free, held, &mut out);
            out
        };
        assert_eq!(said(0, 0), "");
        assert_eq!(said(12, 0), "12 left");
        assert_eq!(
            said(12, 40),
            "12 left\u{a0}· 40 held by others\u{a0}· Returns may still come"
        );
        assert_eq!(
            said(0, 3),
            "None free right now\u{a0}· 3 held by others\u{a0}· Returns may still come"
        );
    }

    #[test]
    fn filled_in_values_are_not_read_again() {
        let mut out = String::new();
        words(Lang::En).say("doc_ahead", &[("n", "{title}"), ("title", "{n}")], &mut out);
        assert_eq!(out, "{title} ahead · {n}");
    }
}
