//! The `Content-Security-Policy` of a compiled document: everything is forbidden but what stands in it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::template::Piece;
use super::theme::ThemeError;

/// Stands for a slot while the fixed text is looked through; no HTML text contains it.
const HOLE: char = '\0';

/// Hashes of the inline styles and scripts of a room's documents, as the policy writes them.
#[derive(Default)]
pub(super) struct Inline {
    styles: BTreeSet<String>,
    scripts: BTreeSet<String>,
}

impl Inline {
    /// Adds what is inline in one document. A slot inside a style or script would change its hash with each request
    /// (and would need other escaping), and an external script would be a second request: both are errors.
    pub(super) fn add(&mut self, pieces: &[Piece]) -> Result<(), ThemeError> {
        let text: String = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Fixed(text) => text.clone(),
                Piece::Slot(_) => HOLE.to_string(),
            })
            .collect();
        // ASCII case only, so that both strings have the same byte positions.
        let lower = text.to_ascii_lowercase();
        for (tag, hashes) in [("style", &mut self.styles), ("script", &mut self.scripts)] {
            let mut from = 0;
            while let Some(found) = lower[from..].find(&format!("<{tag}")) {
                let open = from + found;
                let Some(start) = lower[open..].find('>').map(|at| open + at + 1) else {
                    break;
                };
                let attributes = &lower[open + 1 + tag.len()..start - 1];
                let end = lower[start..]
                    .find(&format!("</{tag}"))
                    .map_or(lower.len(), |at| start + at);
                from = end;
                if tag == "script" && attributes.contains("src=") {
                    return Err(ThemeError::ExternalScript);
                }
                let data = tag == "script" && attributes.contains("json");
                if text[start..end].contains(HOLE) {
                    return Err(ThemeError::SlotInCode { tag });
                }
                if !data {
                    hashes.insert(hash(&text[start..end]));
                }
            }
        }
        Ok(())
    }

    /// The header's value.
    pub(super) fn policy(&self) -> String {
        let joined = |hashes: &BTreeSet<String>| {
            if hashes.is_empty() {
                "'none'".to_owned()
            } else {
                Vec::from_iter(hashes.iter().map(String::as_str)).join(" ")
            }
        };
        format!(
            "default-src 'none'; style-src {}; script-src {}; img-src data:; connect-src 'self'; form-action 'self'; \
             base-uri 'none'; frame-ancestors 'none'",
            joined(&self.styles),
            joined(&self.scripts),
        )
    }
}

/// `'sha256-...'` of an element's text.
pub(super) fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::super::slots::Slot;
    use super::{Inline, Piece, ThemeError};

    fn fixed(text: &str) -> Piece {
        Piece::Fixed(text.to_owned())
    }

    #[test]
    fn inline_code_is_hashed_and_data_is_not() {
        let mut inline = Inline::default();
        let data = "<script type=\"application/json\">{}</script>";
        inline
            .add(&[
                fixed("<STYLE media=all>a{}</STYLE>"),
                fixed("<script></script>"),
                fixed(data),
            ])
            .expect("fine");
        let policy = inline.policy();
        // The hash of nothing, as every sha256 tool gives it.
        assert!(
            policy.contains("script-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=';"),
            "{policy}"
        );
        assert_eq!(policy.matches("sha256-").count(), 2, "{policy}");
        assert!(Inline::default().policy().contains("script-src 'none'"));
    }

    #[test]
    fn what_the_policy_could_not_hold_is_refused() {
        let slot = || Piece::Slot(Slot::Notice);
        let add = |pieces: &[Piece]| Inline::default().add(pieces);
        let held = add(&[fixed("<script>a='"), slot(), fixed("'</script>")]);
        assert!(matches!(held, Err(ThemeError::SlotInCode { tag: "script" })));
        let styled = add(&[fixed("<style>"), slot()]);
        assert!(matches!(styled, Err(ThemeError::SlotInCode { tag: "style" })));
        assert!(matches!(
            add(&[fixed("<script SRC=x.js></script>")]),
            Err(ThemeError::ExternalScript)
        ));
    }
}
