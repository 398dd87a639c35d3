//! Tickets, read by programs that nobody here wrote: a QR decoder, PDF readers, a calendar parser, and a scanner written
//! from the description of the format alone.

use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_booking::domain::ShowtimeId;
use tidegate_booking::ticket::calendar::{CalendarEntry, EntryStatus, calendar};
use tidegate_booking::ticket::pdf::{PdfError, TICKETS_MAX, pdf};
use tidegate_booking::ticket::qr::QrMatrix;
use tidegate_booking::ticket::signed::{SEAT_LEN_MAX, verify};
use tidegate_booking::ticket::{
    BadTicket, Generation, PublicKeys, SigningKey, TicketClaims, TicketFace, TicketId,
};

use crate::peers::{peer, python, ran, run, scan};

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32]).unwrap()
}

fn believed(keys: &[&SigningKey]) -> PublicKeys {
    PublicKeys::new(keys.iter().map(|key| key.public())).unwrap()
}

fn claims(seat: &str) -> TicketClaims {
    TicketClaims {
        ticket: TicketId(0x5d41_402a_bc4b_2a76_b971_9d91_1017_c592),
        generation: Generation(0),
        showtime: ShowtimeId(4711),
        seat: seat.to_owned(),
    }
}

fn face(title: &str, code: String) -> TicketFace {
    TicketFace {
        code,
        title: title.to_owned(),
        credit: "Karel Čapek, 1920".to_owned(),
        venue: "Teatr Wielki".to_owned(),
        city: "Łódź, Poland".to_owned(),
        starts_at: "2026-06-12T17:30:00Z".parse().unwrap(),
        time_zone: TimeZone::get("Europe/Warsaw").unwrap(),
        section: "Parter, lewa strona".to_owned(),
        row: Some("Ł".to_owned()),
        seat: Some("112".to_owned()),
        holder: "Żaneta Őrsi-Ångström".to_owned(),
        order: "7F3K-2P9Q".to_owned(),
        price: "1,200\u{a0}CZK".to_owned(),
        seller: "Tidegate".to_owned(),
    }
}

