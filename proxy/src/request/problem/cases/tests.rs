//! Every case, as clients read it.

use super::*;
use crate::request::{hygiene, path};
use crate::wire::handshake;

#[test]
fn slugs_are_distinct_and_plain() {
    let all = [
        waiting("/j", 5),
        closed(),
        store_lost(2),
        not_called(),
        missing_token(),
        forged_token(),
        expired_token(),
        wrong_room(),
        wrong_visitor(),
        turn_is_over(),
        place_is_over(),
        login_needed("/login", true),
        users_unknown(2),
        too_many_sockets(5),
        too_many_joins(5),
        edge_full(5),
        draining(),
        restarting(),
        body_too_large(10),
        head_too_large(10),
        too_many_header_lines(10),
        foreign_origin(),
        not_found(),
        no_such_room(),
        method_not_allowed("GET"),
        unsupported_media_type("application/json"),
        bad_body("x"),
        bad_request("x"),
        unauthorized(),
        origin_failed(),
        origin_slow(),
        internal(),
        path::Refused::TooLong.into(),
        hygiene::Refused::Method.into(),
        handshake::Refused::Version.into(),
        handshake::Refused::Key.into(),
    ];
    let slugs: std::collections::BTreeSet<_> = all.iter().map(|problem| problem.slug).collect();
    assert_eq!(slugs.len(), all.len());
    for problem in &all {
        assert!(
            problem.slug.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
            "{}",
            problem.slug
        );
        assert!(problem.status.is_client_error() || problem.status.is_server_error());
        let json: serde_json::Value = serde_json::from_slice(&problem.to_json()).expect("json");
        assert_eq!(json["status"], problem.status.as_u16());
    }
}

#[test]
fn a_waiting_client_learns_where_to_join_and_when() {
    let problem = waiting("/_tidegate/rooms/drop/places", 7);
    let json: serde_json::Value = serde_json::from_slice(&problem.to_json()).expect("json");
    assert_eq!(
        (json["status"].as_u64(), json["retry_after_s"].as_u64()),
        (Some(503), Some(7))
    );
    assert_eq!(json["join"], "/_tidegate/rooms/drop/places");
}

#[test]
fn refusals_keep_their_reason() {
    assert_eq!(Problem::from(path::Refused::EncodedSlash).status, 400);
    assert_eq!(Problem::from(path::Refused::TooLong).status, 414);
    assert_eq!(Problem::from(hygiene::Refused::TwoLengths).status, 400);
    assert_eq!(Problem::from(handshake::Refused::ForeignOrigin).status, 403);
    assert_eq!(Problem::from(handshake::Refused::Version).status, 426);
    assert_eq!(Problem::from(handshake::Refused::NotGet).status, 405);
}

#[test]
fn who_has_to_log_in_learns_where_and_whether_the_token_was_bad() {
    let json: serde_json::Value =
        serde_json::from_slice(&login_needed("/login", false).to_json()).expect("json");
    assert_eq!(
        (json["status"].as_u64(), json["login"].as_str()),
        (Some(401), Some("/login"))
    );
    let challenge = |sent| {
        let headers: http::HeaderMap = login_needed("/login", sent)
            .response_headers()
            .into_iter()
            .collect();
        headers[WWW_AUTHENTICATE].clone()
    };
    assert_eq!(challenge(false), "Bearer");
    assert_eq!(challenge(true), "Bearer error=\"invalid_token\"");
}
