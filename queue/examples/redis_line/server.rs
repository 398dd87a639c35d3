//! What the server says of itself, and what the system says of it.

use std::fs;

use serde_json::{Value, json};

use crate::edge::Outcome;

/// A connection beside those of the edges.
pub struct Server {
    connection: redis::Connection,
    schedstat: String,
}

/// For how long one tick kept the server from everything else.
#[derive(Clone, Copy)]
pub struct Held {
    /// The script by the server's clock, in microseconds: what a busy machine took from the server is in it.
    pub script_us: u64,
    /// The CPU time of the server's thread from the request to the reply, in microseconds: reading, the script, the
    /// append-only file and writing.
    pub busy_us: u64,
}

impl Held {
    /// Both are at least what the script takes; the lower is free of most of what others took.
    pub fn at_most_us(self) -> u64 {
        self.script_us.min(self.busy_us)
    }
}

/// The counters that [`Held`] is the difference of.
#[derive(Clone, Copy)]
pub struct Counters {
    scripts_us: u64,
    busy_ns: u64,
}

impl Server {
    pub fn connect(url: &str) -> Outcome<Self> {
        let mut connection = redis::Client::open(url)?.get_connection()?;
        let info: String = redis::cmd("INFO").arg("server").query(&mut connection)?;
        let id = field(&info, "process_id").ok_or("the server does not tell its process id")?;
        let schedstat = format!("/proc/{id}/task/{id}/schedstat");
        Ok(Self {
            connection,
            schedstat,
        })
    }

    fn info(&mut self, section: &str) -> Outcome<String> {
        Ok(redis::cmd("INFO").arg(section).query(&mut self.connection)?)
    }

    /// Before a tick.
    pub fn before(&mut self) -> Outcome<Counters> {
        let scripts_us = self.scripts_us()?;
        let busy_ns = self.busy_ns()?;
        Ok(Counters { scripts_us, busy_ns })
    }

    /// After the tick that came behind `before`.
    pub fn after(&mut self, before: Counters) -> Outcome<Held> {
        let busy_ns = self.busy_ns()?;
        Ok(Held {
            script_us: self.scripts_us()? - before.scripts_us,
            busy_us: (busy_ns - before.busy_ns) / 1_000,
        })
    }

    fn scripts_us(&mut self) -> Outcome<u64> {
        let stats = self.info("commandstats")?;
        let of = |command: &str| {
            let figures = field(&stats, command)?;
            let (_, rest) = figures.split_once("usec=")?;
            rest.split(',').next()?.parse::<u64>().ok()
        };
        Ok(of("cmdstat_evalsha").unwrap_or(0) + of("cmdstat_eval").unwrap_or(0))
    }

    /// The CPU time of the server's thread so far, in nanoseconds.
    pub fn busy_ns(&self) -> Outcome<u64> {
        let text = fs::read_to_string(&self.schedstat)?;
        let ran = text.split_whitespace().next().ok_or("an empty schedstat")?;
        Ok(ran.parse()?)
    }

    /// Bytes of all that is in it.
    pub fn used_memory(&mut self) -> Outcome<u64> {
        let info = self.info("memory")?;
        let used = field(&info, "used_memory").ok_or("the server does not tell its memory")?;
        Ok(used.parse()?)
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(found, value)| (found == name).then_some(value.trim()))
}

/// Median, 99th percentile and largest.
pub fn spread(mut values: Vec<u64>) -> Value {
    values.sort_unstable();
    let at = |share: f64| {
        let index = (values.len().saturating_sub(1) as f64 * share).round() as usize;
        values.get(index).copied().unwrap_or(0)
    };
    json!({"median": at(0.5), "p99": at(0.99), "largest": at(1.0)})
}
