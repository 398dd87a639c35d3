//! Legible colours for light and dark, derived from at most two that an operator gives.
//!
//! Every text colour is moved toward black or white until it stands off by WCAG's ratio from everything it may lie on,
//! the water included, so that no choice of accent or background makes the page unreadable.

use std::fmt;

/// WCAG 2.2 AA for body text, and AAA which the main ink aims at.
const CONTRAST_TEXT: f64 = 4.5;
const CONTRAST_INK: f64 = 7.0;

/// An opaque sRGB colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour([u8; 3]);

const ACCENT: Colour = Colour([0x0a, 0x6c, 0x7d]);
const FOAM: Colour = Colour([0xf4, 0xf8, 0xf8]);
const NIGHT: Colour = Colour([0x07, 0x17, 0x1f]);
const INK: Colour = Colour([0x0b, 0x25, 0x30]);
const SNOW: Colour = Colour([0xe9, 0xf2, 0xf3]);
const BLACK: Colour = Colour([0, 0, 0]);
const WHITE: Colour = Colour([255, 255, 255]);

impl Colour {
    /// Reads `#rgb` or `#rrggbb`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix('#')?;
        let digits = hex.chars().map(|c| c.to_digit(16)).collect::<Option<Vec<_>>>()?;
        let pair = |high: u32, low: u32| u8::try_from(high * 16 + low).ok();
        match digits[..] {
            [r, g, b] => Some(Self([pair(r, r)?, pair(g, g)?, pair(b, b)?])),
            [r, s, g, h, b, c] => Some(Self([pair(r, s)?, pair(g, h)?, pair(b, c)?])),
            _ => None,
        }
    }

    /// This colour with `share` (0 to 1) of another in it.
    fn mix(self, other: Self, share: f64) -> Self {
        let blend = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8;
        Self(std::array::from_fn(|i| blend(self.0[i], other.0[i])))
    }

    /// WCAG's relative luminance.
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.040_45 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(self.0[0]) + 0.7152 * linear(self.0[1]) + 0.0722 * linear(self.0[2])
    }

    /// WCAG's contrast ratio, 1 to 21.
    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Moved toward the better of black and white until it stands off from all of `grounds`.
    fn legible_on(self, grounds: &[Self], ratio: f64) -> Self {
        let worst = |colour: Self| {
            grounds
                .iter()
                .map(|g| colour.contrast(*g))
                .fold(f64::INFINITY, f64::min)
        };
        let pole = if worst(BLACK) > worst(WHITE) { BLACK } else { WHITE };
        (0..=20)
            .map(|step| self.mix(pole, f64::from(step) / 20.0))
            .find(|c| worst(*c) >= ratio)
            .unwrap_or(pole)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0[0], self.0[1], self.0[2])
    }
}

/// The colours of one scheme.
struct Scheme {
    bg: Colour,
    ink: Colour,
    soft: Colour,
    accent: Colour,
    on: Colour,
    card: Colour,
    hair: Colour,
    water: Colour,
    deep: Colour,
}

impl Scheme {
    fn over(bg: Colour, accent: Colour) -> Self {
        let dark = bg.contrast(WHITE) > bg.contrast(BLACK);
        let ink = if dark { SNOW } else { INK };
        // The water stays near the background: text lies on it.
        let (shallow, deep) = if dark { (0.10, 0.17) } else { (0.07, 0.13) };
        let (water, deep) = (bg.mix(accent, shallow), bg.mix(accent, deep));
        let card = bg.mix(if dark { WHITE } else { accent }, 0.05);
        let grounds = [bg, water, deep, card];
        let accent = accent.legible_on(&grounds, CONTRAST_TEXT);
        Self {
            bg,
            ink: ink.legible_on(&grounds, CONTRAST_INK),
            soft: ink.mix(bg, 0.32).legible_on(&grounds, CONTRAST_TEXT),
            accent,
            on: if dark { NIGHT } else { WHITE }.legible_on(&[accent], CONTRAST_TEXT),
            card,
            hair: bg.mix(ink, 0.16),
            water,
            deep,
        }
    }

