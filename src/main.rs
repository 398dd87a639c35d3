//! The `tidegate` command.

#[allow(dead_code, reason = "the command line does not call it yet")]
mod rehearse;

fn main() {}
