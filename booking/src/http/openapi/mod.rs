//! The description of the calls for programs, as an OpenAPI document (3.1). The tests hold it against the routes, and
//! have a stranger's tool call everything it describes.
//!
//! Every call may also be answered with a page, for browsers; that form is not described here.

mod call;
mod calls;
mod shapes;

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

/// `GET /openapi.json`.
pub(super) async fn show() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, DOCUMENT.as_str()).into_response()
}

fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tidegate booking",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Events, seats, orders and tickets. Writing calls take an `Idempotency-Key`: the same call \
                            again under the same key is answered as the first one was. A call whose process died before \
                            its answer was written down can be made again after 20 s: a hold and an order are then \
                            found, anything else is carried out a second time. Where the waiting room is \
                            required, holding seats needs the edge's assertion, which the edge adds by itself.",
        },
        "security": [{ "login": [] }, { "cookie": [] }],
        "paths": calls::paths(),
        "components": {
            "securitySchemes": {
                "login": { "type": "http", "scheme": "bearer", "description": "The `user_token` of a login." },
                "cookie": { "type": "apiKey", "in": "cookie", "name": "booking_user" },
            },
            "responses": {
                "Problem": {
                    "description": "What is wrong, and what to do about it (RFC 9457).",
                    "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
                },
            },
            "schemas": shapes::schemas(),
        },
    })
}
