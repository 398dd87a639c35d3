//! Compares what stands in different places of a file: names and who uses them, routes with those before them,
//! listeners with each other. What a single value must be is the business of the readers and not repeated here.

mod addresses;
pub(crate) mod listeners;
mod names;
mod shadow;
mod users;

pub(crate) use addresses::{Addresses, System, addresses};

use crate::file::{InFile, Report};

/// Everything that shows only in comparison.
pub(crate) fn all(file: &InFile, report: &Report) {
    names::unique(file, report);
    names::known(file, report);
    names::used(file, report);
    shadow::reserved(file, report);
    shadow::shadowed(file, report);
    users::known(file, report);
    users::used(file, report);
    users::can_log_in(file, report);
    listeners::distinct(file, report);
    listeners::no_loop(file, report);
}
