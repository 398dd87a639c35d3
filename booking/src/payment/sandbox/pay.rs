//! The hosted pages: paying with a test card, and the bank's question. Plain forms; a page says what the payment's state
//! is and decides nothing about it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::api::{Front, whole};
use super::calls::{Call, Fields, absolute};
use super::cards::Card;
use super::desk::Answer;
use super::record::Record;
use crate::payment::stripe::{Decline, ORDER_KEY, RETURN_KEY, Status};
use crate::payment::units::from_provider;

/// What every page shows about the payment.
struct About {
    id: String,
    amount: String,
    order: Option<String>,
    description: Option<String>,
    minutes_left: Option<i64>,
}

#[derive(Template)]
#[template(path = "sandbox/pay.html")]
struct PayPage {
    about: About,
    notice: Option<String>,
    cards: [Card; 5],
}

#[derive(Template)]
#[template(path = "sandbox/step.html")]
struct StepPage {
    about: About,
}

#[derive(Template)]
#[template(path = "sandbox/note.html")]
struct NotePage {
    title: &'static str,
    text: &'static str,
    back: Option<String>,
}

/// `GET /pay/{intent}`.
pub(super) async fn show(State(front): State<Arc<Front>>, Path(id): Path<String>) -> Response {
    match look(&front, &id).await {
        Ok(record) => by_state(&front, &record, None, StatusCode::OK),
        Err(response) => response,
    }
}

/// `POST /pay/{intent}`: a card's number.
pub(super) async fn pay(
    State(front): State<Arc<Front>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let record = match look(&front, &id).await {
        Ok(record) => record,
        Err(response) => return response,
    };
    let mut form = match whole(request.into_body()).await {
        Ok(body) => Fields::parse(&body),
        Err(refusal) => return Answer::from(refusal).into_response(),
    };
    let number = form.take("number").unwrap_or_default();
    let Some(card) = Card::by_number(&number) else {
        let notice = "This is none of the test cards. Nothing was charged; choose one from the list.";
        return by_state(
            &front,
            &record,
            Some(notice.into()),
            StatusCode::UNPROCESSABLE_ENTITY,
        );
    };
    carry_out(&front, &id, Call::Confirm { id: id.clone(), card }).await
}

/// `GET /pay/{intent}/step`.
pub(super) async fn show_step(State(front): State<Arc<Front>>, Path(id): Path<String>) -> Response {
    match look(&front, &id).await {
        Ok(record) if record.status == Status::RequiresAction => {
            let about = about(&front, &record);
            page(StatusCode::OK, &StepPage { about }, &record)
        }
        Ok(_) => to(&format!("/pay/{id}")),
        Err(response) => response,
    }
}

/// `POST /pay/{intent}/step`: what the fan says at the bank.
pub(super) async fn step(
    State(front): State<Arc<Front>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let mut form = match whole(request.into_body()).await {
        Ok(body) => Fields::parse(&body),
        Err(refusal) => return Answer::from(refusal).into_response(),
    };
    let approved = match form.take("answer").as_deref() {
        Some("approve") => true,
        Some("refuse") => false,
        _ => return to(&format!("/pay/{id}/step")),
    };
    carry_out(
        &front,
        &id,
        Call::Answer {
            id: id.clone(),
            approved,
        },
    )
    .await
}

/// Asks the desk, and shows where that led. Whatever the desk said, the payment's state tells it better: a second click
/// finds the payment made.
async fn carry_out(front: &Front, id: &str, call: Call) -> Response {
    let answer = front.desk.carry_out(call, None).await;
    let record = match look(front, id).await {
        Ok(record) => record,
        Err(response) => return response,
    };
    match (record.status, back(&record)) {
        (Status::RequiresPaymentMethod | Status::RequiresAction, _) if answer.status.is_server_error() => {
            let note = NotePage {
                title: "One moment, please",
                text: "Nothing can be written down right now, so nothing was charged. Please try again in a few minutes.",
                back: Some(format!("/pay/{id}")),
            };
            let mut response = render(StatusCode::SERVICE_UNAVAILABLE, &note, "form-action 'self'");
            response.headers_mut().insert(header::RETRY_AFTER, 30.into());
            response
        }
        (Status::RequiresAction, _) => to(&format!("/pay/{id}/step")),
        (Status::RequiresPaymentMethod, _) => {
            let decline = record.last_error.as_ref().map(|fault| fault.decline());
            let notice = decline
                .map(|decline| format!("{} Nothing was charged; you may try another card.", decline.text));
            by_state(front, &record, notice, answer.status)
        }
        (_, Some(back)) => to(&back),
        (_, None) => to(&format!("/pay/{id}")),
    }
}

