//! Payments: the sandbox and its life, its pages and faults, webhooks, and a provider that is not ours.

#![allow(clippy::unwrap_used)]

mod payment_support;

mod errors;
mod localstripe;
mod pages;
mod sandbox;
mod sandbox_life;
mod webhook;
