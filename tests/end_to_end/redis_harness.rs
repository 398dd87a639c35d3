//! The faults that the line must survive on Redis are real ones: links stall and lose nothing, processes die, and a
//! replica is promoted without the last writes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{
    Edge, Fan, FaultLink, Origin, Persistence, RedisServer, SentinelTrio, Tidegate, Way, binary, claims,
    edges, eventually,
};

const SOON: Duration = Duration::from_secs(5);
const FAILOVER_WITHIN: Duration = Duration::from_secs(10);
/// Long against what a link on this machine takes, and all that a test of silence may wait.
const SILENCE: Duration = Duration::from_millis(200);

/// A connection through a link, and its other end.
fn connected(link: &FaultLink, target: &TcpListener) -> (TcpStream, TcpStream) {
    let near = TcpStream::connect(link.address()).expect("the link takes connections");
    let (far, _) = target.accept().expect("the link goes on to its target");
    for end in [&near, &far] {
        end.set_read_timeout(Some(SOON)).expect("a timeout can be set");
    }
    (near, far)
}

/// A link to a target of the test's own.
fn link() -> (FaultLink, TcpListener) {
    let target = TcpListener::bind("127.0.0.1:0").expect("a port");
    let link = FaultLink::to(target.local_addr().expect("its address"));
    (link, target)
}

