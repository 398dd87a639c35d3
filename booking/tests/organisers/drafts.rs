//! Who may change the catalogue, and what becomes of what they change: from making it to calling it off.

use hyper::Method;
use serde_json::{Value, json};
use tidegate_booking::domain::Role;
use tidegate_booking::{GrantError, grant};

use crate::organiser_support::{SHARP, Shop, event, next_year, venue};
use crate::support::databases::ENGINES;

/// Every call that changes something, with a body that is right.
fn calls(event_id: &Value, showtime: &Value, venue_id: i64) -> Vec<(Method, String, Value)> {
    let start = json!({"starts_at": next_year("07-01T20:00")});
    vec![
        (Method::POST, "/venues".into(), venue()),
        (Method::POST, "/events".into(), event(venue_id)),
        (
            Method::POST,
            "/import".into(),
            json!({"events": [event(venue_id)]}),
        ),
        (
            Method::PATCH,
            format!("/events/{event_id}"),
            json!({"title": "Other"}),
        ),
        (Method::POST, format!("/events/{event_id}/showtimes"), start),
        (
            Method::PATCH,
            format!("/showtimes/{showtime}"),
            json!({"starts_at": next_year("07-02T20:00")}),
        ),
        (Method::POST, format!("/showtimes/{showtime}/cancel"), json!({})),
        (Method::POST, format!("/events/{event_id}/cancel"), json!({})),
    ]
}

#[tokio::test]
async fn only_those_whose_role_allows_it_change_anything() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let ada = shop.organiser().await;
        let hall = shop.venue(&ada).await;
        let made = shop.event(&ada, hall).await;
        let (id, showtime) = (&made["id"], &made["showtimes"][0]["id"]);
        let before = shop.version().await;
        let (_, fan) = shop.somebody(Role::Fan).await;
        let (_, staff) = shop.somebody(Role::Staff).await;
        for (method, path, body) in calls(id, showtime, hall) {
            shop.call(method.clone(), &path, "", &body)
                .await
                .is_problem(401, "login-needed");
            for cookie in [&fan, &staff] {
                let refused = shop.call(method.clone(), &path, cookie, &body).await;
                let problem = refused.is_problem(403, "wrong-role");
                assert!(
                    problem["detail"].as_str().unwrap().contains("booking grant"),
                    "{problem}"
                );
            }
            let headers = [
                ("content-type", "application/json"),
                ("cookie", ada.as_str()),
                ("sec-fetch-site", "cross-site"),
            ];
            let foreign = shop
                .running
                .send(method, &path, &headers, &body.to_string())
                .await;
            foreign.is_problem(403, "cross-site");
        }
        assert_eq!(
            shop.version().await,
            before,
            "{engine:?}: a refused call changed something"
        );
    }
}

#[tokio::test]
async fn roles_are_given_by_the_operator_and_by_admins() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let (_, admin) = shop.somebody(Role::Admin).await;
        let (name, somebody) = shop.somebody(Role::Fan).await;
        let role_of = async |cookie: &str| {
            shop.call(Method::GET, "/account", cookie, &json!({}))
                .await
                .json()["role"]
                .clone()
        };
        let path = format!("/accounts/{}/role", name.to_uppercase());
        shop.post(&path, "", &json!({"role": "staff"}))
            .await
            .is_problem(401, "login-needed");
        shop.post(&path, &somebody, &json!({"role": "admin"}))
            .await
            .is_problem(403, "wrong-role");
        let organiser = shop.organiser().await;
        shop.post(&path, &organiser, &json!({"role": "organiser"}))
            .await
            .is_problem(403, "wrong-role");
        assert_eq!(role_of(&somebody).await, "fan");
        for role in ["staff", "organiser", "admin", "fan"] {
            let given = shop.post(&path, &admin, &json!({"role": role})).await;
            assert_eq!(
                (given.status.as_u16(), &given.json()["role"]),
                (200, &json!(role)),
                "{given:?}"
            );
            assert_eq!(
                role_of(&somebody).await,
                role,
                "{engine:?}: from the next request on"
            );
        }
        shop.post(&path, &admin, &json!({"role": "king"}))
            .await
            .is_problem(422, "bad-field");
        shop.post(&path, &admin, &json!({}))
            .await
            .is_problem(422, "bad-field");
        shop.post("/accounts/nobody-here/role", &admin, &json!({"role": "fan"}))
            .await
            .is_problem(404, "not-found");
        shop.post("/accounts/a%20b/role", &admin, &json!({"role": "fan"}))
            .await
            .is_problem(400, "bad-request");

        let folder = shop.database.folder.path();
        let nobody = grant(&shop.config, folder, &"nobody-here".parse().unwrap(), Role::Admin).await;
        let error = nobody.unwrap_err();
        assert!(matches!(&error, GrantError::NoAccount { .. }), "{error}");
        assert!(error.to_string().contains("\"nobody-here\""), "{error}");
    }
    let empty = tempfile::tempdir().unwrap();
    let error = grant(
        &crate::support::config(),
        empty.path(),
        &"ada".parse().unwrap(),
        Role::Admin,
    )
    .await;
    assert!(matches!(error, Err(GrantError::NoDatabase { .. })), "{error:?}");
    assert_eq!(
        std::fs::read_dir(empty.path()).unwrap().count(),
        0,
        "a database was made"
    );
}

