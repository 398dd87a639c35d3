//! Signing up, logging in and out, as a program and as a browser; and what is not told to whom.

use hyper::Method;
use serde_json::json;
use tidegate_config::LoginFor;

use crate::support::databases::{ENGINES, TestDatabase};
use crate::support::{Answer, PASSWORD, Running, config};

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const BROWSER: (&str, &str) = ("accept", "text/html");

async fn post(running: &Running, path: &str, body: serde_json::Value) -> Answer {
    running.send(Method::POST, path, &[JSON], &body.to_string()).await
}

async fn get(running: &Running, path: &str, cookie: &str) -> Answer {
    running.send(Method::GET, path, &[("cookie", cookie)], "").await
}

#[tokio::test]
async fn an_account_lives_from_signing_up_to_its_deletion_on_both_engines() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let mut config = config();
        config.database = database.database.clone();
        let running = Running::with(&config).await;
        let ada = json!({"username": "Ada.L", "password": PASSWORD, "email": "ada@example.com", "location": "London"});
        let made = post(&running, "/signup", ada.clone()).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(made.json()["account"]["role"], "fan");
        let cookie = made.header("set-cookie").unwrap();
        for part in ["booking_user=", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!made.text.contains("argon2") && !made.text.contains(PASSWORD));
        let account = get(&running, "/account", &made.cookie()).await.json();
        assert_eq!(
            (&account["username"], &account["email"]),
            (&json!("Ada.L"), &json!("ada@example.com"))
        );

        // The name is hers in any case, and an app brings the token by itself.
        post(
            &running,
            "/signup",
            json!({"username": "ada.l", "password": PASSWORD}),
        )
        .await
        .is_problem(409, "name-taken");
        let again = post(
            &running,
            "/login",
            json!({"username": "ADA.L", "password": PASSWORD}),
        )
        .await;
        let bearer = format!("Bearer {}", again.json()["user_token"].as_str().unwrap());
        let by_app = running
            .send(Method::GET, "/account", &[("authorization", &bearer)], "")
            .await;
        assert_eq!(by_app.status, 200);

        // Logging out ends this login and no other.
        let out = running
            .send(Method::POST, "/logout", &[("cookie", &made.cookie())], "")
            .await;
        assert_eq!(out.status, 204);
        assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
        get(&running, "/account", &made.cookie())
            .await
            .is_problem(401, "login-needed");
        assert_eq!(get(&running, "/account", &again.cookie()).await.status, 200);

        let delete = async |password: &str| {
            let headers = [JSON, ("cookie", &again.cookie())];
            let body = json!({"password": password}).to_string();
            running.send(Method::DELETE, "/account", &headers, &body).await
        };
        delete("not hers at all").await.is_problem(403, "wrong-password");
        assert_eq!(get(&running, "/account", &again.cookie()).await.status, 200);
        let gone = delete(PASSWORD).await;
        assert_eq!(gone.status, 204);
        get(&running, "/account", &again.cookie())
            .await
            .is_problem(401, "login-needed");
        let name = json!({"username": "Ada.L", "password": PASSWORD});
        post(&running, "/login", name)
            .await
            .is_problem(401, "wrong-login");
        let mut raw = database.raw().await;
        let left: i64 = sqlx::query_scalar(
            "select count(*) from account where email is not null or password <> '' \
                                or lower(username || shown_as) like '%ada%'",
        )
        .fetch_one(&mut raw)
        .await
        .unwrap();
        assert_eq!(left, 0, "nothing personal is left");
        assert_eq!(
            post(&running, "/signup", ada).await.status,
            201,
            "the name is free"
        );
    }
}

