//! Sections for general admission, as somebody meets them who has only the page, and as programs see them.

use hyper::Method;
use serde_json::json;

use crate::organiser_support::Shop;
use crate::support::Answer;
use crate::support::databases::ENGINES;

/// Sends a form of the page, as a browser does.
async fn form(shop: &Shop, path: &str, cookie: &str, body: &str) -> Answer {
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept", "text/html"),
        ("cookie", cookie),
    ];
    shop.running.send(Method::POST, path, &headers, body).await
}

async fn page(shop: &Shop, path: &str, cookie: &str) -> String {
    let headers = [("accept", "text/html"), ("cookie", cookie)];
    shop.running.send(Method::GET, path, &headers, "").await.text
}

#[tokio::test]
async fn places_are_held_by_forms_alone() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let organiser = shop.organiser().await;
        let venue = shop.venue(&organiser).await;
        let event = shop.event(&organiser, venue).await;
        let showtime = format!("/showtimes/{}", event["showtimes"][0]["id"]);
        let fan = shop.running.fan().await;
        let holds = format!("{showtime}/holds");
        let shown = page(&shop, &showtime, &fan).await;
        assert!(
            shown.contains("Floor") && shown.contains("$20") && shown.contains(">50<"),
            "{shown}"
        );

        let held = form(&shop, &holds, &fan, "section=GA&quantity=2").await;
        assert_eq!(
            (held.status.as_u16(), held.header("location")),
            (303, Some(showtime.as_str()))
        );
        let shown = page(&shop, &showtime, &fan).await;
        assert!(
            shown.contains("2 × Floor") && shown.contains("$40") && shown.contains(">48<"),
            "{shown}"
        );
        let open = &shop.running.get(&showtime).await.json()["open"][0];
        let seen = json!({"name": "Floor", "label": "GA", "level": 2, "capacity": 50, "left": 48});
        assert_eq!(*open, seen);

        // The best by a number alone; a wish that makes no sense leads back to the page with the reason.
        assert_eq!(form(&shop, &holds, &fan, "best=2").await.status, 303);
        assert!(page(&shop, &showtime, &fan).await.contains("$130"));
        for (wish, status, said) in [
            ("section=GA&quantity=0", 422, "at least 1"),
            ("section=GA&quantity=-1", 422, "whole number"),
            (
                "section=Balcony&quantity=1",
                422,
                "no section for general admission",
            ),
            ("section=GA&quantity=3", 422, "At most"),
            ("best=many", 422, "whole number"),
        ] {
            let refused = form(&shop, &holds, &fan, wish).await;
            assert_eq!(refused.status.as_u16(), status, "{wish}: {refused:?}");
            assert!(refused.text.contains(said), "{wish}: {refused:?}");
        }
    }
}
