//! A file full of mistakes: every one is reported, on its line, with what to write instead, and nothing else is.

use std::path::Path;

use tidegate_config::{Problem, Problems, load, parse};

const FILE: &str = "mistakes.toml";

/// What a line of the file says behind `#!`: line, key, part of the remedy.
fn expected(text: &str) -> Vec<(usize, String, String)> {
    let mut expected = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some((_, notes)) = line.split_once("#! ") else {
            continue;
        };
        for note in notes.split(" | ") {
            let (key, remedy) = note
                .split_once(" -> ")
                .unwrap_or_else(|| panic!("line {}: no remedy", index + 1));
            expected.push((index + 1, key.trim().to_owned(), remedy.trim().to_owned()));
        }
    }
    expected
}

fn problems(text: &str) -> Problems {
    parse(text, "test.toml", Path::new(".")).expect_err("the text is wrong")
}

#[test]
fn every_mistake_is_reported_with_its_line_and_remedy_and_nothing_else() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(FILE);
    let text = std::fs::read_to_string(&path).expect("the file of mistakes");
    let found = load(&path).expect_err("the file is full of mistakes");
    let mut expected = expected(&text);
    assert!(expected.len() > 60, "the notes are read");
    let mut unexpected: Vec<&Problem> = Vec::new();
    for problem in &found.list {
        let fits = |(line, key, remedy): &(usize, String, String)| {
            problem.line == Some(*line) && problem.key == *key && problem.remedy.contains(remedy.as_str())
        };
        match expected.iter().position(fits) {
            Some(at) => drop(expected.swap_remove(at)),
            None => unexpected.push(problem),
        }
    }
    assert!(
        unexpected.is_empty() && expected.is_empty(),
        "not found: {expected:#?}\nnot expected: {unexpected:#?}"
    );
    assert!(!found.to_string().contains("hunter2"), "a secret is shown");
    let lines: Vec<_> = found.list.iter().map(|problem| problem.line).collect();
    assert!(lines.is_sorted(), "in the order of the file");
}

#[test]
fn each_problem_is_shown_as_place_reason_and_remedy() {
    let shown = problems("[edge]\nlisen = [\"127.0.0.1:80\"]\n\n[[route]]\npath = \"/**\"\n").to_string();
    let expected = "test.toml:2: edge.lisen: unknown key\n    write listen\n\
                    test.toml:4: route[0]: upstream is missing\n    write upstream = \"the name of an [[upstream]]\"\n\
                    test.toml:4: route[0]: is neither guarded nor free\n    \
                    write room = \"its id\" to guard it, or free = true to let everyone pass\n\
                    3 problems in test.toml";
    assert_eq!(shown, expected);
}

#[test]
fn search_cannot_stand_beside_a_booking_that_shows_nothing_without_a_login() {
    let both = |booking: &str, search: &str| {
        format!("[booking]\nrequire_admission = false\n{booking}\n[search]\n{search}\n")
    };
    let found = problems(&both("login = \"all\"", ""));
    let place = (found.list[0].line, found.list[0].key.as_str());
    assert_eq!((found.list.len(), place), (1, (Some(4), "search")));
    assert!(found.list[0].remedy.contains("leave [search] out"), "{found}");
    let elsewhere = "catalogue_url = \"http://127.0.0.9:8081\"";
    for fine in [
        both("login = \"writing\"", ""),
        both("login = \"all\"", elsewhere),
    ] {
        parse(&fine, "test.toml", Path::new(".")).expect(&fine);
    }
}

#[test]
fn broken_toml_is_reported_with_the_other_mistakes_around_it() {
    let text =
        "[edge]\nadmin_listen = localhost\nprefix = \"x\"\nprefix = \"/x/\"\n\n[[room]]\nid = \"Drop\"\n";
    let found = problems(text);
    let keys: Vec<_> = found
        .list
        .iter()
        .map(|problem| (problem.line, problem.key.as_str()))
        .collect();
    assert_eq!(
        keys,
        [
            (Some(2), ""),
            (Some(3), "edge.prefix"),
            (Some(4), ""),
            (Some(7), "room[0].id")
        ],
        "{found}"
    );
    assert!(found.list[0].remedy.contains("double quotes"), "{found}");
    assert!(found.list[2].remedy.contains("once"), "{found}");
}

#[test]
fn behind_a_header_that_is_not_closed_nothing_is_guessed() {
    let found = problems("[edge]\nsockets_max = 0\n[[room\nid = \"Drop\"\nfoo = 1\n");
    let lines: Vec<_> = found.list.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [Some(2), Some(3)], "{found}");
    assert!(found.list[1].remedy.contains("[[room]]"), "{found}");
}

#[test]
fn a_section_of_the_wrong_shape_says_how_many_brackets() {
    let found = problems("[room]\nid = \"drop\"\n[[edge]]\n");
    let remedies: Vec<_> = found.list.iter().map(|problem| problem.remedy.as_str()).collect();
    assert!(
        remedies
            .iter()
            .any(|remedy| remedy.contains("[[room]], with two brackets")),
        "{found}"
    );
    assert!(
        remedies.iter().any(|remedy| remedy.contains("[edge], once")),
        "{found}"
    );
}

