//! What a `PATCH` of a room may say: read whole, so that every mistake is told at once.

use serde_json::{Map, Value};
use tidegate_config::{Mode, limits};
use tidegate_queue::line::Change;

use super::problems::{Wrong, unfit};
use crate::request::problem::{Problem, cases};

/// What can be changed while the room runs.
const KEYS: &str = "mode, active_max, admit_per_min and notice";
/// Characters of an unknown key that are repeated to whoever sent it.
const KEY_SHOWN: usize = 40;

/// Reads the change. Absent keys stay as they are; an empty object changes nothing.
pub(super) fn read(body: &[u8]) -> Result<Change, Problem> {
    let object: Map<String, Value> = match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => object,
        Ok(other) => {
            let detail = format!(
                "The body is {}; send an object such as {{\"active_max\": 500}}.",
                kind(&other)
            );
            return Err(cases::bad_body(detail));
        }
        Err(error) => return Err(cases::bad_body(format!("The body is no JSON: {error}."))),
    };
    let (mut change, mut wrong) = (Change::default(), Vec::new());
    for (key, value) in &object {
        let read = match key.as_str() {
            "mode" => mode(value).map(|mode| change.mode = Some(mode)),
            "active_max" => whole(value, limits::ACTIVE).map(|most| change.active_max = Some(most)),
            "admit_per_min" => {
                whole(value, limits::ADMIT_PER_MIN).map(|rate| change.admit_per_min = Some(rate))
            }
            "notice" => notice(value).map(|notice| change.notice = Some(notice)),
            other => Err(unknown(other)),
        };
        if let Err((message, remedy)) = read {
            let shown: String = key.chars().take(KEY_SHOWN).collect();
            wrong.push(Wrong::new(&shown, message, remedy));
        }
    }
    if wrong.is_empty() {
        Ok(change)
    } else {
        Err(unfit(wrong))
    }
}

type Mistake = (String, String);

fn mode(value: &Value) -> Result<Mode, Mistake> {
    match value.as_str() {
        Some("off") => Ok(Mode::Off),
        Some("auto") => Ok(Mode::Auto),
        Some("on") => Ok(Mode::On),
        _ => Err((
            format!("is {}", shown(value)),
            "send \"off\", \"auto\" or \"on\"".to_owned(),
        )),
    }
}

fn whole(value: &Value, within: std::ops::RangeInclusive<u32>) -> Result<u32, Mistake> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| within.contains(number)).ok_or_else(|| {
        let remedy = format!("send a whole number from {} to {}", within.start(), within.end());
        (format!("is {}", shown(value)), remedy)
    })
}

/// The empty text stands for taking the notice away.
fn notice(value: &Value) -> Result<String, Mistake> {
    let remedy = || {
        format!(
            "send plain text of at most {} characters, or null",
            limits::NOTICE_LEN_MAX
        )
    };
    let text = match value {
        Value::Null => "",
        Value::String(text) => text.trim(),
        other => return Err((format!("is {}", kind(other)), remedy())),
    };
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(("has control characters in it".to_owned(), remedy()));
    }
    let chars = text.chars().count();
    if chars > limits::NOTICE_LEN_MAX {
        return Err((format!("has {chars} characters"), remedy()));
    }
    Ok(text.to_owned())
}

fn unknown(key: &str) -> Mistake {
    let remedy = match key {
        "paused" => "POST to the room's /pause or /resume".to_owned(),
        "draining" => "POST to the room's /drain or /resume".to_owned(),
        "status" => "POST to the room's /pause, /resume, /drain or /close".to_owned(),
        _ => format!("{KEYS} can be; everything else is set in the configuration file"),
    };
    ("cannot be changed here".to_owned(), remedy)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("the text {:?}", text.chars().take(KEY_SHOWN).collect::<String>()),
        Value::Number(number) => number.to_string(),
        other => kind(other).to_owned(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_says_what_it_sets_and_leaves_the_rest() {
        let change = read(br#"{"mode":"on","active_max":1,"admit_per_min":0,"notice":" Soon \n more "}"#);
        let wanted = Change {
            mode: Some(Mode::On),
            active_max: Some(1),
            admit_per_min: Some(0),
            notice: Some("Soon \n more".to_owned()),
            ..Change::default()
        };
        assert_eq!(change, Ok(wanted));
        assert_eq!(read(b"{}"), Ok(Change::default()));
        for away in [
            &br#"{"notice":null}"#[..],
            br#"{"notice":""}"#,
            br#"{"notice":"  "}"#,
        ] {
            assert_eq!(read(away).expect("a change").notice.as_deref(), Some(""));
        }
    }

    #[test]
    fn every_mistake_is_named_with_its_remedy() {
        let long = "x".repeat(limits::NOTICE_LEN_MAX + 1);
        let bodies = [
            (r#"{"mode":"ON"}"#.to_owned(), "mode", "\"auto\""),
            (r#"{"mode":null}"#.to_owned(), "mode", "\"auto\""),
            (
                r#"{"active_max":0}"#.to_owned(),
                "active_max",
                "from 1 to 1000000",
            ),
            (r#"{"active_max":"5"}"#.to_owned(), "active_max", "a whole number"),
            (r#"{"active_max":5.5}"#.to_owned(), "active_max", "a whole number"),
            (
                r#"{"active_max":4294967297}"#.to_owned(),
                "active_max",
                "a whole number",
            ),
            (
                r#"{"admit_per_min":-1}"#.to_owned(),
                "admit_per_min",
                "from 0 to 6000000",
            ),
            (
                r#"{"admit_per_min":6000001}"#.to_owned(),
                "admit_per_min",
                "from 0 to 6000000",
            ),
            (r#"{"notice":7}"#.to_owned(), "notice", "plain text"),
            (r#"{"notice":"a\u0007b"}"#.to_owned(), "notice", "plain text"),
            (format!(r#"{{"notice":"{long}"}}"#), "notice", "at most 500"),
            (r#"{"paused":true}"#.to_owned(), "paused", "/pause"),
            (
                r#"{"visit_ttl":"5m"}"#.to_owned(),
                "visit_ttl",
                "configuration file",
            ),
        ];
        for (body, key, remedy) in bodies {
            let problem = read(body.as_bytes()).expect_err(&body);
            assert_eq!(problem.status, 422, "{body}");
            let said: Value = serde_json::from_slice(&problem.to_json()).expect("json");
            assert_eq!(said["errors"].as_array().map(Vec::len), Some(1), "{said}");
            assert_eq!(said["errors"][0]["key"], key, "{said}");
            assert!(
                said["errors"][0]["remedy"]
                    .as_str()
                    .is_some_and(|text| text.contains(remedy)),
                "{said}"
            );
        }
        let two = read(br#"{"mode":1,"active_max":2,"notices":"x"}"#).expect_err("two mistakes");
        let said: Value = serde_json::from_slice(&two.to_json()).expect("json");
        assert_eq!(said["errors"].as_array().map(Vec::len), Some(2));
        assert!(
            said["detail"]
                .as_str()
                .is_some_and(|text| text.contains("'mode'") && text.contains("'notices'"))
        );
    }

    #[test]
    fn what_is_no_object_is_no_change() {
        for body in ["", "{", "[]", "null", "7", "\"mode\"", "{\"mode\":\"on\"} x"] {
            assert_eq!(read(body.as_bytes()).expect_err(body).status, 400, "{body}");
        }
    }
}
