//! Whether both machines said the same.

use super::Difference;
use crate::line::Reply;

pub(super) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    said: &T,
    expected: &T,
) -> Result<(), Difference> {
    if said == expected {
        Ok(())
    } else {
        Err(format!("{what}: the script says {said:?}, the line {expected:?}"))
    }
}

/// Part by part, so that a difference is named.
pub(super) fn compare(said: &Reply, expected: &Reply) -> Result<(), Difference> {
    same("now", &said.now_ms, &expected.now_ms)?;
    same("round", &said.round, &expected.round)?;
    same("epoch", &said.epoch, &expected.epoch)?;
    same("status", &said.status, &expected.status)?;
    same("given", &said.given, &expected.given)?;
    same("front", &said.front, &expected.front)?;
    same("figures", &said.figures, &expected.figures)?;
    same("more", &said.more, &expected.more)?;
    same("grants", &said.grants, &expected.grants)?;
    same("ended", &said.ended, &expected.ended)?;
    same("renewed", &said.renewed, &expected.renewed)?;
    same("entered", &said.entered, &expected.entered)?;
    same("spent", &said.spent, &expected.spent)?;
    same("settings", &said.settings, &expected.settings)?;
    same("counts", &said.counts, &expected.counts)?;
    same("blocks", &said.blocks, &expected.blocks)?;
    same("the reply", said, expected)
}
