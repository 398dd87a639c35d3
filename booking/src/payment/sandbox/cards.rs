//! The test cards: what each does, by its number on the pay page and by its name in a call. The first four behave like
//! Stripe's of the same numbers (<https://docs.stripe.com/testing>).

use serde::{Deserialize, Serialize};

/// What a card does when it is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Card {
    /// Is authorised and taken.
    Pays,
    /// Is declined.
    Declines,
    /// Asks the fan for a step at the bank; then as they choose.
    Asks,
    /// Is authorised; taking the money fails.
    CaptureFails,
    /// The bank never answers.
    NeverAnswers,
}

impl Card {
    pub(super) const ALL: [Self; 5] = [
        Self::Pays,
        Self::Declines,
        Self::Asks,
        Self::CaptureFails,
        Self::NeverAnswers,
    ];

    /// As printed on it, without spaces.
    pub(super) fn number(self) -> &'static str {
        match self {
            Self::Pays => "4242424242424242",
            Self::Declines => "4000000000000002",
            Self::Asks => "4000002500003155",
            Self::CaptureFails => "4000000000000341",
            Self::NeverAnswers => "4000000000007775",
        }
    }

    /// What a call names it by.
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Pays => "pm_card_visa",
            Self::Declines => "pm_card_visa_chargeDeclined",
            Self::Asks => "pm_card_authenticationRequired",
            Self::CaptureFails => "pm_card_chargeCustomerFail",
            Self::NeverAnswers => "pm_card_neverAnswers",
        }
    }

    /// What it does, for the list beside the form.
    pub(super) fn does(self) -> &'static str {
        match self {
            Self::Pays => "pays",
            Self::Declines => "is declined",
            Self::Asks => "asks you to approve it first",
            Self::CaptureFails => "is authorised, then cannot be charged",
            Self::NeverAnswers => "never answers",
        }
    }

    pub(super) fn by_number(number: &str) -> Option<Self> {
        let digits: String = number.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        Self::ALL.into_iter().find(|card| card.number() == digits)
    }

    pub(super) fn by_method(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|card| card.method() == method)
    }

    /// In groups of four.
    pub(super) fn spaced(self) -> String {
        let (groups, _) = self.number().as_bytes().as_chunks::<4>();
        let groups: Vec<_> = groups
            .iter()
            .map(|group| String::from_utf8_lossy(group))
            .collect();
        groups.join(" ")
    }
}
