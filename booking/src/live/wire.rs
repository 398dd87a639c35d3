//! The shapes of live seats: the compact JSON and the events of a stream. Made once for everyone, so nothing personal is
//! ever in them.

use std::fmt::Write as _;
use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::picture::{Changed, Moment, Picture, View};
use crate::domain::{MapRow, Money, OpenSection, Seat, SeatState, ShowtimeDetail, ShowtimeId, Stock};
use crate::store::Cursor;

/// What of `GET /showtimes/{id}/seats` stays as it is while seats come and go: the head of the document.
#[derive(Serialize)]
struct MapJson<'a> {
    showtime: ShowtimeId,
    capacity: u32,
    /// Sections with seats, front first.
    sections: Vec<SectionJson<'a>>,
    /// Sections for general admission.
    open: Vec<OpenJson<'a>>,
}

#[derive(Serialize)]
struct SectionJson<'a> {
    name: &'a str,
    /// Price level, 1 the best.
    level: u8,
    price: Option<Money>,
    rows: Vec<RowJson<'a>>,
}

/// Seats 1 to `seats`, called `{row}-{number}`.
#[derive(Serialize)]
struct RowJson<'a> {
    row: &'a str,
    seats: u32,
    /// Where seat 1 stands and how far from the stage, in hundredths of a seat's width, the stage's middle at (0, 0); the
    /// others follow to its right, one width apart.
    x: i32,
    y: i32,
    #[serde(skip_serializing_if = "<[u32]>::is_empty")]
    accessible: &'a [u32],
}

#[derive(Serialize)]
struct OpenJson<'a> {
    name: &'a str,
    label: &'a str,
    level: u8,
    price: Option<Money>,
    capacity: u32,
}

/// The head of the document: an object that is not closed yet.
pub(super) fn head(showtime: &ShowtimeDetail) -> String {
    let price_of = |level| showtime.event.price_of(level);
    let mut sections: Vec<SectionJson<'_>> = Vec::new();
    for row in &showtime.map.rows {
        let json = row_json(row);
        match sections
            .last_mut()
            .filter(|last| (last.name, last.level) == (row.section.as_str(), row.level))
        {
            Some(section) => section.rows.push(json),
            None => sections.push(SectionJson {
                name: &row.section,
                level: row.level,
                price: price_of(row.level),
                rows: vec![json],
            }),
        }
    }
    let open = |section| {
        let OpenSection {
            name,
            label,
            level,
            capacity,
        }: &'_ OpenSection = section;
        OpenJson {
            name,
            label,
            level: *level,
            price: price_of(*level),
            capacity: *capacity,
        }
    };
    let map = MapJson {
        showtime: showtime.id,
        capacity: showtime.map.capacity(),
        sections,
        open: showtime.map.open.iter().map(open).collect(),
    };
    let mut text = json(&map);
    text.pop();
    text
}

fn row_json(row: &MapRow) -> RowJson<'_> {
    RowJson {
        row: &row.label,
        seats: row.seats,
        x: row.x,
        y: row.y,
        accessible: &row.accessible,
    }
}

/// What changes, the rest of the document; and by itself the data of a `seats` event.
///
/// - `stock`: seats by state.
/// - `claimed`: by row, one sign a seat from number 1 on: `.` free, `h` held (it may come back), `t` taken. Free seats at
///   the row's end are left out, and so are rows in which all are free.
/// - `left`: by label of a section for general admission, the places nobody has.
fn state(picture: &Picture, view: View) -> String {
    let mut text = format!("\"stock\":{},\"claimed\":{{", json(&picture.stock(view)));
    // Labels are capital letters and digits: nothing in them needs an escape.
    for (at, (label, states)) in picture.rows(view).enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(text, "{comma}\"{label}\":\"");
        text.extend(states.map(|state| match state {
            SeatState::Free => '.',
            SeatState::Held => 'h',
            SeatState::Taken => 't',
        }));
        text.push('"');
    }
    text.push_str("},\"left\":{");
    for (at, (label, left)) in picture.left(view).enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(text, "{comma}\"{label}\":{left}");
    }
    text.push('}');
    text
}

/// The data of a `change` event: the stock, and every seat that looks different now.
#[derive(Serialize)]
struct ChangeJson<'a> {
    stock: Stock,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    free: Vec<&'a Seat>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    held: Vec<&'a Seat>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    taken: Vec<&'a Seat>,
    /// As in the document, of the sections in which something changed.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    left: serde_json::Map<String, serde_json::Value>,
}

