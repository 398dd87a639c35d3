//! Every call: who may make it, what it takes, what it answers.

use serde_json::{Map, Value, json};

use super::call::{Call, segment};
use super::shapes::{body, named, of_type, text};

fn list(items: &str, name: &str) -> Value {
    let mut properties = Map::new();
    properties.insert(name.to_owned(), json!({ "type": "array", "items": named(items) }));
    json!({ "type": "object", "required": [name], "properties": properties })
}

fn catalogue() -> Vec<Call> {
    let words = |what| json!({ "type": "string", "maxLength": what });
    vec![
        Call::new("get", "/events", "Events with a showtime to come.")
            .open()
            .query("q", words(200), "Words in the title or description.")
            .query("city", words(200), "Only there.")
            .query(
                "category",
                text(),
                "theatre, opera, ballet, concert, film, festival, talk, sport, fair",
            )
            .query("after", of_type("integer"), "The last page's `next_after`.")
            .query(
                "limit",
                json!({ "type": "integer", "minimum": 1, "maximum": 200 }),
                "How many.",
            )
            .answers(200, named("Events")),
        Call::new("get", "/events/{event}", "One event with its showtimes.")
            .open()
            .answers(200, named("Event")),
        Call::new("get", "/showtimes/{showtime}", "One showtime with its seats.")
            .open()
            .answers(200, of_type("object")),
        Call::new(
            "get",
            "/showtimes/{showtime}/seats",
            "The seats as they are now, the same for everyone.",
        )
        .open()
        .query("mine", of_type("boolean"), "With the caller's own; private then.")
        .answers(200, of_type("object")),
        Call::new(
            "get",
            "/showtimes/{showtime}/seats/stream",
            "Every change of a seat, as server-sent events without an end; `Last-Event-ID` goes on from there.",
        )
        .open()
        .gives("text/event-stream"),
    ]
}

fn accounts() -> Vec<Call> {
    let password = || json!({ "type": "string", "minLength": 8, "maxLength": 256 });
    let username = || segment("username");
    let back = || json!({ "type": "string", "description": "Where a form leads back to." });
    let confirmed = || body(&["password"], json!({ "password": text() }));
    vec![
        Call::new("post", "/signup", "Makes an account and logs it in.")
            .open()
            .takes(body(
                &["username", "password"],
                json!({
                    "username": username(), "password": password(), "email": text(),
                    "location": { "type": "string", "maxLength": 100 }, "return_to": back(),
                }),
            ))
            .answers(201, named("LoggedIn")),
        Call::new("post", "/login", "Logs in.")
            .open()
            .takes(body(
                &["username", "password"],
                json!({ "username": text(), "password": text(), "return_to": back() }),
            ))
            .answers(200, named("LoggedIn")),
        Call::new("post", "/logout", "Ends this login.")
            .open()
            .says_nothing(),
        Call::new(
            "post",
            "/password/forgot",
            "Has a link for a new password mailed.",
        )
        .open()
        .takes(body(&["username"], json!({ "username": text() })))
        .answers(202, of_type("object")),
        Call::new("post", "/password/reset", "Sets a new password, once.")
            .open()
            .takes(body(
                &["token", "password"],
                json!({ "token": text(), "password": password() }),
            ))
            .says_nothing(),
        Call::new("get", "/account", "One's own account.").answers(200, named("Account")),
        Call::new(
            "delete",
            "/account",
            "Takes everything personal out of it, for good. Asks for the password again.",
        )
        .takes(confirmed())
        .says_nothing(),
        Call::new("post", "/account/delete", "The same, for clients without DELETE.")
            .takes(confirmed())
            .says_nothing(),
        Call::new("get", "/jwks.json", "What user tokens are verified with.")
            .open()
            .answers(200, of_type("object")),
    ]
}

fn seats() -> Vec<Call> {
    let quantity = || json!({ "type": "integer", "minimum": 1, "maximum": 100 });
    let reserve = json!({
        "type": "object", "required": ["showtime"], "additionalProperties": false,
        "properties": {
            "showtime": { "type": "integer", "minimum": 1 },
            "seats": { "type": "array", "items": text(), "minItems": 1, "maxItems": 100 },
            "best_available": {
                "type": "object", "required": ["quantity"], "additionalProperties": false,
                "properties": {
                    "quantity": quantity(), "section": text(), "accessible": of_type("boolean"),
                    "max_price": { "type": "integer", "minimum": 0 },
                },
            },
            "section": text(),
            "quantity": quantity(),
        },
    });
    vec![
        Call::new(
            "post",
            "/reserve",
            "Holds seats by name, the best available, or general admission.",
        )
        .takes(reserve)
        .answers(201, named("Hold")),
        Call::new("get", "/holds/{hold}", "One's own hold.").answers(200, named("Hold")),
        Call::new("delete", "/holds/{hold}", "Gives the seats back.").answers(200, list("Seat", "released")),
        Call::new("post", "/holds/{hold}/extend", "Makes the hold longer, once.").answers(200, named("Hold")),
        Call::new("get", "/showtimes/{showtime}/holds/me", "One's own holds there.")
            .open()
            .answers(200, list("Hold", "holds")),
    ]
}

