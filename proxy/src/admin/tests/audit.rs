//! What an operator's change leaves in the log.

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::edge::{Edge, TOKEN};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// One thread, so that the subscriber of this thread hears everything.
#[tokio::test(flavor = "current_thread")]
async fn every_change_is_one_line_and_no_line_has_a_secret() {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let edge = Edge::start().await;
    let visit = edge.visit(0xabcd_ef01_u128 << 96).await;
    edge.call("PATCH", "/api/v1/rooms/drop", r#"{"active_max":9}"#)
        .await;
    edge.call("PATCH", "/api/v1/rooms/drop", r#"{"active_max":0}"#)
        .await;
    edge.call("PATCH", "/api/v1/rooms/drop", "{}").await;
    edge.send(
        "POST",
        "/api/v1/rooms/drop/pause",
        "Authorization: Bearer nobody\r\n",
        "",
    )
    .await;
    edge.get("/api/v1/rooms").await;
    edge.call("DELETE", &format!("/api/v1/rooms/drop/visits/{visit}"), "")
        .await;
    edge.call("POST", "/api/v1/rooms/drop/close", "").await;
    edge.stop().await;
    drop(guard);

    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let audit: Vec<&str> = log.lines().filter(|line| line.contains(" audit: ")).collect();
    assert_eq!(audit.len(), 3, "{log}");
    for (line, parts) in audit.iter().zip([
        [
            r#"action="patch""#,
            r#"change={"active_max":9}"#,
            r#"was={"active_max":2}"#,
        ],
        [r#"action="end_visit""#, "room=drop", &format!("visit={visit}")],
        [r#"action="close""#, "room=drop", "round="],
    ]) {
        parts
            .iter()
            .for_each(|part| assert!(line.contains(part), "{part} in {line}"));
    }
    assert!(!log.contains(TOKEN) && !log.contains("nobody"), "{log}");
}
