//! Money: whole minor units with a currency, never a fraction.

use std::fmt;
use std::str::FromStr;

/// An ISO 4217 code: three capital letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

/// Why a text is not a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a currency is three capital letters, like USD")]
pub struct BadCurrency;

impl Currency {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("three capital letters are text")
    }

    /// How many digits of an amount stand behind the point (ISO 4217's exponent).
    pub fn exponent(&self) -> u32 {
        match self.as_str() {
            "CLP" | "ISK" | "JPY" | "KRW" | "PYG" | "UGX" | "VND" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            _ => 2,
        }
    }

    /// A sign that means this currency and no other, where there is one.
    fn sign(&self) -> Option<&'static str> {
        Some(match self.as_str() {
            "EUR" => "€",
            "GBP" => "£",
            "ILS" => "₪",
            "INR" => "₹",
            "JPY" => "¥",
            "KRW" => "₩",
            "NGN" => "₦",
            "TRY" => "₺",
            "USD" => "$",
            _ => return None,
        })
    }
}

impl FromStr for Currency {
    type Err = BadCurrency;

    fn from_str(text: &str) -> Result<Self, BadCurrency> {
        match text.as_bytes() {
            [a, b, c] if text.bytes().all(|byte| byte.is_ascii_uppercase()) => Ok(Self([*a, *b, *c])),
            _ => Err(BadCurrency),
        }
    }
}

impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An amount in minor units (cents, or whole yen).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Money {
    /// Minor units.
    pub amount: i64,
    /// Of which currency.
    pub currency: Currency,
}

/// As a person writes it: `$25`, `€7.50`, `1,200 ISK`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_u64.pow(self.currency.exponent());
        let (whole, part) = (
            self.amount.unsigned_abs() / unit,
            self.amount.unsigned_abs() % unit,
        );
        let digits = whole.to_string();
        let mut text = String::with_capacity(digits.len() + 12);
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        if part > 0 {
            let width = self.currency.exponent() as usize;
            text.push_str(&format!(".{part:0width$}"));
        }
        let minus = if self.amount < 0 { "-" } else { "" };
        match self.currency.sign() {
            Some(sign) => write!(f, "{minus}{sign}{text}"),
            None => write!(f, "{minus}{text}\u{a0}{}", self.currency.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        for (amount, currency, text) in [
            (2500, "USD", "$25"),
            (750, "EUR", "€7.50"),
            (1_234_567, "GBP", "£12,345.67"),
            (4500, "JPY", "¥4,500"),
            (120_000, "CZK", "1,200\u{a0}CZK"),
            (5, "USD", "$0.05"),
            (-100, "USD", "-$1"),
            (1_005, "KWD", "1.005\u{a0}KWD"),
        ] {
            let currency = currency.parse().expect("a currency");
            assert_eq!(Money { amount, currency }.to_string(), text);
        }
    }

    #[test]
    fn a_currency_is_three_capitals() {
        for text in ["", "usd", "US", "USDX", "U$D", "ÄB"] {
            assert_eq!(text.parse::<Currency>(), Err(BadCurrency), "{text:?}");
        }
    }
}