#[tokio::test]
async fn everyone_changes_only_their_own_and_admins_everything() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let (ada, bob) = (shop.organiser().await, shop.organiser().await);
        let (_, admin) = shop.somebody(Role::Admin).await;
        let hall = shop.venue(&ada).await;
        let made = shop.event(&ada, hall).await;
        let (id, showtime) = (&made["id"], &made["showtimes"][0]["id"]);
        let before = shop.version().await;
        // Ada's, and the first of those that ship with the program, which are nobody's.
        let shipped = shop.running.get("/events/1").await.json();
        for (event, showtime, cookie) in [
            (id, showtime, &bob),
            (&shipped["id"], &shipped["showtimes"][0]["id"], &ada),
        ] {
            for (method, path, body) in calls(event, showtime, hall).into_iter().skip(3) {
                let refused = shop.call(method, &path, cookie, &body).await;
                refused.is_problem(403, "not-yours");
            }
        }
        let elsewhere = shop.post("/events", &bob, &event(hall)).await;
        let problem = elsewhere.is_problem(422, "bad-field");
        assert_eq!(problem["errors"][0]["place"], "venue", "{problem}");
        let imported = shop
            .post("/import", &bob, &json!({"events": [event(hall)]}))
            .await;
        assert_eq!(
            imported.is_problem(422, "bad-field")["errors"][0]["place"],
            "events[0].venue"
        );
        assert_eq!(
            shop.version().await,
            before,
            "{engine:?}: a refused call changed something"
        );
        assert_eq!(shop.running.get(&format!("/events/{id}")).await.json(), made);

        // A house that is nobody's is open to all, at its own levels.
        let house = shop.running.get("/venues/1").await.json();
        let levels: Vec<&Value> = house["sections"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| &s["level"])
            .collect();
        let mut guest = event(1);
        guest["prices"] = levels
            .iter()
            .map(|level| json!({"level": level, "amount": 100}))
            .collect();
        let played = shop.post("/events", &bob, &guest).await;
        assert_eq!(played.status, 201, "{played:?}");

        for (event, showtime) in [(id, showtime), (&shipped["id"], &shipped["showtimes"][0]["id"])] {
            for (method, path, body) in calls(event, showtime, hall).into_iter().skip(3) {
                let done = shop.call(method, &path, &admin, &body).await;
                assert!(done.status.is_success(), "{engine:?}: {done:?}");
            }
        }
        let by_admin = shop.post("/events", &admin, &event(hall)).await;
        assert_eq!(by_admin.status, 201, "{by_admin:?}");
    }
}

