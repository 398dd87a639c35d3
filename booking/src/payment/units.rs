//! Amounts as the provider counts them. Mostly our own minor units; two currencies without minor units are counted in
//! hundredths all the same (<https://docs.stripe.com/currencies#special-cases>).

use crate::domain::{Currency, Money};

/// How many of the provider's units are one of ours.
fn units(currency: Currency) -> i64 {
    match currency.as_str() {
        "ISK" | "UGX" => 100,
        _ => 1,
    }
}

/// Our amount in the provider's units; `None` where it does not fit.
pub(super) fn to_provider(money: Money) -> Option<i64> {
    money.amount.checked_mul(units(money.currency))
}

/// The provider's amount and currency (in small letters) as money; `None` where it is no whole number of our units, or
/// no currency.
pub(super) fn from_provider(amount: i64, currency: &str) -> Option<Money> {
    let currency: Currency = currency.to_ascii_uppercase().parse().ok()?;
    let units = units(currency);
    (amount % units == 0).then_some(Money {
        amount: amount / units,
        currency,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_go_there_and_back() {
        for (code, amount, sent) in [
            ("USD", 2550, 2550),
            ("JPY", 900, 900),
            ("ISK", 500, 50_000),
            ("UGX", 7, 700),
        ] {
            let money = Money {
                amount,
                currency: code.parse().expect("a currency"),
            };
            assert_eq!(to_provider(money), Some(sent), "{code}");
            assert_eq!(from_provider(sent, &code.to_lowercase()), Some(money), "{code}");
        }
    }

    #[test]
    fn what_is_no_money_is_told() {
        assert_eq!(from_provider(550, "isk"), None);
        assert_eq!(from_provider(550, "dollars"), None);
        let most = Money {
            amount: i64::MAX,
            currency: "ISK".parse().expect("a currency"),
        };
        assert_eq!(to_provider(most), None);
    }
}
