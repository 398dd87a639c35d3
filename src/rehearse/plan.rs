//! The plan of a rehearsal: the arguments, checked and filled in.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::Args;
use super::limits::FANS_MAX;
use super::observe::{Part, Terms};
use super::sites::Site;
use super::terms::Admin;

/// A time on the command line: `30s`, `2m`, `500ms`; a bare number is seconds.
pub(super) fn parse_time(text: &str) -> Result<Duration, humantime::DurationError> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && (0.0..=1e9).contains(&seconds) => {
            Ok(Duration::from_secs_f64(seconds))
        }
        _ => humantime::parse_duration(text),
    }
}

/// What is added to the time a rehearsal should take at most.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(120);

/// The time a rehearsal gets when neither limit nor rate says how long it should take.
const TIMEOUT_UNKNOWN: Duration = Duration::from_secs(600);

/// A share, given as `30%` or `30`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Percent(f64);

impl Percent {
    fn of(self, whole: usize) -> usize {
        (whole as f64 * self.0 / 100.0).round() as usize
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number: f64 = text
            .trim_end_matches('%')
            .parse()
            .map_err(|_| format!("{text} is not like 30%"))?;
        if (0.0..=100.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err(format!("{text} is not 0% to 100%"))
        }
    }
}

/// A rate, given as `300/min`, `5/s` or `300` (a minute).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Per(u32);

impl Per {
    /// Admissions a minute.
    pub(crate) fn minute(self) -> u32 {
        self.0
    }
}

impl FromStr for Per {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is not like 300/min or 5/s");
        let (number, a_minute) = match text.split_once('/') {
            None => (text, 1),
            Some((number, "min" | "m")) => (number, 1),
            Some((number, "s")) => (number, 60),
            Some(_) => return Err(wrong()),
        };
        let number: u32 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(a_minute).map(Self).ok_or_else(wrong)
    }
}

/// A rehearsal, ready to be held.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The site's edges; at least one.
    pub(crate) sites: Vec<Site>,
    /// The page they ask for.
    pub(crate) path: String,
    /// The reserved prefix, with slashes at both ends.
    pub(crate) prefix: String,
    /// How many come.
    pub(crate) fans: usize,
    /// Over which time.
    pub(crate) over: Duration,
    /// How long each stays.
    pub(crate) stay: Duration,
    /// How many vanish.
    pub(crate) vanish: usize,
    /// How many stay silent.
    pub(crate) silent: usize,
    /// How many of those who wait go to another edge meanwhile.
    pub(crate) roam: usize,
    /// The room, if given.
    pub(crate) room: Option<String>,
    /// What it promises, as far as given.
    pub(crate) terms: Terms,
    /// Where to ask for the rest.
    pub(crate) admin: Option<Admin>,
    /// When to give up.
    pub(crate) timeout: Duration,
    /// What is closer together than this is not judged.
    pub(crate) tolerance: Duration,
    /// Decides parts and moments.
    pub(crate) seed: u64,
    /// No progress lines.
    pub(crate) quiet: bool,
}

impl Plan {
    /// Checks the arguments and looks the host up.
    pub(crate) async fn from_args(args: Args) -> anyhow::Result<Self> {
        let mut sites = Vec::new();
        for url in &args.url {
            sites.push(Site::of(url).await.context("--url")?);
        }
        ensure!(!sites.is_empty(), "--url: at least one is needed");
        ensure!(args.fans > 0, "--fans: at least one fan must come");
        ensure!(
            args.path.starts_with('/'),
            "--path: begins with a slash, as in /tickets"
        );
        ensure!(
            args.prefix.len() > 1 && args.prefix.starts_with('/') && args.prefix.ends_with('/'),
            "--prefix: begins and ends with a slash, as in /_tidegate/"
        );
        if args.fans > FANS_MAX {
            let processes = args.fans.div_ceil(FANS_MAX);
            bail!(
                "--fans {}: one process holds at most {FANS_MAX} sockets; run {processes} rehearsals side by side",
                args.fans
            );
        }
        let (vanish, silent) = (args.vanish.of(args.fans), args.no_shows.of(args.fans));
        ensure!(
            vanish + silent <= args.fans,
            "--vanish and --no-shows come to more than 100%"
        );
        let roam = args.roam.of(args.fans - vanish);
        ensure!(
            roam == 0 || sites.len() > 1,
            "--roam: needs more than one --url to roam between"
        );
        let admin = match (args.admin, args.admin_token) {
            (Some(url), Some(token)) => {
                let site = Site::of(&url).await.context("--admin")?;
                Some(Admin { site, token })
            }
            _ => None,
        };
        let terms = Terms {
            limit: args.limit,
            rate_per_min: args.rate.map(Per::minute),
        };
        let timeout = args
            .timeout
            .unwrap_or_else(|| time_needed(args.fans, args.over, args.stay, terms));
        Ok(Self {
            sites,
            path: args.path,
            prefix: args.prefix,
            fans: args.fans,
            over: args.over,
            stay: args.stay,
            vanish,
            silent,
            roam,
            room: args.room,
            terms,
            admin,
            timeout,
            tolerance: args.tolerance,
            seed: args
                .seed
                .unwrap_or_else(|| rand::rng().random_range(0..1_000_000)),
            quiet: args.quiet,
        })
    }

