//! What a caller asks for: the parameters of `/search`, checked.
//!
//! Pure: pairs of names and values in, a request or the first thing wrong with it out. Knows neither HTTP nor the index.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Characters of `q`, enough for any title; more is a mistake or an attack.
pub(crate) const QUERY_CHARS_MAX: usize = 200;
/// Characters of `city` and `category`.
const NAME_CHARS_MAX: usize = 100;
/// Events a page may hold.
pub(crate) const LIMIT_MAX: usize = 50;
const LIMIT_DEFAULT: usize = 20;
/// How deep paging goes: the cost of a page grows with its offset, and no person pages on after 500 pages.
pub(crate) const OFFSET_MAX: usize = 10_000;

/// A checked request. Empty texts mean that this was not asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SearchRequest {
    pub(crate) q: String,
    pub(crate) city: String,
    pub(crate) category: String,
    pub(crate) from: Option<Day>,
    pub(crate) to: Option<Day>,
    pub(crate) limit: usize,
    pub(crate) offset: usize,
}

/// A bound in time as the caller wrote it and as the instants it spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Day {
    pub(crate) text: String,
    pub(crate) first: Timestamp,
    /// Equal to `first` where an instant was given; the day's last second where it was a date.
    pub(crate) last: Timestamp,
}

/// A parameter that cannot be used, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{remedy}")]
pub(crate) struct ParameterError {
    pub(crate) parameter: &'static str,
    pub(crate) remedy: String,
}

impl Default for SearchRequest {
    fn default() -> Self {
        Self {
            q: String::new(),
            city: String::new(),
            category: String::new(),
            from: None,
            to: None,
            limit: LIMIT_DEFAULT,
            offset: 0,
        }
    }
}

impl SearchRequest {
    /// Reads the parameters. Names that are not ours are ignored (links carry trackers); empty values, which forms
    /// send for fields left blank, count as absent.
    pub(crate) fn from_pairs(pairs: &[(String, String)]) -> Result<Self, ParameterError> {
        let mut request = Self::default();
        let mut seen: Vec<&'static str> = Vec::new();
        for (name, value) in pairs {
            let Some(name) = known(name) else { continue };
            if seen.contains(&name) {
                return Err(wrong(name, format!("`{name}` is given twice; give it once")));
            }
            seen.push(name);
            let value = value.trim();
            if !value.is_empty() {
                request.set(name, value)?;
            }
        }
        match (&request.from, &request.to) {
            (Some(from), Some(to)) if from.first > to.last => {
                Err(wrong("from", "`from` lies after `to`; exchange them".to_owned()))
            }
            _ => Ok(request),
        }
    }

    /// What can be used of parameters that [`from_pairs`](Self::from_pairs) refuses, to fill the form of a page that
    /// says what is wrong.
    pub(crate) fn usable_part(pairs: &[(String, String)]) -> Self {
        let mut request = Self::default();
        for (name, value) in pairs {
            if let Some(name) = known(name) {
                // What is refused stays as it was, which is the purpose here.
                let _ = request.set(name, value.trim());
            }
        }
        request
    }

    fn set(&mut self, name: &'static str, value: &str) -> Result<(), ParameterError> {
        match name {
            "q" => self.q = bounded(name, value, QUERY_CHARS_MAX)?,
            "city" => self.city = bounded(name, value, NAME_CHARS_MAX)?,
            "category" => self.category = bounded(name, value, NAME_CHARS_MAX)?,
            "from" => self.from = Some(day(name, value)?),
            "to" => self.to = Some(day(name, value)?),
            "limit" => self.limit = number(name, value, 1, LIMIT_MAX)?,
            _ => self.offset = number(name, value, 0, OFFSET_MAX)?,
        }
        Ok(())
    }
}

fn known(name: &str) -> Option<&'static str> {
    ["q", "city", "category", "from", "to", "limit", "offset"]
        .into_iter()
        .find(|known| *known == name)
}

fn wrong(parameter: &'static str, remedy: String) -> ParameterError {
    ParameterError { parameter, remedy }
}