#[test]
fn a_file_that_sets_up_nothing_or_half_of_it_says_so() {
    assert!(problems("").to_string().contains("sets up nothing"));
    assert!(
        problems("[edge]\n")
            .to_string()
            .contains("without routes forwards nothing")
    );
    assert!(
        problems("[booking]\n")
            .to_string()
            .contains("this file has no edge to take it from")
    );
    assert!(
        problems("[search]\n")
            .to_string()
            .contains("catalogue_url is missing")
    );
    let alone = parse(
        "[booking]\nrequire_admission = false\n",
        "test.toml",
        Path::new("."),
    );
    assert!(alone.is_ok_and(|config| config.routes.is_empty() && config.booking.is_some()));
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_like_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = load(&folder.path().join("none.toml")).expect_err("it does not exist");
    assert!(
        missing.list.len() == 1 && missing.to_string().contains("cannot be read"),
        "{missing}"
    );
    let path = folder.path().join("latin1.toml");
    std::fs::write(&path, b"[edge]\n# caf\xe9\n").expect("a file");
    assert!(
        load(&path)
            .expect_err("it is not UTF-8")
            .to_string()
            .contains("from line 2 on")
    );
}

#[test]
fn files_are_looked_up_from_the_folder_of_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(
        folder.path().join("logo.svg"),
        "<svg xmlns='http://www.w3.org/2000/svg'/>",
    )
    .expect("a logo");
    let path = folder.path().join("tidegate.toml");
    let text = "[[upstream]]\nname = 'a'\nservers = ['127.0.0.1:1']\n[[route]]\npath = '/**'\nupstream = 'a'\n\
                room = 'r'\n[[room]]\nid = 'r'\nactive_max = 1\nadmit_per_min = 1\non_turn = 'confirm'\n\
                [room.page]\nlogo = 'logo.svg'\ntexts.es.heading = 'Hola'\n";
    std::fs::write(&path, text).expect("a file");
    let config = load(&path).unwrap_or_else(|problems| panic!("{problems}"));
    let room = &config.rooms[0];
    assert_eq!(room.page.logo, Some(folder.path().join("logo.svg")));
    assert_eq!(room.page.texts["es"]["heading"], "Hola");
    assert_eq!(
        room.answer_within,
        tidegate_config::defaults::ANSWER_WITHIN_CONFIRM
    );
    assert_eq!(
        config.edge.data_dir,
        Path::new("tidegate-data"),
        "data_dir is not looked up from there"
    );
}

#[test]
fn a_route_under_the_reserved_prefix_never_matches() {
    let text = "[edge]\nprefix = '/line/'\n[[upstream]]\nname = 'a'\nservers = ['127.0.0.1:1']\n\
                [[route]]\npath = '/line/**'\nupstream = 'a'\nfree = true\n\
                [[route]]\npath = '/_tidegate/x'\nupstream = 'a'\nfree = true\n";
    let found = problems(text);
    assert!(found.list.len() == 1 && found.list[0].line == Some(7), "{found}");
    assert!(
        found.list[0]
            .message
            .contains("nothing under \"/line/\" is forwarded"),
        "{found}"
    );
}

#[test]
fn port_0_and_tls_leave_no_url_to_guess() {
    let route = "[[upstream]]\nname = 'a'\nservers = ['127.0.0.1:1']\n[[route]]\npath = '/**'\nupstream = 'a'\nfree = true\n";
    let found = problems(&format!("[edge]\nlisten = ['127.0.0.1:0']\n{route}[booking]\n"));
    assert!(
        found.list.len() == 1 && found.to_string().contains("port 0"),
        "{found}"
    );
    let found = problems(&format!(
        "[edge]\n[edge.tls]\ncert = 'none'\nkey = 'none'\n{route}[booking]\n"
    ));
    assert!(found.to_string().contains("where the edge speaks TLS"), "{found}");
}

/// The reference names every key there is, and none that is not: each key it has a row for is known to the reader, and
/// each key the reader knows (as listed when an unknown one is met) has a row.
#[test]
fn the_reference_has_every_key() {
    let readme = include_str!("../README.md");
    let text = "[zz]\n[edge]\nzz = 1\n[edge.tls]\nzz = 1\n[store]\nzz = 1\n[[upstream]]\nzz = 1\n[[room]]\nzz = 1\n[room.page]\nzz = 1\n\
                [[route]]\nzz = 1\n[users]\nzz = 1\n[booking]\nzz = 1\n[booking.payments]\nzz = 1\nprovider = 'stripe'\n[booking.mail]\nzz = 1\n[search]\nzz = 1\n";
    let mut known: Vec<String> = Vec::new();
    for problem in problems(text).list {
        let Some(keys) = problem.remedy.strip_prefix("remove it; known here: ") else {
            continue;
        };
        if problem.key != "zz" {
            known.extend(
                keys.split(", ")
                    .filter(|key| !["tls", "page", "texts", "payments", "mail"].contains(key))
                    .map(str::to_owned),
            );
        }
    }
    let mut rows: Vec<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(key, _)| key.to_owned())
        .filter(|key| !key.starts_with("TIDEGATE_") && !key.starts_with("texts."))
        .collect();
    known.sort();
    rows.sort();
    assert_eq!(known, rows);
}
