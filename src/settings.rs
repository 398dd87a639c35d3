//! Where settings come from: a file or the embedded one, variables above it, flags above those.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use tidegate_config::{BadStoreUrl, Config, Overrides, Problem, Problems, StoreUrl, examples};
use tracing_subscriber::EnvFilter;

use crate::cli::Above;

/// The command line, the environment or the configuration is wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadSettings {
    /// The configuration or a variable.
    #[error("the configuration cannot be used\n{0}")]
    Problems(#[from] Problems),
    /// No file was named where one is needed.
    #[error(
        "which configuration? Name one with --config FILE or TIDEGATE_CONFIG; `tidegate up` runs without one, and \
         examples of both kinds come with the sources, in config/examples"
    )]
    NoFile,
    /// The file has no such part.
    #[error("{} has no [{part}] section: add one, or run another part", file.display())]
    NoPart {
        /// Which part.
        part: &'static str,
        /// Which file.
        file: PathBuf,
    },
    /// An argument that only its meaning shows to be wrong.
    #[error("{0:#}")]
    Argument(anyhow::Error),
}

/// Says what happens on standard error. `TIDEGATE_LOG` says how much, in the `tracing` filter syntax.
pub(crate) fn log(default: &str) {
    let filter = EnvFilter::try_from_env("TIDEGATE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // A second call, as in a test, keeps the first.
    let _ = subscriber.try_init();
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The configuration file that was named, if any.
pub(crate) fn file(flag: Option<PathBuf>) -> Option<PathBuf> {
    flag.or_else(|| variable("TIDEGATE_CONFIG").map(PathBuf::from))
}

/// The configuration of `file`, or the embedded one; variables and flags above it.
pub(crate) fn load(file: Option<&Path>, above: Above) -> Result<Config, BadSettings> {
    let config = match file {
        Some(file) => tidegate_config::load(file)?,
        None => tidegate_config::parse(examples::UP, "the embedded configuration", Path::new("."))?,
    };
    let flags = Overrides {
        listen: above.listen,
        admin_listen: above.admin_listen,
        admin_token: None,
        data_dir: above.data_dir,
        store_url: above.store_url.as_deref().map(store_url).transpose()?,
        booking_listen: above.booking_listen,
        search_listen: above.search_listen,
        chaos: above.chaos,
    };
    Ok(config.with(flags.or(Overrides::from_env(variable)?))?)
}

/// A configuration with the environment above it, as [`load`] without flags.
pub(crate) fn with_environment(config: Config) -> Result<Config, BadSettings> {
    Ok(config.with(Overrides::from_env(variable)?)?)
}

/// The URL of a flag. The parser of the command line would show one that is wrong, with its password.
fn store_url(text: &str) -> Result<StoreUrl, Problems> {
    text.parse().map_err(|BadStoreUrl { message, remedy }| Problems {
        source: "command line".to_owned(),
        list: vec![Problem {
            line: None,
            key: "--store-url".to_owned(),
            message,
            remedy,
        }],
    })
}
