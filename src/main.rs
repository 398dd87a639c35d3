//! The `tidegate` command: reads what is asked, starts the parts, stops them, says how it went.

mod banner;
mod check;
mod cli;
mod grant;
mod keys;
mod parts;
mod rehearse;
mod settings;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{BookingCommand, Cli, Command};
use crate::settings::BadSettings;

/// Gives memory back after a surge better than the system's allocator, and serves faster.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The command line or the configuration is wrong (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors to the parser, and go to standard output.
            let wrong = error.use_stderr();
            let _ = error.print();
            return if wrong {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("tidegate: cannot start its threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tidegate: {}", told(&error));
            let usage = error.downcast_ref::<BadSettings>().is_some();
            ExitCode::from(if usage { EXIT_USAGE } else { 1 })
        }
    }
}

/// An error with its causes, those that it does not say itself.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command.unwrap_or(Command::Up(cli.up)) {
        Command::Up(args) => {
            settings::log("warn,pingora_core::connectors=off,tidegate=info,tidegate_proxy=info,audit=info");
            parts::up(args).await
        }
        Command::Proxy(args) => {
            settings::log("info,pingora_core=warn,pingora_core::connectors=off,pingora_proxy=warn");
            parts::proxy(args).await
        }
        Command::Booking(args) => match args.command {
            Some(BookingCommand::Grant(grant)) => grant::run(grant).await,
            None => {
                settings::log("info");
                parts::booking(args.one).await
            }
        },
        Command::Search(args) => {
            settings::log("info");
            parts::search(args).await
        }
        Command::Check(args) => Ok(check::run(&args).await?),
        Command::Keys(args) => keys::run(args),
        Command::Rehearse(args) => Ok(ExitCode::from(rehearse::run(args).await?.exit_code())),
    }
}
