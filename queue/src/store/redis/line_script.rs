//! The script that is the line: its parts in their order, under the names of the keys.

use std::sync::LazyLock;

use super::keys;
use super::link::Script;

/// The parts, each the counterpart of a module of the pure core.
const PARTS: [&str; 10] = [
    include_str!("script/head.lua"),
    include_str!("script/bits.lua"),
    include_str!("script/work.lua"),
    include_str!("script/state.lua"),
    include_str!("script/visits.lua"),
    include_str!("script/calling.lua"),
    include_str!("script/fans.lua"),
    include_str!("script/learn.lua"),
    include_str!("script/front.lua"),
    include_str!("script/tick.lua"),
];

/// The whole text.
pub(super) fn text() -> String {
    keys::prelude() + &PARTS.join("\n")
}

/// The script of every line.
pub(super) static LINE: LazyLock<Script> = LazyLock::new(|| Script::new(text()));
