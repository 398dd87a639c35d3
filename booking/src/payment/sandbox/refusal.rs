//! What the sandbox says when it does not do what it was asked, in Stripe's form.

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::payment::stripe::Status;

/// Why a card was not charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fault {
    pub(super) code: String,
    pub(super) decline_code: Option<String>,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn declined() -> Self {
        Self {
            code: "card_declined".into(),
            decline_code: Some("generic_decline".into()),
            message: "Your card was declined.".into(),
        }
    }

    pub(super) fn not_authenticated() -> Self {
        Self {
            code: "payment_intent_authentication_failure".into(),
            decline_code: None,
            message: "The payment was not approved at the bank.".into(),
        }
    }

    pub(super) fn document(&self) -> Value {
        json!({
            "type": "card_error",
            "code": self.code,
            "decline_code": self.decline_code,
            "message": self.message,
        })
    }
}

/// A call that is not carried out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<String>,
    message: String,
    /// Whether the same key brings it again. What was wrong with the request itself is not kept, as at Stripe.
    pub(super) kept: bool,
}

impl Refusal {
    fn request(status: StatusCode, code: &'static str, message: String) -> Self {
        Self {
            status,
            kind: "invalid_request_error",
            code: Some(code),
            param: None,
            message,
            kept: false,
        }
    }

    pub(super) fn missing(param: &str) -> Self {
        let message = format!("Missing required param: {param}.");
        Self::request(StatusCode::BAD_REQUEST, "parameter_missing", message).about(param)
    }

    pub(super) fn unknown(param: &str) -> Self {
        let message = format!("The sandbox does not know the parameter {param}.");
        Self::request(StatusCode::BAD_REQUEST, "parameter_unknown", message).about(param)
    }

    pub(super) fn invalid(param: &str, why: &str) -> Self {
        let message = format!("Invalid {param}: {why}.");
        Self::request(StatusCode::BAD_REQUEST, "parameter_invalid", message).about(param)
    }

    pub(super) fn no_such(what: &str, id: &str) -> Self {
        let message = format!("No such {what}: '{id}'");
        Self::request(StatusCode::NOT_FOUND, "resource_missing", message).about("id")
    }

    pub(super) fn no_such_address() -> Self {
        let message = "The sandbox has nothing at this address.".to_owned();
        Self::request(StatusCode::NOT_FOUND, "unrecognized_url", message)
    }

    pub(super) fn wrong_state(status: Status, call: &str) -> Self {
        let message = format!("You cannot {call} this PaymentIntent because it has a status of {status}.");
        let mut refusal = Self::request(
            StatusCode::BAD_REQUEST,
            "payment_intent_unexpected_state",
            message,
        );
        refusal.kept = true;
        refusal
    }

    pub(super) fn too_much(left: i64) -> Self {
        let message = format!("Refund amount is greater than the unrefunded amount ({left}).");
        let mut refusal =
            Self::request(StatusCode::BAD_REQUEST, "charge_already_refunded", message).about("amount");
        refusal.kept = true;
        refusal
    }

    pub(super) fn wrong_key() -> Self {
        let message = "Invalid API key: send the sandbox's secret key as a bearer token.".to_owned();
        let mut refusal = Self::request(StatusCode::UNAUTHORIZED, "api_key_invalid", message);
        refusal.code = None;
        refusal
    }

    pub(super) fn key_reused() -> Self {
        let message = "Keys for idempotent requests can only be used with the same parameters they were first used with.";
        let mut refusal = Self::request(StatusCode::BAD_REQUEST, "idempotency_key_in_use", message.into());
        (refusal.kind, refusal.code) = ("idempotency_error", None);
        refusal
    }

    pub(super) fn broken() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "api_error",
            code: None,
            param: None,
            message: "An error occurred on the sandbox's side.".into(),
            kept: false,
        }
    }

    fn about(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    pub(super) fn document(&self) -> Value {
        let mut error = Map::new();
        error.insert("type".into(), self.kind.into());
        error.insert("message".into(), self.message.clone().into());
        self.code.map(|code| error.insert("code".into(), code.into()));
        let param = self.param.clone();
        param.map(|param| error.insert("param".into(), param.into()));
        json!({ "error": error })
    }
}
