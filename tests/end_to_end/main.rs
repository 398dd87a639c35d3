//! The real binary, driven from outside: its processes, its sockets, a real browser.
//!
//! Every test starts what it needs on ports and in a directory of its own, and stops it.

mod answers;
mod bad_input;
mod browser;
mod command_line;
mod faults;
mod journey;
mod keys;
mod kill;
mod many_edges;
mod organiser;
mod outage;
mod redis_harness;
mod rehearsal;
mod store;
mod support;
mod tls;
mod users;
