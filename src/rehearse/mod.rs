//! `tidegate rehearse`: real fans on real sockets against a running edge, and a judge who believes only what they saw.
//!
//! [`Args`] say how many come and what they do; [`sites`] sees that several edges are one site; [`crowd`] sends the fans;
//! each lives the life in [`fan`], [`wait`] and [`visit`], at one edge or several ([`roam`]), and writes what it sees into
//! the [`record`]; [`judge`] reads that afterwards, of all edges together, and [`report`] prints it. It knows the public
//! protocol and nothing of the edges behind it.

mod claims;
mod cookies;
mod crowd;
mod fan;
mod http;
mod judge;
mod limits;
mod noise;
mod observe;
mod page;
mod plan;
mod record;
mod report;
mod roam;
mod sites;
mod socket;
mod terms;
mod visit;
mod wait;

#[cfg(test)]
mod double;
#[cfg(test)]
mod seeded_faults;

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;

use self::plan::{Per, Percent, Plan};
use crate::settings::BadSettings;

/// Send a crowd of fans through a running edge and check what the waiting room promises.
///
/// Each fan has its own socket and cookies. Some vanish while they wait, some stay silent when they are called; the
/// others answer, enter, use the site and leave. What they saw is then judged: places issued twice, fans overtaken, the
/// limit or the rate exceeded (where --limit and --rate, or --admin, say what they are), fans lost. Given several edges of one site, the fans spread over them and are judged as one
/// line. The exit status is 0 when every promise held, 1 when one was broken, and 2 when
/// the rehearsal did not come to its end or nobody was admitted.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:
  tidegate rehearse --fans 200 --over 10s --limit 20 --rate 300/min
  tidegate rehearse --fans 15000 --over 60s --no-shows 30% --rate 500/s
  tidegate rehearse --url http://a:8080 --url http://b:8080 --roam 20% --limit 500
  tidegate rehearse --admin http://127.0.0.1:9090 --admin-token TOKEN --no-shows 90%")]
pub(crate) struct Args {
    /// The site's address as fans know it (http only); given again, the site's next edge. A fan whose edge is gone goes on
    /// at the next
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: Vec<String>,

    /// How many fans come; at most 18000 a process
    #[arg(long, default_value_t = 200)]
    fans: usize,

    /// They arrive evenly over this time
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = plan::parse_time)]
    over: Duration,

    /// How long an admitted fan stays on the site
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = plan::parse_time)]
    stay: Duration,

    /// Share of the fans who disconnect while waiting and do not come back
    #[arg(long, default_value = "0%", value_name = "PERCENT")]
    vanish: Percent,

    /// Share of the fans who stay connected and do not answer when called
    #[arg(long, default_value = "0%", value_name = "PERCENT")]
    no_shows: Percent,

    /// Share of the waiting fans who lose their socket at some moment and come back at another edge
    #[arg(long, default_value = "0%", value_name = "PERCENT")]
    roam: Percent,

    /// The room [default: the one whose waiting page guards the path]
    #[arg(long)]
    room: Option<String>,

    /// Most live visits the room allows [default: asked of --admin; else not checked]
    #[arg(long)]
    limit: Option<u32>,

    /// Admissions the room allows, as 300/min or 5/s [default: asked of --admin; else not checked]
    #[arg(long)]
    rate: Option<Per>,

    /// The page the fans ask for
    #[arg(long, default_value = "/")]
    path: String,

    /// The edge's reserved prefix
    #[arg(long, default_value = "/_tidegate/")]
    prefix: String,

    /// The admin API of one edge, to ask for the room's limit and rate
    #[arg(long, value_name = "URL", requires = "admin_token")]
    admin: Option<String>,

    /// Bearer token of the admin API
    #[arg(
        long,
        value_name = "TOKEN",
        env = "TIDEGATE_ADMIN_TOKEN",
        hide_env_values = true
    )]
    admin_token: Option<String>,

    /// Give up after this time [default: what the fans, the limit and the rate need, half as much again, and 2 minutes]
    #[arg(long, value_name = "TIME", value_parser = plan::parse_time)]
    timeout: Option<Duration>,

    /// How late an edge may hear of what its store decided: what lies closer together is not called broken. More than the
    /// default is for rehearsals in which the store is made slow
    #[arg(long, value_name = "TIME", default_value = "250ms", value_parser = plan::parse_time)]
    tolerance: Duration,

    /// Decides who vanishes, who stays silent, and when; printed, so that a rehearsal can be repeated
    #[arg(long)]
    seed: Option<u64>,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,

    /// No progress lines
    #[arg(long)]
    quiet: bool,
}

/// How a rehearsal went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It came to its end, and no promise was broken.
    Kept,
    /// A promise was broken.
    Broken,
    /// Nothing broken was seen, but it did not come to its end, or nobody was admitted.
    Incomplete,
}

impl Outcome {
    /// The status to exit with.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Outcome::Kept => 0,
            Outcome::Broken => 1,
            Outcome::Incomplete => 2,
        }
    }
}

/// Holds a rehearsal and prints its report to standard output; progress goes to standard error.
pub(crate) async fn run(args: Args) -> anyhow::Result<Outcome> {
    let json = args.json;
    let plan = Plan::from_args(args).await.map_err(BadSettings::Argument)?;
    if let Some(raised) = limits::allow_sockets(plan.fans)? {
        eprintln!("raised this process's open files to {raised}");
    }
    sites::are_one(&plan).await?;
    if !plan.quiet {
        eprintln!("{}", report::opening(&plan));
    }
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler the signal ends the process by itself.
            std::future::pending::<()>().await;
        }
    };
    let (findings, room) = crowd::rehearse(&plan, interrupted).await?;
    let text = if json {
        report::json(&plan, room.as_deref(), &findings)?
    } else {
        report::text(&plan, room.as_deref(), &findings)
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot print the report")?;
    Ok(outcome(&findings))
}

fn outcome(findings: &judge::Findings) -> Outcome {
    match (findings.broken().is_empty(), findings.complete()) {
        (false, _) => Outcome::Broken,
        (true, true) => Outcome::Kept,
        (true, false) => Outcome::Incomplete,
    }
}
