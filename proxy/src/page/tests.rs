//! The page as a whole: every face in every language, hostile values, size, self-containment, operators' overrides.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::OnceLock;

use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use http::header::CONTENT_SECURITY_POLICY;
use proptest::prelude::*;
use tidegate_config::{OnTurn, Page, RoomId};

use super::policy;
use super::{Lang, State, Theme, ThemeError, View};

const STATES: [State; 7] = [
    State::Waiting,
    State::Called,
    State::Paused,
    State::BeforeSale,
    State::SoldOut,
    State::Closed,
    State::StoreLost,
];

fn room() -> &'static RoomId {
    static ROOM: OnceLock<RoomId> = OnceLock::new();
    ROOM.get_or_init(|| "drop".parse().expect("a room id"))
}

fn view(lang: Lang, state: State) -> View<'static> {
    View {
        lang,
        state,
        number: Some(41_207),
        ahead: Some(1_204),
        wait_s: Some((240, 420)),
        opens_at: Some(1_893_456_000),
        notice: Some("The band is running late."),
        stock: Some((12, 40)),
        refresh_s: 15,
        room: room(),
        prefix: "/_tidegate/",
        return_to: "/events/7?seats=2&row=A",
    }
}

fn theme(on_turn: OnTurn) -> Theme {
    Theme::load(&Page::default(), on_turn).expect("the built-in page")
}

fn text(theme: &Theme, view: &View<'_>) -> String {
    String::from_utf8(theme.render(view).to_vec()).expect("UTF-8")
}

fn every_rendering() -> Vec<String> {
    let mut all = Vec::new();
    for theme in [theme(OnTurn::Enter), theme(OnTurn::Confirm)] {
        for lang in Lang::ALL {
            all.extend(STATES.map(|state| text(&theme, &view(lang, state))));
            all.push(text(
                &theme,
                &View {
                    number: None,
                    ahead: None,
                    wait_s: None,
                    ..view(lang, State::Waiting)
                },
            ));
            all.push(text(
                &theme,
                &View {
                    ahead: Some(0),
                    stock: None,
                    notice: None,
                    ..view(lang, State::Waiting)
                },
            ));
        }
    }
    all
}

#[test]
fn a_waiting_fan_reads_where_they_are() {
    let html = text(&theme(OnTurn::Enter), &view(Lang::En, State::Waiting));
    for said in [
        "<html lang=\"en\" data-state=\"waiting\">",
        "<title>1,204 ahead · Waiting line</title>",
        "data-tide=\"ahead\">1,204</b>",
        "people ahead of you",
        "about 4 to 7 minutes",
        "41,207",
        "Your place is safe.",
        "The band is running late.",
        "12 left\u{a0}· 40 held by others",
        "<noscript><meta http-equiv=\"refresh\" content=\"15\"></noscript>",
        "value=\"/events/7?seats=2&amp;row=A\"",
    ] {
        assert!(html.contains(said), "{said} is not in\n{html}");
    }
    assert!(!html.contains("{{"), "a placeholder was left over");
    let one = text(
        &theme(OnTurn::Enter),
        &View {
            ahead: Some(1),
            ..view(Lang::En, State::Waiting)
        },
    );
    assert!(one.contains(">person ahead of you<"));
}

#[test]
fn the_button_is_there_exactly_when_a_call_must_be_confirmed() {
    let here = |on_turn, state| {
        let html = text(&theme(on_turn), &view(Lang::En, state));
        let from = html
            .find("<form class=\"turn\" id=\"tide-here\"")
            .expect("the form");
        !html[from..from + html[from..].find('>').expect("its end")].contains(" hidden")
    };
    assert!(here(OnTurn::Confirm, State::Called));
    assert!(!here(OnTurn::Enter, State::Called));
    assert!(
        STATES
            .into_iter()
            .filter(|state| *state != State::Called)
            .all(|state| !here(OnTurn::Confirm, state))
    );
    let html = text(&theme(OnTurn::Confirm), &view(Lang::En, State::Called));
    assert!(
        html.contains("method=\"post\" action=\"/_tidegate/rooms/drop/places/me/here\">"),
        "{html}"
    );
}

#[test]
fn every_face_is_small_and_asks_for_nothing_else() {
    for html in every_rendering() {
        let mut packed = Vec::new();
        GzEncoder::new(html.as_bytes(), Compression::new(6))
            .read_to_end(&mut packed)
            .expect("in memory");
        // 14 kB is what a first round trip carries; this leaves room for a logo of 4 kB.
        assert!(packed.len() < 9_500, "{} bytes compressed", packed.len());
        let own = html.replace("http://www.w3.org/2000/svg", "");
        for reference in ["http://", "https://", "src=\"/", "href=\"/", "@import", "url("] {
            assert!(!own.contains(reference), "{reference}");
        }
        assert!(!html.contains("place_token"), "no token stands in the document");
    }
}

