//! The code page of a collation, by its name: the characters that `char` and `varchar` hold.
//!
//! The list has the collations of most servers. Of another one nothing is claimed.

/// The code page of collations with `UTF8` in their names.
const UTF8: u16 = 65001;

/// The code pages in which a character may have two bytes.
const DOUBLE_BYTE: [u16; 4] = [932, 936, 949, 950];

/// The beginnings of Windows collations' names, in small letters, and their code pages.
const WINDOWS: &[(&str, u16)] = &[
    ("latin1_general", 1252),
    ("french", 1252),
    ("german_phonebook", 1252),
    ("modern_spanish", 1252),
    ("traditional_spanish", 1252),
    ("finnish_swedish", 1252),
    ("danish_norwegian", 1252),
    ("icelandic", 1252),
    ("albanian", 1250),
    ("croatian", 1250),
    ("czech", 1250),
    ("hungarian", 1250),
    ("polish", 1250),
    ("romanian", 1250),
    ("slovak", 1250),
    ("slovenian", 1250),
    ("cyrillic_general", 1251),
    ("ukrainian", 1251),
    ("greek", 1253),
    ("turkish", 1254),
    ("hebrew", 1255),
    ("arabic", 1256),
    ("estonian", 1257),
    ("latvian", 1257),
    ("lithuanian", 1257),
    ("vietnamese", 1258),
    ("thai", 874),
    ("japanese", 932),
    ("chinese_prc", 936),
    ("chinese_simplified", 936),
    ("korean", 949),
    ("chinese_taiwan", 950),
    ("chinese_traditional", 950),
    ("chinese_hong_kong", 950),
];

/// The code page of a collation; `None` if it is not known.
fn code_page(collation: &str) -> Option<u16> {
    let name = collation.to_ascii_lowercase();
    if name.split('_').any(|part| part == "utf8") {
        return Some(UTF8);
    }
    if name.starts_with("sql_") {
        // `SQL_Latin1_General_CP1_CI_AS` is of code page 1252, `…_CP1251_…` of its own number.
        let mut numbers = name
            .split('_')
            .filter_map(|part| part.strip_prefix("cp")?.parse().ok());
        return numbers
            .next()
            .map(|number| if number == 1 { 1252 } else { number });
    }
    let mut known = WINDOWS
        .iter()
        .filter(|(beginning, _)| name.starts_with(beginning));
    known.next().map(|(_, page)| *page)
}

/// Whether two collations have one code page, as far as that is known.
pub fn same_page(one: Option<&str>, other: Option<&str>) -> bool {
    match (one.and_then(code_page), other.and_then(code_page)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// Whether a collation is one of UTF-8.
pub fn is_utf8(collation: Option<&str>) -> bool {
    collation.and_then(code_page) == Some(UTF8)
}

/// Whether characters of a collation's code page may have two bytes.
pub fn is_double_byte(collation: Option<&str>) -> bool {
    collation
        .and_then(code_page)
        .is_some_and(|page| DOUBLE_BYTE.contains(&page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_pages_of_collations() {
        for (name, page) in [
            ("SQL_Latin1_General_CP1_CI_AS", Some(1252)),
            ("SQL_Latin1_General_CP1251_CS_AS", Some(1251)),
            ("Latin1_General_100_BIN2", Some(1252)),
            ("Latin1_General_100_CI_AS_SC_UTF8", Some(UTF8)),
            ("Cyrillic_General_CI_AS", Some(1251)),
            ("Japanese_XJIS_140_CI_AS", Some(932)),
            ("Bashkir_100_CI_AS", None),
        ] {
            assert_eq!(code_page(name), page, "{name}");
        }
        let (western, russian) = (Some("Latin1_General_CI_AS"), Some("Cyrillic_General_CI_AS"));
        assert!(same_page(western, Some("SQL_Latin1_General_CP1_CI_AS")));
        assert!(!same_page(western, russian));
        assert!(same_page(russian, Some("Bashkir_100_CI_AS")) && same_page(None, russian));
        assert!(is_double_byte(Some("Korean_Wansung_CI_AS")) && !is_double_byte(western));
        assert!(is_utf8(Some("Latin1_General_100_CI_AS_SC_UTF8")) && !is_utf8(None));
    }
}
