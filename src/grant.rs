//! `tidegate booking grant`: an account gets a role, on the database that the configuration names.

use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::{Above, Grant};
use crate::settings::{self, BadSettings};

/// Gives the role, and says what holds from now on.
pub(crate) async fn run(args: Grant) -> anyhow::Result<ExitCode> {
    let above = Above {
        data_dir: args.data_dir,
        ..Above::default()
    };
    let file = settings::file(args.config);
    let config = settings::load(file.as_deref(), above)?;
    let Some(booking) = &config.booking else {
        // The embedded configuration has one.
        let file = file.context("the embedded configuration has a booking service")?;
        return Err(BadSettings::NoPart {
            part: "booking",
            file,
        }
        .into());
    };
    let given = tidegate_booking::grant(booking, &config.edge.data_dir, &args.username, args.role).await;
    println!("{} has the role {} from now on", given?, args.role.as_str());
    Ok(ExitCode::SUCCESS)
}
