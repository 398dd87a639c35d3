//! `tidegate check`: every mistake of a configuration at once, and with `--live` whether its store can hold a line.

use std::process::ExitCode;

use tidegate_config::{Config, PageFault, RedisStore, Room, RoomId, Store};
use tidegate_proxy::page::Theme;
use tidegate_queue::store::redis::{self, Severity};

use crate::cli::Check;
use crate::settings::{self, BadSettings};

/// Reads the file and says what is wrong with it.
pub(crate) async fn run(args: &Check) -> Result<ExitCode, BadSettings> {
    let config = match tidegate_config::check(&args.file, &page_faults) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(crate::EXIT_USAGE));
        }
    };
    let file = args.file.display();
    let (rooms, routes) = (config.rooms.len(), config.routes.len());
    println!(
        "{file}: good. {} and {}.",
        count(rooms, "room"),
        count(routes, "route")
    );
    if !args.live {
        return Ok(ExitCode::SUCCESS);
    }
    let Config { store, rooms, .. } = settings::with_environment(config)?;
    match store {
        Store::Embedded => {
            println!("the line lives in the edge's process: there is no store to look at");
            Ok(ExitCode::SUCCESS)
        }
        Store::Redis(store) => {
            let rooms: Vec<RoomId> = rooms.into_iter().map(|room| room.id).collect();
            Ok(live(&store, &rooms).await)
        }
    }
}

/// What is wrong with a room's waiting page.
fn page_faults(room: &Room) -> Vec<PageFault> {
    let faults = Theme::faults(&room.page, room.on_turn);
    let told = faults.into_iter().map(|fault| {
        // As all of them read.
        let text = fault.to_string();
        let (message, remedy) = text
            .split_once("; ")
            .unwrap_or((&text, "see [room.page] in the reference"));
        PageFault {
            message: message.to_owned(),
            remedy: remedy.to_owned(),
        }
    });
    told.collect()
}

/// Looks at the store and says everything about it that is not as it should be.
async fn live(store: &RedisStore, rooms: &[RoomId]) -> ExitCode {
    let url = &store.url;
    let findings = match redis::examine(store, rooms).await {
        Ok(findings) => findings,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(crate::EXIT_USAGE);
        }
    };
    for found in &findings {
        let mark = match found.severity {
            Severity::Refusal => "",
            Severity::Warning => "warning: ",
        };
        eprintln!("{url}: {mark}{found}");
    }
    if findings.iter().any(|found| found.severity == Severity::Refusal) {
        return ExitCode::from(crate::EXIT_USAGE);
    }
    println!("{url}: can hold a line");
    ExitCode::SUCCESS
}

fn count(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}
