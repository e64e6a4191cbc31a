//! Numbers, durations, tables and texts of others for people.

use std::time::Duration;

use chrono::{DateTime, Utc};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `2 rows`.
pub fn rows(count: u64) -> String {
    counted(count, "row")
}

/// `1 window`, `2 windows`: the number, and the noun in its form.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(count), if count == 1 { "" } else { "s" })
}

/// `0.4 s`, `12 s`, `3 min 20 s`, `2 h 05 min`, `3 d 04 h`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// The longest beginning of an error's text that stands for it. With a place before it, it fits on a line of a terminal.
const GIST_CHARS_MAX: usize = 60;

/// The beginning of an error's text, as far as it says what happened, without advice and causes.
pub fn gist(text: &str) -> String {
    // Of a server's error: who answered, and its number.
    if let Some((place, rest)) = text.split_once(" answered error ") {
        let who = place.split(" at ").next().unwrap_or(place);
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        return format!("{who} answered error {number}");
    }
    let end = text.find([';', ',']).unwrap_or(text.len());
    let end = text.find(" (").map_or(end, |at| at.min(end));
    let end = text.find(": ").map_or(end, |colon| colon.min(end));
    let gist = text[..end].trim_end();
    match gist.char_indices().nth(GIST_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &gist[..at]),
        None => gist.to_owned(),
    }
}

/// The time that a line of a file begins with, in UTC as everywhere: `2026-11-29 03:12:44Z `.
pub fn stamp(now: DateTime<Utc>) -> String {
    now.format("%Y-%m-%d %H:%M:%SZ ").to_string()
}

/// The longest text of another that is shown: SQL Server's longest message.
const SHOWN_CHARS_MAX: usize = 2_048;

/// A text of a server as people see it, and as it is kept for them: one line of bounded length, in which no character
/// controls a terminal or hides, moves or turns around what stands beside it.
pub fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).map(harmless).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// The same of a text that is short, or made of names.
pub fn harmless_text(text: &str) -> String {
    text.chars().map(harmless).collect()
}

fn harmless(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        // Format characters: soft hyphens, marks and overrides of direction, joiners, byte order marks, annotations, tags.
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// The known name that was probably meant by one that is not known: one that differs by a few letters, or the only one
/// that has all of it.
pub fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    // As many slips as a reader forgives: one in a short name, a third of a long one.
    let slips_max = (name.chars().count() / 3).clamp(1, 4);
    let slips = |of: &&str| strsim::damerau_levenshtein(&name, &of.to_lowercase());
    let nearest = known.iter().copied().min_by_key(slips);
    if let Some(nearest) = nearest.filter(|nearest| slips(nearest) <= slips_max) {
        return Some(nearest);
    }
    let mut having = known
        .iter()
        .copied()
        .filter(|of| of.to_lowercase().contains(&name));
    match (having.next(), having.next()) {
        (Some(only), None) if !name.is_empty() => Some(only),
        _ => None,
    }
}

/// The columns of a terminal that a text takes.
pub fn columns_of(text: &str) -> usize {
    text.width()
}

/// The text in so many columns of a terminal at most; one that is longer ends with `…`.
pub fn cut(text: &str, columns: usize) -> String {
    if columns_of(text) <= columns {
        return text.to_owned();
    }
    let mut room = columns.saturating_sub(1);
    let fitting = text.chars().take_while(|c| {
        let width = c.width().unwrap_or(0);
        let fits = width <= room;
        room = room.saturating_sub(width);
        fits
    });
    let mut cut = fitting.collect::<String>().trim_end().to_owned();
    if columns > 0 {
        cut.push('…');
    }
    cut
}

