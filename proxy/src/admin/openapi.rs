//! The description of the operator's calls, as an OpenAPI document. The tests hold it against the routes and against
//! what the calls answer.

use serde_json::{Map, Value, json};
use tidegate_config::limits;

/// The document.
pub(super) fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tidegate admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Rooms, their figures and their limits. A change is in force on every edge within a tick.",
        },
        "security": [{ "admin": [] }],
        "paths": paths(),
        "components": {
            "securitySchemes": { "admin": { "type": "http", "scheme": "bearer" } },
            "parameters": {
                "room": {
                    "name": "room", "in": "path", "required": true, "schema": { "type": "string" },
                    "description": "The room's id, as in the configuration.",
                },
                "visit": {
                    "name": "visit", "in": "path", "required": true, "schema": { "type": "string" },
                    "description": "The visit's id, as the list of visits has it: epoch.number.turn.",
                },
            },
            "responses": {
                "Room": answer("The room as it then is.", "Room"),
                "Problem": {
                    "description": "What is wrong, and what to do about it (RFC 9457).",
                    "content": { "application/problem+json": { "schema": schema_ref("Problem") } },
                },
            },
            "schemas": {
                "Room": room(),
                "Rooms": object(json!({
                    "sockets": whole("Line sockets and event streams open at this edge."),
                    "rooms": { "type": "array", "items": schema_ref("Room") },
                })),
                "Change": change(),
                "Visit": visit(),
                "Visits": object(json!({
                    "room": text("The room's id."),
                    "active": whole("How many live visits there are, listed or not."),
                    "visits": { "type": "array", "items": schema_ref("Visit") },
                })),
                "Problem": problem(),
            },
        },
    })
}

fn paths() -> Value {
    let room = |rest: &str| format!("/api/v1/rooms/{{room}}{rest}");
    let mut paths = Map::new();
    let mut add = |path: String, calls: Value| paths.insert(path, calls);
    add(
        "/live".to_owned(),
        json!({ "get": open("The process answers.", "text/plain") }),
    );
    let mut ready = open(
        "Whether the edge should be sent requests; 503 when not.",
        "text/plain",
    );
    ready["responses"]["503"] = json!({ "description": "Not now; the text says why." });
    add("/ready".to_owned(), json!({ "get": ready }));
    add(
        "/metrics".to_owned(),
        json!({ "get": open("The metrics, as Prometheus reads them.", "text/plain") }),
    );
    add(
        "/openapi.json".to_owned(),
        json!({ "get": open("This document.", "application/json") }),
    );
    add(
        "/api/v1/rooms".to_owned(),
        json!({ "get": call("All rooms.", answer("The rooms.", "Rooms")) }),
    );

    let mut patch = call("Change the room's limits, mode or notice.", response_ref("Room"));
    patch["requestBody"] =
        json!({ "required": true, "content": { "application/json": { "schema": schema_ref("Change") } } });
    let one = json!({ "parameters": named(&["room"]), "get": call("One room.", response_ref("Room")), "patch": patch });
    add(room(""), one);
    for (action, summary) in [
        (
            "/pause",
            "Call and admit nobody until it is resumed. Visits go on, and new fans get places.",
        ),
        (
            "/resume",
            "End a pause and a drain, and open a closed room for the next round.",
        ),
        ("/drain", "Give no new places; who is in line is still admitted."),
        (
            "/close",
            "End the round: every place and every visit of it is over.",
        ),
    ] {
        let action_call = call(summary, response_ref("Room"));
        add(
            room(action),
            json!({ "parameters": named(&["room"]), "post": action_call }),
        );
    }
    let mut list = call(
        "Live visits in the order of their places.",
        answer("The visits.", "Visits"),
    );
    list["parameters"] = json!([{
        "name": "limit", "in": "query", "description": "How many to list.",
        "schema": { "type": "integer", "minimum": 1, "maximum": 1_000, "default": 100 },
    }]);
    add(
        room("/visits"),
        json!({ "parameters": named(&["room"]), "get": list }),
    );
    let mut end = call("End a visit; its slot is free at once.", Value::Null);
    end["responses"] = json!({ "204": { "description": "It is over." }, "default": response_ref("Problem") });
    add(
        room("/visits/{visit}"),
        json!({ "parameters": named(&["room", "visit"]), "delete": end }),
    );
    let told = "The room once a second, as events named 'room' with the data of a Room.";
    let events = json!({ "description": told, "content": { "text/event-stream": { "schema": { "type": "string" } } } });
    let stream = call("The room's figures as they change.", events);
    add(
        room("/stream"),
        json!({ "parameters": named(&["room"]), "get": stream }),
    );
    Value::Object(paths)
}

