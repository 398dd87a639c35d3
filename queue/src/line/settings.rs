//! What the line is told: a room's settings, and the changes an operator makes while it runs.

use serde::{Deserialize, Serialize};
use tidegate_config::{Mode, Room};

/// What governs a room's line at this moment. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Rises with every change, so that the newest is known after a loss.
    pub version: u64,
    /// Whom the line holds.
    pub mode: Mode,
    /// Most live visits (and reserved slots) at once.
    pub active_max: u32,
    /// Admissions a minute; 0 admits nobody.
    pub admit_per_min: u32,
    /// How long a visit lasts after its last renewal.
    pub visit_ttl_ms: u64,
    /// How long a visit lasts at most.
    pub visit_max_ms: u64,
    /// How long an admitted fan has to enter and come back.
    pub enter_within_ms: u64,
    /// How long a called fan has before the line goes on.
    pub answer_within_ms: u64,
    /// Nobody is called or admitted.
    pub paused: bool,
    /// No new places are given.
    pub draining: bool,
    /// What everyone in line is told.
    pub notice: Option<String>,
}

impl From<&Room> for Settings {
    fn from(room: &Room) -> Self {
        let ms = |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Self {
            version: 1,
            mode: room.mode,
            active_max: room.active_max,
            admit_per_min: room.admit_per_min,
            visit_ttl_ms: ms(room.visit_ttl),
            visit_max_ms: ms(room.visit_max),
            enter_within_ms: ms(room.enter_within),
            answer_within_ms: ms(room.answer_within),
            paused: false,
            draining: false,
            notice: room.notice.clone(),
        }
    }
}

impl Settings {
    /// What differs from `file`, the settings that a file has, each as `name = this, not that`; whatever an operator changes
    /// only while it runs is left aside.
    pub fn differing(&self, file: &Settings) -> Vec<String> {
        let (Ok(serde_json::Value::Object(own)), Ok(serde_json::Value::Object(file))) =
            (serde_json::to_value(self), serde_json::to_value(file))
        else {
            return Vec::new();
        };
        let differing = own.iter().filter(|(name, value)| {
            !matches!(name.as_str(), "version" | "paused" | "draining") && file.get(*name) != Some(*value)
        });
        differing
            .map(|(name, value)| {
                format!(
                    "{name} = {value}, not {}",
                    file.get(name).unwrap_or(&serde_json::Value::Null)
                )
            })
            .collect()
    }
}

#[cfg(test)]
impl Settings {
    /// A room that holds everyone, of ten slots: for unit tests.
    pub(crate) fn for_tests() -> Self {
        Self {
            version: 1,
            mode: Mode::On,
            active_max: 10,
            admit_per_min: 600,
            visit_ttl_ms: 60_000,
            visit_max_ms: 600_000,
            enter_within_ms: 60_000,
            answer_within_ms: 5_000,
            paused: false,
            draining: false,
            notice: None,
        }
    }
}

/// A change of settings: what is present is set, what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// See [`Settings::mode`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// See [`Settings::active_max`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_max: Option<u32>,
    /// See [`Settings::admit_per_min`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admit_per_min: Option<u32>,
    /// See [`Settings::paused`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// See [`Settings::draining`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draining: Option<bool>,
    /// See [`Settings::notice`]; an empty text takes the notice away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

impl Change {
    /// This change with `later` laid over it: what a restart must apply to the file's settings.
    pub fn then(self, later: Change) -> Change {
        Change {
            mode: later.mode.or(self.mode),
            active_max: later.active_max.or(self.active_max),
            admit_per_min: later.admit_per_min.or(self.admit_per_min),
            paused: later.paused.or(self.paused),
            draining: later.draining.or(self.draining),
            notice: later.notice.or(self.notice),
        }
    }

    /// Applies the change; the version rises.
    pub fn apply(&self, settings: &mut Settings) {
        settings.version += 1;
        settings.mode = self.mode.unwrap_or(settings.mode);
        settings.active_max = self.active_max.unwrap_or(settings.active_max);
        settings.admit_per_min = self.admit_per_min.unwrap_or(settings.admit_per_min);
        settings.paused = self.paused.unwrap_or(settings.paused);
        settings.draining = self.draining.unwrap_or(settings.draining);
        if let Some(notice) = &self.notice {
            settings.notice = (!notice.is_empty()).then(|| notice.clone());
        }
    }
}
