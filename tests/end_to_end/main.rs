//! The real binary, driven from outside: its processes, its sockets, a real browser.
//!
//! Every test starts what it needs on ports and in a directory of its own, and stops it.

mod bad_input;
mod browser;
mod command_line;
mod journey;
mod kill;
mod rehearsal;
mod support;
mod tls;
