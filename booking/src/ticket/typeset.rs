//! Lines of type: which font, how wide, where a text breaks, and what becomes of letters that no font has.
//!
//! Knows fonts and lengths in points. It does not know what is set, nor the page it goes on.

use std::ops::Range;

use krilla::text::{Font, GlyphId, KrillaGlyph};
use rustybuzz::{Direction, Face, UnicodeBuffer};
use unicode_normalization::UnicodeNormalization;

/// The fonts, cut down to Latin, Greek and Cyrillic; what they are and how they were cut is in `fonts/README.md`.
static REGULAR: &[u8] = include_bytes!("../../fonts/Inter-Regular.ttf");
static STRONG: &[u8] = include_bytes!("../../fonts/Inter-SemiBold.ttf");
static TITLE: &[u8] = include_bytes!("../../fonts/Vollkorn-SemiBold.ttf");

/// Shown for a letter that the fonts do not have.
const MISSING: char = '\u{25a1}';

/// Ends a text that was cut short.
const CUT: char = '\u{2026}';

/// Longest text that is set at all, in characters; more would not fit on any page.
const CHARACTERS_MAX: usize = 500;

/// A font, ready to measure and to draw with.
pub(super) struct Typeface {
    face: Face<'static>,
    font: Font,
}

/// The fonts of a ticket.
pub(super) struct Typefaces {
    pub(super) regular: Typeface,
    pub(super) strong: Typeface,
    title: Typeface,
}

/// A text in one line, measured.
pub(super) struct Line {
    pub(super) text: String,
    pub(super) glyphs: Vec<KrillaGlyph>,
    pub(super) font: Font,
    /// In points.
    pub(super) size: f32,
    /// In points.
    pub(super) width: f32,
}

impl Typefaces {
    /// The shipped fonts.
    pub(super) fn shipped() -> Self {
        Self {
            regular: Typeface::new(REGULAR),
            strong: Typeface::new(STRONG),
            title: Typeface::new(TITLE),
        }
    }

    /// The font for a title: the one with serifs, unless it lacks a letter that the other has.
    pub(super) fn for_title(&self, text: &str) -> &Typeface {
        let lacks = |c: char| !self.title.has(c) && self.strong.has(c);
        if text.nfc().any(lacks) {
            &self.strong
        } else {
            &self.title
        }
    }
}

impl Typeface {
    fn new(data: &'static [u8]) -> Self {
        let face = Face::from_slice(data, 0).expect("the shipped fonts can be read");
        let font = Font::new(data.into(), 0).expect("the shipped fonts can be read");
        Self { face, font }
    }

    fn has(&self, character: char) -> bool {
        self.face.glyph_index(character).is_some()
    }

    /// What of a text can be set: composed letters, single spaces, a box for what the font lacks; nothing invisible.
    fn settable(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        for character in text.nfc().take(CHARACTERS_MAX) {
            if character.is_whitespace() {
                if !clean.ends_with(' ') {
                    clean.push(' ');
                }
            } else if self.has(character) {
                clean.push(character);
            } else if !is_invisible(character) {
                clean.push(MISSING);
            }
        }
        clean.trim().to_owned()
    }

    /// The text in one line, however wide.
    pub(super) fn line(&self, text: &str, size: f32) -> Line {
        self.shape(self.settable(text), size)
    }

    /// As much of the text as fits into one line.
    pub(super) fn line_within(&self, text: &str, size: f32, width: f32) -> Line {
        let whole = self.line(text, size);
        if whole.width <= width {
            return whole;
        }
        self.cut(&whole.text, size, width)
    }