fn bounded(name: &'static str, value: &str, chars_max: usize) -> Result<String, ParameterError> {
    if value.chars().nth(chars_max).is_some() {
        return Err(wrong(
            name,
            format!("`{name}` is longer than {chars_max} characters; shorten it"),
        ));
    }
    Ok(value.to_owned())
}

fn number(name: &'static str, value: &str, min: usize, max: usize) -> Result<usize, ParameterError> {
    match value.parse() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(wrong(
            name,
            format!("`{name}` must be a whole number between {min} and {max}"),
        )),
    }
}

/// A date spans its whole day in UTC: which zone the caller means is not known, and venues lie in many.
fn day(name: &'static str, value: &str) -> Result<Day, ParameterError> {
    let instants = value
        .parse::<Timestamp>()
        .map(|at| (at, at))
        .or_else(|_| whole_day(value));
    match instants {
        Ok((first, last)) if value.len() <= NAME_CHARS_MAX => Ok(Day {
            text: value.to_owned(),
            first,
            last,
        }),
        _ => Err(wrong(
            name,
            format!("`{name}` must be a date such as 2030-05-01 or an instant such as 2030-05-01T18:00:00Z"),
        )),
    }
}

fn whole_day(value: &str) -> Result<(Timestamp, Timestamp), jiff::Error> {
    let first = Date::strptime("%Y-%m-%d", value)?
        .to_zoned(TimeZone::UTC)?
        .timestamp();
    let last = first.checked_add(SignedDuration::from_secs(24 * 60 * 60 - 1))?;
    Ok((first, last))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<SearchRequest, ParameterError> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        SearchRequest::from_pairs(&pairs)
    }

    #[test]
    fn blank_fields_of_a_form_and_foreign_names_count_for_nothing() {
        let request = read(&[
            ("q", "  "),
            ("city", ""),
            ("from", ""),
            ("utm_source", "mail"),
            ("limit", ""),
        ])
        .unwrap();
        assert_eq!(request, SearchRequest::default());
    }

    #[test]
    fn everything_that_can_be_asked_arrives() {
        let request = read(&[
            ("q", " Ghost "),
            ("city", "Chico"),
            ("category", "Theatre"),
            ("from", "2030-05-01"),
            ("to", "2030-05-01"),
            ("limit", "50"),
            ("offset", "10000"),
        ])
        .unwrap();
        assert_eq!((request.q.as_str(), request.city.as_str()), ("Ghost", "Chico"));
        assert_eq!((request.limit, request.offset), (50, 10_000));
        let (from, to) = (request.from.unwrap(), request.to.unwrap());
        assert_eq!(from.first.to_string(), "2030-05-01T00:00:00Z");
        assert_eq!(to.last.to_string(), "2030-05-01T23:59:59Z");
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_remedy() {
        let long = "é".repeat(QUERY_CHARS_MAX + 1);
        for (pairs, parameter, remedy) in [
            (vec![("q", long.as_str())], "q", "200 characters"),
            (vec![("limit", "0")], "limit", "between 1 and 50"),
            (vec![("limit", "51")], "limit", "between 1 and 50"),
            (vec![("limit", "-1")], "limit", "between 1 and 50"),
            (vec![("offset", "10001")], "offset", "between 0 and 10000"),
            (vec![("offset", "99999999999999999999999")], "offset", "between 0"),
            (vec![("from", "soon")], "from", "2030-05-01"),
            (vec![("to", "2030-02-30")], "to", "2030-05-01"),
            (vec![("to", "2030-05-01T18:00:00")], "to", "2030-05-01T18:00:00Z"),
            (
                vec![("from", "2030-05-02"), ("to", "2030-05-01")],
                "from",
                "exchange",
            ),
            (vec![("q", "a"), ("q", "b")], "q", "twice"),
        ] {
            let error = read(&pairs).unwrap_err();
            assert_eq!(error.parameter, parameter, "{pairs:?}");
            assert!(error.remedy.contains(remedy), "{pairs:?}: {}", error.remedy);
        }
        assert_eq!(
            read(&[("q", &"é".repeat(QUERY_CHARS_MAX))])
                .unwrap()
                .q
                .chars()
                .count(),
            QUERY_CHARS_MAX
        );
    }
}