#[test]
fn the_joined_gzip_is_the_same_document_in_under_14_kilobytes() {
    let theme = theme(OnTurn::Confirm);
    for lang in Lang::ALL {
        for state in STATES {
            let view = view(lang, state);
            let (plain, packed) = (theme.render(&view), theme.render_gzip(&view));
            let mut read = Vec::new();
            GzDecoder::new(&packed[..])
                .read_to_end(&mut read)
                .expect("a valid stream");
            assert_eq!(plain, read);
            assert!(packed.len() < 12_000, "{} bytes", packed.len());
        }
    }
}

/// The texts of all elements `tag` that the policy has a say in.
fn inline<'a>(html: &'a str, tag: &str) -> Vec<&'a str> {
    html.split(&format!("<{tag}"))
        .skip(1)
        .filter(|rest| !rest.starts_with(" type=\"application/json\""))
        .filter_map(|rest| rest.split_once('>')?.1.split(&format!("</{tag}>")).next())
        .collect()
}

/// The policy that goes with a rendering: the same in every language, compressed or not.
fn csp(theme: &Theme) -> String {
    let policy = |lang, gzip| {
        let mut named = theme
            .headers(lang, gzip)
            .iter()
            .filter(|(name, _)| name == CONTENT_SECURITY_POLICY);
        let value = named.next().expect("a policy").1.clone();
        assert!(named.next().is_none());
        value
    };
    let first = policy(Lang::En, false);
    assert!(Lang::ALL.iter().all(|lang| policy(*lang, true) == first));
    first.to_str().expect("text").to_owned()
}

#[test]
fn the_policy_has_the_hash_of_everything_inline() {
    let theme = theme(OnTurn::Enter);
    let policy = csp(&theme);
    for lang in Lang::ALL {
        let html = text(&theme, &view(lang, State::Waiting));
        for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
            let found = inline(&html, tag);
            assert_eq!(found.len(), 1, "{tag}");
            assert!(
                policy.contains(&format!("{directive} {}", policy::hash(found[0]))),
                "{policy}"
            );
        }
        // Neither inline handlers nor style attributes: the policy would block them.
        assert!(!html.contains(" style=") && !html.contains(" onclick="));
    }
    for rest in [
        "default-src 'none'",
        "img-src data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(rest), "{rest}");
    }
}

#[test]
fn an_operator_changes_title_colours_logo_and_texts() {
    let folder = tempfile::tempdir().expect("a folder");
    let logo = folder.path().join("logo.svg");
    std::fs::write(&logo, "<svg xmlns='http://www.w3.org/2000/svg'/>").expect("written");
    let mut page = Page {
        title: Some("Ghost <Live> {{notice}}".to_owned()),
        accent: Some("#f0a".to_owned()),
        logo: Some(logo),
        ..Page::default()
    };
    page.texts
        .entry("de".to_owned())
        .or_default()
        .insert("safe".to_owned(), "Alles </script> gut".to_owned());
    page.texts
        .entry("de".to_owned())
        .or_default()
        .insert("status_paused".to_owned(), "</script><b>".to_owned());
    let theme = Theme::load(&page, OnTurn::Enter).expect("a good page");
    let german = text(&theme, &view(Lang::De, State::Waiting));
    assert!(german.contains("<h1>Ghost &lt;Live&gt; {{notice}}</h1>"));
    assert!(german.contains("Alles &lt;/script&gt; gut"));
    assert!(german.contains("\\u003c/script\\u003e\\u003cb\\u003e"));
    assert_eq!(german.matches("</script>").count(), 2);
    assert!(german.contains("<img src=\"data:image/svg+xml;base64,PHN2Zy"));
    assert!(text(&theme, &view(Lang::En, State::Waiting)).contains("Your place is safe."));
}

