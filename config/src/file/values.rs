//! Reads one value: text, numbers, durations, addresses and choices. Each says what to write instead.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;
use toml::de::DeValue;

use crate::problems::{Wrong, did_you_mean, quoted};

/// Text as it stands.
pub(crate) fn text<'v>(value: &'v DeValue<'_>) -> Result<&'v str, Wrong> {
    match value {
        DeValue::String(text) => Ok(text),
        DeValue::Integer(number) => Err(Wrong::new(
            "is a number, not text",
            format!("put it between double quotes: \"{number}\""),
        )),
        other => Err(Wrong::new(
            format!("is {}, not text", kind(other)),
            "write text between double quotes",
        )),
    }
}

/// Text that something else reads.
pub(crate) fn parsed<T>(
    read: impl FnOnce(&str) -> Result<T, Wrong>,
) -> impl FnOnce(&DeValue<'_>) -> Result<T, Wrong> {
    move |value| read(text(value)?)
}

/// `true` or `false`.
pub(crate) fn flag(value: &DeValue<'_>) -> Result<bool, Wrong> {
    match value {
        DeValue::Boolean(flag) => Ok(*flag),
        DeValue::String(text) if matches!(text.as_ref(), "true" | "false") => {
            Err(Wrong::new("is text", format!("write {text}, without quotes")))
        }
        other => Err(Wrong::new(format!("is {}", kind(other)), "write true or false")),
    }
}

/// A whole number within bounds.
pub(crate) fn whole<T>(bounds: RangeInclusive<T>) -> impl FnOnce(&DeValue<'_>) -> Result<T, Wrong>
where
    T: Copy + Display + PartialOrd + TryFrom<i128>,
{
    move |value| {
        let (from, to) = (*bounds.start(), *bounds.end());
        let within = || format!("write a whole number from {from} to {to}");
        match value {
            DeValue::Integer(integer) => {
                let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
                let fits = number
                    .and_then(|number| T::try_from(number).ok())
                    .filter(|n| bounds.contains(n));
                fits.ok_or_else(|| {
                    let size = if integer.as_str().starts_with('-') || number.is_some_and(|n| below(n, from))
                    {
                        "too small"
                    } else {
                        "too large"
                    };
                    Wrong::new(format!("{integer} is {size}"), within())
                })
            }
            DeValue::String(text) if text.parse::<i128>().is_ok() => Err(Wrong::new(
                "is text, not a number",
                format!("write {text}, without quotes"),
            )),
            other => Err(Wrong::new(
                format!("is {}, not a whole number", kind(other)),
                within(),
            )),
        }
    }
}

fn below<T: PartialOrd + TryFrom<i128>>(number: i128, from: T) -> bool {
    T::try_from(number).map_or(number < 0, |number| number < from)
}

/// A duration such as `"5m"`, within bounds.
pub(crate) fn duration(
    bounds: RangeInclusive<Duration>,
) -> impl FnOnce(&DeValue<'_>) -> Result<Duration, Wrong> {
    move |value| {
        let text = match value {
            DeValue::String(text) => text,
            DeValue::Integer(number) => {
                let remedy = format!("write it as text with its unit: \"{number}s\" if seconds are meant");
                return Err(Wrong::new("is a number without a unit", remedy));
            }
            other => {
                return Err(Wrong::new(
                    format!("is {}, not a duration", kind(other)),
                    "write for example \"30s\"",
                ));
            }
        };
        let duration = humantime::parse_duration(text).map_err(|error| {
            Wrong::new(
                format!("{} is no duration: {error}", quoted(text)),
                "write for example \"30s\", \"5m\" or \"1h 30m\"",
            )
        })?;
        if bounds.contains(&duration) {
            return Ok(duration);
        }
        let size = if duration < *bounds.start() {
            "too short"
        } else {
            "too long"
        };
        let remedy = format!(
            "write at least \"{}\" and at most \"{}\"",
            shown(*bounds.start()),
            shown(*bounds.end())
        );
        Err(Wrong::new(format!("{} is {size}", quoted(text)), remedy))
    }
}

/// A duration as it would be written in a file.
pub(crate) fn shown(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// One of a few words.
pub(crate) fn one_of<T: Copy>(words: &[(&str, T)]) -> impl FnOnce(&DeValue<'_>) -> Result<T, Wrong> {
    move |value| {
        let all = words
            .iter()
            .map(|(word, _)| format!("\"{word}\""))
            .collect::<Vec<_>>()
            .join(" or ");
        let DeValue::String(text) = value else {
            return Err(Wrong::new(
                format!("is {}, not one of the choices", kind(value)),
                format!("write {all}"),
            ));
        };
        words
            .iter()
            .find(|(word, _)| word == text)
            .map(|(_, meaning)| *meaning)
            .ok_or_else(|| {
                let remedy = match did_you_mean(text, words.iter().map(|(word, _)| *word)) {
                    Some(meant) => format!("write \"{meant}\""),
                    None => format!("write {all}"),
                };
                Wrong::new(format!("{} is none of the choices", quoted(text)), remedy)
            })
    }
}

/// An address to listen on.
pub(crate) fn address(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| {
        let remedy = if text.parse::<IpAddr>().is_ok() {
            "write the port too: \"127.0.0.1:8080\" or \"[::1]:8080\"".to_owned()
        } else if let Some(port) = text
            .strip_prefix("localhost:")
            .or(text.strip_prefix(':'))
            .filter(|p| is_port(p))
        {
            format!("write \"127.0.0.1:{port}\" for this machine only, or \"0.0.0.0:{port}\" for everyone")
        } else {
            "write an IP address and a port: \"127.0.0.1:8080\"".to_owned()
        };
        Wrong::new(format!("{} is no address to listen on", quoted(text)), remedy)
    })
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

/// A network, or a single address standing for itself.
pub(crate) fn network(text: &str) -> Result<IpNet, Wrong> {
    let network = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            let message = format!("{} is no network", quoted(text));
            Wrong::new(message, "write for example \"10.0.0.0/8\" or \"192.0.2.7\"")
        })?;
    if network.prefix_len() == 0 {
        let message = format!("{text} would believe everyone about the address they come from");
        return Err(Wrong::new(
            message,
            "write the networks of your load balancers only",
        ));
    }
    Ok(network)
}