/// The document as everyone may have it.
#[derive(Debug)]
pub(crate) struct SeatsDocument {
    /// The JSON.
    pub(crate) json: Bytes,
    /// The same, compressed.
    pub(crate) gzip: Bytes,
    /// Changes whenever the document does, and is the same on every instance.
    pub(crate) etag: String,
    /// What is left, for whoever wants only that.
    pub(crate) stock: Stock,
}

/// The JSON of the document, of this head.
pub(super) fn document(head: &str, picture: &Picture) -> String {
    format!("{head},{}}}", state(picture, View::Now))
}

impl SeatsDocument {
    /// Compresses and marks what [`document`] wrote.
    pub(super) fn new(json: String, stock: Stock) -> Self {
        // Made anew with every change of a hot showtime: a few per cent larger, in a third of the time.
        let mut gzip = GzEncoder::new(Vec::with_capacity(json.len() / 4), Compression::fast());
        let written = gzip.write_all(json.as_bytes()).and_then(|()| gzip.finish());
        let hash = Sha256::digest(json.as_bytes());
        let hash: String = hash[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            gzip: Bytes::from(written.expect("memory takes every write")),
            json: Bytes::from(json),
            etag: format!("W/\"{hash}\""),
            stock,
        }
    }

    /// The JSON with one more member, for one reader.
    pub(crate) fn with_mine(&self, seats: &[Seat]) -> Vec<u8> {
        let (open, _brace) = self.json.split_at(self.json.len() - 1);
        [open, b",\"mine\":", json(seats).as_bytes(), b"}"].concat()
    }
}

/// Where a listener is, as the `id:` of an event.
///
/// `epoch` and `number` say it exactly to the instance that wrote it; the moment says it to every other one, and to this
/// one when it no longer remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventMark {
    /// Of the instance, and its life.
    pub(super) epoch: u32,
    /// Counts events.
    pub(super) number: u64,
    /// How far the database was read, and when.
    pub(super) moment: Moment,
}

impl std::fmt::Display for EventMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            epoch,
            number,
            moment: Moment { cursor, now },
        } = self;
        write!(f, "{epoch:08x}.{number}.{}.{now}", cursor.0)
    }
}

impl EventMark {
    /// Reads the `Last-Event-ID` of a listener that comes back; `None` of anything we did not write.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let mut part = || parts.next();
        Some(Self {
            epoch: u32::from_str_radix(part()?, 16).ok()?,
            number: part()?.parse().ok()?,
            moment: Moment {
                cursor: Cursor(part()?.parse().ok().filter(|&at| at >= 0)?),
                now: part()?.parse().ok().filter(|at| (0..i64::MAX).contains(at))?,
            },
        })
    }
}

/// An event with everything that changes.
pub(super) fn seats_event(id: EventMark, picture: &Picture) -> Bytes {
    Bytes::from(format!(
        "id: {id}\nevent: seats\ndata: {{{}}}\n\n",
        state(picture, View::Told)
    ))
}

/// An event with what looks different.
pub(super) fn change_event(id: EventMark, stock: Stock, changed: &Changed) -> Bytes {
    let of = |wanted| {
        let seats = changed.seats.iter().filter(move |(_, state)| *state == wanted);
        seats.map(|(seat, _)| seat).collect()
    };
    let change = ChangeJson {
        stock,
        free: of(SeatState::Free),
        held: of(SeatState::Held),
        taken: of(SeatState::Taken),
        left: changed
            .left
            .iter()
            .map(|(label, left)| (label.clone(), (*left).into()))
            .collect(),
    };
    Bytes::from(format!("id: {id}\nevent: change\ndata: {}\n\n", json(&change)))
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("numbers and texts have a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written_and_nothing_else_is() {
        let id = EventMark {
            epoch: 0xA1,
            number: 17,
            moment: Moment {
                cursor: Cursor(900),
                now: 1_800_000_000_000,
            },
        };
        assert_eq!(id.to_string(), "000000a1.17.900.1800000000000");
        assert_eq!(EventMark::read(&id.to_string()), Some(id));
        for text in [
            "",
            "17",
            "a1.1.2",
            "a1.1.2.3.4",
            "a1.1.-2.3",
            "a1.1.2.-3",
            "g.1.2.3",
            "a1..2.3",
        ] {
            assert_eq!(EventMark::read(text), None, "{text:?}");
        }
    }
}