    /// The text in at most `lines_max` lines, broken between words, within a long word where one is wider than the line,
    /// and cut short where that is not enough. The flag says whether all of it is there.
    pub(super) fn lines(&self, text: &str, size: f32, width: f32, lines_max: usize) -> (Vec<Line>, bool) {
        let text = self.settable(text);
        let mut lines = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            if lines.len() + 1 == lines_max {
                let last = self.line_within(rest, size, width);
                let whole = last.text == rest;
                lines.push(last);
                return (lines, whole);
            }
            let at = self.break_at(rest, size, width);
            lines.push(self.shape(rest[..at].trim_end().to_owned(), size));
            rest = rest[at..].trim_start();
        }
        (lines, true)
    }

    /// Where the first line of the text ends, in bytes: never 0.
    fn break_at(&self, text: &str, size: f32, width: f32) -> usize {
        let fits = |end: usize| self.shape(text[..end].trim_end().to_owned(), size).width <= width;
        if fits(text.len()) {
            return text.len();
        }
        let word_ends: Vec<usize> = text.match_indices(' ').map(|(at, _)| at).collect();
        if let Some(end) = last_that(&word_ends, fits) {
            return end;
        }
        let character_ends: Vec<usize> = text.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
        let first = character_ends.first().copied().unwrap_or(text.len());
        last_that(&character_ends, fits).unwrap_or(first)
    }

    fn cut(&self, text: &str, size: f32, width: f32) -> Line {
        let shortened = |end: usize| {
            let mut kept = text[..end].trim_end().to_owned();
            kept.push(CUT);
            self.shape(kept, size)
        };
        let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let end = last_that(&ends, |end| shortened(end).width <= width);
        shortened(end.unwrap_or(0))
    }

    fn shape(&self, text: String, size: f32) -> Line {
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(&text);
        buffer.guess_segment_properties();
        buffer.set_direction(Direction::LeftToRight);
        let shaped = rustybuzz::shape(&self.face, &[], buffer);
        let em = self.font.units_per_em();
        let starts: Vec<usize> = shaped
            .glyph_infos()
            .iter()
            .map(|info| info.cluster as usize)
            .collect();
        let glyphs: Vec<KrillaGlyph> = shaped
            .glyph_infos()
            .iter()
            .zip(shaped.glyph_positions())
            .zip(clusters(&starts, text.len()))
            .map(|((info, position), range)| {
                let [x_advance, x_offset, y_offset, y_advance] = [
                    position.x_advance,
                    position.x_offset,
                    position.y_offset,
                    position.y_advance,
                ]
                .map(|units| units as f32 / em);
                let glyph = GlyphId::new(info.glyph_id);
                KrillaGlyph::new(glyph, x_advance, x_offset, y_offset, y_advance, range, None)
            })
            .collect();
        let width = glyphs.iter().map(|glyph| glyph.x_advance).sum::<f32>() * size;
        Line {
            text,
            glyphs,
            font: self.font.clone(),
            size,
            width,
        }
    }
}

/// The last of these ends, in rising order, at which a text still fits. Text grows with its end, so halving finds it; a
/// title is measured ten times then, and not a thousand.
fn last_that(ends: &[usize], fits: impl Fn(usize) -> bool) -> Option<usize> {
    let fitting = ends.partition_point(|&end| fits(end));
    ends[..fitting].last().copied()
}

/// The bytes of the text that each glyph stands for, from where each begins. Glyphs of one cluster share its bytes.
fn clusters(starts: &[usize], len: usize) -> Vec<Range<usize>> {
    let mut end = len;
    let mut ranges = Vec::with_capacity(starts.len());
    for (at, &start) in starts.iter().enumerate().rev() {
        if let Some(&next) = starts.get(at + 1)
            && next != start
        {
            end = next;
        }
        ranges.push(start..end);
    }
    ranges.reverse();
    ranges
}

/// Characters that only steer others: joiners, direction marks, variation selectors, control characters.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fonts_have_latin_greek_and_cyrillic() {
        let faces = Typefaces::shipped();
        let texts = "Łódź Čapek Ångström Şiir İstanbul Ħal Ğ ŵ ẞ Œuvre Ærø Việt ÐÞ — Αντιγόνη Ωραία — Ревизор Їжак Ђ Ў Җ — €£₺₴₹ „“”’–…№";
        for character in texts.chars().filter(|c| !c.is_whitespace()) {
            assert!(faces.regular.has(character), "{character}");
            assert!(faces.strong.has(character), "{character}");
            assert!(
                faces.for_title(&character.to_string()).has(character),
                "{character}"
            );
        }
        let missing =
            [&faces.regular, &faces.strong, &faces.title].map(|face| face.has(MISSING) && face.has(CUT));
        assert_eq!(missing, [true; 3]);
    }

    #[test]
    fn decomposed_letters_are_composed_and_foreign_ones_boxed() {
        let face = Typefaces::shipped().regular;
        assert_eq!(
            face.settable("C\u{30c}apek  \n\tŁo\u{301}dz\u{301}"),
            "Čapek Łódź"
        );
        assert_eq!(face.settable("\u{202e}能楽\u{200d}\u{fe0f}\0"), "□□");
    }

    #[test]
    fn texts_break_between_words_and_are_cut_where_no_line_is_left() {
        let faces = Typefaces::shipped();
        let text = "The Life and Adventures of Nicholas Nickleby, in two evenings";
        let (lines, whole) = faces.regular.lines(text, 10.0, 120.0, 9);
        let joined: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        assert!(
            whole && lines.iter().all(|line| line.width <= 120.0),
            "{joined:?}"
        );
        assert_eq!(joined.join(" "), text);
        let (lines, whole) = faces.regular.lines(text, 10.0, 120.0, 2);
        assert!(!whole && lines.len() == 2 && lines[1].text.ends_with(CUT) && lines[1].width <= 120.0);
        let (lines, whole) = faces.regular.lines(&"x".repeat(60), 10.0, 120.0, 9);
        assert!(whole && lines.len() > 1 && lines.iter().all(|line| line.width <= 120.0));
        assert_eq!(faces.regular.lines("   ", 10.0, 120.0, 3).0.len(), 0);
    }

    #[test]
    fn every_glyph_knows_its_letters() {
        assert_eq!(clusters(&[0, 2, 3], 5), [0..2, 2..3, 3..5]);
        assert_eq!(clusters(&[0, 0, 2], 4), [0..2, 0..2, 2..4]);
        assert_eq!(clusters(&[], 0), []);
    }
}
