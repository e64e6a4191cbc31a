//! The names of collations, split into locale, version, sensitivities and code page.
//!
//! Names: <https://learn.microsoft.com/sql/relational-databases/collations/windows-collation-name-transact-sql> and
//! <https://learn.microsoft.com/sql/t-sql/statements/sql-server-collation-name-transact-sql>. Collations of the OEM
//! code pages 437 and 850 are refused, because nothing here can convert them.

use encoding_rs::{
    BIG5, EUC_KR, Encoding, GBK, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252,
    WINDOWS_1253, WINDOWS_1254, WINDOWS_1255, WINDOWS_1256, WINDOWS_1257, WINDOWS_1258,
};

/// The properties that a collation's name gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Collation {
    /// Locale, in the low 20 bits of the wire form.
    pub(super) lcid: u32,
    /// Version: 0 without a number, 1 for `_90_`, 2 for `_100_`, 3 for `_140_` and `_160_`.
    pub(super) version: u8,
    /// Sort order of a `SQL_` collation, 0 of a Windows one.
    pub(super) sort_id: u8,
    /// Its rule of comparison.
    pub(super) rule: Rule,
    /// Code page of `char` and `varchar`.
    pub(super) encoding: &'static Encoding,
}

/// The distinctions of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "the flags of the wire form, one each"
)]
pub(super) enum Rule {
    /// Code points only. `old` is `_BIN` rather than `_BIN2`.
    Binary { old: bool },
    /// By dictionary.
    Dictionary {
        case: bool,
        accent: bool,
        kana: bool,
        width: bool,
    },
}

/// `SQL_Latin1_General_CP1_CI_AS`.
pub(super) const DEFAULT_COLLATION: Collation = Collation {
    lcid: 0x0409,
    version: 0,
    sort_id: 52,
    rule: Rule::Dictionary {
        case: false,
        accent: true,
        kana: false,
        width: false,
    },
    encoding: WINDOWS_1252,
};

/// Splits a name. `None` when there is no such collation.
pub(super) fn find(name: &str) -> Option<Collation> {
    match strip_prefix(name, "SQL_") {
        Some(rest) => find_sql(rest),
        None => find_windows(name),
    }
}

/// The code page of the sort order of a `SQL_` collation that a client names.
pub(super) fn encoding_of_sort_id(sort_id: u8) -> Option<&'static Encoding> {
    if (51..=54).contains(&sort_id) {
        return Some(WINDOWS_1252);
    }
    SQL_PAGES
        .iter()
        .find(|page| (page.2..page.2 + 3).contains(&sort_id))
        .map(|page| page.1)
}

/// The code page of a Windows collation's locale.
pub(super) fn encoding_of_lcid(lcid: u32) -> Option<&'static Encoding> {
    WINDOWS.iter().find(|entry| entry.1 == lcid).map(|entry| entry.2)
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// After `SQL_Latin1_General_`: the code page's name, its encoding, and the first of its sort orders (binary,
/// then case-sensitive, then case-insensitive).
static SQL_PAGES: [(&str, &Encoding, u8, u32); 7] = [
    ("CP1250_", WINDOWS_1250, 80, 0x0409),
    ("CP1251_", WINDOWS_1251, 104, 0x0409),
    ("CP1253_", WINDOWS_1253, 112, 0x0409),
    ("CP1254_", WINDOWS_1254, 128, 0x0409),
    ("CP1255_", WINDOWS_1255, 136, 0x0409),
    ("CP1256_", WINDOWS_1256, 144, 0x0409),
    ("CP1257_", WINDOWS_1257, 152, 0x0409),
];

fn find_sql(rest: &str) -> Option<Collation> {
    let rest = strip_prefix(rest, "Latin1_General_")?;
    let dictionary = |case, accent| Rule::Dictionary {
        case,
        accent,
        kana: false,
        width: false,
    };
    if let Some(tail) = strip_prefix(rest, "Pref_CP1_") {
        let rule = dictionary(false, true);
        return tail.eq_ignore_ascii_case("CI_AS").then_some(Collation {
            sort_id: 53,
            rule,
            ..DEFAULT_COLLATION
        });
    }
    if let Some(tail) = strip_prefix(rest, "CP1_") {
        let (sort_id, rule) = match tail.to_ascii_uppercase().as_str() {
            "CS_AS" => (51, dictionary(true, true)),
            "CI_AS" => (52, dictionary(false, true)),
            "CI_AI" => (54, dictionary(false, false)),
            _ => return None,
        };
        return Some(Collation {
            sort_id,
            rule,
            ..DEFAULT_COLLATION
        });
    }
    let (tail, page) = SQL_PAGES
        .iter()
        .find_map(|page| Some((strip_prefix(rest, page.0)?, page)))?;
    let (step, rule) = match tail.to_ascii_uppercase().as_str() {
        "CS_AS" => (1, dictionary(true, true)),
        "CI_AS" => (2, dictionary(false, true)),
        _ => return None,
    };
    Some(Collation {
        lcid: page.3,
        version: 0,
        sort_id: page.2 + step,
        rule,
        encoding: page.1,
    })
}

