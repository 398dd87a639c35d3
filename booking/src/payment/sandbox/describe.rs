//! Payments, refunds and events as JSON, in Stripe's form.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::record::{Record, RefundRecord};
use crate::payment::stripe::Status;

/// A payment. As long as the fan has something to do, it says at which page; at Stripe's own API a missing card has no
/// page, because Stripe's script stands on the shop's.
pub(super) fn intent(record: &Record, public_url: &str) -> Value {
    let waits = matches!(
        record.status,
        Status::RequiresPaymentMethod | Status::RequiresAction
    );
    let next_action = waits.then(|| {
        json!({
            "type": "redirect_to_url",
            "redirect_to_url": { "url": format!("{public_url}/pay/{}", record.id), "return_url": null },
        })
    });
    let capturable = if record.status == Status::RequiresCapture {
        record.amount
    } else {
        0
    };
    json!({
        "id": record.id,
        "object": "payment_intent",
        "amount": record.amount,
        "amount_capturable": capturable,
        "amount_received": record.captured,
        "cancellation_reason": record.cancellation_reason,
        "capture_method": "manual",
        "client_secret": record.client_secret,
        "created": record.created_s,
        "currency": record.currency,
        "description": record.description,
        "last_payment_error": record.last_error.as_ref().map(|fault| fault.document()),
        "livemode": false,
        "metadata": record.metadata,
        "next_action": next_action,
        "payment_method": record.card.map(|card| card.method()),
        "payment_method_types": ["card"],
        "status": record.status,
    })
}

/// A refund of a payment.
pub(super) fn refund(record: &Record, refund: &RefundRecord) -> Value {
    json!({
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "created": refund.created_s,
        "currency": record.currency,
        "payment_intent": record.id,
        "status": "succeeded",
    })
}

/// Everything that was taken and paid back, as the object of a refund's event.
fn charge(record: &Record) -> Value {
    json!({
        "id": record.id.replacen("pi_", "ch_", 1),
        "object": "charge",
        "amount": record.amount,
        "amount_captured": record.captured,
        "amount_refunded": record.refunded(),
        "currency": record.currency,
        "payment_intent": record.id,
        "refunded": record.refunded() == record.captured,
    })
}

/// What a webhook carries.
pub(super) fn event(id: &str, kind: &str, record: &Record, public_url: &str, at: Timestamp) -> Value {
    let object = if kind.starts_with("charge.") {
        charge(record)
    } else {
        intent(record, public_url)
    };
    json!({
        "id": id,
        "object": "event",
        "created": at.as_second(),
        "data": { "object": object },
        "livemode": false,
        "pending_webhooks": 1,
        "type": kind,
    })
}

/// One page of things.
pub(super) fn page(object: &str, url: &str, data: Vec<Value>, has_more: bool) -> Value {
    json!({ "object": object, "url": url, "data": data, "has_more": has_more })
}
