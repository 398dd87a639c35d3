//! Whether a caller would rather have a page or JSON, from its `Accept` header (RFC 9110, 12.5.1). Pure.

/// A page, only where HTML is wanted more than JSON: browsers name it, programs say `*/*` or nothing.
pub(super) fn prefers_page(accept: Option<&str>) -> bool {
    let Some(accept) = accept else { return false };
    weight(accept, "text", "html") > weight(accept, "application", "json")
}

/// The weight of a media type in thousandths: that of the most specific range which covers it.
fn weight(accept: &str, kind: &str, subtype: &str) -> u16 {
    let mut found = (0, 0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let Some((range_kind, range_subtype)) = parts.next().and_then(|media| media.split_once('/')) else {
            continue;
        };
        let covers = |range: &str, own: &str| range == "*" || range.eq_ignore_ascii_case(own);
        if !covers(range_kind, kind) || !covers(range_subtype, subtype) {
            continue;
        }
        let specific = 1 + u8::from(range_kind != "*") + u8::from(range_subtype != "*");
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = weight.map_or(1000, |text| text.trim().parse::<f32>().map_or(0, thousandths));
        found = found.max((specific, weight));
    }
    found.1
}

fn thousandths(weight: f32) -> u16 {
    // In range after clamping, and NaN becomes 0.
    (weight.clamp(0.0, 1.0) * 1000.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_a_page_and_programs_json() {
        for (accept, page) in [
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
                true,
            ),
            ("text/html", true),
            ("TEXT/HTML;q=0.5, application/json;q=0.4", true),
            ("text/*, application/json;q=0.9", true),
            ("*/*", false),
            ("", false),
            ("application/json", false),
            ("application/json, text/html", false),
            ("text/html;q=0.1, */*", false),
            ("text/html;q=0, */*;q=0", false),
            ("text/html;q=NaN", false),
            ("text/html;q=-1", false),
            (";;,,=/", false),
        ] {
            assert_eq!(prefers_page(Some(accept)), page, "{accept}");
        }
        assert!(!prefers_page(None));
    }
}
