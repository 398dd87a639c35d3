//! What a room's configuration makes of the page: loaded once at start, rendered at every request.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue};
use tidegate_config::{OnTurn, Page};

use super::gzip::{Deflated, Stream};
use super::lang::Lang;
use super::palette::{Colour, Palette};
use super::parts::{DOCUMENT, NEEDED, Parts, known_names};
use super::policy::Inline;
use super::template::{Piece, compile};
use super::view::View;
use super::words::{Words, text_faults};

/// A logo rides in every page, so it is small; a template is read by a person.
const LOGO_BYTES_MAX: usize = 8 * 1024;
const TEMPLATE_BYTES_MAX: usize = 256 * 1024;

/// Room for the slots of an ordinary rendering, so that it allocates once.
const SLOT_BYTES: usize = 2_048;

/// Why a room's page cannot be made, and what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    /// The file is not there or not readable.
    #[error("cannot read the {what} {}: {source}; check the path, which is relative to where tidegate starts", path.display())]
    Unreadable {
        /// `logo` or `template`.
        what: &'static str,
        /// As configured.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is larger than what every fan should load.
    #[error("the {what} {} has {bytes} bytes; at most {max} are allowed, make it smaller", path.display())]
    TooBig {
        /// `logo` or `template`.
        what: &'static str,
        /// As configured.
        path: PathBuf,
        /// Its size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// Not an image of a kind browsers take.
    #[error("the logo {} is neither SVG, PNG nor WebP; convert it to one of them", path.display())]
    LogoKind {
        /// As configured.
        path: PathBuf,
    },
    /// The template is not text.
    #[error("the template {} is not UTF-8; save it as UTF-8", path.display())]
    NotText {
        /// As configured.
        path: PathBuf,
    },
    /// Not a colour.
    #[error("{key} = \"{value}\" is not a colour; write it as \"#rgb\" or \"#rrggbb\"")]
    BadColour {
        /// `accent` or `background`.
        key: &'static str,
        /// As configured.
        value: String,
    },
    /// A language the page does not speak.
    #[error("texts.{tag} is no language of the page; write en, es, de, fr, ko or ja")]
    UnknownLanguage {
        /// As configured.
        tag: String,
    },
    /// No such text.
    #[error("texts.{tag}.{key} is no text of the page; there are {known}")]
    UnknownText {
        /// The language.
        tag: String,
        /// As configured.
        key: String,
        /// All keys.
        known: String,
    },
    /// A text asks for something that is not known where it is said.
    #[error("texts.{tag}.{key} has {{{name}}}, which is not known there; it may use {allowed}")]
    TextPlaceholder {
        /// The language.
        tag: String,
        /// The text.
        key: String,
        /// What it asks for.
        name: String,
        /// What it may ask for.
        allowed: String,
    },
    /// A template asks for something there is not.
    #[error("the template has {{{{{name}}}}} on line {line}, which is no placeholder; there are {known}")]
    UnknownPlaceholder {
        /// What it asks for.
        name: String,
        /// Where.
        line: usize,
        /// All there are.
        known: String,
    },
    /// `{{` without `}}`.
    #[error("the template opens a placeholder on line {line} and does not close it; write {{{{name}}}}")]
    UnclosedPlaceholder {
        /// Where.
        line: usize,
    },
    /// Without it nobody would get in.
    #[error("the template lacks {{{{{name}}}}}; put it {place}")]
    MissingPlaceholder {
        /// Which.
        name: &'static str,
        /// Where it belongs.
        place: &'static str,
    },
    /// It would change with each request, and so would its hash.
    #[error(
        "the template has a placeholder that changes with each request inside <{tag}>; put it into an attribute or element and read it from there"
    )]
    SlotInCode {
        /// `script` or `style`.
        tag: &'static str,
    },
    /// The page makes no second request.
    #[error("the template has a <script src>; the page must be self-contained, put the script inline")]
    ExternalScript,
}

/// The headers that go with a rendering.
type Headers = Vec<(HeaderName, HeaderValue)>;

/// One language's document.
struct Document {
    words: Words,
    pieces: Vec<(Piece, Option<Deflated>)>,
    /// Bytes of the fixed pieces, plain and compressed.
    plain_len: usize,
    gzip_len: usize,
}

/// A room's waiting page, ready to render in every language.
pub struct Theme {
    on_turn: OnTurn,
    documents: Vec<Document>,
    /// For each language the plain rendering's and the compressed one's.
    headers: Vec<[Headers; 2]>,
}

impl Theme {
    /// Reads what the configuration names and compiles every language. For the start of the process: it reads files.
    pub fn load(page: &Page, on_turn: OnTurn) -> Result<Self, ThemeError> {
        let colour = |key, value: &Option<String>| {
            value
                .as_ref()
                .map(|value| {
                    Colour::parse(value).ok_or_else(|| ThemeError::BadColour {
                        key,
                        value: value.clone(),
                    })
                })
                .transpose()
        };
        let palette = Palette::new(
            colour("accent", &page.accent)?,
            colour("background", &page.background)?,
        );
        let logo = page.logo.as_deref().map(logo_uri).transpose()?;
        let template = page.template.as_deref().map(read_template).transpose()?;
        let parts = Parts {
            on_turn,
            palette,
            logo,
        };
        let mut inline = Inline::default();
        let mut documents = Vec::with_capacity(Lang::ALL.len());
        for lang in Lang::ALL {
            let words = Words::load(page, lang)?;
            let source = template.as_deref().unwrap_or(DOCUMENT);
            let pieces = compile(source, &|name| parts.meaning(name, &words), &known_names)?;
            inline.add(&pieces)?;
            documents.push(Document::new(words, pieces));
        }
        // Hashes in base64 and keywords: a header can hold them.
        let policy = HeaderValue::try_from(inline.policy()).expect("a policy is visible ASCII");
        let headers = Lang::ALL.map(|lang| [false, true].map(|gzip| headers(lang, gzip, &policy)));
        Ok(Self {
            on_turn,
            documents,
            headers: headers.into(),
        })
    }