    /// Each fan's part: exactly as many of each as asked, in an order that the seed decides.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let mut parts = vec![Part::Vanishes; self.vanish];
        parts.resize(self.vanish + self.silent, Part::Silent);
        parts.resize(self.fans, Part::Enters);
        parts.shuffle(&mut StdRng::seed_from_u64(self.seed));
        parts
    }

    /// Which of the fans with these parts roam: exactly as many as asked, chosen by the seed.
    pub(crate) fn roamers(&self, parts: &[Part]) -> Vec<bool> {
        let mut waiting: Vec<usize> = (0..parts.len())
            .filter(|fan| parts[*fan] != Part::Vanishes)
            .collect();
        waiting.shuffle(&mut StdRng::seed_from_u64(self.seed.wrapping_add(1)));
        let mut roams = vec![false; parts.len()];
        for fan in waiting.into_iter().take(self.roam) {
            roams[fan] = true;
        }
        roams
    }

    /// Whether a rehearsal that took this long had time for everyone, as far as the terms say how long that is.
    pub(crate) fn had_time(&self, took: Duration, terms: Terms) -> bool {
        let known = terms.limit.is_some() || terms.rate_per_min.is_some();
        known && took >= time_needed(self.fans, self.over, self.stay, terms)
    }

    /// The site's addresses, for people.
    pub(crate) fn urls(&self) -> String {
        let urls: Vec<&str> = self.sites.iter().map(|site| site.url.as_str()).collect();
        urls.join(", ")
    }
}

/// Arrivals and one stay, then as long as rate and limit need for everyone, half as much again, and a margin.
fn time_needed(fans: usize, over: Duration, stay: Duration, terms: Terms) -> Duration {
    let by_rate = terms
        .rate_per_min
        .filter(|rate| *rate > 0)
        .map(|rate| fans as f64 * 60.0 / f64::from(rate));
    let by_limit = terms.limit.filter(|limit| *limit > 0);
    let by_limit = by_limit.map(|limit| fans as f64 * (stay.as_secs_f64() + 1.0) / f64::from(limit));
    let line = match (by_rate, by_limit) {
        (None, None) => TIMEOUT_UNKNOWN,
        (rate, limit) => Duration::from_secs_f64(rate.unwrap_or(0.0).max(limit.unwrap_or(0.0)) * 1.5),
    };
    over + stay + line + TIMEOUT_MARGIN
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_rates_are_read_as_people_write_them() {
        assert_eq!("30%".parse::<Percent>().unwrap().of(200), 60);
        assert_eq!("12.5".parse::<Percent>().unwrap().of(200), 25);
        assert!("130%".parse::<Percent>().is_err() && "some".parse::<Percent>().is_err());
        assert_eq!("300/min".parse::<Per>().unwrap().minute(), 300);
        assert_eq!("5/s".parse::<Per>().unwrap().minute(), 300);
        assert_eq!("300".parse::<Per>().unwrap().minute(), 300);
        assert!("5/h".parse::<Per>().is_err() && "fast".parse::<Per>().is_err());
    }

    #[test]
    fn the_time_allowed_follows_from_the_slower_of_rate_and_limit() {
        let needed = |terms| time_needed(6_000, Duration::from_secs(60), Duration::from_secs(5), terms);
        let by_rate = needed(Terms {
            limit: Some(6_000),
            rate_per_min: Some(600),
        });
        assert_eq!(by_rate, Duration::from_secs(65 + 900) + TIMEOUT_MARGIN);
        let by_limit = needed(Terms {
            limit: Some(10),
            rate_per_min: Some(600),
        });
        assert_eq!(by_limit, Duration::from_secs(65 + 5_400) + TIMEOUT_MARGIN);
        assert!(needed(Terms::default()) > TIMEOUT_UNKNOWN);
    }
}
