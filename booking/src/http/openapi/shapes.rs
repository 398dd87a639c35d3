//! The shapes of what is sent and answered.

use serde_json::{Value, json};

use crate::domain::Category;

pub(super) fn of_type(name: &str) -> Value {
    json!({ "type": name })
}

pub(super) fn text() -> Value {
    of_type("string")
}

/// One of [`schemas`].
pub(super) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn maybe(mut schema: Value) -> Value {
    let kind = schema["type"].take();
    schema["type"] = json!([kind, "null"]);
    schema
}

/// An object that has all of these.
fn object(properties: Value) -> Value {
    let names: Vec<String> = properties
        .as_object()
        .into_iter()
        .flat_map(|known| known.keys().cloned())
        .collect();
    json!({ "type": "object", "required": names, "properties": properties })
}

fn many(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// What a call takes: these members and no others.
pub(super) fn body(required: &[&str], properties: Value) -> Value {
    json!({
        "type": "object", "required": required, "properties": properties, "additionalProperties": false,
    })
}

/// What organisers send.
fn drafts() -> Value {
    let line = |most: u32| json!({ "type": "string", "minLength": 1, "maxLength": most });
    let within = |from: i64, to: i64| json!({ "type": "integer", "minimum": from, "maximum": to });
    let list = |items: Value, most: u32| json!({ "type": "array", "items": items, "maxItems": most });
    let key = || json!({ "type": "string", "pattern": "^[A-Za-z0-9.:_-]{1,64}$" });
    let label = || json!({ "type": "string", "pattern": "^[A-Z0-9]{1,8}$" });
    let (level, credit) = (|| within(1, 20), json!({ "type": "string", "maxLength": 300 }));
    let category = json!({ "enum": Category::ALL.map(Category::as_str) });
    let row = body(
        &["label", "seats"],
        json!({
            "label": label(), "seats": within(1, 500), "x": within(-1_000_000, 1_000_000),
            "y": within(-1_000_000, 1_000_000), "accessible": list(within(1, 500), 500),
        }),
    );
    let seated = body(
        &["name", "level", "rows"],
        json!({ "name": line(100), "level": level(), "rows": list(row, 2_000) }),
    );
    let open = body(
        &["name", "level", "label", "capacity"],
        json!({ "name": line(100), "level": level(), "label": label(), "capacity": within(1, 100_000) }),
    );
    let venue = json!({
        "key": key(), "name": line(100), "city": line(100), "country": line(100),
        "time_zone": { "type": "string", "description": "Of the IANA database, like Europe/Berlin." },
        "currency": { "type": "string", "pattern": "^[A-Z]{3}$" },
        "sections": list(json!({ "oneOf": [seated, open] }), 200),
    });
    let price = body(
        &["level", "amount"],
        json!({ "level": level(), "amount": within(1, 99_999_999) }),
    );
    let event = json!({
        "key": key(),
        "venue": {
            "oneOf": [within(1, (1 << 53) - 1), key()],
            "description": "Its number, or the organiser's own key for it.",
        },
        "category": category, "title": line(200), "credit": credit, "description": line(5_000),
        "prices": list(price, 20), "showtimes": list(named("Start"), 500),
    });
    let change = json!({
        "category": category, "title": line(200), "credit": credit, "description": line(5_000),
    });
    let mut change = body(&[], change);
    change["minProperties"] = json!(1);
    let mut import = body(
        &[],
        json!({ "venues": list(named("NewVenue"), 500), "events": list(named("NewEvent"), 5_000) }),
    );
    import["minProperties"] = json!(1);
    let start =
        "On the venue's clock, like 2030-05-01T20:00, or with an offset, like 2030-05-01T20:00:00-07:00.";
    json!({
        "NewVenue": body(&["name", "city", "country", "time_zone", "currency", "sections"], venue),
        "NewEvent": body(&["venue", "category", "title", "description", "prices"], event),
        "EventChange": change,
        "Import": import,
        "Start": body(&["starts_at"], json!({ "starts_at": { "type": "string", "description": start } })),
    })
}

/// All shapes that have names.
pub(super) fn schemas() -> Value {
    let mut all = answers();
    if let (Some(all), Value::Object(drafts)) = (all.as_object_mut(), drafts()) {
        all.extend(drafts);
    }
    all
}

fn answers() -> Value {
    let whole = || of_type("integer");
    let event = json!({
        "id": whole(), "title": text(), "category": text(), "credit": text(), "description": text(),
        "venue": object(json!({
            "name": text(), "city": text(), "country": text(), "time_zone": maybe(text()),
        })),
        "price_from": named("Money"),
        "showtimes": many(object(json!({
            "id": whole(), "starts_at": text(), "seats_left": whole(), "price_from": named("Money"), "url": text(),
        }))),
        "url": text(),
    });
    let account = json!({
        "id": text(), "username": text(), "email": maybe(text()), "location": maybe(text()),
        "role": { "enum": ["fan", "organiser", "staff", "admin"] },
    });
    let states = [
        "held",
        "paying",
        "review",
        "allocated",
        "issued",
        "expired",
        "failed",
        "refund_due",
        "refunded",
        "cancelled",
        "disputed",
    ];
    let order = json!({
        "id": text(), "reference": text(), "state": { "enum": states }, "status": text(), "message": text(),
        "title": text(), "showtime": whole(), "starts_at": text(),
        "seats": many(object(json!({ "seat": named("Seat"), "section": text(), "price": named("Money") }))),
        "total": named("Money"), "refunded": named("Money"), "refund_due": named("Money"),
        "seconds_left": maybe(whole()),
        "payment": {
            "type": ["object", "null"],
            "properties": { "intent": text(), "url": maybe(text()), "client_secret": maybe(text()) },
        },
        "tickets": many(named("Ticket")), "url": text(),
    });
    json!({
        "Money": object(json!({ "amount": whole(), "currency": { "type": "string", "pattern": "^[A-Z]{3}$" } })),
        "Seat": { "type": "string", "pattern": "^[A-Z0-9]{1,8}-[1-9][0-9]*$" },
        "Event": object(event.clone()),
        "Events": object(json!({
            "catalogue_version": text(), "events": many(named("Event")), "next_after": maybe(whole()),
        })),
        "Account": object(account),
        "LoggedIn": object(json!({ "account": named("Account"), "user_token": text() })),
        "Hold": object(json!({
            "id": text(), "showtime": whole(), "seats": many(named("Seat")), "token": whole(),
            "seconds_left": whole(), "url": text(),
        })),
        "Order": object(order),
        "Ticket": {
            "type": "object",
            "required": ["id", "seat", "section", "showtime", "status", "url"],
            "properties": {
                "id": text(), "seat": named("Seat"), "section": text(), "showtime": whole(),
                "status": { "enum": ["valid", "used", "void", "passed_on"] }, "url": maybe(text()), "code": text(),
            },
        },
        "Problem": {
            "type": "object", "required": ["type", "title", "status", "detail"],
            "properties": { "type": text(), "title": text(), "status": whole(), "detail": text() },
        },
    })
}
