//! What a buyer is sent: mail, tickets, and a ticket passed on; read back by programs that are not ours.

#![allow(clippy::unwrap_used)]

#[path = "../support/mail_sink.rs"]
mod mail_sink;
#[path = "../support/peers.rs"]
mod peers;
#[path = "../support/mod.rs"]
mod support;

mod letters;
mod mail;
mod passing_on;
mod tickets;
