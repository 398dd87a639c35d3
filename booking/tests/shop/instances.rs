//! Several instances of the service on one PostgreSQL, each with a folder of its own.

use serde_json::json;
use tidegate_booking::store::Engine;

use crate::support::buyer::{Buyer, PAYS};
use crate::support::databases::TestDatabase;
use crate::support::{Running, config};

#[tokio::test]
async fn what_one_instance_sells_is_paid_and_shown_at_the_other() {
    let on = TestDatabase::on(Engine::Postgres).await;
    let mut config = config();
    config.database = on.database.clone();
    // Both fill the catalogue and make the sandbox's tables, and one of them does.
    let (one, other) = tokio::join!(Running::with(&config), Running::with(&config));
    let fan = Buyer::new(&one).await;
    let there = Buyer {
        at: &other,
        cookie: fan.cookie.clone(),
    };
    for seats in [["A-1", "A-2"], ["B-1", "B-2"]] {
        let order = fan.order(1, &seats).await;
        let paid = there.pay(&order, PAYS).await;
        assert_eq!(paid.status, 303, "{paid:?}");
        let done = there.until(&order, &["issued"]).await;
        assert_eq!(done["tickets"].as_array().unwrap().len(), 2, "{done}");
    }
    // One goes, and the other still knows what it was paid.
    let order = fan.order(1, &["C-1"]).await;
    there.pay(&order, PAYS).await;
    let done = fan.until(&order, &["issued"]).await;
    one.stop().await.0.unwrap();
    let back = format!("/orders/{}/cancel", done["id"].as_str().unwrap());
    assert_eq!(there.post(&back, &json!({})).await.status, 200);
    there.until(&done, &["refunded"]).await;
}
