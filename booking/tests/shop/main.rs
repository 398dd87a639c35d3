//! A fan at the service: an account, a seat, an order, and the gate in front of it.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod admission;
mod bad_database;
mod catalogue;
mod gate;
mod hang_up;
mod holds;
mod instances;
mod login_tries;
mod openapi;
mod orders;
mod service;
mod strict;
