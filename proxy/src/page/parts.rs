//! The fragments a template is made of, and what each load-time placeholder means.

use tidegate_config::OnTurn;

use super::palette::Palette;
use super::slots::{Slot, turn_name};
use super::template::Meaning;
use super::words::Words;

/// The built-in document.
pub(super) const DOCUMENT: &str = include_str!("../../page/page.html");

const STYLE: &str = include_str!("../../page/page.css");
const SCRIPT: &str = include_str!("../../page/page.js");

const HEAD: &str = r#"<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1,viewport-fit=cover">
<meta name="robots" content="noindex,nofollow">
<noscript><meta http-equiv="refresh" content="{{refresh}}"></noscript>
<title>{{doc_title}}</title>
"#;

const TURN: &str = r#"<form class="turn" id="tide-here" method="post" action="{{prefix}}rooms/{{room}}/places/me/here"{{here_hidden}}><input type="hidden" name="return_to" value="{{return_to}}"><button>{{text.here_button}}</button></form>
<form class="turn" id="tide-enter" method="post" action="{{prefix}}rooms/{{room}}/enter" hidden><input type="hidden" name="token"><input type="hidden" name="return_to" value="{{return_to}}"><button>{{text.enter_button}}</button></form>"#;

const ENGINE: &str = r#"<p class="live" id="tide-live" role="status" aria-live="polite"></p>
<div id="tide" hidden data-prefix="{{prefix}}" data-room="{{room}}" data-state="{{state}}" data-turn="{{turn_name}}" data-ahead="{{ahead_raw}}" data-number="{{number_raw}}" data-opens-at="{{opens_at}}" data-refresh="{{refresh}}"></div>
<script type="application/json" id="tide-words">{{words}}</script>
<script>{{script}}</script>"#;

/// Load-time placeholders an operator's template may use, beside the slots and `text.KEY`.
const NAMES: [&str; 8] = [
    "title",
    "lang",
    "logo",
    "head",
    "style",
    "turn",
    "turn_hint",
    "engine",
];

/// Placeholders a template cannot do without: the fan would never get in.
pub(super) const NEEDED: [&str; 3] = ["head", "turn", "engine"];

/// What a room's configuration contributes, the same for every language.
pub(super) struct Parts {
    pub(super) on_turn: OnTurn,
    pub(super) palette: Palette,
    /// A `data:` URI.
    pub(super) logo: Option<String>,
}

impl Parts {
    /// What a placeholder means under these parts, in these words.
    pub(super) fn meaning(&self, name: &str, words: &Words) -> Option<Meaning> {
        let text = |text: &str| Some(Meaning::Text(text.to_owned()));
        match name {
            "title" => text(words.html("title")),
            "lang" => text(words.lang.tag()),
            "logo" => Some(Meaning::Text(
                self.logo
                    .as_ref()
                    .map_or_else(String::new, |uri| format!("<img src=\"{uri}\" alt=\"\">")),
            )),
            "head" => Some(Meaning::Template(format!("{HEAD}{}", self.palette.head()))),
            "style" => Some(Meaning::Text(format!(
                "<style>{}{}</style>",
                self.palette.css(),
                minified(STYLE)
            ))),
            "turn" => Some(Meaning::Template(TURN.to_owned())),
            "turn_hint" => text(words.html(&format!("turn_{}", turn_name(self.on_turn)))),
            "turn_name" => text(turn_name(self.on_turn)),
            "engine" => Some(Meaning::Template(ENGINE.to_owned())),
            "words" => Some(Meaning::Text(words.for_script())),
            "script" => Some(Meaning::Text(minified(SCRIPT))),
            _ => {
                let key = name.strip_prefix("text.").filter(|key| words.has(key))?;
                text(words.html(key))
            }
        }
    }
}

/// The placeholders there are, for an error message.
pub(super) fn known_names() -> String {
    let slots = Slot::NAMES.iter().map(|(name, _)| *name);
    NAMES
        .into_iter()
        .chain(slots)
        .chain(["text.KEY"])
        .collect::<Vec<_>>()
        .join(", ")
}

/// Our own style or script without indentation, blank lines and comments that fill whole lines. Nothing cleverer: the
/// rest is gzip's work.
fn minified(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut comment = false;
    for line in source.lines().map(str::trim) {
        comment |= line.starts_with("/*");
        if !comment && !line.is_empty() && !line.starts_with("//") {
            out.push_str(line);
            out.push('\n');
        }
        comment &= !line.ends_with("*/");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::minified;

    #[test]
    fn only_whole_lines_of_comment_go() {
        let source = "/* one\n   two */\n  a: b; /* kept */\n\n// gone\n  c // kept\n";
        assert_eq!(minified(source), "a: b; /* kept */\nc // kept\n");
    }
}