#[tokio::test]
async fn an_event_lives_from_being_made_to_being_called_off() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let ada = shop.organiser().await;
        let made = shop.post("/venues", &ada, &venue()).await;
        let hall = made.json();
        assert_eq!(
            made.header("location"),
            Some(format!("/venues/{}", hall["id"]).as_str())
        );
        assert_eq!(hall["capacity"], 60);
        let rows = &hall["sections"][0]["rows"];
        assert_eq!(
            rows[0],
            json!({"label": "A", "seats": 4, "x": -150, "y": 100, "accessible": [1]})
        );
        assert_eq!(
            rows[1],
            json!({"label": "B", "seats": 6, "x": -300, "y": 250, "accessible": []})
        );
        assert_eq!(
            hall["sections"][1],
            json!({"name": "Floor", "level": 2, "label": "GA", "capacity": 50})
        );

        let created = shop.post("/events", &ada, &event(hall["id"].clone())).await;
        let made = created.json();
        let id = made["id"].as_i64().unwrap();
        let path = format!("/events/{id}");
        assert_eq!(created.header("location"), Some(path.as_str()));
        assert_eq!(made["price_from"], json!({"amount": 2000, "currency": "USD"}));
        assert_eq!(made["price_levels"][0]["sections"], json!(["Stalls"]));
        // Eight in the evening in Chico, in summer.
        assert_eq!(made["showtimes"][0]["starts_at"], next_year("06-02T03:00:00Z"));
        let listed = shop.running.get("/events?q=Lighthouse+Quartet").await.json();
        assert_eq!(listed["events"][0]["id"], id);
        let showtime = made["showtimes"][0]["id"].as_i64().unwrap();
        let held = shop.running.hold(showtime, &["A-1", "B-6"], &[]).await;
        assert_eq!(held.status, 201, "{held:?}");

        let before = shop.version().await;
        let change = json!({"title": "The Harbour Quartet", "credit": "", "category": "festival"});
        let changed = shop.patch(&path, &ada, &change).await.json();
        assert_eq!(
            (
                &changed["title"],
                &changed["credit"],
                &changed["category"],
                &changed["description"]
            ),
            (
                &json!("The Harbour Quartet"),
                &json!(""),
                &json!("festival"),
                &json!("Strings by the sea.")
            )
        );
        assert_eq!(shop.version().await, before + 1);
        assert_eq!(shop.patch(&path, &ada, &change).await.json(), changed);
        assert_eq!(
            shop.version().await,
            before + 1,
            "what changes nothing is no change"
        );

        let later = json!({"starts_at": next_year("06-03T19:30:00-07:00")});
        let added = shop.post(&format!("{path}/showtimes"), &ada, &later).await;
        assert_eq!(added.status, 201, "{added:?}");
        assert_eq!(added.json()["starts_at"], next_year("06-04T02:30:00Z"));
        let second = added.json()["id"].as_i64().unwrap();
        let again = shop.post(&format!("{path}/showtimes"), &ada, &later).await;
        let why = again.is_problem(422, "bad-field")["detail"].clone();
        assert_eq!(
            why,
            format!("starts_at: is when showtime {second} of this event begins.")
        );
        let onto = shop.patch(&format!("/showtimes/{showtime}"), &ada, &later).await;
        onto.is_problem(422, "bad-field");
        let moved = json!({"starts_at": next_year("06-05T20:00")});
        let moved = shop
            .patch(&format!("/showtimes/{showtime}"), &ada, &moved)
            .await
            .json();
        assert_eq!((&moved["id"], &moved["event"]), (&json!(showtime), &json!(id)));
        let shown = shop.running.get(&path).await.json();
        let order: Vec<i64> = shown["showtimes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["id"].as_i64().unwrap())
            .collect();
        assert_eq!(
            order,
            [second, showtime],
            "{engine:?}: the second is the sooner one now"
        );
        assert_eq!(
            shown["showtimes"][1]["seats_left"], 58,
            "what was held stays held"
        );

        let cancel = format!("/showtimes/{showtime}/cancel");
        for _ in 0..2 {
            let cancelled = shop.post(&cancel, &ada, &json!({})).await;
            assert_eq!(cancelled.json(), json!({"id": showtime, "cancelled": true}));
            assert_eq!(shop.version().await, before + 4, "a second time changes nothing");
        }
        shop.running
            .hold(showtime, &["A-2"], &[])
            .await
            .is_problem(409, "cancelled");
        assert_eq!(
            shop.running.get(&format!("/showtimes/{showtime}")).await.json()["cancelled"],
            true
        );
        let left = shop.running.get(&path).await.json();
        assert_eq!(left["showtimes"].as_array().unwrap().len(), 1);
        shop.patch(
            &format!("/showtimes/{showtime}"),
            &ada,
            &json!({"starts_at": next_year("08-01T20:00")}),
        )
        .await
        .is_problem(409, "cancelled");

        for _ in 0..2 {
            let cancelled = shop.post(&format!("{path}/cancel"), &ada, &json!({})).await;
            assert_eq!(cancelled.json(), json!({"id": id, "cancelled": true}));
            assert_eq!(shop.version().await, before + 5, "a second time changes nothing");
        }
        assert_eq!(
            shop.running.get("/events?q=Harbour+Quartet").await.json()["events"],
            json!([])
        );
        let gone = shop.running.get(&path).await.json();
        assert_eq!(
            (&gone["cancelled"], &gone["showtimes"]),
            (&json!(true), &json!([]))
        );
        assert!(
            shop.running
                .page(&path)
                .await
                .text
                .contains("This event was called off.")
        );
        shop.running
            .hold(second, &["A-2"], &[])
            .await
            .is_problem(409, "cancelled");
        let told = shop.running.get(&format!("/changes?after={before}")).await.json();
        assert_eq!(
            told["events"].as_array().unwrap().len(),
            1,
            "only the last change of an event is kept"
        );
        let last = &told["events"][0];
        assert_eq!(
            (&last["id"], &last["cancelled"], &last["version"]),
            (&json!(id), &json!(true), &json!(before + 5))
        );
        for (method, path, body) in calls(&json!(id), &json!(second), 1).into_iter().skip(3).take(3) {
            let refused = shop.call(method, &path, &ada, &body).await;
            refused.is_problem(409, "cancelled");
        }
        let off = shop
            .post(&format!("/showtimes/{second}/cancel"), &ada, &json!({}))
            .await;
        assert_eq!(off.status, 200);
    }
}

