//! Reads what a token says, without verifying it: a fan holds no keys, and the judge needs only what is claimed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::observe::{Claims, Place};

/// The claims of a JWT, or `None` where the text is not shaped like one.
pub(crate) fn read(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let value: Value = serde_json::from_slice(&bytes).ok()?;
    let place = number(&value["epoch"])
        .zip(number(&value["number"]))
        .map(|(epoch, number)| Place { epoch, number });
    Some(Claims {
        room: text(&value["room"]),
        round: text(&value["round"]),
        place,
        visitor: text(&value["visitor"]),
        exp_s: value["exp"].as_i64(),
    })
}

/// Ids may be numbers or text; large numbers are sometimes sent as text because JSON readers round them.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn reads_what_is_claimed_and_leaves_out_what_is_not() {
        let claims = read(&token(
            r#"{"room":"drop","round":3,"epoch":"1801","number":7,"visitor":"v","exp":9}"#,
        ))
        .unwrap();
        assert_eq!(claims.round.as_deref(), Some("3"));
        assert_eq!(
            claims.place,
            Some(Place {
                epoch: 1801,
                number: 7
            })
        );
        assert_eq!((claims.visitor.as_deref(), claims.exp_s), (Some("v"), Some(9)));
        let bare = read(&token(r#"{"room":"drop","number":7}"#)).unwrap();
        assert_eq!((bare.place, bare.visitor), (None, None));
    }

    #[test]
    fn is_not_confused_by_what_is_no_token() {
        for text in ["", "a", "a.b", "a.!!.c", &token("not json")] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
