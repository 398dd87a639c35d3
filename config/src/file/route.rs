//! `[[route]]`.

use toml::de::DeValue;

use super::section::Section;
use super::spot::Spot;
use super::values::{flag, one_of, parsed, text};
use super::{pattern, words};
use crate::problems::Wrong;
use crate::{Auth, Guard, Route, limits};

/// One `[[route]]` as it stands in the file.
pub(crate) struct RouteInFile {
    /// The route. Its guard is free wherever `room` names no well-formed room.
    pub(crate) route: Route,
    pub(crate) line: usize,
    pub(crate) path: String,
    /// The name of its upstream.
    pub(crate) upstream: Spot<String>,
    /// The name of its room.
    pub(crate) room: Spot<Option<String>>,
    /// Who it asks for.
    pub(crate) auth: Spot<Auth>,
    /// Where its pattern stands.
    pub(crate) pattern: Spot<String>,
    /// Whether everything about which requests it takes could be read.
    pub(crate) is_sound: bool,
}

/// Reads one `[[route]]`.
pub(crate) fn route(mut section: Section<'_>) -> RouteInFile {
    let before = section.problems();
    let pattern = section.need("path", String::new(), "\"/**\"", parsed(pattern::path));
    let hosts = conditions(&mut section, "hosts", "[\"shop.example.com\"]", words::host);
    let methods = conditions(&mut section, "methods", "[\"GET\", \"HEAD\"]", words::method);
    let headers = section.table("headers").map(headers).unwrap_or_default();
    let is_sound = section.problems() == before && pattern.is_sound();

    let upstream = section.need(
        "upstream",
        String::new(),
        "\"the name of an [[upstream]]\"",
        parsed(words::name),
    );
    let room = section.take_option("room", |value| text(value).map(str::to_owned));
    let free = section.take("free", false, flag);
    let choose = "write room = \"its id\" to guard it, or free = true to let everyone pass";
    match (room.is_written(), free.value) {
        (true, true) => {
            let wrong = Wrong::new("is guarded by a room and free at once", "remove room or free");
            section.problem_on(free.line, &free.key, wrong);
        }
        (false, false) if room.is_sound() && free.is_sound() => {
            section.problem(Wrong::new("is neither guarded nor free", choose));
        }
        _ => {}
    }
    let guard = match room.value.as_deref().map(str::parse) {
        Some(Ok(id)) => Guard::Room(id),
        _ => Guard::Free,
    };
    let auth_words = [("none", Auth::None), ("user", Auth::User)];
    let auth = section.take("auth", Auth::None, one_of(&auth_words));
    let route = Route {
        hosts,
        path: pattern.value.clone(),
        methods,
        headers,
        upstream: upstream.value.clone(),
        guard,
        auth: auth.value,
    };
    let (line, path) = (section.line, section.path.clone());
    section.finish();
    RouteInFile {
        route,
        line,
        path,
        upstream,
        room,
        auth,
        pattern,
        is_sound,
    }
}

fn conditions(
    section: &mut Section<'_>,
    key: &'static str,
    example: &str,
    read: impl Fn(&str) -> Result<String, Wrong>,
) -> Vec<String> {
    let list = section.list_not_empty(key, limits::CONDITIONS_MAX, example, |value| parsed(&read)(value));
    list.unwrap_or_default()
        .into_iter()
        .map(|spot| spot.value)
        .collect()
}

/// `headers = { x-early-access = "yes", x-partner = true }`: a value, or `true` for any.
fn headers(section: Section<'_>) -> Vec<(String, Option<String>)> {
    let mut headers: Vec<(String, Option<String>)> = Vec::new();
    for (line, key, value) in section.entries().take(limits::CONDITIONS_MAX) {
        let wanted = match value {
            DeValue::Boolean(true) => Ok(None),
            DeValue::String(text) => words::header_value(text).map(Some),
            _ => Err(Wrong::new(
                "is no header's value",
                "write a text, or true for any value",
            )),
        };
        let header = words::header_name(key).and_then(|name| {
            let again = headers.iter().any(|(known, _)| *known == name);
            let twice = || {
                Wrong::new(
                    format!("{name:?} is there twice"),
                    "write each header once, in lower case",
                )
            };
            if again { Err(twice()) } else { Ok((name, wanted?)) }
        });
        match header {
            Ok(header) => headers.push(header),
            Err(wrong) => section.problem_on(line, &section.path, wrong),
        }
    }
    section.bounded(limits::CONDITIONS_MAX);
    headers
}
