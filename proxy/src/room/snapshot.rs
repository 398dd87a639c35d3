//! The line as everyone at this edge sees it between two ticks.

use std::sync::Arc;
use std::time::Duration;

use tidegate_config::Mode;
use tidegate_queue::line::{Epoch, Figures, Front, Place, Reply, Round, Settings, Status, View};
use tidegate_queue::wait::Pace;

use super::Fan;
use crate::request::origin::Stock;
use crate::wire::message::{Left, Position, State};

/// Near the front the page hears this often.
const UPDATE_MIN_MS: u64 = 250;
/// Further back than everyone hears at least this often; proxies close quieter connections after a minute.
const UPDATE_MAX_MS: u64 = 20_000;

/// One picture of the line, shared by all.
#[derive(Clone)]
pub struct Snapshot {
    /// The round; tokens of another are arrivals.
    pub round: Round,
    /// The epoch of the last reply.
    pub epoch: Epoch,
    /// What the line is doing.
    pub status: Status,
    /// Where it stands.
    pub front: Front,
    /// The figures.
    pub figures: Figures,
    /// The settings in force.
    pub settings: Arc<Settings>,
    /// Whether the store answered last.
    pub store_up: bool,
    // Shared, as a picture is made with every tick and these only ten times a second.
    pub(super) view: Arc<View>,
    pub(super) pace: Arc<Pace>,
}

/// How a fan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How the line stands.
    pub state: State,
    /// How many are before the fan.
    pub ahead: u64,
    /// The wait in seconds, as a range.
    pub wait_s: Option<(u32, u32)>,
    /// What is left.
    pub stock: Option<Stock>,
}

impl Snapshot {
    pub(super) fn before_the_first_tick(settings: Arc<Settings>) -> Self {
        let front = Front {
            called_upto: Place::START,
            floor: Place::START,
        };
        let figures = Figures {
            waiting: 0,
            ready: 0,
            active: 0,
            reserve: 0,
            issued: 0,
            admitted: 0,
            departed: 0,
            no_shows: 0,
        };
        let (view, pace) = (Arc::default(), Arc::default());
        let status = Status::Regroup;
        Self {
            round: Round(0),
            epoch: Epoch(0),
            status,
            front,
            figures,
            settings,
            store_up: false,
            view,
            pace,
        }
    }

    /// Takes over what a reply says for itself; the view is the driver's to keep.
    pub(super) fn take_over(&mut self, reply: &Reply) {
        self.round = reply.round;
        self.epoch = reply.epoch;
        self.status = reply.status;
        self.front = reply.front;
        self.figures = reply.figures;
        self.store_up = true;
        if let Some(settings) = &reply.settings {
            self.settings = settings.clone();
        }
    }

    /// Whether requests pass without a line.
    pub fn is_off(&self) -> bool {
        self.settings.mode == Mode::Off
    }

    /// Admissions a minute: as measured, or as set while nothing is measured.
    pub fn rate_per_min(&self) -> u32 {
        self.pace.per_min().unwrap_or(self.settings.admit_per_min)
    }

    /// How the fan stands. What is shown of `ahead` never grows.
    pub fn standing(&self, fan: &Fan, stock: Option<Stock>, sold_out_by_stock: bool) -> Standing {
        let state = self.state(stock, sold_out_by_stock);
        let ahead = self.ahead(fan, state);
        let wait_s = if state == State::Waiting {
            self.pace.range_s(ahead, &self.settings)
        } else {
            None
        };
        wait_s.into_iter().for_each(|range_s| fan.is_told(range_s));
        Standing {
            state,
            ahead,
            wait_s,
            stock,
        }
    }

    /// How many to show before the fan. Who has come since the picture was made was told by the tick that brought the
    /// place; who has come from another edge is in the next picture, unless the line holds still.
    fn ahead(&self, fan: &Fan, state: State) -> u64 {
        match fan.shown_ahead() {
            _ if self.view.shows(fan.place) => fan.show_ahead(self.view.ahead(fan.place)),
            Some(told) => told,
            None if state == State::Waiting => self.view.ahead_at_most(fan.place),
            None => fan.show_ahead(self.view.ahead(fan.place)),
        }
    }

    /// Whether what [`Self::standing`] says is before the fan is more than a guess.
    pub fn knows_who_is_before(&self, fan: &Fan) -> bool {
        self.view.shows(fan.place) || fan.shown_ahead().is_some()
    }

    /// How the line stands for everyone.
    pub fn state(&self, stock: Option<Stock>, sold_out_by_stock: bool) -> State {
        match self.status {
            Status::Closed => State::Closed,
            _ if sold_out_by_stock && stock.is_some_and(|stock| stock.is_sold_out()) => State::SoldOut,
            Status::Paused => State::Paused,
            _ if !self.store_up || self.settings.admit_per_min == 0 => State::Paused,
            Status::Open | Status::Regroup | Status::Draining => State::Waiting,
        }
    }

    /// When a fan with so many ahead should hear next: at every turn near the front, exponentially less often further
    /// back. `jitter` is between 0 and 1.
    pub fn update_after(ahead: u64, jitter: f64) -> Duration {
        // Doubles with every fourfold distance: 20 ahead 250 ms, 1,280 ahead 2 s, 82,000 ahead 16 s.
        let doublings = (ahead / 20).checked_ilog2().map_or(0, |log| log / 2);
        let base_ms = (UPDATE_MIN_MS << doublings.min(10)).min(UPDATE_MAX_MS);
        Duration::from_millis((base_ms as f64 * (0.75 + jitter / 2.0)) as u64)
    }
}

impl Standing {
    /// The frame that says so.
    pub fn position<'a>(&self, snapshot: &'a Snapshot) -> Position<'a> {
        Position {
            state: self.state,
            ahead: self.ahead,
            wait_s: self.wait_s,
            rate_per_min: snapshot.rate_per_min(),
            notice: snapshot.settings.notice.as_deref(),
            opens_at: None,
            stock: self.stock.map(|stock| Left {
                free: stock.free,
                held: stock.held,
            }),
        }
    }
}