fn find_windows(name: &str) -> Option<Collation> {
    let (rest, entry) = WINDOWS
        .iter()
        .filter_map(|entry| Some((strip_prefix(name, entry.0)?.strip_prefix('_')?, entry)))
        // `Hungarian_Technical` before `Hungarian`: the longest name wins.
        .min_by_key(|(rest, _)| rest.len())?;
    let mut parts = rest.split('_').peekable();
    let version = match parts.peek() {
        Some(&"90") => 1,
        Some(&"100") => 2,
        Some(&("140" | "160")) => 3,
        _ => 0,
    };
    if version > 0 {
        parts.next();
    }
    let (rule, utf8) = find_rule(parts)?;
    // UTF-8 came with supplementary characters, which older versions do not have.
    if utf8 && version < 1 {
        return None;
    }
    let encoding = if utf8 { UTF_8 } else { entry.2 };
    Some(Collation {
        lcid: entry.1,
        version,
        sort_id: 0,
        rule,
        encoding,
    })
}

fn find_rule<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<(Rule, bool)> {
    let first = parts.next()?.to_ascii_uppercase();
    let case = match first.as_str() {
        "BIN" => {
            return parts
                .next()
                .is_none()
                .then_some((Rule::Binary { old: true }, false));
        }
        "BIN2" => {
            let utf8 = match parts.next() {
                None => false,
                Some(part) if part.eq_ignore_ascii_case("UTF8") => true,
                Some(_) => return None,
            };
            return parts
                .next()
                .is_none()
                .then_some((Rule::Binary { old: false }, utf8));
        }
        "CI" => false,
        "CS" => true,
        _ => return None,
    };
    let accent = match parts.next()?.to_ascii_uppercase().as_str() {
        "AI" => false,
        "AS" => true,
        _ => return None,
    };
    let (mut kana, mut width, mut utf8) = (false, false, false);
    // They come in this order, each at most once.
    let mut allowed = ["KS", "WS", "VSS", "SC", "UTF8"].iter();
    for part in parts {
        let found = allowed.find(|name| part.eq_ignore_ascii_case(name))?;
        match *found {
            "KS" => kana = true,
            "WS" => width = true,
            "UTF8" => utf8 = true,
            _ => {}
        }
    }
    Some((
        Rule::Dictionary {
            case,
            accent,
            kana,
            width,
        },
        utf8,
    ))
}

