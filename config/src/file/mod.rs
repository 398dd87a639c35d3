//! The file's own shape: which sections and keys there are, and what may stand in each.
//!
//! The text is parsed into a table that remembers where everything stood, and each section takes its keys from it.
//! A wrong value is reported and replaced by a stand-in, so that reading goes on; a [`Config`] comes out only if
//! nothing was reported. Deserialising into structs would stop at the first mistake.

pub(crate) mod booking;
mod edge;
mod files;
pub(crate) mod pattern;
mod report;
pub(crate) mod room;
pub(crate) mod route;
mod search;
mod section;
pub(crate) mod spot;
mod store;
mod users;
mod values;
pub(crate) mod words;

use std::fs::File as OpenFile;
use std::io::Read;
use std::path::Path;

use toml::de::DeTable;

use self::booking::BookingInFile;
use self::edge::{EdgeInFile, UpstreamInFile};
pub(crate) use self::report::Report;
use self::room::RoomInFile;
use self::route::RouteInFile;
use self::search::SearchInFile;
use self::section::Section;
pub(crate) use self::spot::Spot;
pub(crate) use self::store::url as store_url;
use self::users::UsersInFile;
pub(crate) use self::values::address;
use crate::check::Outside;
use crate::problems::{Problems, Wrong};
use crate::{Config, Store, limits};

/// Everything that stands in a file, with its place.
pub(crate) struct InFile {
    pub(crate) edge: EdgeInFile,
    /// Whether the file sets up an edge at all.
    pub(crate) has_edge: bool,
    pub(crate) upstreams: Vec<UpstreamInFile>,
    pub(crate) rooms: Vec<RoomInFile>,
    pub(crate) routes: Vec<RouteInFile>,
    pub(crate) users: Option<UsersInFile>,
    /// Whether `[users]` stands in the file, readable or not.
    pub(crate) has_users: bool,
    pub(crate) booking: Option<BookingInFile>,
    pub(crate) search: Option<SearchInFile>,
}

/// The text of a file, within bounds.
pub(crate) fn text_of(path: &Path) -> Result<String, Problems> {
    let source = path.display().to_string();
    let problem = |message: String, remedy: &str| Err(Problems::of_source(&source, message, remedy));
    let mut bytes = Vec::new();
    let read =
        OpenFile::open(path).and_then(|file| file.take(limits::FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        let remedy = "give the path of a configuration file that can be read";
        return problem(format!("cannot be read: {error}"), remedy);
    }
    if bytes.len() as u64 > limits::FILE_BYTES_MAX {
        let message = format!("is larger than {} bytes", limits::FILE_BYTES_MAX);
        return problem(message, "give the path of a configuration file");
    }
    String::from_utf8(bytes).or_else(|error| {
        let sound = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + sound.iter().filter(|byte| **byte == b'\n').count();
        problem(
            format!("is not UTF-8 from line {line} on"),
            "save the file as UTF-8 text",
        )
    })
}

/// Reads a text, checks it, and looks beyond it if told how.
pub(crate) fn read(
    text: &str,
    source: &str,
    base_dir: &Path,
    outside: Option<&Outside<'_>>,
) -> Result<Config, Problems> {
    let (table, syntax) = DeTable::parse_recoverable(text);
    let report = Report::new(text, &syntax);
    let nothing = DeTable::new();
    let mut file = Section::new(&report, table.get_ref(), String::new(), 1);

    let edge = file.table("edge");
    let store = file
        .table("store")
        .map_or(Store::Embedded, |section| store::store(section, base_dir));
    let upstreams: Vec<_> = file
        .tables("upstream", limits::UPSTREAMS_MAX)
        .into_iter()
        .map(edge::upstream)
        .collect();
    let rooms = file.tables("room", limits::ROOMS_MAX);
    let rooms: Vec<_> = rooms
        .into_iter()
        .map(|section| room::room(section, base_dir))
        .collect();
    let routes: Vec<_> = file
        .tables("route", limits::ROUTES_MAX)
        .into_iter()
        .map(route::route)
        .collect();
    let has_edge = ["edge", "upstream", "room", "route"]
        .iter()
        .any(|section| file.has(section));

    let edge = edge.unwrap_or_else(|| Section::new(&report, &nothing, "edge".to_owned(), 1));
    let edge = edge::edge(edge, base_dir);
    let booking = file
        .table("booking")
        .map(|section| booking::booking(section, has_edge.then_some(&edge), base_dir));
    let has_users = file.has("users");
    let users = file
        .table("users")
        .map(|section| users::users(section, booking.as_ref()));
    let search = file
        .table("search")
        .map(|section| search::search(section, booking.as_ref()));
    if !has_edge && booking.is_none() && search.is_none() {
        let remedy = "write [edge] with routes, [booking] or [search]";
        report.add_missing(1, "", Wrong::new("sets up nothing", remedy));
    }
    file.finish();

    let in_file = InFile {
        edge,
        has_edge,
        upstreams,
        rooms,
        routes,
        users,
        has_users,
        booking,
        search,
    };
    crate::check::all(&in_file, &report);
    if let Some(outside) = outside {
        outside.look(&in_file, &report);
    }
    report.finish(source, in_file.into_config(store))
}

impl InFile {
    fn into_config(self, store: Store) -> Config {
        Config {
            edge: self.edge.edge,
            store,
            upstreams: self
                .upstreams
                .into_iter()
                .map(|upstream| upstream.upstream)
                .collect(),
            rooms: self.rooms.into_iter().filter_map(|room| room.room).collect(),
            routes: self.routes.into_iter().map(|route| route.route).collect(),
            users: self.users.map(|users| users.users),
            booking: self.booking.map(|booking| booking.booking),
            search: self.search.map(|search| search.search),
        }
    }
}
