//! The description against the routes and against what the calls answer.

use std::collections::BTreeSet;

use serde_json::Value;

use super::edge::Edge;
use crate::admin::{api_calls, open_calls, openapi};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn described() -> serde_json::Map<String, Value> {
    openapi::document()["paths"].as_object().cloned().unwrap()
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let open = open_calls().into_iter().map(|(path, _)| path.to_owned());
    let api = api_calls().into_iter().map(|(path, _)| format!("/api{path}"));
    let routed: BTreeSet<String> = open.chain(api).collect();
    assert_eq!(described().keys().cloned().collect::<BTreeSet<_>>(), routed);
}

#[tokio::test]
async fn every_address_takes_the_described_methods_and_no_others() {
    let edge = Edge::start().await;
    for (path, calls) in described() {
        let filled = path.replace("{room}", "none").replace("{visit}", "1.1.1");
        for method in METHODS {
            let takes = edge.call(&method.to_uppercase(), &filled, "").await.status != 405;
            assert_eq!(takes, calls.get(method).is_some(), "{method} {path}");
        }
    }
    edge.stop().await;
}

#[tokio::test]
async fn what_is_answered_has_exactly_the_described_members() {
    let edge = Edge::start().await;
    edge.visit(1).await;
    let schemas = openapi::document()["components"]["schemas"].clone();
    let members = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let check = |schema: &str, answer: &Value| {
        assert_eq!(
            members(&schemas[schema]["properties"]),
            members(answer),
            "{schema}"
        );
    };
    let rooms = edge.get("/api/v1/rooms").await.json();
    check("Rooms", &rooms);
    check("Room", &rooms["rooms"][0]);
    check("Room", &edge.get("/api/v1/rooms/drop").await.json());
    let visits = edge.get("/api/v1/rooms/drop/visits").await.json();
    check("Visits", &visits);
    check("Visit", &visits["visits"][0]);
    assert_eq!(
        edge.send("GET", "/openapi.json", "", "").await.json(),
        openapi::document()
    );
    edge.stop().await;
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(document: &Value, value: &Value, seen: &mut usize) {
        match value {
            Value::Object(members) => members.iter().for_each(|(key, value)| match value.as_str() {
                Some(reference) if key == "$ref" => {
                    *seen += 1;
                    let target = document.pointer(reference.trim_start_matches('#'));
                    assert!(target.is_some(), "{reference} leads nowhere");
                }
                _ => check(document, value, seen),
            }),
            Value::Array(items) => items.iter().for_each(|item| check(document, item, seen)),
            _ => {}
        }
    }
    let (document, mut seen) = (openapi::document(), 0);
    check(&document, &document, &mut seen);
    assert!(seen > 20, "only {seen} references were looked at");
}
