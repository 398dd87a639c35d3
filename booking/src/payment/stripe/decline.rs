//! A bank's no, in words for the fan.

/// Why a card was not charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decline {
    /// The provider's word: `insufficient_funds`. For logs and support; what it says is not for the fan, because some of
    /// them (a stolen card) must not be told (<https://docs.stripe.com/declines/codes>).
    pub code: String,
    /// A sentence for the fan.
    pub text: &'static str,
}

impl Decline {
    pub(in crate::payment) fn new(code: &str) -> Self {
        let text = match code {
            "insufficient_funds" | "withdrawal_count_limit_exceeded" | "card_velocity_exceeded" => {
                "The bank says that this card has no more room for this amount."
            }
            "expired_card" => "This card has expired.",
            "incorrect_cvc" | "invalid_cvc" => "The card's security code is not right.",
            "incorrect_number" | "invalid_number" => "The card's number is not right.",
            "invalid_expiry_month" | "invalid_expiry_year" => "The card's expiry date is not right.",
            "card_not_supported" | "currency_not_supported" => "This card cannot be used for this payment.",
            "authentication_required" | "payment_intent_authentication_failure" => {
                "The bank's own confirmation was not given."
            }
            "processing_error" | "try_again_later" | "issuer_not_available" => {
                "The bank could not be reached. Please try again."
            }
            _ => "The bank declined this card.",
        };
        Self {
            code: code.to_owned(),
            text,
        }
    }
}
