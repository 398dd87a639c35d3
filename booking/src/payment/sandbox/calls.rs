//! What can be asked of the sandbox, read from forms and queries; pure. Anything it does not know is refused by name, so
//! that an adapter that sends too much is found out.

use std::collections::BTreeMap;

use hyper::{Method, Uri};

use super::cards::Card;
use super::refusal::Refusal;
use crate::payment::stripe::RETURN_KEY;

/// Largest amount, as at Stripe.
const AMOUNT_MAX: i64 = 99_999_999;

/// Most metadata fields, and most characters of their names and values, as at Stripe.
const METADATA_MAX: (usize, usize, usize) = (50, 40, 500);

/// Longest description, in characters.
const DESCRIPTION_MAX: usize = 1000;

/// One page of a list unless asked otherwise, and at most.
const PAGE: (u32, u32) = (10, 100);

/// A call that can be carried out.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Call {
    Create(New),
    Get(String),
    List(Part),
    Search { clause: Clause, limit: u32 },
    Confirm { id: String, card: Card },
    Answer { id: String, approved: bool },
    Capture(String),
    Cancel { id: String, reason: Option<String> },
    Refund { id: String, amount: Option<i64> },
    Refunds { id: String, part: Part },
}

impl Call {
    /// Whether it may change something.
    pub(super) fn writes(&self) -> bool {
        !matches!(
            self,
            Self::Get(_) | Self::List(_) | Self::Search { .. } | Self::Refunds { .. }
        )
    }
}

/// A payment to be made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct New {
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) description: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// Which part of a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) limit: u32,
    pub(super) after: Option<String>,
}

/// `metadata['name']:'value'`, the one clause that is understood.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clause {
    pub(super) name: String,
    pub(super) value: String,
}

/// The fields of a form or a query. Each is taken once; what is left at the end is unknown.
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    /// The fields in one fixed order, to tell whether two requests ask the same.
    pub(super) fn canonical(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish()
    }

    fn require(&mut self, name: &str) -> Result<String, Refusal> {
        self.take(name).ok_or_else(|| Refusal::missing(name))
    }

    fn amount(&mut self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.take(name) else {
            return Ok(None);
        };
        let amount = text
            .parse()
            .ok()
            .filter(|amount| (1..=AMOUNT_MAX).contains(amount));
        let why = "it must be a whole number from 1 to 99999999";
        amount.map(Some).ok_or_else(|| Refusal::invalid(name, why))
    }

    fn end(self) -> Result<(), Refusal> {
        match self.0.into_keys().next() {
            Some(name) => Err(Refusal::unknown(&name)),
            None => Ok(()),
        }
    }

    fn limit(&mut self) -> Result<u32, Refusal> {
        let Some(text) = self.take("limit") else {
            return Ok(PAGE.0);
        };
        let limit = text.parse().ok().filter(|limit| (1..=PAGE.1).contains(limit));
        limit.ok_or_else(|| Refusal::invalid("limit", "it must be a whole number from 1 to 100"))
    }

    fn part(&mut self) -> Result<Part, Refusal> {
        Ok(Part {
            limit: self.limit()?,
            after: self.take("starting_after"),
        })
    }
}

/// What `method` at `path` asks for, if it is anything.
pub(super) fn read(method: &Method, path: &str, fields: Fields) -> Result<Call, Refusal> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let id = |id: &&str| (*id).to_owned();
    match (method, segments.as_slice()) {
        (&Method::POST, ["v1", "payment_intents"]) => create(fields),
        (&Method::GET, ["v1", "payment_intents"]) => list(fields),
        (&Method::GET, ["v1", "payment_intents", "search"]) => search(fields),
        (&Method::GET, ["v1", "payment_intents", intent]) => {
            fields.end()?;
            Ok(Call::Get(id(intent)))
        }
        (&Method::POST, ["v1", "payment_intents", intent, "confirm"]) => confirm(id(intent), fields),
        (&Method::POST, ["v1", "payment_intents", intent, "cancel"]) => cancel(id(intent), fields),
        (&Method::POST, ["v1", "payment_intents", intent, "capture"]) => {
            fields.end()?;
            Ok(Call::Capture(id(intent)))
        }
        (&Method::POST, ["v1", "refunds"]) => refund(fields),
        (&Method::GET, ["v1", "refunds"]) => refunds(fields),
        _ => Err(Refusal::no_such_address()),
    }
}

fn create(mut fields: Fields) -> Result<Call, Refusal> {
    let amount = fields
        .amount("amount")?
        .ok_or_else(|| Refusal::missing("amount"))?;
    let currency = fields.require("currency")?;
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Err(Refusal::invalid("currency", "it must be three small letters"));
    }
    let method = fields.take("capture_method");
    if method.as_deref() != Some("manual") {
        return Err(Refusal::invalid(
            "capture_method",
            "the sandbox knows manual alone",
        ));
    }
    if fields
        .take("payment_method_types[]")
        .is_some_and(|kind| kind != "card")
    {
        return Err(Refusal::invalid(
            "payment_method_types",
            "the sandbox knows card alone",
        ));
    }
    let description = fields.take("description");
    if description
        .as_ref()
        .is_some_and(|text| text.chars().count() > DESCRIPTION_MAX)
    {
        return Err(Refusal::invalid("description", "it is too long"));
    }
    let metadata = metadata(&mut fields)?;
    if metadata
        .get(RETURN_KEY)
        .is_some_and(|url| absolute(url).is_none())
    {
        let why = "it must be an absolute address, http:// or https://";
        return Err(Refusal::invalid(&format!("metadata[{RETURN_KEY}]"), why));
    }
    fields.end()?;
    Ok(Call::Create(New {
        amount,
        currency,
        description,
        metadata,
    }))
}