fn is_silent(mut end: &TcpStream) -> bool {
    end.set_read_timeout(Some(SILENCE)).expect("a timeout can be set");
    let read = end.read(&mut [0]);
    end.set_read_timeout(Some(SOON)).expect("a timeout can be set");
    matches!(read, Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

fn read(mut end: &TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    end.read_exact(&mut bytes).expect("bytes cross");
    bytes
}

/// More than the link and the sockets hold together, each byte telling where it belongs.
fn much() -> Vec<u8> {
    (0..24_000_000_u32).map(|at| (at % 251) as u8).collect()
}

#[test]
fn a_stalled_link_holds_back_and_loses_nothing() {
    let (link, target) = link();
    let (mut near, mut far) = connected(&link, &target);
    near.write_all(b"ask").expect("written");
    assert_eq!(read(&far, 3), b"ask");
    far.write_all(b"answer").expect("written");
    assert_eq!(read(&near, 6), b"answer");

    link.stall();
    far.write_all(b"late").expect("written");
    let much = much();
    let sent = much.clone();
    let sender = std::thread::spawn(move || {
        near.write_all(&sent).expect("written");
        near.shutdown(Shutdown::Write).expect("closed");
        near
    });
    assert!(is_silent(&far), "nothing crosses a stalled link");
    assert!(!sender.is_finished(), "a link that is full pushes back");
    assert!(link.held_bytes(Way::Asked) > 0);
    assert_eq!(link.held_bytes(Way::Answered), 4);
    let waiting = TcpStream::connect(link.address()).expect("a stalled link takes connections");
    target.set_nonblocking(true).expect("a socket can be told");
    assert!(target.accept().is_err(), "and keeps them back too");

    link.resume();
    let mut arrived = Vec::new();
    far.read_to_end(&mut arrived).expect("all of it");
    assert!(
        arrived == much,
        "{} of {} bytes, in order",
        arrived.len(),
        much.len()
    );
    let near = sender.join().expect("sent");
    assert_eq!(read(&near, 4), b"late", "who has said everything still hears");
    eventually("the connection that waited", SOON, || target.accept().ok());
    assert_eq!(link.held_bytes(Way::Asked) + link.held_bytes(Way::Answered), 0);
    drop(waiting);
}

#[test]
fn answers_that_are_stalled_and_cut_are_lost_though_the_asking_was_heard() {
    let server = RedisServer::start();
    let link = FaultLink::to(server.address());
    let mut asker = TcpStream::connect(link.address()).expect("the link takes connections");
    asker.set_read_timeout(Some(SOON)).expect("a timeout can be set");
    link.stall_only(Way::Answered);
    asker.write_all(b"INCR given\r\n").expect("written");
    eventually("an answer is held back", SOON, || {
        (link.held_bytes(Way::Answered) == ":1\r\n".len()).then_some(())
    });
    link.cut();
    link.resume();
    assert!(!asker.read(&mut [0]).is_ok_and(|length| length > 0), "no answer");
    assert!(redis::Client::open(link.redis_url()).is_ok_and(|client| client.get_connection().is_err()));
    link.mend();
    let mut again = redis::Client::open(link.redis_url())
        .and_then(|client| client.get_connection())
        .expect("a mended link leads there");
    let given: u64 = redis::cmd("GET")
        .arg("given")
        .query(&mut again)
        .expect("a number");
    assert_eq!(given, 1, "and yet it was done");
}

#[test]
fn a_cut_link_closes_and_refuses_until_it_is_mended() {
    let (link, target) = link();
    let (mut near, far) = connected(&link, &target);
    link.cut();
    for end in [&near, &far] {
        let read = { end }.read(&mut [0]);
        assert!(!is_silent(end) && !read.is_ok_and(|length| length > 0), "closed");
    }
    let refused = TcpStream::connect(link.address()).expect_err("a cut link refuses");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    link.set_target(other.local_addr().expect("its address"));
    link.mend();
    let far;
    (near, far) = connected(&link, &other);
    near.write_all(b"again").expect("written");
    assert_eq!(read(&far, 5), b"again");
}

#[test]
fn a_delay_holds_each_byte_both_ways_and_keeps_the_order() {
    const DELAY: Duration = Duration::from_millis(100);
    let (link, target) = link();
    let (mut near, mut far) = connected(&link, &target);
    link.delay(DELAY);
    let began = Instant::now();
    for word in ["1", "2", "3"] {
        near.write_all(word.as_bytes()).expect("written");
    }
    assert_eq!(read(&far, 3), b"123");
    far.write_all(b"done").expect("written");
    assert_eq!(read(&near, 4), b"done");
    let took = began.elapsed();
    assert!(
        took >= 2 * DELAY,
        "{took:?} there and back is less than the delay each way"
    );
}

#[test]
fn only_the_append_only_file_survives_kill_9() {
    for (persistence, kept) in [(Persistence::EverySecond, Some("7")), (Persistence::None, None)] {
        let redis = RedisServer::with(persistence, &["--maxmemory", "8mb"]);
        redis.command::<()>(&["SET", "number", "7"]);
        // A write may wait for the disk, for longer than its answer does.
        eventually("the file is written", SOON, || {
            let info = redis.info("persistence");
            info.get("aof_buffer_length")
                .is_none_or(|length| length == "0")
                .then_some(())
        });
        let run = redis.info("server")["run_id"].clone();
        redis.kill();
        assert!(
            redis.try_command::<()>(&["PING"]).is_err(),
            "a killed server is gone"
        );
        redis.restart();
        assert_ne!(redis.info("server")["run_id"], run, "another process");
        let number: Option<String> = redis.command(&["GET", "number"]);
        assert_eq!(number.as_deref(), kept);
        redis.stop();
    }
}

#[test]
fn a_frozen_server_takes_connections_and_answers_after_its_thaw() {
    let redis = RedisServer::start();
    let mut asker = TcpStream::connect(redis.address()).expect("connected");
    redis.freeze();
    asker.write_all(b"PING\r\n").expect("written");
    assert!(is_silent(&asker));
    redis.thaw();
    asker.set_read_timeout(Some(SOON)).expect("a timeout can be set");
    assert_eq!(read(&asker, 7), b"+PONG\r\n");
}

#[test]
fn the_sentinels_promote_a_replica_that_has_every_write_that_reached_it() {
    let trio = SentinelTrio::start(2);
    let first = trio.primary().address();
    trio.primary().command::<()>(&["SET", "number", "7"]);
    let both: u64 = trio.primary().command(&["WAIT", "2", "2000"]);
    assert_eq!(both, 2, "both replicas have it");
    let old = trio.kill_primary();
    let new = trio.wait_for_failover(FAILOVER_WITHIN);
    assert_ne!(new.address(), first);
    assert_eq!(
        new.command::<Option<String>>(&["GET", "number"]).as_deref(),
        Some("7")
    );
    new.command::<()>(&["SET", "number", "8"]);

    // Back from the dead, the old primary is told whom to follow.
    old.restart();
    eventually("the old primary follows the new one", FAILOVER_WITHIN, || {
        let number: Option<String> = old.try_command(&["GET", "number"]).ok()?;
        (number.as_deref() == Some("8")).then_some(())
    });
    old.becomes("slave", FAILOVER_WITHIN);
    assert_eq!(trio.url().matches("127.0.0.1:").count(), trio.sentinels().len());
}

#[test]
fn a_write_that_a_stalled_replica_never_got_is_missing_after_its_promotion() {
    let trio = SentinelTrio::start(1);
    let primary = trio.primary();
    primary.command::<()>(&["SET", "before", "1"]);
    assert_eq!(primary.command::<u64>(&["WAIT", "1", "2000"]), 1);
    trio.stall_replication();
    primary.command::<()>(&["SET", "after", "1"]);
    eventually("the write is held back", SOON, || {
        (trio.links()[0].held_bytes(Way::Answered) > 0).then_some(())
    });
    let replica = &trio.servers()[1];
    let status = replica.info("replication")["master_link_status"].clone();
    assert_eq!(status, "up", "a replica that is stalled does not notice");
    trio.kill_primary();
    let new = trio.wait_for_failover(FAILOVER_WITHIN);
    assert_eq!(new.address(), replica.address());
    let kept: (Option<String>, Option<String>) = new.command(&["MGET", "before", "after"]);
    assert_eq!(kept, (Some("1".to_owned()), None));
}

#[test]
fn a_primary_that_was_only_frozen_takes_itself_for_one_after_its_thaw() {
    let trio = SentinelTrio::start(1);
    let old = trio.freeze_primary();
    let new = trio.wait_for_failover(FAILOVER_WITHIN);
    assert_eq!(trio.primary().address(), new.address());
    // Its first answer: no sentinel has told it anything by then.
    let mut asker = TcpStream::connect(old.address()).expect("connected");
    asker.set_read_timeout(Some(SOON)).expect("a timeout can be set");
    asker.write_all(b"SET late 1\r\n").expect("written");
    old.thaw();
    assert_eq!(read(&asker, 5), b"+OK\r\n", "two take writes at once");
    old.becomes("slave", FAILOVER_WITHIN);
}

#[test]
fn edges_of_one_site_share_their_keys_and_not_their_clocks() {
    let origin = Origin::start();
    let mut edges = edges(
        origin.address,
        "mode = \"auto\"\nactive_max = 2\nadmit_per_min = 6000",
        &[Edge::embedded(), Edge::embedded().clock("-1h")],
    );
    let public = |edge: &Tidegate| {
        let data = edge.folder.path().join("data");
        let output = binary()
            .args(["keys", "export", "--data-dir"])
            .arg(data)
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    assert_eq!(public(&edges[0]), public(&edges[1]));
    let expiry = |edge: &Tidegate| {
        let mut fan = Fan::of(&edge.site);
        assert!(fan.get("/").text().contains("Welcome"));
        claims(&fan.cookies["tidegate_visit_drop"])["exp"]
            .as_u64()
            .expect("a time")
    };
    let apart = expiry(&edges[0]) - expiry(&edges[1]);
    assert!((3_500..3_700).contains(&apart), "an hour apart, not {apart} s");
    edges[1].kill();
    assert!(
        TcpStream::connect(&edges[1].site).is_err(),
        "a killed edge is gone"
    );
    edges[1].restart();
    assert_eq!(public(&edges[0]), public(&edges[1]));
}
