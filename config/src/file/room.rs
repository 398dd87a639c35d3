//! `[[room]]` and `[room.page]`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;

use super::section::Section;
use super::spot::{Spot, State};
use super::values::{duration, flag, one_of, parsed, prose, shown, whole};
use super::{files, values, words};
use crate::problems::{Wrong, quoted};
use crate::{Mode, OnStoreLoss, OnTurn, Page, Room, RoomId, defaults, limits};

/// One `[[room]]` as it stands in the file.
pub(crate) struct RoomInFile {
    /// The room, unless its id is missing or malformed.
    pub(crate) room: Option<Room>,
    pub(crate) line: usize,
    pub(crate) path: String,
    /// Where its page's section begins, or the room itself where it has none.
    pub(crate) page_line: usize,
    /// What stands as its id, well-formed or not, for routes to name.
    pub(crate) name: Spot<String>,
}

/// Reads one `[[room]]`.
pub(crate) fn room(mut section: Section<'_>, base_dir: &Path) -> RoomInFile {
    let name = section.need("id", String::new(), "\"drop\"", |value| {
        values::text(value).map(str::to_owned)
    });
    let id = name.value.parse::<RoomId>();
    if name.is_sound() && id.is_err() {
        section.problem_on(name.line, &name.key, bad_id(&name.value));
    }

    let mode_words = [("off", Mode::Off), ("auto", Mode::Auto), ("on", Mode::On)];
    let mode = section.take("mode", defaults::MODE, one_of(&mode_words));
    let active_max = section.need(
        "active_max",
        1,
        "500, the visits your site carries at once",
        whole(limits::ACTIVE),
    );
    let admit_per_min = section.need(
        "admit_per_min",
        0,
        "3000, or 0 to admit nobody",
        whole(limits::ADMIT_PER_MIN),
    );

    let visit_ttl = section.take("visit_ttl", defaults::VISIT_TTL, duration(limits::VISIT));
    let visit_max = section.take("visit_max", defaults::VISIT_MAX, duration(limits::VISIT));
    ordered(&section, &visit_ttl, &visit_max);

    let turn_words = [("enter", OnTurn::Enter), ("confirm", OnTurn::Confirm)];
    let on_turn = section
        .take("on_turn", defaults::ON_TURN, one_of(&turn_words))
        .value;
    let answer_within = match on_turn {
        OnTurn::Enter => defaults::ANSWER_WITHIN,
        OnTurn::Confirm => defaults::ANSWER_WITHIN_CONFIRM,
    };
    let loss_words = [("hold", OnStoreLoss::Hold), ("open", OnStoreLoss::Open)];

    let enter_within = section
        .take(
            "enter_within",
            defaults::ENTER_WITHIN,
            duration(limits::ENTER_WITHIN),
        )
        .value;
    let away_after = section
        .take("away_after", defaults::AWAY_AFTER, duration(limits::AWAY_AFTER))
        .value;
    let answer_within = section
        .take("answer_within", answer_within, duration(limits::ANSWER_WITHIN))
        .value;
    let on_store_loss = section
        .take("on_store_loss", defaults::ON_STORE_LOSS, one_of(&loss_words))
        .value;
    let sold_out_by_stock = section
        .take("sold_out_by_stock", defaults::SOLD_OUT_BY_STOCK, flag)
        .value;
    let waiting_status = section
        .take("waiting_status", defaults::WAITING_STATUS, status)
        .value;
    let notice = section
        .take_option("notice", parsed(prose(limits::NOTICE_LEN_MAX)))
        .value;
    let page_section = section.table("page");
    let page_line = page_section.as_ref().map_or(section.line, |page| page.line);
    let page = page_section
        .map(|section| page(section, base_dir))
        .unwrap_or_default();
    let room = id.ok().map(|id| Room {
        id,
        mode: mode.value,
        active_max: active_max.value,
        admit_per_min: admit_per_min.value,
        visit_ttl: visit_ttl.value,
        visit_max: visit_max.value,
        enter_within,
        away_after,
        answer_within,
        on_turn,
        on_store_loss,
        sold_out_by_stock,
        waiting_status,
        notice,
        page,
    });
    let (line, path) = (section.line, section.path.clone());
    section.finish();
    RoomInFile {
        room,
        line,
        path,
        page_line,
        name,
    }
}

