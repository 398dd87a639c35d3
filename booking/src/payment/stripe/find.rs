//! Finding a payment again by the order's id, after a crash between asking for it and writing its id down.

use super::error::ProviderError;
use super::intent::{Intent, ORDER_KEY, WireIntent};
use super::wire::{Page, Wire};

/// Pages of a search that are read. An order has one payment, seldom two.
const SEARCH_PAGES_MAX: usize = 5;

/// Intents of a list that are looked through where there is no search: ten pages.
const LISTED_MAX: usize = 1000;

/// The payments of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// In the provider's order.
    pub intents: Vec<Intent>,
    /// Whether there are surely no others. A search index lags behind by up to a minute
    /// (<https://docs.stripe.com/search#data-freshness>), so a search is never certain. Then only creating again with
    /// the same idempotency key tells.
    pub certain: bool,
}

pub(super) async fn by_order(wire: &Wire, order: &str) -> Result<Found, ProviderError> {
    let (wired, certain) = match search(wire, order).await {
        Ok(found) => (found, false),
        // No search here: an unknown address, or one taken for an intent called "search". Not everyone says 404.
        Err(
            ProviderError::NotFound { .. }
            | ProviderError::Refused {
                status: 400 | 405, ..
            },
        ) => {
            wire.list("/v1/payment_intents", &[], WireIntent::id, LISTED_MAX)
                .await?
        }
        Err(other) => return Err(other),
    };
    let mut intents = Vec::new();
    for intent in wired {
        // What cannot be read was not made by us, or it carries another order.
        match intent.read() {
            Ok(intent) if intent.order.as_deref() == Some(order) => intents.push(intent),
            _ => {}
        }
    }
    Ok(Found { intents, certain })
}

/// The newest payments of the account, whatever they are for.
pub(super) async fn recent(wire: &Wire) -> Result<Vec<Intent>, ProviderError> {
    let (wired, _) = wire
        .list("/v1/payment_intents", &[], WireIntent::id, LISTED_MAX)
        .await?;
    // What cannot be read was not made by us.
    Ok(wired
        .into_iter()
        .filter_map(|intent| intent.read().ok())
        .collect())
}

async fn search(wire: &Wire, order: &str) -> Result<Vec<WireIntent>, ProviderError> {
    let quoted = order.replace('\\', "\\\\").replace('\'', "\\'");
    let query = format!("metadata['{ORDER_KEY}']:'{quoted}'");
    let (mut all, mut next) = (Vec::new(), None::<String>);
    for _ in 0..SEARCH_PAGES_MAX {
        let mut fields = vec![("query", query.as_str()), ("limit", "100")];
        fields.extend(next.as_deref().map(|page| ("page", page)));
        let page: Page<WireIntent> = wire.get("/v1/payment_intents/search", &fields).await?;
        all.extend(page.data);
        next = page.next_page.filter(|_| page.has_more);
        if next.is_none() {
            break;
        }
    }
    Ok(all)
}
