//! A room as tests have it.

use std::time::Duration;

use tidegate_config::{Mode, OnStoreLoss, OnTurn, Page};

/// Two slots, and a rate that never binds.
pub(crate) fn config() -> tidegate_config::Room {
    tidegate_config::Room {
        id: "drop".parse().expect("an id"),
        mode: Mode::Auto,
        active_max: 2,
        admit_per_min: 6_000,
        visit_ttl: Duration::from_secs(300),
        visit_max: Duration::from_secs(1_800),
        enter_within: Duration::from_secs(60),
        away_after: Duration::from_secs(30),
        answer_within: Duration::from_secs(5),
        on_turn: OnTurn::Enter,
        on_store_loss: OnStoreLoss::Hold,
        sold_out_by_stock: false,
        waiting_status: 200,
        notice: Some("Soon".to_owned()),
        page: Page::default(),
    }
}
