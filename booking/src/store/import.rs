//! Venues and events at once: all of them or none, and what an organiser imported before is changed, not doubled.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::json;
use sqlx::{Any, Row, Transaction};

use super::catalogue::json_list;
use super::organise::{KEYED, NewEvent, OrganiseError, Standing, fitted, house_for, in_place};
use super::{Statement, Store, StoreError};
use crate::domain::draft::{EventChange, EventDraft, Import, Mistakes, SHOWTIMES_MAX, VenueDraft, VenueRef};
use crate::domain::{EventId, Organiser, VenueId};

static PRICES: Statement = Statement::new(
    "select event_id, level, amount from price where event_id in (select cast(value as bigint) from {each:$1})",
);

static STARTS: Statement = Statement::new(
    "select event_id, starts_at from showtime where event_id in (select cast(value as bigint) from {each:$1})",
);

/// What an import did with a venue or an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Became {
    /// It was not there.
    Created,
    /// It was there, and is different now.
    Changed,
    /// It was there, just so.
    Unchanged,
}

/// What came of an import, in the order of the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Its venues.
    pub venues: Vec<(VenueId, Became)>,
    /// Its events.
    pub events: Vec<(EventId, Became)>,
}

/// An event of the document that may go in.
struct Step<'a> {
    event: NewEvent<'a>,
    /// As an earlier import left it.
    before: Option<&'a Before>,
}

/// An event that an earlier import made.
struct Before {
    id: EventId,
    venue: i64,
    standing: Standing,
    prices: BTreeMap<i64, i64>,
    starts: BTreeSet<i64>,
}

impl Store {
    /// Imports a document. A venue whose key is known must be as it was. An event whose key is known takes over category,
    /// title, credit and description and gets the showtimes that it does not have; those that are left out stay.
    pub async fn import(&self, by: &Organiser, import: &Import) -> Result<Imported, OrganiseError> {
        let mut tx = self.changing().await?;
        let mut mistakes = import.mistakes.clone();
        let venues = self
            .import_venues(&mut tx, by, &import.venues, &mut mistakes)
            .await?;
        let asked: Vec<&VenueRef> = import.events.iter().map(|(_, draft)| &draft.venue).collect();
        let houses = self.houses(&mut tx, by, &asked).await?;
        let before = self.events_before(&mut tx, by, &import.events).await?;
        let now = self.now(&mut tx).await?;
        let mut steps = Vec::with_capacity(import.events.len());
        for (at, draft) in import
            .events
            .iter()
            .filter(|(_, draft)| !import.is_unread(&draft.venue))
        {
            let place = format!("events[{at}]");
            let Some(house) = house_for(by, houses.of(&draft.venue), &place, &mut mistakes) else {
                continue;
            };
            let before = draft.key.as_ref().and_then(|key| before.get(key));
            let none = BTreeSet::new();
            let had = before.map_or(&none, |before| &before.starts);
            let Some(event) = fitted(draft, house, had, now, &place, &mut mistakes) else {
                continue;
            };
            if let Some(before) = before {
                before.compare(&event, &place, &mut mistakes);
            }
            steps.push(Step { event, before });
        }
        if !mistakes.is_empty() {
            return Err(mistakes.into());
        }
        let events = self.import_events(&mut tx, by, steps).await?;
        tx.commit().await?;
        Ok(Imported { venues, events })
    }

    /// Puts those in that are not there yet.
    async fn import_venues(
        &self,
        tx: &mut Transaction<'_, Any>,
        by: &Organiser,
        drafts: &[(usize, VenueDraft)],
        mistakes: &mut Mistakes,
    ) -> Result<Vec<(VenueId, Became)>, StoreError> {
        let keys: Vec<VenueRef> = drafts
            .iter()
            .filter_map(|(_, draft)| draft.key.clone().map(VenueRef::Key))
            .collect();
        let keys: Vec<&VenueRef> = keys.iter().collect();
        let houses = self.houses(tx, by, &keys).await?;
        let mut venues = Vec::with_capacity(drafts.len());
        let mut new: Vec<&VenueDraft> = Vec::new();
        for (at, draft) in drafts {
            let asked = draft.key.clone().map(VenueRef::Key);
            match asked.and_then(|asked| houses.of(&asked)) {
                None => {
                    venues.push(None);
                    new.push(draft);
                }
                Some(house) => {
                    let id = VenueId(house.id);
                    if let Some(part) = self.venue_differs(tx, id, draft).await? {
                        let why =
                            format!("differs from your venue {id} of this key; a venue stays as it was made");
                        mistakes.add(format!("venues[{at}].{part}"), why);
                    }
                    venues.push(Some(id));
                }
            }
        }
        let mut next = self.put_venues(tx, by, &new).await?.0;
        let venues = venues.into_iter().map(|known| match known {
            Some(id) => (id, Became::Unchanged),
            None => {
                next += 1;
                (VenueId(next - 1), Became::Created)
            }
        });
        Ok(venues.collect())
    }

