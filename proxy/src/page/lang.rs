//! The languages of the page: choosing one by `Accept-Language`, and each one's plural rule and digit grouping.

/// A language the page speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lang {
    /// English, also for everyone whose languages are not here.
    #[default]
    En,
    /// Spanish.
    Es,
    /// German.
    De,
    /// French.
    Fr,
    /// Korean.
    Ko,
    /// Japanese.
    Ja,
}

impl Lang {
    /// All of them; the position of each is its discriminant.
    pub const ALL: [Self; 6] = [Self::En, Self::Es, Self::De, Self::Fr, Self::Ko, Self::Ja];

    /// The language tag, as in `<html lang>` and `Content-Language`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Es => "es",
            Self::De => "de",
            Self::Fr => "fr",
            Self::Ko => "ko",
            Self::Ja => "ja",
        }
    }

    fn of_range(range: &str) -> Option<Self> {
        let primary = range.split('-').next().unwrap_or(range);
        Self::ALL
            .into_iter()
            .find(|lang| primary.eq_ignore_ascii_case(lang.tag()))
    }

    /// The CLDR plural category of a whole number, of those the message file has.
    pub(super) fn plural(self, n: u64) -> &'static str {
        let one = match self {
            Self::En | Self::Es | Self::De => n == 1,
            Self::Fr => n < 2,
            Self::Ko | Self::Ja => false,
        };
        if one { "one" } else { "other" }
    }

    /// Appends `n` with the digits grouped as a reader of the language expects.
    pub(super) fn number_into(self, n: u64, out: &mut String) {
        let digits = n.to_string();
        let separator = match self {
            Self::En | Self::Ko | Self::Ja => ",",
            Self::Es if digits.len() < 5 => "",
            Self::Es | Self::De => ".",
            Self::Fr => "\u{202f}",
        };
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                out.push_str(separator);
            }
            out.push(digit);
        }
    }
}

/// Entries of `Accept-Language` looked at; browsers send under ten, and the rest of a longer header is ignored.
const RANGES_MAX: usize = 32;

/// The language a reader with this `Accept-Language` wants most: the highest `q`, the first of equals, English when
/// none is spoken here or the header is absent.
pub fn negotiate(accept_language: Option<&str>) -> Lang {
    let mut best = (0.0, Lang::En);
    for entry in accept_language.unwrap_or_default().split(',').take(RANGES_MAX) {
        let mut parts = entry.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let quality = parts
            .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
            .map_or(1.0, |q| {
                q.trim()
                    .parse::<f32>()
                    .ok()
                    .filter(|q| (0.0..=1.0).contains(q))
                    .unwrap_or(0.0)
            });
        let lang = if range == "*" {
            Some(Lang::En)
        } else {
            Lang::of_range(range)
        };
        if let Some(lang) = lang
            && quality > best.0
        {
            best = (quality, lang);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::{Lang, negotiate};

    #[test]
    fn the_most_wanted_language_wins() {
        let cases = [
            (None, Lang::En),
            (Some(""), Lang::En),
            (Some("ja"), Lang::Ja),
            (Some("de-CH, de;q=0.9, en;q=0.8"), Lang::De),
            (Some("pt-BR,pt;q=0.9,es;q=0.8,en;q=0.7"), Lang::Es),
            (Some("en;q=0.5, fr;q=0.7"), Lang::Fr),
            (Some("KO-kr"), Lang::Ko),
            (Some("fr;q=0, de;q=0.1"), Lang::De),
            (Some("zh, *;q=0.5, ja;q=0.4"), Lang::En),
            (Some("es, de"), Lang::Es),
            (Some("de;q=oops, ja;q=0.2"), Lang::Ja),
            (Some("de;q=7, ja;q=0.2"), Lang::Ja),
            (Some("de;q=nan, ko;q=0.2"), Lang::Ko),
            (Some(",;,;;q=1,"), Lang::En),
            (Some("english"), Lang::En),
            (Some("frisian"), Lang::En),
        ];
        for (header, lang) in cases {
            assert_eq!(negotiate(header), lang, "{header:?}");
        }
    }

    #[test]
    fn digits_are_grouped_as_readers_expect() {
        let grouped = |lang: Lang, n| {
            let mut out = String::new();
            lang.number_into(n, &mut out);
            out
        };
        assert_eq!(grouped(Lang::En, 999), "999");
        assert_eq!(grouped(Lang::En, 1_234_567), "1,234,567");
        assert_eq!(grouped(Lang::De, 41_207), "41.207");
        assert_eq!(grouped(Lang::Es, 1204), "1204");
        assert_eq!(grouped(Lang::Es, 41_207), "41.207");
        assert_eq!(grouped(Lang::Fr, 41_207), "41\u{202f}207");
        assert_eq!(grouped(Lang::Ja, 1000), "1,000");
    }

    #[test]
    fn french_counts_none_as_one() {
        assert_eq!(Lang::Fr.plural(0), "one");
        assert_eq!(Lang::En.plural(0), "other");
        assert_eq!(Lang::De.plural(1), "one");
        assert_eq!(Lang::Ko.plural(1), "other");
    }
}