fn bad_id(text: &str) -> Wrong {
    let fixed: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(RoomId::LEN_MAX)
        .collect();
    let fixed = fixed.trim_matches('-');
    let remedy = if fixed.is_empty() {
        "write for example \"drop\"".to_owned()
    } else {
        format!("write \"{fixed}\"")
    };
    Wrong::new(
        format!("{} is no room id: {}", quoted(text), crate::BadRoomId),
        remedy,
    )
}

/// `visit_ttl` may not be longer than `visit_max`; says so at whichever of the two stands in the file.
fn ordered(section: &Section<'_>, ttl: &Spot<Duration>, max: &Spot<Duration>) {
    if !ttl.is_sound() || !max.is_sound() || ttl.value <= max.value {
        return;
    }
    let or_default = |spot: &Spot<Duration>| match spot.state {
        State::LeftOut => format!("{}, the default", shown(spot.value)),
        _ => shown(spot.value),
    };
    let at = if ttl.is_written() { ttl } else { max };
    let message = format!(
        "visit_ttl ({}) is longer than visit_max ({})",
        or_default(ttl),
        or_default(max)
    );
    let remedy = format!(
        "write visit_ttl = \"{}\" or less, or a longer visit_max",
        shown(max.value)
    );
    section.problem_on(at.line, &at.key, Wrong::new(message, remedy));
}

/// The waiting page's status: one that lets a browser show a page.
fn status(value: &DeValue<'_>) -> Result<u16, Wrong> {
    let remedy = "write 200, or 503 if monitors should see that the room is full";
    let status = whole(100..=599u16)(value).map_err(|wrong| Wrong::new(wrong.message, remedy))?;
    match status {
        204..=206 | 100..=199 | 300..=399 => Err(Wrong::new(
            format!("{status} cannot carry the waiting page"),
            remedy,
        )),
        fits => Ok(fits),
    }
}

fn page(mut section: Section<'_>, base_dir: &Path) -> Page {
    let page = Page {
        title: section
            .take_option("title", parsed(prose(limits::TITLE_LEN_MAX)))
            .value,
        accent: section.take_option("accent", parsed(words::colour)).value,
        background: section.take_option("background", parsed(words::colour)).value,
        logo: section.take_option("logo", parsed(files::logo(base_dir))).value,
        texts: section.table("texts").map(texts).unwrap_or_default(),
        template: section
            .take_option("template", parsed(files::template(base_dir)))
            .value,
    };
    section.finish();
    page
}

/// `[room.page.texts.<language>]`: the keys are the message file's and not known here.
fn texts(section: Section<'_>) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut languages = BTreeMap::new();
    for (line, language, value) in section.entries().take(limits::TEXTS_MAX) {
        let path = section.path_of(quoted(language).trim_matches('"'));
        let DeValue::Table(table) = value else {
            let remedy = format!("write a section for each language: [{}.en]", bare(&section.path));
            section.problem_on(line, &path, Wrong::new("is no section with texts", remedy));
            continue;
        };
        if !words::is_language(language) {
            let remedy =
                "write a language tag: en, es, de, fr, ko or ja (or another, with a template of your own)";
            section.problem_on(line, &path, Wrong::new("is no language tag", remedy));
        }
        let texts = section.inner(table, path, line);
        let mut of_language = BTreeMap::new();
        for (line, key, value) in texts.entries().take(limits::TEXTS_MAX) {
            match parsed(prose(limits::TEXT_LEN_MAX))(value) {
                Ok(text) => drop(of_language.insert(key.to_owned(), text)),
                Err(wrong) => texts.problem_on(line, &texts.path_of(quoted(key).trim_matches('"')), wrong),
            }
        }
        texts.bounded(limits::TEXTS_MAX);
        languages.insert(language.to_owned(), of_language);
    }
    section.bounded(limits::TEXTS_MAX);
    languages
}

/// A path as a header has it: `room[0].page` is written `room.page`.
fn bare(path: &str) -> String {
    path.split('.')
        .map(|part| part.split('[').next().unwrap_or(part))
        .collect::<Vec<_>>()
        .join(".")
}