    /// The first part of a venue that is not as the draft has it.
    async fn venue_differs(
        &self,
        tx: &mut Transaction<'_, Any>,
        id: VenueId,
        draft: &VenueDraft,
    ) -> Result<Option<&'static str>, StoreError> {
        let stored = self.stored_venue(tx, id).await?;
        let stored = stored.ok_or_else(|| StoreError::Corrupt("a venue that was just there".into()))?;
        let venue = &stored.venue;
        let parts = [
            ("name", venue.name == draft.name),
            ("city", venue.city == draft.city),
            ("country", venue.country == draft.country),
            (
                "time_zone",
                venue.time_zone.iana_name() == Some(draft.zone_name()),
            ),
            ("currency", venue.currency == draft.currency),
            ("sections", stored.map == draft.map),
        ];
        Ok(parts.iter().find(|(_, same)| !same).map(|(part, _)| *part))
    }

    /// Writes what was found to fit, and tells the feed.
    async fn import_events(
        &self,
        tx: &mut Transaction<'_, Any>,
        by: &Organiser,
        steps: Vec<Step<'_>>,
    ) -> Result<Vec<(EventId, Became)>, StoreError> {
        let (mut events, mut new, mut added) = (Vec::with_capacity(steps.len()), Vec::new(), Vec::new());
        for Step { event, before } in steps {
            let Some(before) = before else {
                events.push((None, Became::Created));
                new.push(event);
                continue;
            };
            let starts = event.starts.difference(&before.starts);
            let had = added.len();
            added.extend(starts.map(|start| (before.id, *start)));
            let texts = texts_of(event.draft);
            let differs = self.change_texts(tx, before.id, &before.standing, &texts).await?;
            let became = if differs || added.len() > had {
                Became::Changed
            } else {
                Became::Unchanged
            };
            events.push((Some(before.id), became));
        }
        let mut next = self.put_events(tx, by, &new).await?.0;
        self.put_showtimes(tx, &added).await?;
        let events = events.into_iter().map(|(id, became)| {
            let id = id.unwrap_or_else(|| {
                next += 1;
                EventId(next - 1)
            });
            (id, became)
        });
        let events: Vec<(EventId, Became)> = events.collect();
        let changed = events
            .iter()
            .filter(|(_, became)| *became != Became::Unchanged)
            .map(|(id, _)| *id);
        let changed: Vec<EventId> = changed.collect();
        if !changed.is_empty() {
            self.append(tx, &changed).await?;
        }
        Ok(events)
    }

    /// The organiser's events of the same keys.
    async fn events_before(
        &self,
        tx: &mut Transaction<'_, Any>,
        by: &Organiser,
        drafts: &[(usize, EventDraft)],
    ) -> Result<HashMap<String, Before>, StoreError> {
        let keys: Vec<&String> = drafts
            .iter()
            .filter_map(|(_, draft)| draft.key.as_ref())
            .collect();
        let rows = sqlx::query(self.sql(&KEYED))
            .bind(by.account().as_str())
            .bind(json!(keys).to_string())
            .fetch_all(&mut **tx)
            .await?;
        let mut found: HashMap<i64, (String, Before)> = HashMap::new();
        for row in rows {
            let id: i64 = row.try_get("id")?;
            let before = Before {
                id: EventId(id),
                venue: row.try_get("venue_id")?,
                standing: Standing::of(&row)?,
                prices: BTreeMap::new(),
                starts: BTreeSet::new(),
            };
            found.insert(id, (row.try_get("import_key")?, before));
        }
        let ids: Vec<i64> = found.keys().copied().collect();
        let prices: Vec<(i64, i64, i64)> = sqlx::query_as(self.sql(&PRICES))
            .bind(json_list(&ids))
            .fetch_all(&mut **tx)
            .await?;
        for (id, level, amount) in prices {
            if let Some((_, before)) = found.get_mut(&id) {
                before.prices.insert(level, amount);
            }
        }
        let starts: Vec<(i64, i64)> = sqlx::query_as(self.sql(&STARTS))
            .bind(json_list(&ids))
            .fetch_all(&mut **tx)
            .await?;
        for (id, start) in starts {
            if let Some((_, before)) = found.get_mut(&id) {
                before.starts.insert(start);
            }
        }
        Ok(found.into_values().collect())
    }
}

impl Before {
    /// Notes what the document wants otherwise and may not.
    fn compare(&self, event: &NewEvent<'_>, place: &str, mistakes: &mut Mistakes) {
        let id = self.id;
        if self.standing.cancelled {
            mistakes.add(place, format!("is your event {id}, which was called off"));
        }
        if event.venue != self.venue {
            let why = format!(
                "cannot change: your event {id} of this key is at venue {}",
                self.venue
            );
            mistakes.add(in_place(place, "venue"), why);
        }
        let prices = event.draft.prices.iter();
        if !prices
            .map(|(level, amount)| (i64::from(*level), *amount))
            .eq(self.prices.iter().map(|(l, a)| (*l, *a)))
        {
            let why = format!("cannot change: your event {id} of this key has other prices");
            mistakes.add(in_place(place, "prices"), why);
        }
        if event.starts.union(&self.starts).count() > SHOWTIMES_MAX {
            let why = format!(
                "would be too many: an event has at most {SHOWTIMES_MAX} showtimes, past ones included"
            );
            mistakes.add(in_place(place, "showtimes"), why);
        }
    }
}

fn texts_of(draft: &EventDraft) -> EventChange {
    EventChange {
        category: Some(draft.category),
        title: Some(draft.title.clone()),
        credit: Some(draft.credit.clone()),
        description: Some(draft.description.clone()),
    }
}
