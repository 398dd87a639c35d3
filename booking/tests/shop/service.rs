//! The life of the service: first start, later starts, what stops it from starting, and the drain.

use std::time::{Duration, Instant};

use tidegate_booking::start;
use tidegate_config::Database;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Running, config};

async fn why_not(config: &tidegate_config::Booking, folder: &std::path::Path) -> String {
    start(config, folder)
        .await
        .err()
        .expect("it must not start")
        .to_string()
}

#[tokio::test]
async fn the_first_start_fills_the_catalogue_and_later_ones_keep_it() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let service = start(&config(), folder.path()).await.unwrap();
    let first = began.elapsed();
    assert!(first < Duration::from_secs(5), "the first start took {first:?}");
    let running = Running::run(service, folder);
    let held = running.hold(1, &["A-1"], &[]).await;
    let (ended, folder) = running.stop().await;
    ended.unwrap();

    let began = Instant::now();
    let service = start(&config(), folder.path()).await.unwrap();
    println!("first start {first:?}, next {:?}", began.elapsed());
    let running = Running::run(service, folder);
    let again = running.hold(1, &["A-1"], &[]).await;
    again.is_problem(409, "seats-taken");
    let mine = running
        .send(
            hyper::Method::GET,
            "/showtimes/1/holds/me",
            &[("cookie", &held.cookie())],
            "",
        )
        .await;
    assert_eq!(
        mine.json()["holds"][0]["seats"][0],
        "A-1",
        "a hold outlives the process"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn what_it_keeps_is_its_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mode = |name: &str| {
        let known = std::fs::metadata(data.join(name)).unwrap();
        known.permissions().mode() & 0o777
    };
    let files = [
        "booking.db",
        "booking.db-wal",
        "booking.db-shm",
        "payments-sandbox.db",
        "payments-sandbox.db-wal",
        "payments-sandbox.db-shm",
    ];
    let running = start(&config(), &data).await.unwrap();
    assert_eq!(mode("."), 0o700);
    for name in files {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    drop(running);
    // Files of an older version, or a careless copy.
    for name in ["booking.db", "payments-sandbox.db"] {
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(data.join(name), open).unwrap();
    }
    let _running = start(&config(), &data).await.unwrap();
    for name in files {
        assert_eq!(mode(name), 0o600, "{name}");
    }
}

#[tokio::test]
async fn what_stops_a_start_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut on_taken = config();
    on_taken.listen = taken.local_addr().unwrap();
    let why = why_not(&on_taken, folder.path()).await;
    assert!(
        why.contains(&on_taken.listen.to_string()) && why.contains("in use"),
        "{why}"
    );
    assert!(
        !folder.path().join("booking.db").exists(),
        "nothing is left behind"
    );

    std::fs::write(folder.path().join("plain"), "x").unwrap();
    let mut under_a_file = config();
    under_a_file.database = Database::Sqlite("plain/booking.db".into());
    let why = why_not(&under_a_file, folder.path()).await;
    assert!(why.contains("plain"), "{why}");

    std::fs::write(
        folder.path().join("booking.db"),
        "this is a diary, and no database at all",
    )
    .unwrap();
    let why = why_not(&config(), folder.path()).await;
    assert!(
        why.contains("booking.db") && why.contains("not a database"),
        "{why}"
    );

    let mut without_keys = config();
    without_keys.require_admission = true;
    assert!(why_not(&without_keys, folder.path()).await.contains("jwks_url"));
    without_keys.jwks_url = Some("https://edge.example/jwks.json".into());
    assert!(why_not(&without_keys, folder.path()).await.contains("http://"));
}

#[tokio::test]
async fn a_request_under_way_is_finished_at_shutdown() {
    let running = Running::new().await;
    let fan = running.fan().await;
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    let head = format!(
        "POST /showtimes/1/holds HTTP/1.1\r\nhost: x\r\ncookie: {fan}\r\ncontent-type: application/json\r\n\
         content-length: 17\r\n\r\n{{\"seats\":"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    // The service has the head once it asks for the rest; a moment is enough to have it accepted.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stopping = tokio::spawn(running.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    socket.write_all(b"[\"A-1\"]}").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let (ended, _folder) = stopping.await.unwrap();
    ended.unwrap();
}

#[tokio::test]
async fn nonsense_on_the_wire_is_answered_or_dropped_and_the_service_lives() {
    let running = Running::new().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /events/%ff HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET /showtimes/%00 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"POST /showtimes/1/holds HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: \xff\r\ncontent-length: 0\r\n\r\n",
        b"GET /events?q=%zz&limit=%00 HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept: \xff\r\n\r\n",
    ] {
        let mut socket = TcpStream::connect(running.address).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let read = socket.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(15), read).await.expect("an end");
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.contains(" 500 "), "{text}");
    }
    assert_eq!(running.get("/health").await.status, 200);
}
