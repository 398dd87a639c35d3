//! The report: for people, and as JSON for whatever reads it next.

use std::fmt::Write as _;

use serde_json::json;

use super::judge::{Findings, Percentiles, Verdict};
use super::observe::{Micros, SECOND, Stop};
use super::plan::Plan;

/// Where the crowd is now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Sent their first request.
    pub(crate) arrived: u64,
    /// In line.
    pub(crate) in_line: u64,
    /// Admitted so far.
    pub(crate) admitted: u64,
    /// On the site.
    pub(crate) on_site: u64,
    /// Failures so far.
    pub(crate) failures: u64,
}

/// What is about to happen.
pub(crate) fn opening(plan: &Plan) -> String {
    format!(
        "{} fans come to {} of {} over {}, {} of them vanish, {} stay silent{}; at most {} in all (seed {})",
        plan.fans,
        plan.path,
        plan.urls(),
        humantime::format_duration(plan.over),
        plan.vanish,
        plan.silent,
        if plan.roam > 0 {
            format!(", {} roam", plan.roam)
        } else {
            String::new()
        },
        humantime::format_duration(std::time::Duration::from_secs(plan.timeout.as_secs())),
        plan.seed,
    )
}

/// One progress line.
pub(crate) fn progress(now_us: Micros, progress: Progress) -> String {
    let Progress {
        arrived,
        in_line,
        admitted,
        on_site,
        failures,
    } = progress;
    let now_s = now_us / SECOND;
    format!(
        "{now_s:>5} s  arrived {arrived}, in line {in_line}, admitted {admitted}, on site {on_site}, failures {failures}"
    )
}

/// The report as JSON, one document.
pub(crate) fn json(plan: &Plan, room: Option<&str>, findings: &Findings) -> serde_json::Result<String> {
    let urls: Vec<&str> = plan.sites.iter().map(|site| site.url.as_str()).collect();
    let document = json!({
        "urls": urls,
        "path": plan.path,
        "room": room,
        "seed": plan.seed,
        "fans_sent": plan.fans,
        "stay_s": plan.stay.as_secs_f64(),
        "kept": findings.broken().is_empty(),
        "complete": findings.complete(),
        "findings": findings,
    });
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

/// The report for people.
pub(crate) fn text(plan: &Plan, room: Option<&str>, findings: &Findings) -> String {
    let mut out = String::new();
    let ended = match findings.stop {
        Stop::Done => "",
        Stop::Timeout => ", out of time",
        Stop::Interrupted => ", interrupted",
    };
    line(
        &mut out,
        &format!(
            "Rehearsal of room {} at {}: {} fans, {:.1} s{ended} (seed {})",
            room.unwrap_or("(none met)"),
            plan.urls(),
            plan.fans,
            findings.took_s,
            plan.seed,
        ),
    );
    line(&mut out, "");
    promises(&mut out, findings);
    line(&mut out, "");
    for (name, figure) in figures(findings) {
        line(&mut out, &format!("  {name:<24}{figure}"));
    }
    if findings.errors.is_empty() {
        line(&mut out, "  failures                none");
    }
    for (kind, times) in &findings.errors {
        line(&mut out, &format!("  failures                {times} x {kind}"));
    }
    line(&mut out, "");
    line(&mut out, &conclusion(findings));
    out
}

fn promises(out: &mut String, findings: &Findings) {
    for finding in &findings.promises {
        let (kept, broken) = finding.promise.says();
        line(
            out,
            &match &finding.verdict {
                Verdict::Kept { checked } => format!("  kept       {kept} ({checked} looked at)"),
                Verdict::Broken { times, example } => format!("  BROKEN     {broken}: {times}; {example}"),
                Verdict::Unchecked { why } => format!("  unchecked  {kept}: {why}"),
            },
        );
    }
}

fn figures(findings: &Findings) -> Vec<(&'static str, String)> {
    let fans = findings.fans;
    let mut became = format!("{} arrived, {} entered and left", fans.arrived, fans.left);
    for (count, what) in [
        (fans.vanished, "vanished"),
        (fans.silent, "silent when called"),
        (fans.unguarded, "passed without the room"),
        (fans.told_closed, "told it is closed or sold out"),
        (fans.turned_away, "turned away"),
        (fans.gave_up, "gave up"),
        (fans.in_line, "still in line"),
        (fans.on_site, "still on the site"),
        (fans.lost, "lost"),
        (fans.roamed, "roamed to another edge"),
        (fans.moved, "went on at the next edge after losing theirs"),
    ] {
        if count > 0 {
            let _ = write!(became, ", {count} {what}");
        }
    }
    let most = findings.live_visits_max;
    let live = findings
        .terms
        .limit
        .map_or_else(|| most.to_string(), |limit| format!("{most} of {limit}"));
    let admissions = match findings.admissions_straight {
        0 => findings.admissions.to_string(),
        straight => format!("{} ({straight} of them straight through)", findings.admissions),
    };
    let rate = findings
        .terms
        .rate_per_min
        .map(|rate| format!(" of {:.1}/s", f64::from(rate) / 60.0));
    let speed = findings.admissions_per_s.map_or_else(
        || "n/a (too few)".to_owned(),
        |speed| {
            format!(
                "{speed:.1}/s{} between the first and last tenth",
                rate.unwrap_or_default()
            )
        },
    );
    let slot = findings
        .slot_to_token
        .map_or_else(|| "n/a (the limit did not bind)".to_owned(), percentiles);
    let wait = findings.wait;
    let held = match wait.told {
        0 => "n/a (nobody was told one)".to_owned(),
        told => format!(
            "{:.0} % of {told} ({} sooner, {} later)",
            100.0 * wait.held as f64 / told as f64,
            wait.sooner,
            wait.later
        ),
    };
    let round_trip = findings
        .round_trip
        .map_or_else(|| "not measured".to_owned(), percentiles);
    let doubt = format!(
        "up to {:.0} ms ({} ms, and the worst round trip or own lag near; own lag at worst {:.0} ms)",
        findings.tolerance_max_ms, findings.tolerance_floor_ms, findings.own_lag_max_ms
    );
    vec![
        ("fans", became),
        ("most live visits seen", live),
        ("admissions", admissions),
        ("admission speed", speed),
        ("free slot to token", slot),
        ("wait's range held", held),
        ("socket round trip", round_trip),
        ("benefit of the doubt", doubt),
    ]
}

fn percentiles(times: Percentiles) -> String {
    let Percentiles {
        p50_ms,
        p99_ms,
        max_ms,
        samples,
    } = times;
    format!("p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, at most {max_ms:.1} ms ({samples} measured)")
}

fn conclusion(findings: &Findings) -> String {
    let broken = findings.broken();
    if !broken.is_empty() {
        let names: Vec<&str> = broken.iter().map(|promise| promise.says().1).collect();
        return format!("A promise was broken: {}.", names.join("; "));
    }
    let unfinished = findings.fans.in_line + findings.fans.on_site;
    match findings.stop {
        Stop::Done if findings.admissions > 0 => "Every promise that could be checked was kept.".to_owned(),
        Stop::Done if findings.fans.unguarded > 0 => {
            "Nothing was proved: the fans passed without a room. Is the room switched off, or the path free?"
                .to_owned()
        }
        Stop::Done => "Nothing was proved: nobody was admitted.".to_owned(),
        Stop::Timeout => {
            format!("Nothing broken was seen, but {unfinished} fans had not finished; see --timeout.")
        }
        Stop::Interrupted => {
            format!("Nothing broken was seen up to here; {unfinished} fans had not finished.")
        }
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}
