//! The command line: what can be asked, and the help that teaches it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tidegate_booking::domain::{Role, Username};

use crate::rehearse;

/// A waiting room at the edge: holds a surge in a fair line, and lets in exactly as many as the site can carry.
#[derive(Parser)]
#[command(
    name = "tidegate",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Without a command, `tidegate` is `tidegate up`: everything on this machine, nothing else needed.\n\n\
        First steps:\n  \
        tidegate                                   start the edge, booking and search on embedded defaults\n  \
        tidegate rehearse --fans 300 --over 5s     send 300 fans through it and judge what they see\n  \
        tidegate check my-site.toml                find every mistake of a configuration at once\n  \
        tidegate proxy --config my-site.toml       only the edge, in front of a site that exists"
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The flags of `up`, when no command is given.
    #[command(flatten)]
    pub(crate) up: Serve,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run everything: the edge, and the booking and search services behind it (the default)
    Up(Serve),
    /// Run only the edge
    #[command(
        mut_arg("booking_listen", no_flag_of_this_part),
        mut_arg("search_listen", no_flag_of_this_part),
        mut_arg("chaos", no_flag_of_this_part)
    )]
    Proxy(One),
    /// Run only the booking service, or give an account a role
    #[command(
        mut_arg("listen", no_flag_of_this_part),
        mut_arg("admin_listen", no_flag_of_this_part),
        mut_arg("search_listen", no_flag_of_this_part),
        mut_arg("store_url", no_flag_of_this_part)
    )]
    Booking(Booking),
    /// Run only the search service
    #[command(
        mut_arg("listen", no_flag_of_this_part),
        mut_arg("admin_listen", no_flag_of_this_part),
        mut_arg("booking_listen", no_flag_of_this_part),
        mut_arg("chaos", no_flag_of_this_part),
        mut_arg("store_url", no_flag_of_this_part)
    )]
    Search(One),
    /// Find every mistake of a configuration file; exits with 64 if there is one
    Check(Check),
    /// List, rotate, export or hand over the signing keys
    Keys(Keys),
    /// Send a crowd of fans through a running edge and check what the waiting room promises
    Rehearse(rehearse::Args),
}

/// A flag that a part takes, so that one set of flags serves all, and has no use for: its help does not teach it.
fn no_flag_of_this_part(flag: clap::Arg) -> clap::Arg {
    flag.hide(true)
}

/// What stands above the configuration file. Each is also a variable: `TIDEGATE_LISTEN` and so on.
#[derive(Args, Clone, Default)]
pub(crate) struct Above {
    /// Address of the site [env: TIDEGATE_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Address of the admin API, metrics and health [env: TIDEGATE_ADMIN_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin_listen: Option<SocketAddr>,
    /// Address of the booking service [env: TIDEGATE_BOOKING_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) booking_listen: Option<SocketAddr>,
    /// Address of the search service [env: TIDEGATE_SEARCH_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) search_listen: Option<SocketAddr>,
    /// Directory of keys, journals and embedded databases [env: TIDEGATE_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Have the payment sandbox drop, double, delay and reorder what it says, to rehearse a bad day
    #[arg(long)]
    pub(crate) chaos: bool,
    /// Redis that holds the line; a URL with a password belongs into the variable [env: TIDEGATE_STORE_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) store_url: Option<String>,
}

/// How to run everything.
#[derive(Args, Clone, Default)]
pub(crate) struct Serve {
    /// Configuration file; left out, the embedded one is used [env: TIDEGATE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) above: Above,
}

/// How to run one part.
#[derive(Args, Clone)]
pub(crate) struct One {
    /// Configuration file [env: TIDEGATE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) above: Above,
}

/// How to run booking, or what else to do with it.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Booking {
    #[command(subcommand)]
    pub(crate) command: Option<BookingCommand>,
    #[command(flatten)]
    pub(crate) one: One,
}

/// What to do with booking's database.
#[derive(Subcommand)]
pub(crate) enum BookingCommand {
    /// Give an account a role; it may be done while the service runs, and holds from the account's next request on
    Grant(Grant),
}

/// Who becomes what.
#[derive(Args)]
pub(crate) struct Grant {
    /// fan buys, organiser puts on events, staff stands at the gate, admin gives roles and may do all of it
    #[arg(long, value_name = "ROLE", value_parser = clap::builder::ValueParser::new(role))]
    pub(crate) role: Role,
    /// Name of the account, which must have signed up
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Username,
    /// Configuration file that names the database; left out, the embedded one is used [env: TIDEGATE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Directory of an embedded database [env: TIDEGATE_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

fn role(text: &str) -> Result<Role, String> {
    text.parse()
        .map_err(|_| "it must be fan, organiser, staff or admin".to_owned())
}

/// What to check.
#[derive(Args)]
pub(crate) struct Check {
    /// The configuration file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Connect to the store too (of the file, or of TIDEGATE_STORE_URL), and say whether it can hold a line
    #[arg(long)]
    pub(crate) live: bool,
}

/// What to do with the keys.
#[derive(Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

/// What to do with the keys.
#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// List the keys: id, age, and which of them signs
    List(KeysAt),
    /// Sign with a new key from now on; tokens signed with older ones stay good, and a running edge follows by itself
    Rotate(KeysAt),
    /// Print the public keys as a JWKS document, for origins that verify `Tidegate-Assertion` offline
    Export(KeysAt),
    /// Print the whole key ring, secrets included, for another edge on the same store
    Share(Share),
    /// Take over the key ring that `keys share` printed on another edge
    Adopt(Adopt),
}

/// How to print the ring.
#[derive(Args)]
pub(crate) struct Share {
    #[command(flatten)]
    pub(crate) at: KeysAt,
    /// Print the secrets even to a terminal
    #[arg(long)]
    pub(crate) force: bool,
}

/// Which ring to take over.
#[derive(Args)]
pub(crate) struct Adopt {
    /// What `keys share` printed; left out or `-`, standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) at: KeysAt,
    /// Replace other keys that are here; places and visits signed with them are worthless from then on
    #[arg(long)]
    pub(crate) replace: bool,
}

/// Where the keys are.
#[derive(Args)]
pub(crate) struct KeysAt {
    /// Configuration file that names the data directory [env: TIDEGATE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data directory itself [env: TIDEGATE_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}
