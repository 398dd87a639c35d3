//! Every series as an operator reads it.

use std::time::Duration;

use tidegate_config::RoomId;
use tidegate_queue::line::Figures;

use super::Metrics;

fn room() -> RoomId {
    "drop".parse().expect("an id")
}

fn figures(issued: u64, admitted: u64) -> Figures {
    Figures {
        waiting: 7,
        ready: 2,
        active: 5,
        reserve: 1,
        issued,
        admitted,
        departed: 0,
        no_shows: 3,
    }
}

fn line(metrics: &Metrics, series: &str) -> Option<String> {
    let (_, text) = metrics.render();
    text.lines()
        .find_map(|line| line.strip_prefix(series))
        .map(|rest| rest.trim().to_owned())
}

#[test]
fn what_happens_is_counted_where_it_belongs() {
    let (metrics, room) = (Metrics::new(), room());
    assert_eq!(
        line(&metrics, "tidegate_requests_total{verdict=\"page\"}").as_deref(),
        Some("0")
    );
    metrics.request("page");
    metrics.joined(&room, "straight");
    metrics.socket_opened();
    metrics.socket_opened();
    metrics.socket_closed();
    metrics.frames(12);
    metrics.refused("edge_full");
    metrics.origin_error("shop");
    metrics.admitted_pushed(&room);
    metrics.wait_told(&room, true);
    metrics.wait_told(&room, false);
    metrics.tick(&room, Duration::from_millis(4), 9, 30);
    metrics.figures(&room, &figures(10, 5), 6);
    metrics.store_up(&room, true);
    assert_eq!(line(&metrics, "tidegate_user_keys_up"), None);
    metrics.user_keys_up(true);
    assert_eq!(metrics.sockets(), 1);
    for (series, value) in [
        ("tidegate_requests_total{verdict=\"page\"}", "1"),
        ("tidegate_requests_total{verdict=\"protocol\"}", "0"),
        ("tidegate_joins_total{how=\"straight\",room=\"drop\"}", "1"),
        ("tidegate_joins_total{how=\"waiting\",room=\"drop\"}", "0"),
        ("tidegate_sockets", "1"),
        ("tidegate_frames_total", "12"),
        ("tidegate_refused_total{why=\"edge_full\"}", "1"),
        ("tidegate_origin_errors_total{upstream=\"shop\"}", "1"),
        ("tidegate_admissions_pushed_total{room=\"drop\"}", "1"),
        ("tidegate_wait_told_total{held=\"true\",room=\"drop\"}", "1"),
        ("tidegate_wait_told_total{held=\"false\",room=\"drop\"}", "1"),
        ("tidegate_tick_seconds_count{room=\"drop\"}", "1"),
        ("tidegate_tick_seconds_bucket{room=\"drop\",le=\"0.002\"}", "0"),
        ("tidegate_tick_seconds_bucket{room=\"drop\",le=\"0.005\"}", "1"),
        ("tidegate_tick_entries_total{room=\"drop\"}", "9"),
        ("tidegate_tick_arrivals_total{room=\"drop\"}", "30"),
        ("tidegate_room_waiting{room=\"drop\"}", "7"),
        ("tidegate_room_active{room=\"drop\"}", "5"),
        ("tidegate_room_held{room=\"drop\"}", "6"),
        ("tidegate_room_issued_total{room=\"drop\"}", "10"),
        ("tidegate_store_up{room=\"drop\"}", "1"),
        ("tidegate_user_keys_up", "1"),
    ] {
        assert_eq!(line(&metrics, series).as_deref(), Some(value), "{series}");
    }
}

#[test]
fn a_counter_never_falls_when_the_line_begins_anew_or_takes_a_grant_back() {
    let (metrics, room) = (Metrics::new(), room());
    let admitted = |figure: u64| {
        metrics.figures(&room, &figures(0, figure), 0);
        line(&metrics, "tidegate_room_admitted_total{room=\"drop\"}").expect("the series")
    };
    assert_eq!(
        [admitted(100), admitted(99), admitted(101)],
        ["100", "100", "102"]
    );
    assert_eq!([admitted(0), admitted(3)], ["102", "105"]);
}

#[test]
fn names_follow_the_conventions() {
    let (metrics, room) = (Metrics::new(), room());
    metrics.tick(&room, Duration::ZERO, 0, 0);
    metrics.refused("x");
    metrics.origin_error("x");
    metrics.user_keys_up(false);
    let (content_type, text) = metrics.render();
    assert!(content_type.starts_with("text/plain; version=0.0.4"));
    let types: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    assert!(types.len() >= 20, "{text}");
    for named in types {
        let (name, kind) = named.split_once(' ').expect("a name and a type");
        assert!(name.starts_with("tidegate_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{named}");
        assert!(kind != "histogram" || name.ends_with("_seconds"), "{named}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
    }
}