fn room() -> Value {
    let place =
        object(json!({ "epoch": whole("The life of the line's store."), "number": whole("Counted in it.") }));
    let stock = object(json!({ "free": whole("Free to take."), "held": whole("Held, and may come back.") }));
    object(json!({
        "id": text("Its id."),
        "status": words("What the line is doing.", &["open", "paused", "regroup", "draining", "closed"]),
        "store_up": flag("Whether the store of its line answers this edge."),
        "round": whole("Its life from opening to close."),
        "settings_version": whole("Rises with every change."),
        "mode": words("Whom the line holds.", &["off", "auto", "on"]),
        "active_max": whole("Most live visits at once."),
        "admit_per_min": whole("Most admissions a minute; 0 admits nobody."),
        "notice": maybe(text("What everyone in line is told.")),
        "paused": flag("Nobody is called or admitted."),
        "draining": flag("No new places are given."),
        "waiting": whole("Fans in line, present and not admitted."),
        "called_upto": maybe(place),
        "ready": whole("Fans who answered their call and are not admitted yet."),
        "active": whole("Live visits, half-open ones included."),
        "reserve": whole("Slots held back after a loss."),
        "issued": whole("Places given in this round."),
        "admitted": whole("Admissions since the store began, less those undone."),
        "no_shows": whole("Calls nobody answered in time."),
        "rate_per_min": whole("Admissions a minute as measured; as set while nothing is measured."),
        "stock": maybe(stock),
        "held": whole("Fans whom this edge holds."),
        "visit_ttl_s": whole("A visit ends so long after its last request."),
        "visit_max_s": whole("A visit ends after so long whatever happens."),
        "enter_within_s": whole("How long an admitted fan has to enter."),
        "answer_within_s": whole("How long a called fan has to answer."),
        "away_after_s": whole("A fan unseen for so long is no longer present."),
        "on_turn": words("What a call asks of the fan.", &["enter", "confirm"]),
        "on_store_loss": words("Whether requests wait or pass while the store is lost.", &["hold", "open"]),
    }))
}

fn change() -> Value {
    let bounded = |description: &str, within: std::ops::RangeInclusive<u32>| {
        json!({
            "type": "integer", "minimum": within.start(), "maximum": within.end(), "description": description,
        })
    };
    json!({
        "type": "object",
        "additionalProperties": false,
        "description": "What is present is set, what is absent stays.",
        "properties": {
            "mode": words("Whom the line holds.", &["off", "auto", "on"]),
            "active_max": bounded("Most live visits at once.", limits::ACTIVE),
            "admit_per_min": bounded("Most admissions a minute; 0 admits nobody.", limits::ADMIT_PER_MIN),
            "notice": {
                "type": ["string", "null"], "maxLength": limits::NOTICE_LEN_MAX,
                "description": "What everyone in line is told; null or an empty text takes it away.",
            },
        },
    })
}

fn visit() -> Value {
    object(json!({
        "id": text("epoch.number.turn"),
        "stage": words("How far it has come.", &["granted", "taken", "entered", "live"]),
        "visitor": maybe(text("The beginning of the visitor's id, once entered.")),
        "expires_in_s": whole("When it ends unless a request comes."),
        "ends_in_s": whole("When it ends whatever happens."),
    }))
}

fn problem() -> Value {
    let error = object(json!({
        "key": text("Which value."), "message": text("What is wrong with it."), "remedy": text("What to send instead."),
    }));
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": text("urn:tidegate:problem: and a word to program against."),
            "title": text("The same for every problem of the type."),
            "status": whole("The HTTP status."),
            "detail": text("What is wrong this time, and what to do."),
            "retry_after_s": whole("When asking again makes sense."),
            "errors": { "type": "array", "items": error },
        },
    })
}

/// A call that needs the token.
fn call(summary: &str, good: Value) -> Value {
    json!({ "summary": summary, "responses": { "200": good, "default": response_ref("Problem") } })
}

/// A call that needs none.
fn open(summary: &str, content_type: &str) -> Value {
    let content = Map::from_iter([(content_type.to_owned(), json!({}))]);
    json!({ "summary": summary, "security": [], "responses": { "200": { "description": summary, "content": content } } })
}

fn answer(description: &str, schema: &str) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema_ref(schema) } } })
}

fn named(parameters: &[&str]) -> Value {
    parameters
        .iter()
        .map(|name| json!({ "$ref": format!("#/components/parameters/{name}") }))
        .collect()
}

fn schema_ref(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn response_ref(name: &str) -> Value {
    json!({ "$ref": format!("#/components/responses/{name}") })
}

/// An object that always has all of these.
fn object(properties: Value) -> Value {
    let required: Vec<String> = properties
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .cloned()
        .collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

fn maybe(schema: Value) -> Value {
    json!({ "oneOf": [schema, { "type": "null" }] })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn whole(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

fn flag(description: &str) -> Value {
    json!({ "type": "boolean", "description": description })
}

fn words(description: &str, words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words, "description": description })
}
