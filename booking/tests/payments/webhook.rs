//! Whether a webhook is the provider's: good and bad signatures, clocks, secrets that are being replaced.

use jiff::Timestamp;
use proptest::prelude::*;
use tidegate_booking::payment::Secret;
use tidegate_booking::payment::webhook::{BadWebhook, TOLERANCE_S, sign, verify};

const BODY: &[u8] = br#"{"id":"evt_1","object":"event","type":"payment_intent.succeeded","created":1700000000,"data":{"object":{"id":"pi_1","object":"payment_intent"}}}"#;
const AT: i64 = 1_700_000_000;

/// HMAC-SHA256 of `1700000000.BODY`, made with Python's own `hmac`.
const GOOD: &str = "237f3e35203e25ec6a1ab08e418a1a844242d7e8280814486806481f158ebbe9";
const GOOD_BY_OLD: &str = "ede77dd3460b00676dd6d032bf897f018df4d933fc72a5f8c98139e9bc3736d1";

fn secrets(names: &[&str]) -> Vec<Secret> {
    names.iter().map(|name| Secret::new(*name)).collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn check(header: &str) -> Result<String, BadWebhook> {
    verify(&secrets(&["whsec_test"]), header, BODY, at(AT)).map(|event| event.kind)
}

#[test]
fn a_signature_made_by_others_is_taken_and_ours_is_the_same() {
    let event = verify(
        &secrets(&["whsec_test"]),
        &format!("t={AT},v1={GOOD}"),
        BODY,
        at(AT),
    )
    .unwrap();
    assert_eq!(event.id, "evt_1");
    assert_eq!(event.kind, "payment_intent.succeeded");
    assert_eq!(event.intent.unwrap().as_str(), "pi_1");
    assert_eq!(event.created_s, AT);
    assert_eq!(
        sign(&secrets(&["whsec_test"]), BODY, at(AT)),
        format!("t={AT},v1={GOOD}")
    );
    let both = sign(&secrets(&["whsec_test", "whsec_old"]), BODY, at(AT));
    assert_eq!(both, format!("t={AT},v1={GOOD},v1={GOOD_BY_OLD}"));
}

#[test]
fn any_of_several_signatures_and_any_of_several_secrets_will_do() {
    let wrong = "0".repeat(64);
    for header in [
        format!("t={AT},v1={wrong},v1={GOOD}"),
        format!("t={AT},v1={GOOD},v1={wrong}"),
        format!("t={AT},v1=short,v1={GOOD}"),
        format!("v0={wrong}, v1={GOOD}, t={AT}"),
        format!("t={AT},v1={}", GOOD.to_uppercase()),
    ] {
        assert_eq!(check(&header).unwrap(), "payment_intent.succeeded", "{header}");
    }
    let header = format!("t={AT},v1={GOOD_BY_OLD}");
    assert_eq!(check(&header), Err(BadWebhook::Signature));
    assert!(verify(&secrets(&["whsec_test", "whsec_old"]), &header, BODY, at(AT)).is_ok());
    assert_eq!(verify(&[], &header, BODY, at(AT)), Err(BadWebhook::Signature));
}

#[test]
fn wrong_signatures_are_refused() {
    let flipped = format!("{}{}", if GOOD.starts_with('0') { '1' } else { '0' }, &GOOD[1..]);
    for (header, why) in [
        (format!("t={AT},v1={flipped}"), BadWebhook::Signature),
        (format!("t={AT},v1={}", &GOOD[..62]), BadWebhook::Signature),
        (format!("t={AT},v1={GOOD}00"), BadWebhook::Signature),
        (format!("t={AT},v0={GOOD}"), BadWebhook::Signature),
        (format!("t={AT}"), BadWebhook::Signature),
        (format!("t={},v1={GOOD}", AT + 1), BadWebhook::Signature),
        // The same second, written otherwise, is not what was signed.
        (format!("t=0{AT},v1={GOOD}"), BadWebhook::Signature),
        (format!("v1={GOOD}"), BadWebhook::Header),
        (format!("t=-5,v1={GOOD}"), BadWebhook::Header),
        (format!("t=9999999999999,v1={GOOD}"), BadWebhook::Header),
        (format!("t=,v1={GOOD}"), BadWebhook::Header),
        (String::new(), BadWebhook::Header),
        (
            format!("t={AT},v1={GOOD}{}", ",v1=00".repeat(1000)),
            BadWebhook::Header,
        ),
    ] {
        assert_eq!(check(&header), Err(why), "{header}");
    }
}

#[test]
fn old_and_future_signatures_are_refused() {
    let header = format!("t={AT},v1={GOOD}");
    let read = |now| verify(&secrets(&["whsec_test"]), &header, BODY, at(now));
    for off_s in [-TOLERANCE_S, -1, 0, 1, TOLERANCE_S] {
        assert!(read(AT + off_s).is_ok(), "{off_s}");
    }
    for off_s in [-TOLERANCE_S - 1, TOLERANCE_S + 1, 3_000_000] {
        assert_eq!(read(AT + off_s), Err(BadWebhook::Time { off_s }), "{off_s}");
    }
}

#[test]
fn a_signed_body_that_is_no_event_is_refused() {
    let test = secrets(&["whsec_test"]);
    for body in [
        &b""[..],
        b"null",
        b"{}",
        b"\xff\xfe",
        br#"{"id":"","type":"x","created":1,"data":{"object":{}}}"#,
        br#"{"id":"evt_1","type":"x","created":"soon","data":{"object":{}}}"#,
    ] {
        let header = sign(&test, body, at(AT));
        assert_eq!(verify(&test, &header, body, at(AT)), Err(BadWebhook::Body));
    }
    for (object, intent) in [
        (
            r#"{"object":"charge","id":"ch_1","payment_intent":"pi_9"}"#,
            Some("pi_9"),
        ),
        (r#"{"object":"charge","id":"ch_1","payment_intent":null}"#, None),
        (r#"{"object":"balance"}"#, None),
        (r#"{"object":"payment_intent","id":"../refunds"}"#, None),
        ("[]", None),
    ] {
        let body = format!(r#"{{"id":"evt_1","type":"x","created":1,"data":{{"object":{object}}}}}"#);
        let header = sign(&test, body.as_bytes(), at(AT));
        let event = verify(&test, &header, body.as_bytes(), at(AT)).unwrap();
        assert_eq!(event.intent.as_ref().map(|id| id.as_str()), intent, "{object}");
    }
}

proptest! {
    /// One bit of the body is enough, and nothing that anyone writes into the header brings a panic.
    #[test]
    fn a_tampered_body_is_refused(at_byte in 0..BODY.len(), bit in 0..8_u8, header in ".{0,200}") {
        let mut body = BODY.to_vec();
        body[at_byte] ^= 1 << bit;
        let test = secrets(&["whsec_test"]);
        let good = format!("t={AT},v1={GOOD}");
        prop_assert_eq!(verify(&test, &good, &body, at(AT)), Err(BadWebhook::Signature));
        prop_assert!(verify(&test, &header, BODY, at(AT)).is_err());
    }
}
