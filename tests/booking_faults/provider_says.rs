//! What a payment provider says that was not asked of it: money in other coin than the order's, and disputes.

use serde_json::{Value, json};
use tidegate_booking::payment::Secret;
use tidegate_booking::payment::webhook::sign;

use crate::fan::{Fan, PATIENCE, PAYS};
use crate::gate::WEBHOOK_SECRET;
use crate::http::Sent;
use crate::instance::Instance;
use crate::killed::Shop;

const SEATS: [&str; 2] = ["A-1", "A-2"];

/// The service with an operator, and a fan who is about to pay for two seats.
struct Sale {
    shop: Shop,
    instance: Instance,
    operator: Fan,
    fan: Fan,
    order: Value,
}

impl Sale {
    fn begin() -> Self {
        Self::misheard(|_| None)
    }

    /// The provider hears something else than it is told, which is the total.
    fn misheard(how: impl FnOnce(i64) -> Option<(String, String)>) -> Self {
        let shop = Shop::new("", None);
        let instance = shop.instance(shop.port);
        let operator = Fan::new(&instance.address);
        let made = shop.number("update account set role = 'admin' returning cast(1 as bigint)");
        assert_eq!(made, 1);
        // The seats beside cost as much.
        let beside = operator.hold(1, &["A-3", "A-4"]).unwrap();
        let beside = operator.order(&beside).unwrap();
        if let Some((said, heard)) = how(beside["total"]["amount"].as_i64().unwrap()) {
            shop.provider.mishears(&said, &heard);
        }
        let fan = Fan::new(&instance.address);
        let order = fan.order(&fan.hold(1, &SEATS).unwrap()).unwrap();
        Self {
            shop,
            instance,
            operator,
            fan,
            order,
        }
    }

    fn total(&self) -> i64 {
        self.order["total"]["amount"].as_i64().unwrap()
    }

    fn pay(&self) {
        self.fan
            .pay(&self.shop.provider.pages.to_string(), &self.order, PAYS);
    }

    fn until(&self, state: &str) -> Value {
        self.fan.until(&self.order, &[state], PATIENCE)
    }

    /// What becomes of a decision about the order: status and problem or order.
    fn decide(&self, by: &Fan, accept: bool) -> (u16, Value) {
        let path = format!("/orders/{}/review", self.order["id"].as_str().unwrap());
        let answer = by.post(&path, &json!({"accept": accept})).unwrap();
        (answer.status, answer.json())
    }

    /// A webhook about the order's payment, rightly signed.
    fn hear(&self, kind: &str, status: &str) {
        let order = self.order["id"].as_str().unwrap();
        let intent = self.text(&format!("select intent from payment where order_id = '{order}'"));
        let body = json!({
            "id": format!("evt_{:016x}", rand::random::<u64>()), "object": "event", "type": kind,
            "created": jiff::Timestamp::now().as_second(),
            "data": {"object": {"object": "dispute", "payment_intent": intent, "status": status}},
        })
        .to_string();
        let signature = sign(
            &[Secret::new(WEBHOOK_SECRET)],
            body.as_bytes(),
            jiff::Timestamp::now(),
        );
        let sent = Sent::new("POST", "/payments/webhook")
            .header("Stripe-Signature", signature)
            .json(&serde_json::from_str(&body).unwrap());
        let heard = self.fan.send(sent).unwrap();
        assert_eq!(heard.status, 204, "{}", heard.text());
    }

    fn text(&self, query: &str) -> String {
        self.shop.text(query)
    }

    fn live_tickets(&self) -> i64 {
        self.shop
            .number("select count(*) from ticket where dead_at is null")
    }
}

#[test]
fn money_in_another_currency_is_held_for_review_and_given_back() {
    // The first showtime is in Australia.
    let sale = Sale::misheard(|_| Some(("currency=aud".to_owned(), "currency=eur".to_owned())));
    sale.pay();
    let reviewed = sale.until("review");
    assert_eq!(reviewed["status"], "under_review", "{reviewed}");
    assert_eq!(sale.live_tickets(), 0);
    let (status, refused) = sale.decide(&sale.fan, true);
    assert_eq!(
        (status, &refused["type"]),
        (403, &json!("urn:tidegate:problem:role-needed"))
    );
    let (status, refused) = sale.decide(&sale.operator, true);
    assert_eq!(status, 409, "another currency cannot be taken: {refused}");
    assert_eq!(sale.decide(&sale.operator, false).0, 200);
    sale.until("failed");
    sale.shop.balance();
    assert_eq!(sale.shop.provider.ledger().totals["eur"].captured, 0);
    // The seats are free again.
    Fan::new(&sale.instance.address).hold(1, &SEATS).unwrap();
}

#[test]
fn an_operator_may_take_less_than_was_asked_for() {
    let amount = |amount: i64| format!("amount={amount}");
    let sale = Sale::misheard(|total| Some((amount(total), amount(total - 1))));
    sale.pay();
    sale.until("review");
    let (status, decided) = sale.decide(&sale.operator, true);
    assert_eq!(status, 200, "{decided}");
    sale.until("issued");
    assert_eq!(sale.live_tickets(), 2);
    let taken = &sale.shop.provider.ledger().totals["aud"];
    assert_eq!((taken.captured, taken.held), (sale.total() - 1, 0), "{taken:?}");
    assert_eq!(sale.decide(&sale.operator, false).0, 200, "decided is decided");
    sale.until("issued");
}

#[test]
fn a_dispute_that_is_won_changes_nothing_and_one_that_is_lost_kills_the_tickets() {
    for (end, state, tickets) in [("won", "issued", 2), ("lost", "refunded", 0)] {
        let sale = Sale::begin();
        sale.pay();
        sale.until("issued");
        sale.hear("charge.dispute.created", "needs_response");
        let disputed = sale.until("disputed");
        assert_eq!(disputed["status"], "disputed", "{disputed}");
        let cancel = format!("/orders/{}/cancel", sale.order["id"].as_str().unwrap());
        let refused = sale.operator.post(&cancel, &json!({})).unwrap();
        assert_eq!(refused.status, 409, "the bank decides: {}", refused.text());
        sale.hear("charge.dispute.closed", end);
        sale.until(state);
        assert_eq!(sale.live_tickets(), tickets, "{end}");
        let again = Fan::new(&sale.instance.address).hold(1, &SEATS);
        assert_eq!(again.is_ok(), tickets == 0, "{end}");
    }
}