/// Designator, locale and code page of the Windows collations.
static WINDOWS: [(&str, u32, &Encoding); 64] = [
    ("Latin1_General", 0x0409, WINDOWS_1252),
    ("Albanian", 0x041C, WINDOWS_1250),
    ("Arabic", 0x0401, WINDOWS_1256),
    ("Azeri_Latin", 0x042C, WINDOWS_1254),
    ("Azeri_Cyrillic", 0x082C, WINDOWS_1251),
    ("Bosnian_Latin", 0x141A, WINDOWS_1250),
    ("Bosnian_Cyrillic", 0x201A, WINDOWS_1251),
    ("Breton", 0x047E, WINDOWS_1252),
    ("Chinese_PRC", 0x0804, GBK),
    ("Chinese_PRC_Stroke", 0x2_0804, GBK),
    ("Chinese_Simplified_Pinyin", 0x0804, GBK),
    ("Chinese_Simplified_Stroke_Order", 0x2_0804, GBK),
    ("Chinese_Hong_Kong_Stroke", 0x0C04, BIG5),
    ("Chinese_Taiwan_Stroke", 0x0404, BIG5),
    ("Chinese_Taiwan_Bopomofo", 0x3_0404, BIG5),
    ("Chinese_Traditional_Stroke_Count", 0x0404, BIG5),
    ("Chinese_Traditional_Stroke_Order", 0x2_0404, BIG5),
    ("Chinese_Traditional_Bopomofo", 0x3_0404, BIG5),
    ("Chinese_Traditional_Pinyin", 0x1404, BIG5),
    ("Corsican", 0x0483, WINDOWS_1252),
    ("Croatian", 0x041A, WINDOWS_1250),
    ("Cyrillic_General", 0x0419, WINDOWS_1251),
    ("Czech", 0x0405, WINDOWS_1250),
    ("Danish_Norwegian", 0x0406, WINDOWS_1252),
    ("Danish_Greenlandic", 0x0406, WINDOWS_1252),
    ("Estonian", 0x0425, WINDOWS_1257),
    ("Finnish_Swedish", 0x040B, WINDOWS_1252),
    ("French", 0x040C, WINDOWS_1252),
    ("Frisian", 0x0462, WINDOWS_1252),
    ("Georgian_Modern_Sort", 0x1_0437, WINDOWS_1252),
    ("German_PhoneBook", 0x1_0407, WINDOWS_1252),
    ("Greek", 0x0408, WINDOWS_1253),
    ("Hebrew", 0x040D, WINDOWS_1255),
    ("Hungarian", 0x040E, WINDOWS_1250),
    ("Hungarian_Technical", 0x1_040E, WINDOWS_1250),
    ("Icelandic", 0x040F, WINDOWS_1252),
    ("Japanese", 0x0411, SHIFT_JIS),
    ("Japanese_Unicode", 0x1_0411, SHIFT_JIS),
    ("Japanese_XJIS", 0x0411, SHIFT_JIS),
    ("Japanese_Bushu_Kakusu", 0x4_0411, SHIFT_JIS),
    ("Kazakh", 0x043F, WINDOWS_1251),
    ("Korean", 0x0412, EUC_KR),
    ("Korean_Wansung", 0x0412, EUC_KR),
    ("Latvian", 0x0426, WINDOWS_1257),
    ("Lithuanian", 0x0427, WINDOWS_1257),
    ("Macedonian_FYROM", 0x042F, WINDOWS_1251),
    ("Modern_Spanish", 0x0C0A, WINDOWS_1252),
    ("Norwegian", 0x0414, WINDOWS_1252),
    ("Persian", 0x0429, WINDOWS_1256),
    ("Polish", 0x0415, WINDOWS_1250),
    ("Romanian", 0x0418, WINDOWS_1250),
    ("Romansh", 0x0417, WINDOWS_1252),
    ("Serbian_Latin", 0x081A, WINDOWS_1250),
    ("Serbian_Cyrillic", 0x0C1A, WINDOWS_1251),
    ("Slovak", 0x041B, WINDOWS_1250),
    ("Slovenian", 0x0424, WINDOWS_1250),
    ("Thai", 0x041E, WINDOWS_874),
    ("Traditional_Spanish", 0x040A, WINDOWS_1252),
    ("Turkish", 0x041F, WINDOWS_1254),
    ("Ukrainian", 0x0422, WINDOWS_1251),
    ("Urdu", 0x0420, WINDOWS_1256),
    ("Uzbek_Latin", 0x0443, WINDOWS_1254),
    ("Vietnamese", 0x042A, WINDOWS_1258),
    ("Welsh", 0x0452, WINDOWS_1252),
];

#[cfg(test)]
mod tests {
    use crate::value::collation::{is_utf8, known};

    #[test]
    fn names_that_exist() {
        for name in [
            "SQL_Latin1_General_CP1_CI_AS",
            "sql_latin1_general_cp1_cs_as",
            "SQL_Latin1_General_CP1251_CI_AS",
            "Latin1_General_CI_AS",
            "Latin1_General_CS_AS_KS_WS",
            "Latin1_General_100_CI_AI_SC_UTF8",
            "Latin1_General_BIN",
            "Latin1_General_100_BIN2_UTF8",
            "Chinese_PRC_CI_AS",
            "Chinese_PRC_Stroke_CI_AS",
            "Chinese_Hong_Kong_Stroke_90_CI_AS",
            "Japanese_XJIS_140_CI_AS_KS_WS_VSS",
            "Hungarian_Technical_CI_AS",
            "Vietnamese_CI_AS",
        ] {
            assert!(known(name), "{name}");
        }
    }

    #[test]
    fn names_that_do_not_exist() {
        for name in [
            "",
            "Latin1_General",
            "Latin1_General_CI",
            "Latin1_General_AS_CI",
            "Latin1_General_CI_AS_WS_KS",
            "Latin1_General_CI_AS_UTF8",
            "Latin1_General_100_BIN_UTF8",
            "SQL_Latin1_General_CP850_CI_AS",
            "SQL_Latin1_General_CP1_CS_AI",
            "utf8_general_ci",
            "Latin1_General_CI_AS; DROP TABLE t",
        ] {
            assert!(!known(name), "{name}");
        }
    }

    #[test]
    fn utf8_is_by_name() {
        assert!(is_utf8("Latin1_General_100_CI_AS_SC_UTF8"));
        assert!(!is_utf8("Latin1_General_100_CI_AS_SC"));
    }
}