fn written(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A page as a picture, by poppler.
fn drawn(pdf: &Path, page: usize, dpi: u32) -> PathBuf {
    let picture = pdf.with_extension(format!("{page}"));
    let [page, dpi] = [page.to_string(), dpi.to_string()];
    let [from, to] = [pdf, &picture].map(|path| path.to_str().unwrap());
    run(
        "pdftoppm",
        &[
            "-png",
            "-singlefile",
            "-r",
            &dpi,
            "-f",
            &page,
            "-l",
            &page,
            from,
            to,
        ],
        b"",
    );
    picture.with_extension(format!("{}.png", picture.extension().unwrap().to_str().unwrap()))
}

fn text_of(pdf: &Path, page: usize) -> String {
    let page = page.to_string();
    let text = run(
        "pdftotext",
        &["-layout", "-f", &page, "-l", &page, pdf.to_str().unwrap(), "-"],
        b"",
    );
    let text = String::from_utf8(text).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_code_as_svg_is_read_by_a_decoder_on_any_ground() {
    let folder = tempfile::tempdir().unwrap();
    let keys = believed(&[&key(1), &key(2)]);
    for (at, seat) in [
        "",
        "Stalls A-12",
        "Parter, lewa strona Ł-112",
        &"Ж".repeat(SEAT_LEN_MAX / 2),
    ]
    .iter()
    .enumerate()
    {
        let text = claims(seat).sign(&key(1 + (at as u8 & 1))).unwrap();
        let matrix = QrMatrix::new(&text).unwrap();
        let svg = written(&folder, "code.svg", matrix.svg("Ticket").as_bytes());
        let picture = folder.path().join("code.png");
        for ground in ["white", "#101618"] {
            let paths = [svg.to_str().unwrap(), "-o", picture.to_str().unwrap()];
            run(
                "rsvg-convert",
                &[&["-w", "480", "-b", ground], &paths[..]].concat(),
                b"",
            );
            assert_eq!(
                scan(&picture),
                text,
                "{seat:?} on {ground}, {} modules",
                matrix.side()
            );
        }
        assert_eq!(verify(&text, &keys), Ok(claims(seat)));
        println!(
            "a seat of {} bytes: {} characters, {} modules",
            seat.len(),
            text.len(),
            matrix.side()
        );
    }
}

#[test]
fn a_scanner_written_from_the_description_reads_a_ticket_without_a_network() {
    let jwks = believed(&[&key(1), &key(2)]).to_jwks().to_string();
    let scanner =
        |text: &str, jwks: &str| ran(python(), &[peer("scanner.py").as_str(), jwks], text.as_bytes());
    let mut ticket = claims("Kůr Ř-7");
    ticket.generation = Generation(3);
    let text = ticket.sign(&key(2)).unwrap();
    let good = scanner(&text, &jwks);
    assert!(good.status.success(), "{good:?}");
    let said: Value = serde_json::from_slice(&good.stdout).unwrap();
    let expected = json!({
        "ticket": ticket.ticket.to_string(), "generation": 3, "showtime": 4711, "seat": "Kůr Ř-7",
    });
    assert_eq!(said, expected);
    let foreign = scanner(&claims("A-1").sign(&key(3)).unwrap(), &jwks);
    assert_eq!(
        (foreign.status.code(), &*foreign.stderr),
        (Some(1), &b"unknown key\n"[..])
    );
    let mut forged = text.clone();
    forged.replace_range(60..62, if &text[60..62] == "AA" { "BB" } else { "AA" });
    assert_eq!(&*scanner(&forged, &jwks).stderr, b"forged\n");
}

#[test]
fn tampered_foreign_and_old_tickets_are_refused() {
    let keys = believed(&[&key(1)]);
    let text = claims("Stalls A-12").sign(&key(1)).unwrap();
    let prefix = "TGT1.".len();
    for at in 0..text.len() {
        for other in ["A", "B", "7", "q", "."] {
            let mut changed = text.clone();
            changed.replace_range(at..=at, other);
            if changed != text {
                let refused = verify(&changed, &keys).unwrap_err();
                assert!(
                    at >= prefix || refused == BadTicket::NotATicket,
                    "{at}: {refused:?}"
                );
            }
        }
        let cut = verify(&text[..at], &keys).unwrap_err();
        assert!(
            matches!(cut, BadTicket::NotATicket | BadTicket::Forged),
            "{at}: {cut:?}"
        );
    }
    assert!(verify(&format!("{text}AA"), &keys).is_err());
    assert_eq!(verify(&text.to_lowercase(), &keys), Err(BadTicket::NotATicket));

    let foreign = claims("Stalls A-12").sign(&key(9)).unwrap();
    assert_eq!(verify(&foreign, &keys), Err(BadTicket::UnknownKey(key(9).id())));
    assert_eq!(
        verify(&text, &PublicKeys::default()),
        Err(BadTicket::UnknownKey(key(1).id()))
    );

    let old = verify(&text, &keys).unwrap();
    assert_eq!(old.check(ShowtimeId(4711), Generation(0)), Ok(()));
    assert_eq!(
        old.check(ShowtimeId(4711), Generation(1)),
        Err(BadTicket::Superseded)
    );
    assert_eq!(
        old.check(ShowtimeId(4712), Generation(0)),
        Err(BadTicket::OtherShowtime(ShowtimeId(4711)))
    );
}

proptest! {
    #[test]
    fn what_is_signed_is_read_back(
        ticket: u128, generation: u32, showtime in 1..i64::MAX, seat in "\\PC{0,25}", signer in 1_u8..5,
    ) {
        let claims = TicketClaims {
            ticket: TicketId(ticket), generation: Generation(generation), showtime: ShowtimeId(showtime), seat,
        };
        prop_assume!(claims.seat.len() <= SEAT_LEN_MAX);
        let keys = believed(&[&key(1), &key(2), &key(3), &key(4)]);
        let text = claims.sign(&key(signer)).unwrap();
        prop_assert_eq!(verify(&text, &keys), Ok(claims));
    }

    #[test]
    fn nothing_else_is_a_ticket(noise in ".{0,300}", code in "[A-Z2-7]{0,300}") {
        let keys = believed(&[&key(1)]);
        prop_assert!(verify(&noise, &keys).is_err());
        let told = verify(&format!("TGT1.{code}"), &keys);
        prop_assert!(told.is_err());
    }
}

/// With `TIDEGATE_LOOK` naming a folder, the PDF is put there to be looked at.
#[test]
fn a_pdf_says_everything_in_letters_that_can_be_read_and_searched() {
    let folder = tempfile::tempdir().unwrap();
    let titles = [
        "R.U.R. Łódzki Čapek & Ångström",
        "Αντιγόνη του Σοφοκλή",
        "Ревизор — Їжак і Ђорђе",
    ];
    let codes: Vec<_> = (1..=3)
        .map(|n| claims(&format!("Parter Ł-{n}")).sign(&key(1)).unwrap())
        .collect();
    let faces: Vec<_> = titles
        .iter()
        .zip(&codes)
        .map(|(title, code)| face(title, code.clone()))
        .collect();
    let bytes = pdf(&faces).unwrap();
    assert_eq!(
        bytes,
        pdf(&faces).unwrap(),
        "the same tickets must give the same bytes"
    );
    assert!(bytes.len() < 120_000, "{} bytes", bytes.len());
    let path = written(&folder, "tickets.pdf", &bytes);

    for (at, (title, code)) in titles.iter().zip(&codes).enumerate() {
        let text = text_of(&path, at + 1);
        for expected in [
            *title,
            "Karel Čapek, 1920",
            "Friday, 12 June 2026",
            "19:30 CEST",
            "Teatr Wielki",
            "Łódź, Poland",
            "Parter, lewa",
            "strona",
            "Row",
            "Ł",
            "Seat",
            "112",
            "Żaneta Őrsi-Ångström",
            "7F3K-2P9Q",
            "1,200 CZK",
            &format!("Ticket {} of 3", at + 1),
        ] {
            assert!(
                text.contains(expected),
                "page {} lacks {expected:?}: {text}",
                at + 1
            );
        }
        // From a screen held up, and from a print.
        for dpi in [72, 150] {
            assert_eq!(
                &scan(&drawn(&path, at + 1, dpi)),
                code,
                "page {} at {dpi} dpi",
                at + 1
            );
        }
    }
    let fonts = String::from_utf8(run("pdffonts", &[&path], b"")).unwrap();
    let rows: Vec<_> = fonts.lines().skip(2).collect();
    assert!(rows.len() >= 3, "{fonts}");
    for row in rows {
        let columns: Vec<_> = row.split_whitespace().rev().collect();
        // From the right: object id (two columns), unicode, subset, embedded.
        assert_eq!(columns[2..5], ["yes"; 3], "{fonts}");
    }
    let about = String::from_utf8(run("pdfinfo", &[&path], b"")).unwrap();
    assert!(about.contains("Pages:           3"), "{about}");
    let began = Instant::now();
    let many = pdf(&vec![faces[0].clone(); TICKETS_MAX]).unwrap();
    let took = began.elapsed();
    println!(
        "3 tickets: {} bytes; {TICKETS_MAX}: {} bytes, {took:?}",
        bytes.len(),
        many.len()
    );
    if let Some(folder) = std::env::var_os("TIDEGATE_LOOK") {
        std::fs::copy(&path, Path::new(&folder).join("tickets.pdf")).unwrap();
    }
}

#[test]
fn any_text_fits_on_a_page_and_leaves_the_code_readable() {
    let folder = tempfile::tempdir().unwrap();
    let longest = claims(&"Ж".repeat(SEAT_LEN_MAX / 2)).sign(&key(1)).unwrap();
    let short = claims("").sign(&key(1)).unwrap();
    for text in [
        String::new(),
        "x".repeat(5_000),
        "Ein sehr langer Titel mit vielen Wörtern ".repeat(50),
        "東京 能楽 🎭 \u{202e}عربي\u{0}\u{7}\u{200d}".to_owned(),
        "e\u{301}".repeat(700),
    ] {
        for code in [&longest, &short] {
            let full = TicketFace {
                credit: text.clone(),
                venue: text.clone(),
                city: text.clone(),
                section: text.clone(),
                row: Some(text.clone()),
                seat: Some(text.clone()),
                holder: text.clone(),
                order: text.clone(),
                price: text.clone(),
                seller: text.clone(),
                ..face(&text, code.clone())
            };
            let path = written(&folder, "full.pdf", &pdf(&[full]).unwrap());
            assert_eq!(
                &scan(&drawn(&path, 1, 110)),
                code,
                "with {:?}",
                text.chars().take(12).collect::<String>()
            );
        }
    }
    let admission = TicketFace {
        row: None,
        seat: None,
        section: "General admission".to_owned(),
        ..face("A fair", short)
    };
    let path = written(&folder, "fair.pdf", &pdf(&[admission]).unwrap());
    let text = text_of(&path, 1);
    assert!(
        text.contains("General admission") && !text.contains("Row"),
        "{text}"
    );
}

/// The page checks for itself that the code and the foot stay apart.
#[test]
fn a_title_of_any_length_leaves_room_for_the_code() {
    let code = claims("Stalls A-12").sign(&key(1)).unwrap();
    for words in 1..40 {
        for long in [false, true] {
            let mut face = face(&"Hoffmanns Erzählungen ".repeat(words), code.clone());
            if long {
                face.venue = "Staatstheater am Gärtnerplatz ".repeat(4);
                face.city = "Garmisch-Partenkirchen an der Loisach ".repeat(4);
            } else {
                face.credit.clear();
            }
            pdf(&[face]).unwrap();
        }
    }
}

#[test]
fn a_pdf_of_nothing_or_of_too_much_is_refused() {
    assert_eq!(pdf(&[]), Err(PdfError::Count(0)));
    let one = face("x", claims("").sign(&key(1)).unwrap());
    let many = vec![one.clone(); TICKETS_MAX + 1];
    assert_eq!(pdf(&many), Err(PdfError::Count(TICKETS_MAX + 1)));
    let oversized = TicketFace {
        code: "x".repeat(3_000),
        ..one
    };
    assert!(matches!(pdf(&[oversized]), Err(PdfError::Code(_))));
}

#[test]
fn a_calendar_file_is_read_by_another_parser() {
    let entry = CalendarEntry {
        uid: "7f3k2p9q-4711@tickets.example.com".to_owned(),
        sequence: 0,
        stamped_at: "2026-05-01T10:00:00Z".parse().unwrap(),
        starts_at: "2026-06-12T17:30:00Z".parse().unwrap(),
        ends_at: Some("2026-06-12T20:00:00Z".parse().unwrap()),
        title: "R.U.R.; or, \"the robots\" — žluťoučký kůň úpěl ďábelské ódy, Łódź \\ 東京".to_owned(),
        location: "Teatr Wielki, plac Dąbrowskiego; Łódź".to_owned(),
        description: "Parter Ł-112, Ł-113\nOrder 7F3K-2P9Q".to_owned(),
        url: Some("https://tickets.example.com/orders/7F3K-2P9Q?a=1,2;3".to_owned()),
        status: EntryStatus::Confirmed,
    };
    let cancelled = CalendarEntry {
        sequence: 1,
        status: EntryStatus::Cancelled,
        ends_at: None,
        ..entry.clone()
    };
    for (entry, status) in [(&entry, "CONFIRMED"), (&cancelled, "CANCELLED")] {
        let file = calendar(std::slice::from_ref(entry));
        assert_eq!(file, calendar(std::slice::from_ref(entry)));
        let read = run(python(), &[&peer("calendar_reader.py")], file.as_bytes());
        let read: Value = serde_json::from_slice(&read).unwrap();
        assert_eq!(read["version"], "2.0");
        assert_eq!(read["entries"].as_array().unwrap().len(), 1);
        let said = &read["entries"][0];
        assert_eq!(said["uid"], entry.uid);
        assert_eq!(said["sequence"], entry.sequence.to_string());
        assert_eq!(said["summary"], entry.title);
        assert_eq!(said["location"], entry.location);
        assert_eq!(said["description"], entry.description);
        assert_eq!(said["url"], entry.url.clone().unwrap());
        assert_eq!(said["status"], status);
        assert_eq!(said["dtstart"], "2026-06-12T17:30:00+00:00");
        assert_eq!(said["dtstamp"], "2026-05-01T10:00:00+00:00");
        assert_eq!(said.get("dtend").is_some(), entry.ends_at.is_some());
    }
    let both = run(
        python(),
        &[&peer("calendar_reader.py")],
        calendar(&[entry, cancelled]).as_bytes(),
    );
    let both: Value = serde_json::from_slice(&both).unwrap();
    assert_eq!(both["entries"].as_array().unwrap().len(), 2);
}
