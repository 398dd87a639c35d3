//! Tests of the tests: the line is broken in each of the ways of [`table`], and the properties must see it.
//!
//! Each mutant is a package of its own in a workspace under cargo's target directory: a copy of `src/line` with one
//! text replaced, and the properties as they are. One unbroken copy must pass with the same histories. What the table
//! does not think of is left to `cargo mutants -p tidegate-queue` (configured in `.cargo/mutants.toml`), which takes an
//! hour and runs on demand; `cargo install cargo-mutants` provides it.

mod packages;
mod table;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use table::MUTANTS;

/// Histories each mutant is shown.
const HISTORIES: &str = "60";
/// A mutant that runs longer than this hangs, which is seen too.
const RUNS_MAX: Duration = Duration::from_secs(120);

/// What the properties said of a copy of the line.
#[derive(Debug, PartialEq)]
enum Said {
    Passed,
    Failed(String),
    Hung,
}

fn show_properties(to: &Path) -> Said {
    let mut child = Command::new(to)
        .env("TIDEGATE_HISTORIES", HISTORIES)
        .env_remove("TIDEGATE_SEED")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the properties were built and can be run");
    let began = Instant::now();
    loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(_) => break,
            None if began.elapsed() > RUNS_MAX => {
                child.kill().expect("a child that hangs can be killed");
                child.wait().expect("a killed child ends");
                return Said::Hung;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    let output = child.wait_with_output().expect("what a child said can be read");
    if output.status.success() {
        return Said::Passed;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let after_panic = |line: &&str| line.contains("panicked at");
    let mut lines = text.lines().skip_while(|line| !after_panic(line));
    let place = lines.next().unwrap_or_default();
    let reason = lines.next().unwrap_or("died");
    Said::Failed(format!(
        "{reason} ({})",
        place.rsplit("panicked at ").next().unwrap_or_default()
    ))
}

#[test]
fn every_mutant_of_the_line_is_caught() {
    let built = packages::build();
    let next = Mutex::new(0..built.len());
    let said = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(index) = next.lock().expect("nobody panics with it").next() else {
                        return;
                    };
                    let verdict = show_properties(&built[index]);
                    said.lock().expect("nobody panics with it").push((index, verdict));
                }
            });
        }
    });
    let mut said = said.into_inner().expect("the threads have ended");
    said.sort_by_key(|(index, _)| *index);
    let mut survivors = Vec::new();
    for (index, verdict) in &said {
        let Some(mutant) = index.checked_sub(1).map(|n| &MUTANTS[n]) else {
            assert_eq!(
                *verdict,
                Said::Passed,
                "the properties fail for the line as it is"
            );
            continue;
        };
        match verdict {
            Said::Passed => survivors.push(mutant.breaks),
            Said::Failed(reason) => println!("caught: {}: {reason}", mutant.breaks),
            Said::Hung => println!("caught: {}: it hangs", mutant.breaks),
        }
    }
    assert!(
        survivors.is_empty(),
        "the properties do not see {} of {} mutants: {survivors:#?}",
        survivors.len(),
        MUTANTS.len()
    );
}
