//! Text into HTML, and into a JSON script element.

/// Appends `text` so that it is only text, in an element and in a quoted attribute.
pub(super) fn html_into(text: &str, out: &mut String) {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let safe = match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\'' => "&#39;",
            _ => continue,
        };
        // The five are ASCII, so both cuts are at character boundaries.
        out.push_str(&text[from..at]);
        out.push_str(safe);
        from = at + 1;
    }
    out.push_str(&text[from..]);
}

/// [`html_into`] a string of its own.
pub(super) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    html_into(text, &mut out);
    out
}

/// JSON that cannot end the script element it stands in, nor open a comment there.
pub(super) fn json_in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}