fn orders() -> Vec<Call> {
    vec![
        Call::new(
            "post",
            "/book",
            "Makes an order of a hold, and the payment for it.",
        )
        .takes(body(&["hold"], json!({ "hold": text(), "email": text() })))
        .answers(200, named("Order"))
        .answers(201, named("Order")),
        Call::new("get", "/orders", "One's own orders.").answers(200, list("Order", "orders")),
        Call::new("get", "/orders/{order}", "One order.")
            .query(
                "returned",
                of_type("boolean"),
                "Comes back from paying: the provider is asked.",
            )
            .answers(200, named("Order")),
        Call::new(
            "post",
            "/orders/{order}/cancel",
            "Calls it off, or gives the tickets back.",
        )
        .answers(200, named("Order")),
        Call::new(
            "post",
            "/orders/{order}/review",
            "An organiser's decision on a payment that differs.",
        )
        .takes(body(&["accept"], json!({ "accept": of_type("boolean") })))
        .answers(200, named("Order")),
        Call::new("get", "/orders/{order}/tickets.pdf", "Its tickets, to print.").gives("application/pdf"),
        Call::new("get", "/tickets", "One's own tickets, bought or given.")
            .answers(200, list("Ticket", "tickets")),
        Call::new("get", "/tickets/{ticket}", "One ticket with its code.").answers(200, named("Ticket")),
        Call::new("get", "/tickets/{ticket}/code.svg", "Its code as a picture.").gives("image/svg+xml"),
        Call::new("get", "/tickets/{ticket}/ticket.pdf", "It, to print.").gives("application/pdf"),
        Call::new(
            "get",
            "/tickets/{ticket}/calendar.ics",
            "Its date for a calendar.",
        )
        .gives("text/calendar"),
        Call::new(
            "post",
            "/tickets/{ticket}/transfer",
            "Gives it to another account.",
        )
        .takes(body(&["username"], json!({ "username": text() })))
        .answers(200, of_type("object")),
        Call::new(
            "get",
            "/tickets/keys.json",
            "With what scanners check tickets without a network.",
        )
        .open()
        .answers(200, of_type("object")),
        Call::new("post", "/checkin", "The gate: marks a ticket used, once.")
            .takes(body(&["code"], json!({ "code": text(), "showtime": text() })))
            .answers(200, of_type("object")),
    ]
}

/// What others call.
fn machines() -> Vec<Call> {
    vec![
        Call::new(
            "post",
            "/payments/webhook",
            "What the payment provider says unasked, signed in `Stripe-Signature` over the raw body.",
        )
        .open()
        .takes(of_type("object"))
        .says_nothing(),
    ]
}

fn organisers() -> Vec<Call> {
    let start = || named("Start");
    let found = || of_type("object");
    vec![
        Call::new(
            "post",
            "/venues",
            "Makes a venue with its seat map, which never changes.",
        )
        .takes(named("NewVenue"))
        .answers(201, found()),
        Call::new(
            "get",
            "/venues/{venue}",
            "A venue with its seat map, as it was made.",
        )
        .open()
        .answers(200, found()),
        Call::new("post", "/events", "Puts an event on.")
            .takes(named("NewEvent"))
            .answers(201, named("Event")),
        Call::new("patch", "/events/{event}", "Changes what is said of an event.")
            .takes(named("EventChange"))
            .answers(200, named("Event")),
        Call::new("post", "/events/{event}/cancel", "Calls an event off, for good.").answers(200, found()),
        Call::new("post", "/events/{event}/showtimes", "Adds a showtime.")
            .takes(start())
            .answers(201, found()),
        Call::new("patch", "/showtimes/{showtime}", "Moves a showtime.")
            .takes(start())
            .answers(200, found()),
        Call::new(
            "post",
            "/showtimes/{showtime}/cancel",
            "Calls a showtime off, for good.",
        )
        .answers(200, found()),
        Call::new(
            "post",
            "/import",
            "Venues and events in one document: all of it, or nothing.",
        )
        .takes(named("Import"))
        .answers(200, found()),
        Call::new(
            "post",
            "/accounts/{username}/role",
            "Gives an account a role; by admins.",
        )
        .takes(body(
            &["role"],
            json!({ "role": { "enum": ["fan", "organiser", "staff", "admin"] } }),
        ))
        .answers(200, found()),
        Call::new(
            "get",
            "/changes",
            "What changed in the catalogue, in the order of the changes.",
        )
        .open()
        .query(
            "after",
            json!({ "type": "integer", "minimum": 0 }),
            "The last `next_after`.",
        )
        .query(
            "limit",
            json!({ "type": "integer", "minimum": 1, "maximum": 200 }),
            "How many.",
        )
        .answers(200, found()),
    ]
}

pub(super) fn paths() -> Value {
    let mut paths = Map::new();
    let all = [
        catalogue(),
        accounts(),
        seats(),
        orders(),
        machines(),
        organisers(),
    ];
    for call in all.into_iter().flatten() {
        let path = paths
            .entry(call.path.to_owned())
            .or_insert_with(|| Value::Object(Map::new()));
        path[call.method] = call.described();
    }
    Value::Object(paths)
}
