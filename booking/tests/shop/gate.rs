//! Who may let in with which tickets.

use serde_json::json;

use crate::support::buyer::Buyer;
use crate::support::databases::{ENGINES, TestDatabase};
use crate::support::{Running, config};

#[tokio::test]
async fn an_organiser_lets_in_to_own_events_and_staff_to_all() {
    for engine in ENGINES {
        let on = TestDatabase::on(engine).await;
        let mut config = config();
        config.database = on.database.clone();
        let shop = Running::with(&config).await;
        let (fan, own, other) = (
            Buyer::new(&shop).await,
            Buyer::new(&shop).await,
            Buyer::new(&shop).await,
        );
        let done = fan.buy(1, &["A-1", "A-2"]).await;
        let codes = [
            fan.code(&done["tickets"][0]).await,
            fan.code(&done["tickets"][1]).await,
        ];
        let mut raw = on.raw().await;
        let mut give = async |who: &Buyer<'_>, statement: &str| {
            let account = who.get("/account").await.json()["id"]
                .as_str()
                .unwrap()
                .to_owned();
            let query = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).bind(account);
            assert_eq!(query.execute(&mut raw).await.unwrap().rows_affected(), 1);
        };
        let theirs = "update event set organiser = $1 \
                      where id = (select event_id from showtime where id = 1)";
        for who in [&own, &other] {
            give(who, "update account set role = 'organiser' where id = $1").await;
        }
        give(&own, theirs).await;
        let refused = other.post("/checkin", &json!({"code": codes[0]})).await;
        refused.is_problem(403, "not-yours");
        let welcome = own.post("/checkin", &json!({"code": codes[0]})).await;
        assert_eq!(welcome.status, 200, "the refusal used nothing up: {welcome:?}");
        give(&other, "update account set role = 'staff' where id = $1").await;
        let welcome = other.post("/checkin", &json!({"code": codes[1]})).await;
        assert_eq!(welcome.status, 200, "{welcome:?}");
    }
}
