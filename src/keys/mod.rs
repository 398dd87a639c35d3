//! `tidegate keys`: what signs, a new key, the public keys, and the whole ring for another edge.

mod hand_over;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use tidegate_proxy::edge::KEY_FILE;
use tidegate_queue::tokens::KeyFile;

use crate::cli::{Above, Keys, KeysAt, KeysCommand};
use crate::settings;

/// Does what was asked of the keys.
pub(crate) fn run(args: Keys) -> anyhow::Result<ExitCode> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    match args.command {
        KeysCommand::List(at) => {
            let keys = existing(&path_of(at)?)?;
            println!("{:10} {:>10}  ", "key", "age");
            for key in keys.list() {
                let age = humantime::format_duration(std::time::Duration::from_secs(
                    now_s.saturating_sub(key.made_at),
                ));
                println!(
                    "{:10} {:>10}  {}",
                    key.kid,
                    age.to_string(),
                    if key.signs { "signs" } else { "verifies" }
                );
            }
        }
        KeysCommand::Rotate(at) => {
            let path = path_of(at)?;
            let mut keys = existing(&path)?;
            keys.rotate(now_s)?;
            keys.save(&path)?;
            let newest = keys.list().into_iter().next().context("a key file has keys")?;
            println!(
                "{} signs from now on; {} older ones go on verifying",
                newest.kid,
                keys.list().len() - 1
            );
        }
        KeysCommand::Export(at) => println!("{:#}", existing(&path_of(at)?)?.jwks()),
        KeysCommand::Share(share) => hand_over::share(&existing(&path_of(share.at)?)?, share.force)?,
        KeysCommand::Adopt(adopt) => {
            let ring = hand_over::received(adopt.file.as_deref())?;
            hand_over::adopt(&ring, &path_of(adopt.at)?, adopt.replace)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn path_of(at: KeysAt) -> anyhow::Result<PathBuf> {
    let above = Above {
        data_dir: at.data_dir,
        ..Above::default()
    };
    let config = settings::load(settings::file(at.config).as_deref(), above)?;
    Ok(config.edge.data_dir.join(KEY_FILE))
}

/// Keys that are there: a listing must not make any.
fn existing(path: &Path) -> anyhow::Result<KeyFile> {
    anyhow::ensure!(
        path.exists(),
        "there are no keys at {} yet: the first start makes them, or name another directory with --data-dir",
        path.display()
    );
    Ok(KeyFile::load_or_create(path, 0)?)
}
