//! Writes a package for each mutant, and builds them all with one cargo.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::table::{MUTANTS, Mutant};

/// What a mutant's package needs: the line, not what is built on it.
const DEPENDENCIES: &str = "serde.workspace = true\nserde_json.workspace = true\nthiserror.workspace = true\n\
    tidegate-config.workspace = true\n\n[dev-dependencies]\nrand.workspace = true\n";

/// Light optimisation; without the line's own assertions, so that it is the properties that see a mutant.
const PROFILE: &str =
    "\n[profile.dev]\nopt-level = 1\ndebug = false\ndebug-assertions = false\noverflow-checks = true\n";

/// The properties' programs: first of the line as it is, then of each mutant in order.
pub fn build() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    let queue = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = queue.parent().expect("the crate is in a workspace");
    let manifest = fs::read_to_string(workspace.join("Cargo.toml")).expect("the workspace has a manifest");
    let mut members = vec!["config".to_owned()];
    copy(&workspace.join("config"), &root.join("config"));
    fs::copy(workspace.join("Cargo.lock"), root.join("Cargo.lock")).expect("versions are locked");
    for index in 0..=MUTANTS.len() {
        let name = package(index);
        write_package(
            queue,
            &root.join(&name),
            &name,
            index.checked_sub(1).map(|n| &MUTANTS[n]),
        );
        members.push(name);
    }
    write(&root.join("Cargo.toml"), &(tables(&manifest, &members) + PROFILE));

    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args([
            "build",
            "--offline",
            "--workspace",
            "--test",
            "properties",
            "--keep-going",
        ])
        .args(["--message-format", "json-render-diagnostics", "--target-dir"])
        .arg(root.join("target"))
        .current_dir(&root)
        .env("RUSTFLAGS", "-Awarnings")
        .output()
        .expect("cargo can be run");
    let mut programs = programs(&String::from_utf8_lossy(&output.stdout));
    let of = |index: usize| {
        let name = package(index);
        let what = index
            .checked_sub(1)
            .map_or("the line as it is", |n| MUTANTS[n].breaks);
        programs.remove(&name).unwrap_or_else(|| {
            panic!(
                "{name} ({what}) does not compile; mend the table\n{}",
                String::from_utf8_lossy(&output.stderr)
            )
        })
    };
    (0..=MUTANTS.len()).map(of).collect()
}

fn package(index: usize) -> String {
    format!("mutant-{index:02}")
}

/// The workspace's tables that packages inherit from, with other members and without the root package.
fn tables(manifest: &str, members: &[String]) -> String {
    let mut kept = format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n");
    let mut keep = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            keep = line.starts_with("[workspace.");
        }
        if keep {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

fn write_package(queue: &Path, to: &Path, name: &str, mutant: Option<&Mutant>) {
    let head = format!(
        "[package]\nname = \"{name}\"\nversion.workspace = true\nedition.workspace = true\n\n[lib]\nname = \
         \"tidegate_queue\"\n\n[dependencies]\n"
    );
    write(&to.join("Cargo.toml"), &(head + DEPENDENCIES));
    write(&to.join("src/lib.rs"), "pub mod line;\n");
    copy(&queue.join("tests/properties"), &to.join("tests/properties"));
    for entry in fs::read_dir(queue.join("src/line")).expect("the line has sources") {
        let path = entry.expect("a source can be listed").path();
        let text = fs::read_to_string(&path).expect("a source can be read");
        let file = path.file_name().expect("a source has a name");
        let text = match mutant {
            Some(mutant) if file == mutant.file => {
                let found = text.matches(mutant.find).count();
                assert_eq!(
                    found, 1,
                    "the table is stale: {:?} must be in {} once, and is {found} times ({})",
                    mutant.find, mutant.file, mutant.breaks
                );
                text.replace(mutant.find, mutant.replace)
            }
            _ => text,
        };
        write(&to.join("src/line").join(file), &text);
    }
}

/// Writes only what differs, so that cargo builds again only what changed.
fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return;
    }
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder).expect("cargo's target directory can be written");
    fs::write(path, text).expect("cargo's target directory can be written");
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a source folder can be listed") {
        let entry = entry.expect("a source can be listed");
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            write(&to, &fs::read_to_string(&path).expect("a source can be read"));
        }
    }
}

/// The test programs cargo says it built, by package.
fn programs(messages: &str) -> BTreeMap<String, PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = |message: Value| {
        let path = message["executable"].as_str()?.to_owned();
        let manifest = PathBuf::from(message["manifest_path"].as_str()?);
        let package = manifest.parent()?.file_name()?.to_string_lossy().into_owned();
        Some((package, PathBuf::from(path)))
    };
    messages.filter_map(program).collect()
}