    /// Everything that stands in the way of [`Self::load`]: every text, or where they are good the first of the rest.
    pub fn faults(page: &Page, on_turn: OnTurn) -> Vec<ThemeError> {
        let texts = text_faults(page);
        if texts.is_empty() {
            Self::load(page, on_turn).err().into_iter().collect()
        } else {
            texts
        }
    }

    /// The headers that go with a rendering, save what depends on the fan.
    pub fn headers(&self, lang: Lang, gzip: bool) -> &[(HeaderName, HeaderValue)] {
        &self.headers[lang as usize][usize::from(gzip)]
    }

    /// The document for one fan, as UTF-8 HTML.
    pub fn render(&self, view: &View<'_>) -> Bytes {
        let document = self.document(view.lang);
        let face = view.face(self.on_turn);
        let mut out = String::with_capacity(document.plain_len + SLOT_BYTES);
        for (piece, _) in &document.pieces {
            match piece {
                Piece::Fixed(text) => out.push_str(text),
                Piece::Slot(slot) => slot.fill(view, face, &document.words, &mut out),
            }
        }
        out.into()
    }

    /// The same document as a gzip stream (`Content-Encoding: gzip`), for less work than compressing it.
    pub fn render_gzip(&self, view: &View<'_>) -> Bytes {
        let document = self.document(view.lang);
        let face = view.face(self.on_turn);
        let mut stream = Stream::new(document.gzip_len + SLOT_BYTES);
        for (piece, deflated) in &document.pieces {
            match (piece, deflated) {
                (_, Some(deflated)) => stream.push(deflated),
                (Piece::Fixed(text), None) => stream.pending.push_str(text),
                (Piece::Slot(slot), None) => slot.fill(view, face, &document.words, &mut stream.pending),
            }
        }
        stream.end().into()
    }

    fn document(&self, lang: Lang) -> &Document {
        &self.documents[lang as usize]
    }
}

impl Document {
    fn new(words: Words, pieces: Vec<Piece>) -> Self {
        let pieces: Vec<_> = pieces
            .into_iter()
            .map(|piece| {
                let deflated = match &piece {
                    Piece::Fixed(text) => Deflated::of(text),
                    Piece::Slot(_) => None,
                };
                (piece, deflated)
            })
            .collect();
        let fixed = |(piece, _): &(Piece, _)| match piece {
            Piece::Fixed(text) => text.len(),
            Piece::Slot(_) => 0,
        };
        let plain_len = pieces.iter().map(fixed).sum();
        let gzip_len = pieces
            .iter()
            .map(|piece| piece.1.as_ref().map_or_else(|| fixed(piece), Deflated::len))
            .sum();
        Self {
            words,
            pieces,
            plain_len,
            gzip_len,
        }
    }
}

fn headers(lang: Lang, gzip: bool, policy: &HeaderValue) -> Headers {
    let fixed = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_LANGUAGE, lang.tag()),
        (VARY, "accept-language, accept-encoding, cookie"),
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    let mut headers: Headers = fixed
        .into_iter()
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect();
    headers.push((CONTENT_SECURITY_POLICY, policy.clone()));
    if gzip {
        headers.push((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
    }
    headers
}

fn read(what: &'static str, path: &Path, max: usize) -> Result<Vec<u8>, ThemeError> {
    let bytes = std::fs::read(path).map_err(|source| ThemeError::Unreadable {
        what,
        path: path.into(),
        source,
    })?;
    if bytes.len() > max {
        return Err(ThemeError::TooBig {
            what,
            path: path.into(),
            bytes: bytes.len(),
            max,
        });
    }
    Ok(bytes)
}

fn logo_uri(path: &Path) -> Result<String, ThemeError> {
    let bytes = read("logo", path, LOGO_BYTES_MAX)?;
    let kind = match &bytes[..] {
        [0x89, b'P', b'N', b'G', ..] => "png",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
        other if std::str::from_utf8(other).is_ok_and(|text| text.contains("<svg")) => "svg+xml",
        _ => return Err(ThemeError::LogoKind { path: path.into() }),
    };
    Ok(format!("data:image/{kind};base64,{}", STANDARD.encode(bytes)))
}

fn read_template(path: &Path) -> Result<String, ThemeError> {
    let bytes = read("template", path, TEMPLATE_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| ThemeError::NotText { path: path.into() })?;
    let places = [
        "inside <head>",
        "where the entry button belongs",
        "right before </body>",
    ];
    for (name, place) in NEEDED.into_iter().zip(places) {
        let there = text
            .split("{{")
            .skip(1)
            .any(|rest| rest.split("}}").next().is_some_and(|it| it.trim() == name));
        if !there {
            return Err(ThemeError::MissingPlaceholder { name, place });
        }
    }
    Ok(text)
}