/// An address that a browser may be sent to.
pub(super) fn absolute(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    known.then_some(uri)
}

fn metadata(fields: &mut Fields) -> Result<BTreeMap<String, String>, Refusal> {
    let is_metadata = |name: &str| name.starts_with("metadata[") && name.ends_with(']');
    let names: Vec<String> = fields
        .0
        .keys()
        .filter(|name| is_metadata(name))
        .cloned()
        .collect();
    let (most, name_max, value_max) = METADATA_MAX;
    let mut metadata = BTreeMap::new();
    for field in names {
        let Some(value) = fields.take(&field) else {
            continue;
        };
        let name = &field["metadata[".len()..field.len() - 1];
        let fits = (1..=name_max).contains(&name.chars().count()) && value.chars().count() <= value_max;
        if !fits || metadata.len() >= most {
            return Err(Refusal::invalid(&field, "it is too long, or there are too many"));
        }
        metadata.insert(name.to_owned(), value);
    }
    Ok(metadata)
}

fn confirm(id: String, mut fields: Fields) -> Result<Call, Refusal> {
    let method = fields.require("payment_method")?;
    let card = Card::by_method(&method).ok_or_else(|| Refusal::no_such("PaymentMethod", &method))?;
    fields.end()?;
    Ok(Call::Confirm { id, card })
}

fn cancel(id: String, mut fields: Fields) -> Result<Call, Refusal> {
    let reason = fields.take("cancellation_reason");
    let known = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];
    if reason.as_deref().is_some_and(|reason| !known.contains(&reason)) {
        return Err(Refusal::invalid(
            "cancellation_reason",
            "it is none that is known",
        ));
    }
    fields.end()?;
    Ok(Call::Cancel { id, reason })
}

fn refund(mut fields: Fields) -> Result<Call, Refusal> {
    let id = fields.require("payment_intent")?;
    let amount = fields.amount("amount")?;
    fields.end()?;
    Ok(Call::Refund { id, amount })
}

fn refunds(mut fields: Fields) -> Result<Call, Refusal> {
    let id = fields.require("payment_intent")?;
    let part = fields.part()?;
    fields.end()?;
    Ok(Call::Refunds { id, part })
}

fn list(mut fields: Fields) -> Result<Call, Refusal> {
    let part = fields.part()?;
    fields.end()?;
    Ok(Call::List(part))
}

fn search(mut fields: Fields) -> Result<Call, Refusal> {
    let query = fields.require("query")?;
    let limit = fields.limit()?;
    fields.end()?;
    let why = "the sandbox knows metadata['NAME']:'VALUE' alone";
    let clause = clause(&query).ok_or_else(|| Refusal::invalid("query", why))?;
    Ok(Call::Search { clause, limit })
}

fn clause(query: &str) -> Option<Clause> {
    let rest = query.trim().strip_prefix("metadata[")?;
    let (name, rest) = quoted(rest)?;
    let (value, rest) = quoted(rest.strip_prefix("]:")?)?;
    rest.is_empty().then_some(Clause { name, value })
}

/// A text in single or double quotes, where a backslash takes the next character as it is; and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mark = text.chars().next().filter(|mark| matches!(mark, '\'' | '"'))?;
    let (mut inside, mut letters) = (String::new(), text.char_indices().skip(1));
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => inside.push(letters.next()?.1),
            _ if letter == mark => return Some((inside, &text[at + 1..])),
            _ => inside.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_is_read_with_its_quotes() {
        let read = |query: &str| clause(query).map(|clause| (clause.name, clause.value));
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(read("metadata['order_id']:'a-1'"), pair("order_id", "a-1"));
        assert_eq!(read(r#"metadata["order_id"]:"a'1""#), pair("order_id", "a'1"));
        assert_eq!(read(r"metadata['o']:'a\'b\\c'"), pair("o", r"a'b\c"));
        for query in [
            "",
            "metadata['o']",
            "metadata['o']:'a",
            "metadata['o']:'a' or status:'x'",
            "status:'succeeded'",
        ] {
            assert_eq!(read(query), None, "{query}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let form = "amount=100&currency=usd&capture_method=manual&colour=red";
        let refusal = create(Fields::parse(form.as_bytes())).expect_err("an unknown field");
        assert!(refusal.document().to_string().contains("colour"));
        for form in [
            "currency=usd&capture_method=manual",
            "amount=0&currency=usd&capture_method=manual",
            "amount=-5&currency=usd&capture_method=manual",
            "amount=1e3&currency=usd&capture_method=manual",
            "amount=100&currency=USD&capture_method=manual",
            "amount=100&currency=usd",
        ] {
            let refusal = create(Fields::parse(form.as_bytes())).expect_err(form);
            assert_eq!(refusal.status, hyper::StatusCode::BAD_REQUEST);
        }
    }
}