/// The page of the state in which the payment is.
fn by_state(front: &Front, record: &Record, notice: Option<String>, status: StatusCode) -> Response {
    let (title, text) = match record.status {
        Status::RequiresPaymentMethod | Status::RequiresConfirmation => {
            let (about, cards) = (about(front, record), Card::ALL);
            return page(status, &PayPage { about, notice, cards }, record);
        }
        Status::RequiresAction => return to(&format!("/pay/{}/step", record.id)),
        Status::RequiresCapture => (
            "The payment is authorised",
            "The amount is set aside on the card. It is taken when the order is confirmed.",
        ),
        Status::Processing => (
            "The bank has not answered yet",
            "There is nothing you need to do. The order's page shows how it goes on.",
        ),
        Status::Succeeded => ("The payment is made", "The amount was taken from the card."),
        Status::Canceled => (
            "This payment has ended",
            "It was cancelled, or its time was over. Nothing was charged.",
        ),
    };
    let back = back(record);
    page(StatusCode::OK, &NotePage { title, text, back }, record)
}

fn about(front: &Front, record: &Record) -> About {
    let money = from_provider(record.amount, &record.currency);
    let left_ms = record.ends_at_ms.map(|at| at - front.desk.clock().now_ms);
    About {
        id: record.id.clone(),
        amount: money.map_or_else(
            || format!("{} {}", record.amount, record.currency),
            |money| money.to_string(),
        ),
        order: record.metadata.get(ORDER_KEY).cloned(),
        description: record.description.clone(),
        // Rounded up: the last minute is a minute.
        minutes_left: left_ms.map(|ms| (ms.max(0) + 59_999) / 60_000),
    }
}

/// Where the shop wants the fan back, told which payment it was and how it went. Nobody believes the latter.
fn back(record: &Record) -> Option<String> {
    let url = record.metadata.get(RETURN_KEY)?;
    absolute(url)?;
    let outcome = match record.status {
        Status::Succeeded | Status::RequiresCapture => "succeeded",
        Status::Processing => "processing",
        _ => "failed",
    };
    let (address, fragment) = url
        .split_once('#')
        .map_or((url.as_str(), None), |(a, f)| (a, Some(f)));
    let mark = if address.contains('?') { '&' } else { '?' };
    let fragment = fragment.map(|text| format!("#{text}")).unwrap_or_default();
    let id = &record.id;
    Some(format!(
        "{address}{mark}payment_intent={id}&redirect_status={outcome}{fragment}"
    ))
}

async fn look(front: &Front, id: &str) -> Result<Record, Response> {
    let found = front.desk.look(id).await;
    let (status, title, text) = match found {
        Ok(Some(record)) => return Ok(record),
        Ok(None) => (
            StatusCode::NOT_FOUND,
            "There is no such payment",
            "The address is not complete, or the payment was made somewhere else.",
        ),
        Err(error) => {
            tracing::error!(%error, "the sandbox's book failed");
            let title = "One moment, please";
            let text = "The payment cannot be looked up right now. Nothing was changed; please load this page again.";
            (StatusCode::SERVICE_UNAVAILABLE, title, text)
        }
    };
    let note = NotePage {
        title,
        text,
        back: None,
    };
    Err(render(status, &note, "form-action 'self'"))
}

fn to(address: &str) -> Response {
    match HeaderValue::try_from(address) {
        Ok(address) => (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response(),
        Err(_) => Answer::from(super::refusal::Refusal::no_such_address()).into_response(),
    }
}

/// A form's answer may lead back to the shop, which browsers only allow where the page's policy names it.
fn page(status: StatusCode, page: &impl Template, record: &Record) -> Response {
    let origin = record.metadata.get(RETURN_KEY).and_then(|url| absolute(url));
    let origin = origin.as_ref().and_then(origin_of);
    let forms = format!("form-action 'self' {}", origin.unwrap_or_default());
    render(status, page, forms.trim_end())
}

/// As a policy names it. A host may have a `;` in its name by the letter of RFC 3986, and would end the policy's line.
fn origin_of(url: &Uri) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let (scheme, host) = (url.scheme_str()?, url.host()?);
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    host.chars()
        .all(plain)
        .then(|| format!("{scheme}://{host}{port}"))
}

fn render(status: StatusCode, page: &impl Template, forms: &str) -> Response {
    let text = match page.render() {
        Ok(text) => text,
        Err(why) => {
            tracing::error!(%why, "a page could not be rendered");
            return (
                StatusCode::INTERNAL_SERVER_ERROR,
                "This page could not be made.\n",
            )
                .into_response();
        }
    };
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'; {forms}"
    );
    let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    (status, headers, text).into_response()
}

impl super::refusal::Fault {
    /// The same no, in words for the fan.
    fn decline(&self) -> Decline {
        Decline::new(self.decline_code.as_deref().unwrap_or(&self.code))
    }
}
