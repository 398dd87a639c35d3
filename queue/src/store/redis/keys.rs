//! The names, types and bounds of everything a room has in Redis. All of them share one hash tag, so a cluster keeps them
//! on one node.
//!
//! | key | type | what | bound |
//! |---|---|---|---|
//! | `tidegate:{room}:line` | string | the line's state, packed as MessagePack | 1 kB, and 60 B for each of at most some 50 batches of open calls |
//! | `…:bits:KIND:EPOCH:PAGE` | string | a bit a place for 64,000 places, see `script/bits.lua` | 8 kB each; three bits a place at most, and one while its call is open |
//! | `…:counts:KIND:EPOCH` | string | how many bits are set in each block of 4,000 places, 16 bits each | 5 kB at ten million |
//! | `…:visits` | hash | place to visit, packed | one field a live visit |
//! | `…:expiry` | sorted set | places of live visits by when they expire | one member a live visit |
//! | `…:grants`, `…:ended` | list | notes that every edge reads, packed | 4,000 each, 40 B each |
//! | `…:replies` | hash | edge to its last reply, packed | 64 edges, 25 kB each at most |
//! | `tidegate:edges` | set | numbers that edges have drawn | 15 bits each, begun anew when half are taken |
//! | `tidegate:keys` | set | ids of the signing keys of all edges | 8 B a rotation |

use tidegate_config::RoomId;

/// The ids of the signing keys that the edges of a store have.
pub(super) const SIGNING_KEYS: &[u8] = b"tidegate:keys";
/// The numbers that tell edges apart.
pub(super) const EDGES: &[u8] = b"tidegate:edges";
/// What [`examine`](fn@super::examine) writes and removes again.
pub(super) const TRIAL: &[u8] = b"tidegate:{trial}";

/// The names in a room, as the script knows them and what they end with.
const NAMES: [(&str, &str); 8] = [
    ("line", ":line"),
    ("bits", ":bits:"),
    ("counts", ":counts:"),
    ("visits", ":visits"),
    ("expiry", ":expiry"),
    ("grants", ":grants"),
    ("ended", ":ended"),
    ("replies", ":replies"),
];

/// Their types; nothing where the name goes on.
const TYPES: [Option<&str>; NAMES.len()] = [
    Some("string"),
    None,
    None,
    Some("hash"),
    Some("zset"),
    Some("list"),
    Some("list"),
    Some("hash"),
];

/// What every key of a room begins with. A room's id is lower-case letters, digits and hyphens: nothing in it can end the
/// hash tag or name another room's key.
pub(super) fn room(room: &RoomId) -> String {
    format!("tidegate:{{{room}}}")
}

/// The key of the visits of the room whose keys begin with `room`.
pub(super) fn visits(room: &str) -> String {
    format!("{room}:visits")
}

/// Every key that is always there or of one type: those of all rooms, and those of these rooms, with what Redis calls
/// their type. Somebody else's stand in the way.
pub(super) fn typed<'a>(rooms: &'a [RoomId]) -> impl Iterator<Item = (String, &'static str)> + 'a {
    let of_all = [(SIGNING_KEYS, "set"), (EDGES, "set")]
        .into_iter()
        .map(|(key, kind)| (String::from_utf8_lossy(key).into_owned(), kind));
    let of_rooms = rooms.iter().flat_map(|id| {
        let names = NAMES.into_iter().zip(TYPES);
        names.filter_map(|((_, end), kind)| Some((format!("{}{end}", room(id)), kind?)))
    });
    of_all.chain(of_rooms)
}

/// The table of names that the script begins with.
pub(super) fn prelude() -> String {
    let names: String = NAMES
        .iter()
        .map(|(name, end)| format!("    {name} = KEYS[1] .. '{end}',\n"))
        .collect();
    format!("local keys = {{\n{names}}}\n")
}
