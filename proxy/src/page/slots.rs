//! What is filled in at request time. Everything here comes out escaped for an element and a quoted attribute.

use std::fmt::Write as _;

use tidegate_config::OnTurn;

use super::escape::html_into;
use super::view::{Face, View};
use super::words::Words;

/// A hole in the compiled document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    State,
    DocTitle,
    Status,
    Detail,
    Ahead,
    AheadRaw,
    AheadLabel,
    CountClass,
    Number,
    NumberRaw,
    Wait,
    Notice,
    Stock,
    OpensAt,
    HereHidden,
    Refresh,
    NoScript,
    Room,
    Prefix,
    ReturnTo,
}

impl Slot {
    /// Every slot under its name in templates.
    pub(super) const NAMES: [(&'static str, Self); 20] = [
        ("state", Self::State),
        ("doc_title", Self::DocTitle),
        ("status", Self::Status),
        ("detail", Self::Detail),
        ("ahead", Self::Ahead),
        ("ahead_raw", Self::AheadRaw),
        ("ahead_label", Self::AheadLabel),
        ("count_class", Self::CountClass),
        ("number", Self::Number),
        ("number_raw", Self::NumberRaw),
        ("wait", Self::Wait),
        ("notice", Self::Notice),
        ("stock", Self::Stock),
        ("opens_at", Self::OpensAt),
        ("here_hidden", Self::HereHidden),
        ("refresh", Self::Refresh),
        ("no_script", Self::NoScript),
        ("room", Self::Room),
        ("prefix", Self::Prefix),
        ("return_to", Self::ReturnTo),
    ];

    /// The slot of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, slot)| *slot)
    }

    /// Appends what `view` has for this slot.
    pub(super) fn fill(self, view: &View<'_>, face: Face, words: &Words, out: &mut String) {
        match self {
            Self::State => out.push_str(face.name()),
            Self::DocTitle => doc_title(view, face, words, out),
            Self::Status => out.push_str(words.html(status_key(face))),
            Self::Detail => detail(view, face, words, out),
            Self::Ahead => number(view.ahead, words, out),
            Self::AheadRaw => raw(view.ahead, out),
            Self::AheadLabel => {
                let many = view.ahead.map_or("other", |n| words.lang.plural(n));
                out.push_str(words.html(if many == "one" { "ahead_one" } else { "ahead_other" }));
            }
            // Five digits and a separator are what fits at full size on a phone.
            Self::CountClass => out.push_str(if view.ahead > Some(99_999) {
                "count long"
            } else {
                "count"
            }),
            Self::Number => number(view.number, words, out),
            Self::NumberRaw => raw(view.number, out),
            Self::Wait => words.wait(view.wait_s, out),
            Self::Notice => html_into(view.notice.unwrap_or_default(), out),
            Self::Stock => {
                if let Some((free, held)) = view.stock {
                    words.stock(free, held, out);
                }
            }
            Self::OpensAt => raw(view.opens_at, out),
            Self::HereHidden => out.push_str(if face == Face::Called { "" } else { " hidden" }),
            Self::Refresh => raw(Some(view.refresh_s.into()), out),
            Self::NoScript => words.say("no_script", &[("n", &view.refresh_s.to_string())], out),
            Self::Room => html_into(view.room.as_str(), out),
            Self::Prefix => html_into(view.prefix, out),
            Self::ReturnTo => html_into(view.return_to, out),
        }
    }
}

fn status_key(face: Face) -> &'static str {
    match face {
        Face::Joining => "status_joining",
        Face::Waiting => "status_waiting",
        Face::Next => "status_next",
        Face::Called => "status_called",
        Face::Paused => "status_paused",
        Face::BeforeSale => "status_before_sale",
        Face::SoldOut => "status_sold_out",
        Face::Closed => "status_closed",
        Face::StoreLost => "status_store_lost",
    }
}

fn detail(view: &View<'_>, face: Face, words: &Words, out: &mut String) {
    match face {
        Face::Waiting => {}
        Face::BeforeSale => match view.opens_at.and_then(utc) {
            Some(time) => words.say("detail_before_sale", &[("time", &time)], out),
            None => out.push_str(words.html("detail_before_sale_unknown")),
        },
        Face::Joining => out.push_str(words.html("detail_joining")),
        Face::Next => out.push_str(words.html("detail_next")),
        Face::Called => out.push_str(words.html("detail_called")),
        Face::Paused => out.push_str(words.html("detail_paused")),
        Face::SoldOut => out.push_str(words.html("detail_sold_out")),
        Face::Closed => out.push_str(words.html("detail_closed")),
        Face::StoreLost => out.push_str(words.html("detail_store_lost")),
    }
}

/// The moment in a form every language reads; the script replaces it with the fan's own.
fn utc(seconds: u64) -> Option<String> {
    let at = jiff::Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    Some(at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

fn doc_title(view: &View<'_>, face: Face, words: &Words, out: &mut String) {
    let title = words.html("title");
    match (face, view.ahead) {
        (Face::Waiting, Some(n)) => words.say("doc_ahead", &[("n", &words.number(n)), ("title", title)], out),
        _ => words.say(
            "doc_state",
            &[("state", words.html(status_key(face))), ("title", title)],
            out,
        ),
    }
}

fn number(n: Option<u64>, words: &Words, out: &mut String) {
    if let Some(n) = n {
        words.lang.number_into(n, out);
    }
}

fn raw(n: Option<u64>, out: &mut String) {
    if let Some(n) = n {
        // Writing to a string cannot fail.
        let _ = write!(out, "{n}");
    }
}

/// Whether the page answers a call by itself, as the script reads it.
pub(super) fn turn_name(on_turn: OnTurn) -> &'static str {
    match on_turn {
        OnTurn::Enter => "enter",
        OnTurn::Confirm => "confirm",
    }
}