#[test]
fn a_template_of_ones_own_is_used_and_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let load = |source: &str| {
        let path = folder.path().join("page.html");
        std::fs::File::create(&path)
            .and_then(|mut file| file.write_all(source.as_bytes()))
            .expect("written");
        Theme::load(
            &Page {
                template: Some(path),
                ..Page::default()
            },
            OnTurn::Confirm,
        )
    };
    let good = "<html lang={{lang}}><head>{{ head }}<style>b{}</style></head><b data-tide=\"ahead\">{{ahead}}</b>\
                {{text.safe}}{{turn}}{{engine}}";
    let theme = load(good).expect("a good template");
    let html = text(&theme, &view(Lang::Fr, State::Waiting));
    assert!(
        html.starts_with("<html lang=fr>") && html.contains("1\u{202f}204</b>Votre place"),
        "{html}"
    );
    assert!(csp(&theme).contains(&policy::hash("b{}")));
    assert!(matches!(
        load("{{head}}{{turn}}"),
        Err(ThemeError::MissingPlaceholder { name: "engine", .. })
    ));
    let unknown = load(&format!("{good}{{{{text.nothing}}}}"))
        .err()
        .expect("unknown")
        .to_string();
    assert!(
        unknown.contains("text.nothing") && unknown.contains("return_to"),
        "{unknown}"
    );
    let held = load(&format!("{good}<script>var a='{{{{return_to}}}}'</script>"));
    assert!(matches!(held, Err(ThemeError::SlotInCode { tag: "script" })));
}

#[test]
fn mistakes_of_an_operator_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        Some(path)
    };
    let texts = |tag: &str, key: &str, text: &str| {
        let mut page = Page::default();
        page.texts
            .entry(tag.to_owned())
            .or_default()
            .insert(key.to_owned(), text.to_owned());
        page
    };
    let cases = [
        (
            Page {
                accent: Some("red".to_owned()),
                ..Page::default()
            },
            "\"#rrggbb\"",
        ),
        (
            Page {
                background: Some("#12".to_owned()),
                ..Page::default()
            },
            "background = \"#12\"",
        ),
        (
            Page {
                logo: Some(PathBuf::from("/nowhere/logo.png")),
                ..Page::default()
            },
            "check the path",
        ),
        (
            Page {
                logo: file("big.svg", &[b' '; 9_000]),
                ..Page::default()
            },
            "9000 bytes",
        ),
        (
            Page {
                logo: file("logo.gif", b"GIF89a\xff"),
                ..Page::default()
            },
            "SVG, PNG nor WebP",
        ),
        (
            Page {
                template: file("page", b"\xff\xfe"),
                ..Page::default()
            },
            "UTF-8",
        ),
        (texts("pt", "safe", "x"), "texts.pt"),
        (texts("en", "save", "x"), "there are ahead_one"),
        (texts("en", "doc_ahead", "{m} ahead"), "it may use {n}, {title}"),
        (texts("ja", "safe", "{n}"), "no placeholders"),
    ];
    for (page, named) in cases {
        let error = Theme::load(&page, OnTurn::Enter)
            .err()
            .expect("refused")
            .to_string();
        assert!(error.contains(named), "{error}");
    }
}

/// Where element and attribute values could end or begin, in the order they come: what a browser's parser acts on.
fn markup(html: &str) -> Vec<char> {
    html.chars()
        .filter(|c| matches!(c, '<' | '>' | '"' | '\''))
        .collect()
}

proptest! {
    /// Whatever a fan's address or an operator's notice holds, the document's structure is the one of a tame page.
    #[test]
    fn hostile_values_stay_text(
        notice in "(?s)[<>\"'&/a-z{}=\\-\\PC\\x00-\\x1f]{0,60}",
        return_to in "(?s)[<>\"'&/a-z{}=\\-\\PC\\x00-\\x1f]{0,60}",
        title in "(?s)[<>\"'&/a-z{}=\\-\\PC]{0,40}",
    ) {
        static THEME: OnceLock<Theme> = OnceLock::new();
        let tame = THEME.get_or_init(|| theme(OnTurn::Enter));
        let plain = View { notice: Some("n"), return_to: "/r", ..view(Lang::En, State::Waiting) };
        let hostile = View { notice: Some(&notice), return_to: &return_to, ..plain };
        prop_assert_eq!(markup(&text(tame, &plain)), markup(&text(tame, &hostile)));

        let page = Page { title: Some(title), ..Page::default() };
        let titled = text(&Theme::load(&page, OnTurn::Enter).expect("any title will do"), &plain);
        let tags = |html: &str| html.matches('<').count();
        prop_assert_eq!(tags(&text(tame, &plain)), tags(&titled));
        prop_assert_eq!(titled.matches("</script").count(), 2);
    }
}

#[test]
fn every_language_looks_different_and_says_its_name() {
    let theme = theme(OnTurn::Enter);
    let all: BTreeSet<_> = Lang::ALL
        .iter()
        .map(|lang| text(&theme, &view(*lang, State::Waiting)))
        .collect();
    assert_eq!(all.len(), 6);
    for lang in Lang::ALL {
        let html = text(&theme, &view(lang, State::Waiting));
        assert!(html.contains(&format!("<html lang=\"{}\"", lang.tag())));
    }
}