/// The text as lines of so many columns at most, folded at blanks; each line but the first begins with `indent`. A word
/// that is longer than a line stays whole, so that it can be copied. Each line ends with a line break.
pub fn wrapped(text: &str, columns: usize, indent: &str) -> String {
    if columns_of(text) <= columns {
        return format!("{text}\n");
    }
    let mut lines = String::new();
    let mut line = text[..text.len() - text.trim_start().len()].to_owned();
    for (at, word) in text.split_whitespace().enumerate() {
        if at > 0 && columns_of(&line) + 1 + columns_of(word) > columns {
            lines.push_str(&line);
            lines.push('\n');
            line = indent.to_owned();
        } else if at > 0 {
            line.push(' ');
        }
        line.push_str(word);
    }
    format!("{lines}{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        let texts = [0, 999, 1000, 392_704, 4_830_253].map(thousands);
        assert_eq!(texts, ["0", "999", "1,000", "392,704", "4,830,253"]);
        assert_eq!(
            (rows(1), rows(2000)),
            ("1 row".to_owned(), "2,000 rows".to_owned())
        );
    }

    #[test]
    fn a_text_of_another_controls_nothing() {
        assert_eq!(shown("Größe 表 … 'x' \u{1f600}"), "Größe 表 … 'x' \u{1f600}");
        for c in ('\0'..' ').chain('\u{7f}'..='\u{9f}').chain(
            "\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\
             \u{2060}\u{2066}\u{2067}\u{2068}\u{2069}\u{feff}\u{ad}\u{61c}\u{e0041}"
                .chars(),
        ) {
            let text = shown(&format!("a{c}b"));
            assert!(["a b", "a\u{fffd}b"].contains(&text.as_str()), "{c:?} became {text:?}");
        }
        let long = shown(&"x".repeat(1_000_000));
        assert_eq!(long.chars().count(), SHOWN_CHARS_MAX + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn an_error_has_a_gist() {
        for (text, short) in [
            (
                "Nobody listens at h:1 for the source; start SQL Server: Connection refused (os error 111)",
                "Nobody listens at h:1 for the source",
            ),
            ("Deadlock: 1205", "Deadlock"),
            (
                "The target at 127.0.0.1:24817, database W answered error 2601, state 1: Cannot insert",
                "The target answered error 2601",
            ),
            (
                "The column D is datetime2(3), which",
                "The column D is datetime2(3)",
            ),
            ("x", "x"),
        ] {
            assert_eq!(gist(text), short);
        }
        assert_eq!(gist(&"x".repeat(99)).chars().count(), GIST_CHARS_MAX + 1);
    }

    #[test]
    fn the_closest_name_is_the_one_that_was_meant() {
        let tables = [
            "APP_4_SALES",
            "APP_4_SALESITEM",
            "APP_4_PAYMENT",
            "LOCATION_DETAIL",
        ];
        for (name, meant) in [
            ("APP_4_SALE", Some("APP_4_SALES")),
            ("app_4_slaes", Some("APP_4_SALES")),
            ("APP4SALESITEM", Some("APP_4_SALESITEM")),
            ("payment", Some("APP_4_PAYMENT")),
            ("SALES", None),
            ("CUSTOMER", None),
            ("", None),
        ] {
            assert_eq!(closest(name, &tables), meant, "{name}");
        }
        assert_eq!(closest("usr", &["server", "user", "port"]), Some("user"));
        assert_eq!(closest("x", &[]), None);
    }

    #[test]
    fn a_text_is_cut_by_the_columns_it_takes() {
        assert_eq!(cut("2025-10", 7), "2025-10");
        assert_eq!(cut("2025-10-01", 7), "2025-1…");
        assert_eq!(cut("売上明細", 5), "売上…");
        assert_eq!(cut("売上明細", 6), "売上…");
        assert_eq!(cut("a bcd", 3), "a…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!((columns_of("売上"), columns_of("✓!✗○…")), (4, 5));
    }

    #[test]
    fn a_text_is_folded_at_blanks_and_words_stay_whole() {
        assert_eq!(wrapped("one two", 7, "  "), "one two\n");
        assert_eq!(wrapped("one two three", 7, "  "), "one two\n  three\n");
        assert_eq!(wrapped("  one two", 7, "    "), "  one\n    two\n");
        assert_eq!(
            wrapped("a https://example.com b", 7, " "),
            "a\n https://example.com\n b\n"
        );
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let texts = [0, 9, 59, 61, 3600, 90_061].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(
            texts,
            ["0.0 s", "9.0 s", "59 s", "1 min 01 s", "1 h 00 min", "1 d 01 h"]
        );
    }
}
