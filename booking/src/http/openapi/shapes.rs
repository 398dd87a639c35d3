//! The shapes of answers.

use serde_json::{Value, json};

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

pub(super) fn schemas() -> Value {
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
                "status": { "enum": ["valid", "used", "void"] }, "url": text(), "code": text(),
            },
        },
        "Problem": {
            "type": "object", "required": ["type", "title", "status", "detail"],
            "properties": { "type": text(), "title": text(), "status": whole(), "detail": text() },
        },
    })
}