    fn css(&self) -> String {
        let Self {
            bg,
            ink,
            soft,
            accent,
            on,
            card,
            hair,
            water,
            deep,
        } = self;
        format!(
            "--bg:{bg};--ink:{ink};--soft:{soft};--accent:{accent};--on:{on};--card:{card};--hair:{hair};\
             --water:{water};--deep:{deep}"
        )
    }
}

/// Both schemes of a room.
pub(super) struct Palette {
    light: Scheme,
    dark: Scheme,
}

impl Palette {
    /// An operator who gives a background means it: both schemes use it then, with ink that reads on it.
    pub(super) fn new(accent: Option<Colour>, background: Option<Colour>) -> Self {
        let accent = accent.unwrap_or(ACCENT);
        Self {
            light: Scheme::over(background.unwrap_or(FOAM), accent),
            dark: Scheme::over(background.unwrap_or(NIGHT), accent),
        }
    }

    /// The custom properties `page.css` uses.
    pub(super) fn css(&self) -> String {
        let (light, dark) = (self.light.css(), self.dark.css());
        if light == dark {
            return format!(":root{{{light}}}\n");
        }
        format!(
            ":root{{color-scheme:light dark;{light}}}\n@media(prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
        )
    }

    /// `theme-color` elements and the tab's icon, a wave in the accent.
    pub(super) fn head(&self) -> String {
        let (light, dark, accent) = (self.light.bg, self.dark.bg, self.light.accent);
        let [r, g, b] = accent.0;
        format!(
            "<meta name=\"theme-color\" content=\"{light}\" media=\"(prefers-color-scheme:light)\">\n\
             <meta name=\"theme-color\" content=\"{dark}\" media=\"(prefers-color-scheme:dark)\">\n\
             <link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' \
             viewBox='0 0 16 16'%3E%3Cpath fill='rgb({r},{g},{b})' d='M0 9q2-4 4 0t4 0 4 0 4 0v7H0z'/%3E%3C/svg%3E\">"
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BLACK, CONTRAST_TEXT, Colour, Palette, WHITE};

    #[test]
    fn colours_are_read_in_both_forms() {
        assert_eq!(Colour::parse("#0aF"), Some(Colour([0, 0xaa, 0xff])));
        assert_eq!(Colour::parse("#102030"), Some(Colour([0x10, 0x20, 0x30])));
        for bad in [
            "", "#", "red", "#12", "#12345", "#1234567", "#ggg", "102030", "#12é",
        ] {
            assert_eq!(Colour::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn contrast_is_as_wcag_has_it() {
        assert!((BLACK.contrast(WHITE) - 21.0).abs() < 0.01);
        assert!((Colour([0x76, 0x76, 0x76]).contrast(WHITE) - 4.54).abs() < 0.01);
    }

    proptest! {
        #[test]
        fn no_choice_of_colours_is_unreadable(accent: [u8; 3], background: Option<[u8; 3]>) {
            let palette = Palette::new(Some(Colour(accent)), background.map(Colour));
            for scheme in [&palette.light, &palette.dark] {
                prop_assert!(scheme.on.contrast(scheme.accent) >= CONTRAST_TEXT - 0.01);
                for ground in [scheme.bg, scheme.water, scheme.deep, scheme.card] {
                    for text in [scheme.ink, scheme.soft] {
                        // Over a middling grey that the water shades, black or white itself can be all there is.
                        let best = BLACK.contrast(ground).max(WHITE.contrast(ground)).min(CONTRAST_TEXT);
                        prop_assert!(text.contrast(ground) >= best * 0.8, "{} on {}", text, ground);
                    }
                }
            }
        }

        #[test]
        fn built_in_grounds_reach_the_full_ratio(accent: [u8; 3]) {
            let palette = Palette::new(Some(Colour(accent)), None);
            for scheme in [&palette.light, &palette.dark] {
                for ground in [scheme.bg, scheme.water, scheme.deep, scheme.card] {
                    for text in [scheme.ink, scheme.soft] {
                        prop_assert!(text.contrast(ground) >= CONTRAST_TEXT, "{} on {}", text, ground);
                    }
                }
            }
        }
    }
}
