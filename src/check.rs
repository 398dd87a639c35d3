//! `tidegate check`: every mistake of a configuration at once.

use std::process::ExitCode;

use crate::cli::Check;

/// Reads the file and says what is wrong with it.
pub(crate) fn run(args: &Check) -> ExitCode {
    match tidegate_config::check(&args.file) {
        Ok(config) => {
            let file = args.file.display();
            let (rooms, routes) = (config.rooms.len(), config.routes.len());
            println!(
                "{file}: good. {} and {}.",
                count(rooms, "room"),
                count(routes, "route")
            );
            ExitCode::SUCCESS
        }
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::from(crate::EXIT_USAGE)
        }
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}
