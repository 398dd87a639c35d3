//! Documents with `{{placeholders}}`: what the names mean, and their compilation into pieces.

use super::slots::Slot;
use super::theme::ThemeError;

/// One piece of a compiled document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The same at every request.
    Fixed(String),
    /// Filled in at request time.
    Slot(Slot),
}

/// What a placeholder stands for at load time.
pub(super) enum Meaning {
    /// Text that is final.
    Text(String),
    /// More template.
    Template(String),
}

/// Fragments nest this deep at most; ours nest once.
const DEPTH_MAX: usize = 4;

/// Compiles `source`: names that `meaning` knows are put in now, slots stay open, anything else is an error that lists
/// what there is. `known` is for that list.
pub(super) fn compile(
    source: &str,
    meaning: &dyn Fn(&str) -> Option<Meaning>,
    known: &dyn Fn() -> String,
) -> Result<Vec<Piece>, ThemeError> {
    let mut pieces = Vec::new();
    compile_into(source, meaning, known, DEPTH_MAX, &mut pieces)?;
    Ok(pieces)
}

fn compile_into(
    source: &str,
    meaning: &dyn Fn(&str) -> Option<Meaning>,
    known: &dyn Fn() -> String,
    depth: usize,
    pieces: &mut Vec<Piece>,
) -> Result<(), ThemeError> {
    let mut rest = source;
    while let Some(open) = rest.find("{{") {
        fixed(&rest[..open], pieces);
        let line = source[..source.len() - rest.len() + open].matches('\n').count() + 1;
        let Some(close) = rest[open..].find("}}") else {
            return Err(ThemeError::UnclosedPlaceholder { line });
        };
        let name = rest[open + 2..open + close].trim();
        rest = &rest[open + close + 2..];
        match (Slot::named(name), meaning(name)) {
            (Some(slot), _) => pieces.push(Piece::Slot(slot)),
            (None, Some(Meaning::Text(text))) => fixed(&text, pieces),
            (None, Some(Meaning::Template(inner))) if depth > 0 => {
                compile_into(&inner, meaning, known, depth - 1, pieces)?;
            }
            _ => {
                return Err(ThemeError::UnknownPlaceholder {
                    name: name.to_owned(),
                    line,
                    known: known(),
                });
            }
        }
    }
    fixed(rest, pieces);
    Ok(())
}

/// Appends text, joined to the text before it.
fn fixed(text: &str, pieces: &mut Vec<Piece>) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Fixed(before)) => before.push_str(text),
        _ => pieces.push(Piece::Fixed(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::{Meaning, Piece, Slot, ThemeError, compile};

    fn compiled(source: &str) -> Result<Vec<Piece>, ThemeError> {
        let meaning = |name: &str| match name {
            "title" => Some(Meaning::Text("{{ahead}}".to_owned())),
            "part" => Some(Meaning::Template("[{{ahead}}]".to_owned())),
            "loop" => Some(Meaning::Template("{{loop}}".to_owned())),
            _ => None,
        };
        compile(source, &meaning, &|| "title, part".to_owned())
    }

    #[test]
    fn names_become_text_fragments_and_slots() {
        let pieces = compiled("a {{ title }} b{{part}}{{part}}").expect("a good template");
        let fixed = |text: &str| Piece::Fixed(text.to_owned());
        let slot = || Piece::Slot(Slot::Ahead);
        // What stands in a text is not read as a template again.
        assert_eq!(
            pieces,
            [fixed("a {{ahead}} b["), slot(), fixed("]["), slot(), fixed("]")]
        );
    }

    #[test]
    fn an_error_names_the_line_and_the_remedy() {
        let unknown = compiled("\n\n{{titel}}").expect_err("a typo").to_string();
        assert!(unknown.contains("line 3") && unknown.contains("titel") && unknown.contains("title, part"));
        let open = compiled("\n{{title").expect_err("left open").to_string();
        assert!(open.contains("line 2"), "{open}");
        assert!(matches!(
            compiled("{{loop}}"),
            Err(ThemeError::UnknownPlaceholder { .. })
        ));
    }
}
