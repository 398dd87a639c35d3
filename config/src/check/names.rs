//! Names: each is given once, names something, and is used.

use std::collections::HashMap;

use crate::file::{InFile, Report, Spot};
use crate::problems::{Wrong, did_you_mean, quoted};

/// No two upstreams and no two rooms have the same name.
pub(crate) fn unique(file: &InFile, report: &Report) {
    once(
        "upstream",
        file.upstreams.iter().map(|upstream| &upstream.name),
        report,
    );
    once("room", file.rooms.iter().map(|room| &room.name), report);
}

fn once<'f>(what: &str, names: impl Iterator<Item = &'f Spot<String>>, report: &Report) {
    let mut first: HashMap<&str, usize> = HashMap::new();
    for name in names.filter(|name| name.is_sound()) {
        match first.get(name.value.as_str()) {
            None => drop(first.insert(&name.value, name.line)),
            Some(line) => {
                let message = format!("{} names the {what} of line {line} already", quoted(&name.value));
                report.add_missing(
                    name.line,
                    &name.key,
                    Wrong::new(message, "write another name, or remove one of them"),
                );
            }
        }
    }
}

/// Every route names an upstream and a room that are there.
pub(crate) fn known(file: &InFile, report: &Report) {
    let upstreams: Vec<&str> = file
        .upstreams
        .iter()
        .map(|upstream| upstream.name.value.as_str())
        .collect();
    let rooms: Vec<&str> = file.rooms.iter().map(|room| room.name.value.as_str()).collect();
    for route in &file.routes {
        if route.upstream.is_sound() {
            names_one_of(
                "upstream",
                "name",
                &route.upstream.value,
                &upstreams,
                &route.upstream,
                report,
            );
        }
        if let (true, Some(room)) = (route.room.is_sound(), &route.room.value) {
            names_one_of("room", "id", room, &rooms, &route.room, report);
        }
    }
    if file.has_edge && file.routes.is_empty() {
        let remedy = "write a [[route]] with path = \"/**\", upstream, and room or free = true";
        let wrong = Wrong::new("an edge without routes forwards nothing", remedy);
        report.add_missing(file.edge.line, "route", wrong);
    }
}

fn names_one_of<T>(what: &str, key: &str, name: &str, known: &[&str], spot: &Spot<T>, report: &Report) {
    if known.contains(&name) {
        return;
    }
    let remedy = match (did_you_mean(name, known.iter().copied()), known) {
        (Some(meant), _) => format!("write {}", quoted(meant)),
        (None, []) => format!("write a [[{what}]] with {key} = {}", quoted(name)),
        (None, known) => {
            let all = known
                .iter()
                .take(10)
                .map(|name| quoted(name))
                .collect::<Vec<_>>()
                .join(", ");
            format!(
                "write one of {all}, or add a [[{what}]] with {key} = {}",
                quoted(name)
            )
        }
    };
    report.add_missing(
        spot.line,
        &spot.key,
        Wrong::new(format!("there is no {what} {}", quoted(name)), remedy),
    );
}

/// Every upstream and every room is named by a route. Nothing is said where a route's own word could not be read, and
/// a misspelt name counts for the one that was probably meant: that route is reported already.
pub(crate) fn used(file: &InFile, report: &Report) {
    if file.routes.is_empty() {
        return;
    }
    if file.routes.iter().all(|route| route.upstream.is_sound()) {
        let named = file.routes.iter().map(|route| route.upstream.value.as_str());
        let all = file
            .upstreams
            .iter()
            .map(|upstream| (&upstream.name, upstream.line, upstream.path.as_str()));
        unused("upstream", "leads to", named, &all.collect::<Vec<_>>(), report);
    }
    if file.routes.iter().all(|route| route.room.is_sound()) {
        let named = file.routes.iter().filter_map(|route| route.room.value.as_deref());
        let all = file
            .rooms
            .iter()
            .map(|room| (&room.name, room.line, room.path.as_str()));
        unused("room", "is guarded by", named, &all.collect::<Vec<_>>(), report);
    }
}

fn unused<'f>(
    what: &str,
    verb: &str,
    named: impl Iterator<Item = &'f str>,
    all: &[(&'f Spot<String>, usize, &str)],
    report: &Report,
) {
    let names = || all.iter().map(|(name, ..)| name.value.as_str());
    let meant = |name: &'f str| {
        if names().any(|known| known == name) {
            Some(name)
        } else {
            did_you_mean(name, names())
        }
    };
    let named: Vec<&str> = named.filter_map(meant).collect();
    for (name, line, path) in all
        .iter()
        .filter(|(name, ..)| name.is_sound() && !named.contains(&name.value.as_str()))
    {
        let name = quoted(&name.value);
        let remedy = format!("write {what} = {name} in a [[route]], or remove the {what}");
        report.add_missing(
            *line,
            path,
            Wrong::new(format!("no route {verb} the {what} {name}"), remedy),
        );
    }
}
