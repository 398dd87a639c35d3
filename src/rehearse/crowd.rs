//! Sends the crowd: fans at their moments, the measurements beside them, and an end to it all.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::fan::{Fan, World};
use super::http::Target;
use super::judge::{Evidence, Findings, judge};
use super::noise::Noise;
use super::observe::{End, Micros, Part, Stop};
use super::plan::Plan;
use super::record::Notebook;
use super::{report, terms};

/// Fans who measure round trips while they wait, spread over the line.
const PROBES: usize = 64;

/// How often this process checks its own timers.
const LAG_EVERY: Duration = Duration::from_millis(20);

/// How often progress is printed.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Fans who vanish or roam do so within the time in which all arrive, or this where that is shorter.
const RESTLESS_FOR_MIN: Duration = Duration::from_secs(2);

/// Holds the rehearsal and judges it; also returns the room that was found. `interrupted` ends it early.
pub(crate) async fn rehearse(
    plan: &Plan,
    interrupted: impl Future<Output = ()>,
) -> anyhow::Result<(Findings, Option<String>)> {
    let parts = plan.parts();
    let targets: Result<Vec<Target>, _> = plan
        .sites
        .iter()
        .map(|site| Target::new(site.addr, &site.authority, plan.fans))
        .collect();
    let world = Arc::new(World {
        targets: targets.context("--url")?,
        path: plan.path.clone(),
        prefix: plan.prefix.clone(),
        room: plan.room.clone().map_or_else(OnceLock::new, OnceLock::from),
        stay: plan.stay,
        restless_for: plan.over.max(RESTLESS_FOR_MIN),
        probe_every: plan.fans.div_ceil(PROBES),
        book: Notebook::new(&parts, Noise::above(plan.tolerance.as_micros() as Micros)),
    });

    let mut beside = JoinSet::new();
    beside.spawn(measure_lag(Arc::clone(&world)));
    if !plan.quiet {
        beside.spawn(show_progress(Arc::clone(&world)));
    }
    let mut asking = JoinSet::new();
    if let Some(admin) = plan.admin.clone() {
        let (world, given) = (Arc::clone(&world), plan.terms);
        asking.spawn(async move { terms::ask(&admin, &world, given).await });
    }

    let mut others = JoinSet::new();
    let finish = everyone(plan, &parts, &world, &mut others);
    let stop = tokio::select! {
        ended = finish => ended.map(|()| Stop::Done)?,
        () = tokio::time::sleep(plan.timeout) => Stop::Timeout,
        () = interrupted => Stop::Interrupted,
    };
    let stopped_us = world.book.now_us();
    let took = Duration::from_micros(stopped_us.unsigned_abs());
    let (fans, noise) = world.book.copy();
    others.shutdown().await;
    beside.shutdown().await;

    let terms = match asking.try_join_next() {
        Some(asked) => asked?.unwrap_or_else(|error| {
            eprintln!("limit and rate stay unchecked unless given: {error:#}");
            plan.terms
        }),
        None => plan.terms,
    };
    let findings = judge(&Evidence {
        fans: &fans,
        noise: &noise,
        terms,
        stop,
        stopped_us,
        had_time: plan.had_time(took, terms),
    });
    Ok((findings, world.room.get().cloned()))
}

/// Starts every fan at its moment and waits for those who were to enter. Those who vanish or stay silent go into
/// `others`: they stay until the end. Dropping this future ends the rest.
async fn everyone(
    plan: &Plan,
    parts: &[Part],
    world: &Arc<World>,
    others: &mut JoinSet<()>,
) -> Result<(), JoinError> {
    let mut entering = JoinSet::new();
    let began = Instant::now();
    let gap = plan.over.div_f64(plan.fans as f64);
    let roams = plan.roamers(parts);
    for (index, part) in parts.iter().enumerate() {
        sleep_until(began + gap.mul_f64(index as f64)).await;
        let fan = Fan::new(index, *part, roams[index], plan.seed, Arc::clone(world));
        if *part == Part::Enters {
            entering.spawn(fan.live());
        } else {
            others.spawn(fan.live());
        }
    }
    while let Some(finished) = entering.join_next().await {
        finished?;
    }
    Ok(())
}

/// Notes how late this process's timers run: as late may its fans hear what was sent to them.
async fn measure_lag(world: Arc<World>) {
    loop {
        let due = Instant::now() + LAG_EVERY;
        sleep_until(due).await;
        let (due_us, fired_us) = (world.book.at_us(due), world.book.now_us());
        world.book.noise().lag(due_us, fired_us);
    }
}

async fn show_progress(world: Arc<World>) {
    let mut ticks = interval(PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let progress = world.book.fold(report::Progress::default(), |mut progress, fan| {
            progress.arrived += u64::from(fan.end != End::NotYet);
            progress.in_line += u64::from(fan.end == End::InLine);
            progress.admitted += u64::from(fan.admission.is_some());
            progress.on_site += u64::from(fan.end == End::OnSite);
            progress.failures += fan.errors.values().map(|times| u64::from(*times)).sum::<u64>();
            progress
        });
        eprintln!("{}", report::progress(world.book.now_us(), progress));
    }
}