#[tokio::test]
async fn an_unknown_name_and_a_wrong_password_are_answered_alike_and_tries_are_limited() {
    let running = Running::new().await;
    post(
        &running,
        "/signup",
        json!({"username": "ada", "password": PASSWORD}),
    )
    .await;
    let wrong = post(
        &running,
        "/login",
        json!({"username": "ada", "password": "battery staple"}),
    )
    .await;
    let unknown = post(
        &running,
        "/login",
        json!({"username": "nobody", "password": "battery staple"}),
    )
    .await;
    let absurd = post(
        &running,
        "/login",
        json!({"username": "' or 1=1 --", "password": "x"}),
    )
    .await;
    wrong.is_problem(401, "wrong-login");
    assert_eq!((&wrong.text, wrong.status), (&unknown.text, unknown.status));
    assert_eq!((&wrong.text, wrong.status), (&absurd.text, absurd.status));
    for _ in 0..9 {
        post(
            &running,
            "/login",
            json!({"username": "ada", "password": "battery staple"}),
        )
        .await;
    }
    let closed = post(
        &running,
        "/login",
        json!({"username": "ada", "password": PASSWORD}),
    )
    .await;
    closed.is_problem(429, "too-many-tries");
    assert!(closed.header("retry-after").unwrap().parse::<u32>().unwrap() > 600);
    // Elsewhere its owner gets in.
    let body = json!({"username": "ada", "password": PASSWORD}).to_string();
    let elsewhere = ("x-forwarded-for", "192.0.2.1, 192.0.2.7");
    assert_eq!(
        running
            .send(Method::POST, "/login", &[JSON, elsewhere], &body)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn fields_that_make_no_sense_are_named() {
    let running = Running::new().await;
    let sound = json!({"username": "ada", "password": PASSWORD});
    for (field, value) in [
        ("username", json!("a")),
        ("username", json!("<script>")),
        ("username", json!(7)),
        ("password", json!("short")),
        ("password", json!("p".repeat(300))),
        ("email", json!("ada")),
        ("email", json!("a@b.c\r\nBcc: x@y.z")),
        ("location", json!("x".repeat(101))),
    ] {
        let mut body = sound.clone();
        body[field] = value;
        let problem = post(&running, "/signup", body).await.is_problem(422, "bad-field");
        assert!(problem["detail"].as_str().unwrap().contains(field), "{problem}");
    }
    for body in ["", "{", "[]", "\"x\""] {
        running
            .send(Method::POST, "/signup", &[JSON], body)
            .await
            .is_problem(400, "bad-request");
    }
    post(&running, "/login", json!({"username": "ada"}))
        .await
        .is_problem(422, "bad-field");
    let body = sound.to_string();
    let foreign = running
        .send(
            Method::POST,
            "/signup",
            &[JSON, ("sec-fetch-site", "cross-site")],
            &body,
        )
        .await;
    foreign.is_problem(403, "cross-site");
    assert_eq!(
        post(&running, "/signup", sound).await.status,
        201,
        "the name was not taken by any of these"
    );
}

#[tokio::test]
async fn a_forged_or_foreign_token_is_nobody_s() {
    let (running, other) = (Running::new().await, Running::new().await);
    let stranger = other.fan().await;
    let mine = running.fan().await;
    let (head, claims, sign) = {
        let mut parts = mine.trim_start_matches("booking_user=").split('.');
        (
            parts.next().unwrap(),
            parts.next().unwrap(),
            parts.next().unwrap(),
        )
    };
    for cookie in [
        stranger.as_str(),
        &format!("booking_user={head}.{claims}."),
        &format!(
            "booking_user={head}.{}.{sign}",
            stranger.split('.').nth(1).unwrap()
        ),
        &format!("booking_user={}", "x".repeat(5000)),
    ] {
        get(&running, "/account", cookie)
            .await
            .is_problem(401, "login-needed");
    }
    assert_eq!(get(&running, "/account", &mine).await.status, 200);
}

#[tokio::test]
async fn a_browser_is_led_to_the_login_and_back() {
    let running = Running::new().await;
    let asked = running.page("/account?x=1").await;
    assert_eq!(
        (asked.status.as_u16(), asked.header("location")),
        (303, Some("/login?return_to=%2Faccount%3Fx%3D1"))
    );
    let page = running.page("/signup?return_to=%2Fshowtimes%2F7").await;
    assert!(
        page.text.contains("name=\"return_to\" value=\"/showtimes/7\""),
        "{}",
        page.text
    );
    let body = "username=ada&password=short&email=ada%40example.com&return_to=/showtimes/7";
    let again = running
        .send(Method::POST, "/signup", &[FORM, BROWSER], body)
        .await;
    assert_eq!(again.status, 422);
    assert!(
        again.text.contains("value=\"ada@example.com\"") && again.text.contains("8 to 256"),
        "{}",
        again.text
    );
    let body = "username=ada&password=correct+horse&return_to=/showtimes/7";
    let done = running
        .send(Method::POST, "/signup", &[FORM, BROWSER], body)
        .await;
    assert_eq!(
        (done.status.as_u16(), done.header("location")),
        (303, Some("/showtimes/7"))
    );
    for elsewhere in ["https://evil.example/", "//evil.example", "/\\evil.example"] {
        let body = format!("username=ada&password=correct+horse&return_to={elsewhere}");
        let done = running
            .send(Method::POST, "/login", &[FORM, BROWSER], &body)
            .await;
        assert_eq!(done.header("location"), Some("/"), "{elsewhere}");
    }
    let wrong = running
        .send(
            Method::POST,
            "/login",
            &[FORM, BROWSER],
            "username=<b>&password=x",
        )
        .await;
    assert!(
        wrong.status == 401 && !wrong.text.contains("<b>"),
        "{}",
        wrong.text
    );
}

#[tokio::test]
async fn everything_may_need_a_login() {
    let mut config = config();
    config.login = LoginFor::All;
    let running = Running::with(&config).await;
    for path in ["/", "/events", "/showtimes/7/seats", "/nowhere"] {
        running.get(path).await.is_problem(401, "login-needed");
    }
    for path in ["/login", "/signup", "/health", "/jwks.json"] {
        assert_eq!(running.get(path).await.status, 200, "{path}");
    }
    let fan = running.fan().await;
    assert_eq!(get(&running, "/events", &fan).await.status, 200);
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_once_and_ends_every_login() {
    for engine in ENGINES {
        let database = TestDatabase::on(engine).await;
        let mut config = config();
        config.database = database.database.clone();
        let running = Running::with(&config).await;
        let ada = json!({"username": "ada", "password": PASSWORD, "email": "ada@example.com"});
        let login = post(&running, "/signup", ada).await.cookie();
        // Nobody and somebody are answered alike.
        let nobody = post(&running, "/password/forgot", json!({"username": "nobody"})).await;
        let somebody = post(&running, "/password/forgot", json!({"username": "ADA"})).await;
        assert_eq!((nobody.status.as_u16(), &nobody.text), (202, &somebody.text));
        let folder = running.folder.path().join("mail");
        let began = std::time::Instant::now();
        let mail = loop {
            let found = std::fs::read_dir(&folder).ok().and_then(|mut mails| mails.next());
            if let Some(Ok(mail)) = found
                && mail.path().extension().is_some_and(|end| end == "eml")
            {
                break std::fs::read_to_string(mail.path()).unwrap();
            }
            assert!(began.elapsed().as_secs() < 10, "no mail");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        // Quoted-printable breaks lines and writes = as =3D.
        let whole = mail.replace("=\r\n", "").replace("=3D", "=");
        let token: String = whole
            .split("token=")
            .nth(1)
            .unwrap()
            .chars()
            .take_while(char::is_ascii_hexdigit)
            .collect();
        assert_eq!(token.len(), 64, "{whole}");
        let short = post(
            &running,
            "/password/reset",
            json!({"token": token, "password": "x"}),
        )
        .await;
        assert_eq!(short.is_problem(422, "bad-field")["field"], "password");
        let new = "staple battery horse";
        let done = post(
            &running,
            "/password/reset",
            json!({"token": token, "password": new}),
        )
        .await;
        assert_eq!(done.status, 204, "{done:?}");
        get(&running, "/account", &login)
            .await
            .is_problem(401, "login-needed");
        let again = post(
            &running,
            "/password/reset",
            json!({"token": token, "password": new}),
        )
        .await;
        again.is_problem(410, "reset-over");
        let old = json!({"username": "ada", "password": PASSWORD});
        post(&running, "/login", old).await.is_problem(401, "wrong-login");
        let entered = post(&running, "/login", json!({"username": "ada", "password": new})).await;
        assert_eq!(entered.status, 200, "{entered:?}");
        assert!(database_is_silent_about(&database, &token).await);
    }
}

/// Whether no row of the resets has the secret itself.
async fn database_is_silent_about(database: &TestDatabase, token: &str) -> bool {
    let mut raw = database.raw().await;
    let found = sqlx::query("select 1 from password_reset where token_hash = $1")
        .bind(token)
        .fetch_optional(&mut raw)
        .await
        .unwrap();
    found.is_none()
}
