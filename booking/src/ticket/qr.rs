//! QR codes: a text as a square of modules, and that square as SVG.
//!
//! Error correction is M, which survives 15 % of the code being creased or glared over. The quiet zone is part of every
//! picture, and so is its white ground: a code that takes the page's dark background is one that scanners refuse.

use std::fmt::Write;

use qrcode::{Color, EcLevel, QrCode};

/// Free modules around a code that its standard asks for (ISO/IEC 18004).
pub const QUIET_ZONE: usize = 4;

/// The text has no QR code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes of text do not fit into a QR code")]
pub struct TooLong(pub usize);

/// The modules of a code, without its quiet zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QrMatrix {
    side: usize,
    dark: Vec<bool>,
}

/// Dark modules side by side in one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Modules to the left of it.
    pub x: usize,
    /// Rows above it.
    pub y: usize,
    /// How many.
    pub len: usize,
}

impl QrMatrix {
    /// The smallest code that holds the text.
    ///
    /// # Errors
    /// [`TooLong`]: more than 2,331 bytes, or 3,391 capitals and digits.
    pub fn new(text: &str) -> Result<Self, TooLong> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_| TooLong(text.len()))?;
        Ok(Self {
            side: code.width(),
            dark: code
                .into_colors()
                .into_iter()
                .map(|color| color == Color::Dark)
                .collect(),
        })
    }

    /// Modules a side.
    pub fn side(&self) -> usize {
        self.side
    }

    /// All dark modules, joined row by row, so that no seam shows between neighbours.
    pub fn runs(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        for (y, row) in self.dark.chunks(self.side).enumerate() {
            let mut x = 0;
            for same in row.chunk_by(|a, b| a == b) {
                if same[0] {
                    runs.push(Run {
                        x,
                        y,
                        len: same.len(),
                    });
                }
                x += same.len();
            }
        }
        runs
    }

    /// A picture that scales without blurring. `label` is what a screen reader says.
    ///
    /// Every colour is an attribute of its own, and strokes are switched off: a page's style for drawings does not reach
    /// into it, and no rule about inline styles is in its way.
    pub fn svg(&self, label: &str) -> String {
        let size = self.side + 2 * QUIET_ZONE;
        let mut path = String::new();
        for Run { x, y, len } in self.runs() {
            let (x, y) = (x + QUIET_ZONE, y + QUIET_ZONE);
            write!(path, "M{x} {y}h{len}v1h-{len}z").expect("writing to a string cannot fail");
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" role=\"img\" aria-label=\"{}\" \
             shape-rendering=\"crispEdges\"><rect width=\"{size}\" height=\"{size}\" fill=\"#fff\" stroke=\"none\"/>\
             <path d=\"{path}\" fill=\"#000\" stroke=\"none\"/></svg>",
            escape(label),
        )
    }
}

/// For an attribute in double quotes.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '"' => safe.push_str("&quot;"),
            control if control.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_the_dark_modules_and_nothing_else() {
        let code = QrMatrix::new("TGT1.AEBAGBAF").expect("it fits");
        let mut dark = vec![false; code.side * code.side];
        for Run { x, y, len } in code.runs() {
            dark[y * code.side + x..][..len].fill(true);
        }
        assert_eq!(dark, code.dark);
        // The finder pattern in the upper left corner begins with seven dark modules.
        assert_eq!(code.runs()[0], Run { x: 0, y: 0, len: 7 });
    }

    #[test]
    fn the_picture_brings_its_ground_and_cannot_be_broken_out_of() {
        let code = QrMatrix::new("TGT1.AEBAGBAF").expect("it fits");
        let svg = code.svg("\"><script>&\n");
        let size = code.side() + 8;
        assert!(
            svg.contains(&format!("<rect width=\"{size}\" height=\"{size}\" fill=\"#fff\"")),
            "{svg}"
        );
        assert!(svg.contains("aria-label=\"&quot;>&lt;script>&amp; \""), "{svg}");
        assert_eq!(QrMatrix::new(&"x".repeat(3000)), Err(TooLong(3000)));
    }
}