#[tokio::test]
async fn a_showtime_that_has_begun_stays_where_it_is() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let ada = shop.organiser().await;
        let hall = shop.venue(&ada).await;
        let made = shop.event(&ada, hall).await;
        let showtime = &made["showtimes"][0]["id"];
        let mut raw = shop.database.raw().await;
        sqlx::query("update showtime set starts_at = 1000 where id = $1")
            .bind(showtime.as_i64().unwrap())
            .execute(&mut raw)
            .await
            .unwrap();
        let later = json!({"starts_at": next_year("06-05T20:00")});
        shop.patch(&format!("/showtimes/{showtime}"), &ada, &later)
            .await
            .is_problem(409, "started");
    }
}

#[tokio::test]
async fn texts_are_verbatim_in_json_and_escaped_on_pages() {
    for engine in ENGINES {
        let shop = Shop::on(engine).await;
        let ada = shop.organiser().await;
        let mut hall = venue();
        for field in ["name", "city", "country"] {
            hall[field] = json!(format!("{field} {SHARP}"));
        }
        hall["sections"][0]["name"] = json!(format!("stalls {SHARP}"));
        hall["sections"][1]["name"] = json!(format!("floor {SHARP}"));
        let hall = shop.post("/venues", &ada, &hall).await.json();
        assert_eq!(hall["sections"][1]["name"], format!("floor {SHARP}"));
        let mut sharp = event(hall["id"].clone());
        for field in ["title", "credit", "description"] {
            sharp[field] = json!(format!("{field} {SHARP}"));
        }
        let made = shop.post("/events", &ada, &sharp).await.json();
        let id = &made["id"];
        let after = shop.version().await - 1;
        let changes = shop.running.get(&format!("/changes?after={after}")).await.json();
        let listed = shop.running.get("/events?q=onclick").await.json();
        for shown in [&made, &changes["events"][0], &listed["events"][0]] {
            assert_eq!(shown["id"], *id);
            for field in ["title", "credit"] {
                assert_eq!(shown[field], format!("{field} {SHARP}"));
            }
            assert!(
                shown["description"]
                    .as_str()
                    .unwrap()
                    .ends_with(&format!("description {SHARP}"))
            );
            for field in ["name", "city", "country"] {
                assert_eq!(shown["venue"][field], format!("{field} {SHARP}"));
            }
        }
        let showtime = &made["showtimes"][0]["id"];
        for path in [
            format!("/events/{id}"),
            format!("/showtimes/{showtime}"),
            "/events?q=onclick".to_owned(),
        ] {
            let page = shop.running.page(&path).await;
            assert_eq!(page.status, 200, "{path}");
            assert!(
                page.text.contains("onclick="),
                "{path} does not show the text at all"
            );
            assert!(
                !page.text.contains("<b onclick"),
                "{engine:?}: markup reached {path}"
            );
            assert!(
                !page.text.contains("&amp; 'quoted'"),
                "{engine:?}: {path} shows the text otherwise than it is"
            );
        }
        let changed = shop
            .patch(&format!("/events/{id}"), &ada, &json!({"title": SHARP}))
            .await
            .json();
        assert_eq!(changed["title"], SHARP);
        assert!(
            shop.running.get("/events").await.json()["events"]
                .as_array()
                .unwrap()
                .len()
                > 1
        );
    }
}
