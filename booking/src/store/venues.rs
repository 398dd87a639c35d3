//! Venues of organisers' own. A map is made once and never changed: claims, orders and tickets name its seats.

use std::collections::{BTreeSet, HashMap};

use jiff::tz::TimeZone;
use serde_json::json;
use sqlx::{Any, Row, Transaction};

use super::catalogue::{json_list, level_of, seat_map};
use super::organise::OrganiseError;
use super::{Statement, Store, StoreError, rows};
use crate::domain::draft::{Mistakes, VenueDraft, VenueRef};
use crate::domain::{Organiser, SeatMap, Venue, VenueId};

static VENUE: Statement =
    Statement::new("select name, city, country, time_zone, currency from venue where id = $1");

/// By numbers, and by the keys of one account.
static HOUSES: Statement = Statement::new(
    "select id, organiser, import_key, time_zone from venue \
     where id in (select cast(value as bigint) from {each:$1}) \
     or (organiser = $2 and import_key in (select value from {each:$3}))",
);

static LEVELS: Statement = Statement::new(
    "select venue_id, level from seat_row where venue_id in (select cast(value as bigint) from {each:$1}) \
     union select venue_id, level from open_section where venue_id in (select cast(value as bigint) from {each:$1})",
);

/// A venue with its map.
#[derive(Clone, Debug)]
pub struct StoredVenue {
    /// Its number.
    pub id: VenueId,
    /// Where it is.
    pub venue: Venue,
    /// Its seats.
    pub map: SeatMap,
}

/// What has to be known of a venue to put something on there.
pub(super) struct House {
    pub(super) id: i64,
    pub(super) organiser: Option<String>,
    pub(super) zone: TimeZone,
    pub(super) levels: BTreeSet<u8>,
}

/// Venues that somebody referred to.
pub(super) struct Houses {
    by_id: HashMap<i64, House>,
    by_key: HashMap<String, i64>,
}

impl Houses {
    pub(super) fn of(&self, venue: &VenueRef) -> Option<&House> {
        match venue {
            VenueRef::Id(id) => self.by_id.get(&id.0),
            VenueRef::Key(key) => self.by_id.get(self.by_key.get(key)?),
        }
    }
}

impl Store {
    /// A venue with its map.
    pub async fn venue(&self, id: VenueId) -> Result<Option<StoredVenue>, StoreError> {
        let mut tx = self.reading().await?;
        self.stored_venue(&mut tx, id).await
    }

    pub(super) async fn stored_venue(
        &self,
        tx: &mut Transaction<'_, Any>,
        id: VenueId,
    ) -> Result<Option<StoredVenue>, StoreError> {
        let query = sqlx::query(self.sql(&VENUE)).bind(id.0);
        let Some(row) = query.fetch_optional(&mut **tx).await? else {
            return Ok(None);
        };
        let text = |column: &str| row.try_get::<String, _>(column);
        let currency = text("currency")?
            .parse()
            .map_err(|_| StoreError::Corrupt("a venue's currency".into()))?;
        let venue = Venue {
            name: text("name")?,
            city: text("city")?,
            country: text("country")?,
            time_zone: zone(&text("time_zone")?)?,
            currency,
        };
        let map = seat_map(tx, id.0).await?;
        Ok(Some(StoredVenue { id, venue, map }))
    }

    /// Makes a venue that is the organiser's own.
    pub async fn create_venue(&self, by: &Organiser, draft: &VenueDraft) -> Result<VenueId, OrganiseError> {
        let mut tx = self.changing().await?;
        if let Some(key) = &draft.key {
            let asked = VenueRef::Key(key.clone());
            let houses = self.houses(&mut tx, by, &[&asked]).await?;
            if let Some(house) = houses.of(&asked) {
                return Err(
                    Mistakes::one("key", format!("is the key of your venue {} already", house.id)).into(),
                );
            }
        }
        let first = self.put_venues(&mut tx, by, &[draft]).await?;
        tx.commit().await?;
        Ok(first)
    }

    /// Puts venues in, numbered on from the one that is given back.
    pub(super) async fn put_venues(
        &self,
        tx: &mut Transaction<'_, Any>,
        by: &Organiser,
        drafts: &[&VenueDraft],
    ) -> Result<VenueId, StoreError> {
        let first: i64 = sqlx::query_scalar("select coalesce(max(id), 0) + 1 from venue")
            .fetch_one(&mut **tx)
            .await?;
        let numbered = || (first..).zip(drafts);
        let venues = numbered().map(|(id, venue)| {
            json!({"id": id, "organiser": by.account(), "key": venue.key, "name": venue.name, "city": venue.city,
                "country": venue.country, "time_zone": venue.zone_name(), "currency": venue.currency,
                "capacity": venue.map.capacity()})
        });
        self.insert(tx, &rows::VENUES, venues.collect()).await?;
        let seated = numbered().flat_map(|(id, venue)| rows::seat_rows(id, &venue.map));
        self.insert(tx, &rows::SEAT_ROWS, seated.collect()).await?;
        let open = numbered().flat_map(|(id, venue)| rows::open_sections(id, &venue.map));
        self.insert(tx, &rows::OPEN_SECTIONS, open.collect()).await?;
        Ok(VenueId(first))
    }

    /// The venues that are meant; keys are the organiser's own.
    pub(super) async fn houses(
        &self,
        tx: &mut Transaction<'_, Any>,
        by: &Organiser,
        asked: &[&VenueRef],
    ) -> Result<Houses, StoreError> {
        let (mut ids, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for venue in asked {
            match *venue {
                VenueRef::Id(id) => {
                    ids.insert(*id);
                }
                VenueRef::Key(key) => {
                    keys.insert(key);
                }
            }
        }
        let found: Vec<(i64, Option<String>, Option<String>, String)> = sqlx::query_as(self.sql(&HOUSES))
            .bind(json!(ids).to_string())
            .bind(by.account().as_str())
            .bind(json!(keys).to_string())
            .fetch_all(&mut **tx)
            .await?;
        let (mut by_id, mut by_key) = (HashMap::new(), HashMap::new());
        for (id, organiser, key, zone_name) in found {
            let own = organiser.as_deref() == Some(by.account().as_str());
            if let Some(key) = key.filter(|_| own) {
                by_key.insert(key, id);
            }
            let house = House {
                id,
                organiser,
                zone: zone(&zone_name)?,
                levels: BTreeSet::new(),
            };
            by_id.insert(id, house);
        }
        let ids: Vec<i64> = by_id.keys().copied().collect();
        let levels: Vec<(i64, i64)> = sqlx::query_as(self.sql(&LEVELS))
            .bind(json_list(&ids))
            .fetch_all(&mut **tx)
            .await?;
        for (id, level) in levels {
            if let Some(house) = by_id.get_mut(&id) {
                house.levels.insert(level_of(level)?);
            }
        }
        Ok(Houses { by_id, by_key })
    }
}

pub(super) fn zone(name: &str) -> Result<TimeZone, StoreError> {
    TimeZone::get(name).map_err(|_| StoreError::Corrupt("a venue's time zone".into()))
}
