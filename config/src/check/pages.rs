//! The waiting pages, judged by whoever shows them.

use crate::file::{InFile, Report};
use crate::problems::Wrong;
use crate::{PageFault, Room};

/// Every room's page can be shown.
pub(crate) fn faults(file: &InFile, pages: &dyn Fn(&Room) -> Vec<PageFault>, report: &Report) {
    for in_file in &file.rooms {
        let Some(room) = &in_file.room else { continue };
        for PageFault { message, remedy } in pages(room) {
            let key = format!("{}.page", in_file.path);
            report.add(in_file.page_line, &key, Wrong::new(message, remedy));
        }
    }
}