/// Text for people, within `chars_max` characters.
pub(crate) fn prose(chars_max: usize) -> impl Fn(&str) -> Result<String, Wrong> {
    move |text| {
        if text.trim().is_empty() {
            return Err(Wrong::new("is empty", "write a text, or leave the key out"));
        }
        if text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(Wrong::new("has control characters in it", "write plain text"));
        }
        let chars = text.chars().count();
        if chars > chars_max {
            let message = format!("has {chars} characters");
            return Err(Wrong::new(message, format!("write at most {chars_max}")));
        }
        Ok(text.trim().to_owned())
    }
}

/// What a value is, in words that need no knowledge of TOML.
pub(crate) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(toml: &str) -> DeValue<'_> {
        DeValue::parse(toml).expect("the test's TOML").into_inner()
    }

    #[test]
    fn durations_need_a_unit_and_stay_within_bounds() {
        let read = |toml| duration(Duration::from_secs(1)..=Duration::from_secs(3600))(&value(toml));
        assert_eq!(read("'1m 30s'"), Ok(Duration::from_secs(90)));
        assert!(read("90").is_err_and(|wrong| wrong.remedy.contains("\"90s\"")));
        assert!(read("'90'").is_err_and(|wrong| wrong.remedy.contains("\"30s\"")));
        assert!(read("'0s'").is_err_and(|wrong| wrong.message.contains("too short")));
        assert!(read("'2h'").is_err_and(|wrong| wrong.remedy.contains("at most \"1h\"")));
        assert!(read("true").is_err());
    }

    #[test]
    fn numbers_are_whole_and_bounded() {
        let read = |toml| whole(1..=100u32)(&value(toml));
        assert_eq!(read("0x10"), Ok(16));
        assert_eq!(read("1_0"), Ok(10));
        for (toml, said) in [
            ("0", "too small"),
            ("-5", "too small"),
            ("101", "too large"),
            ("99999999999999999999999999999999999999999999", "too large"),
            ("1.5", "a number with a point"),
        ] {
            assert!(
                read(toml).is_err_and(|wrong| wrong.message.contains(said)),
                "{toml}"
            );
        }
        assert!(read("'50'").is_err_and(|wrong| wrong.remedy == "write 50, without quotes"));
    }

    #[test]
    fn addresses_say_what_is_missing() {
        assert_eq!(address("[::1]:80").map(|address| address.port()), Ok(80));
        assert!(address("127.0.0.1").is_err_and(|wrong| wrong.remedy.contains("the port too")));
        assert!(address("localhost:8080").is_err_and(|wrong| wrong.remedy.contains("127.0.0.1:8080")));
        assert!(address(":8080").is_err_and(|wrong| wrong.remedy.contains("0.0.0.0:8080")));
    }

    #[test]
    fn networks_may_be_single_addresses_but_not_the_world() {
        assert_eq!(
            network("192.0.2.7"),
            Ok("192.0.2.7/32".parse().expect("a network"))
        );
        assert!(network("0.0.0.0/0").is_err());
        assert!(network("10.0.0.0/33").is_err());
    }

    #[test]
    fn choices_are_guessed() {
        let read = |toml| one_of(&[("hold", 1), ("open", 2)])(&value(toml));
        assert_eq!(read("'open'"), Ok(2));
        assert_eq!(
            read("'opne'").map_err(|wrong| wrong.remedy),
            Err("write \"open\"".to_owned())
        );
        assert_eq!(
            read("1").map_err(|wrong| wrong.remedy),
            Err("write \"hold\" or \"open\"".to_owned())
        );
    }
}
