//! What the adapter makes of a provider that refuses, stumbles, stalls or babbles.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tidegate_booking::payment::Secret;
use tidegate_booking::payment::stripe::{
    Provider, ProviderConfig, ProviderConfigError, ProviderError, STRIPE_API,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::payment_support::{key, money, new_intent, provider_at};

/// A server that answers every connection with the same bytes, or with nothing.
struct Canned {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Canned {
    async fn new(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(&answer).await;
                open.push(stream);
            }
        });
        Self { address, task }
    }

    async fn says(status: &str, more: &str, body: &str) -> Self {
        let length = body.len();
        let text =
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{more}connection: close\r\n\r\n{body}");
        Self::new(text.into_bytes()).await
    }

    async fn error(&self) -> ProviderError {
        let provider = provider_at(self.address, "sk_test_x", Duration::from_millis(700));
        provider
            .create(&new_intent("order-1", 100), &key("k"))
            .await
            .unwrap_err()
    }
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_told_apart_from_a_no() {
    let declined = r#"{"error":{"type":"card_error","code":"card_declined","decline_code":"insufficient_funds","message":"m"}}"#;
    let refused =
        r#"{"error":{"type":"invalid_request_error","code":"amount_too_small","message":"too small"}}"#;
    for (status, more, body, expect) in [
        ("500 Oh", "", "oh", "unknown"),
        ("503 Busy", "", "{}", "unknown"),
        ("302 There", "location: http://127.0.0.1:1/\r\n", "", "unknown"),
        ("200 OK", "", "<html>", "unknown"),
        ("200 OK", "", "{}", "unknown"),
        (
            "200 OK",
            "",
            r#"{"id":"pi_1","status":"dreaming","amount":1,"currency":"usd"}"#,
            "unknown",
        ),
        (
            "200 OK",
            "",
            r#"{"id":"pi_1","status":"succeeded","amount":1,"currency":"shells"}"#,
            "unknown",
        ),
        (
            "200 OK",
            "",
            r#"{"id":"../x","status":"succeeded","amount":1,"currency":"usd"}"#,
            "unknown",
        ),
        ("429 Slow", "retry-after: 7\r\n", "{}", "later 7s"),
        ("429 Slow", "retry-after: 99999\r\n", "{}", "later 600s"),
        ("409 Twice", "", "{}", "later"),
        ("402 No", "", declined, "declined insufficient_funds"),
        ("402 No", "", "?", "declined card_declined"),
        ("400 No", "", refused, "refused 400 amount_too_small"),
        ("401 Who", "", "{}", "refused 401 no code"),
        ("403 No", "", "", "refused 403 no code"),
        ("404 No", "", "{}", "not found"),
    ] {
        let server = Canned::says(status, more, body).await;
        let error = server.error().await;
        let seen = match &error {
            ProviderError::Unknown { .. } => "unknown".to_owned(),
            ProviderError::Later { after: Some(after) } => format!("later {after:?}"),
            ProviderError::Later { after: None } => "later".to_owned(),
            ProviderError::Declined(decline) => format!("declined {}", decline.code),
            ProviderError::Refused { status, code, .. } => format!("refused {status} {code}"),
            ProviderError::NotFound { .. } => "not found".to_owned(),
            ProviderError::State(_) => "state".to_owned(),
        };
        assert_eq!(seen, expect, "{status} {body}: {error}");
        let repeat = seen == "unknown" || seen.starts_with("later");
        assert_eq!(error.is_transient(), repeat, "{error:?}");
    }
}

#[tokio::test]
async fn a_provider_that_stalls_or_is_away_is_given_up_in_time() {
    let began = Instant::now();
    let silent = Canned::new(Vec::new()).await;
    let error = silent.error().await;
    assert!(error.to_string().contains("no answer within"), "{error}");
    let half = Canned::new(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{".to_vec()).await;
    assert!(matches!(half.error().await, ProviderError::Unknown { .. }));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());

    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let provider = provider_at(gone, "sk_test_x", Duration::from_secs(5));
    let error = provider.get(&"pi_1".parse().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let endless = Canned::says("200 OK", "", &" ".repeat(3 * 1024 * 1024)).await;
    let error = endless.error().await;
    assert!(
        matches!(&error, ProviderError::Unknown { why } if why.contains("limit")),
        "{error}"
    );
}

#[tokio::test]
async fn an_amount_that_is_none_is_not_sent() {
    let provider = provider_at(
        "127.0.0.1:1".parse().unwrap(),
        "sk_test_x",
        Duration::from_secs(1),
    );
    for amount in [0, -1] {
        let refused = provider.create(&new_intent("order-1", amount), &key("k")).await;
        assert!(
            matches!(refused, Err(ProviderError::Refused { status: 0, .. })),
            "{refused:?}"
        );
        let refused = provider
            .refund(&"pi_1".parse().unwrap(), money(amount), &key("k"))
            .await;
        assert!(
            matches!(refused, Err(ProviderError::Refused { status: 0, .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn a_configuration_that_cannot_work_is_refused_at_once() {
    let make = |base: &str, secret: &str| {
        Provider::new(&ProviderConfig {
            api_base: base.to_owned(),
            secret_key: Secret::new(secret),
            call_within: Duration::from_secs(1),
        })
        .err()
    };
    for base in [
        "",
        "api.stripe.com",
        "ftp://x",
        "http://",
        "http://x/?y=1",
        "http://a b",
    ] {
        assert!(
            matches!(make(base, "sk_test_x"), Some(ProviderConfigError::Base { .. })),
            "{base}"
        );
    }
    for secret in ["", "sk test", "sk\n", "schlüssel"] {
        assert!(
            matches!(make("http://127.0.0.1:1", secret), Some(ProviderConfigError::Key)),
            "{secret:?}"
        );
    }
    assert!(matches!(
        make("http://127.0.0.1:1", "sk_live_x"),
        Some(ProviderConfigError::Clear)
    ));
    // With TLS it takes this machine's certificates; a machine without any says so.
    assert!(matches!(
        make(STRIPE_API, "sk_live_x"),
        None | Some(ProviderConfigError::Certificates(_))
    ));
    assert!(!format!("{:?}", Secret::new("sk_live_x")).contains("live"));
}
