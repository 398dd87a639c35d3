//! Compares what stands in different places of a file: names and who uses them, routes with those before them,
//! listeners with each other. What a single value must be is the business of the readers and not repeated here.

mod addresses;
pub(crate) mod listeners;
mod names;
mod pages;
mod shadow;
mod users;

use addresses::addresses;
pub(crate) use addresses::{Addresses, System};

use crate::file::{InFile, Report};
use crate::{PageFault, Room};

/// What shows only where there is more to ask than the file.
pub(crate) struct Outside<'a> {
    /// About addresses.
    pub(crate) addresses: &'a dyn Addresses,
    /// About a room's waiting page.
    pub(crate) pages: &'a dyn Fn(&Room) -> Vec<PageFault>,
}

impl Outside<'_> {
    pub(crate) fn look(&self, file: &InFile, report: &Report) {
        addresses(file, self.addresses, report);
        pages::faults(file, self.pages, report);
    }
}

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
