//! Programs nobody here wrote, run as processes: PDF and QR readers, and Python with its parsers.

#![allow(dead_code, clippy::unwrap_used)]

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Runs a program to its end and hands over all it did.
pub fn ran<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: &[S], input: &[u8]) -> Output {
    let mut command = Command::new(program);
    command.args(args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|why| {
        panic!("{command:?}: {why}; scripts/need-test.sh installs what the tests take")
    });
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // A program may end without having read everything.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    })
}

/// Runs a program that must succeed; its standard output.
pub fn run<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: &[S], input: &[u8]) -> Vec<u8> {
    let name = program.as_ref().to_owned();
    let output = ran(program, args, input);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{name:?} ended with {}:\n{stdout}\n{stderr}",
        output.status
    );
    output.stdout
}

/// The Python that has the peers.
pub fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/peers/bin/python")
}

/// One of the scripts beside the tests.
pub fn peer(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/peers")
        .join(name);
    path.to_str().unwrap().to_owned()
}

/// The text in a picture's one QR code.
pub fn scan(picture: &Path) -> String {
    let args = [
        "--quiet",
        "--raw",
        "-S*.disable",
        "-Sqrcode.enable",
        picture.to_str().unwrap(),
    ];
    let text = String::from_utf8(run("zbarimg", &args, b"")).unwrap();
    text.trim_end_matches('\n').to_owned()
}
