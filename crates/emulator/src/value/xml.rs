//! Text as the xml type keeps it.
//!
//! CAST, CONVERT without a style and implicit conversion drop insignificant white space; CONVERT with style 1 keeps it
//! ("CAST and CONVERT (Transact-SQL)", xml styles). Insignificant is a text of white space alone, unless `xml:space` says
//! otherwise.

use std::borrow::Cow;

/// What keeps white space in an element, as its start tag says.
const PRESERVE: [&str; 2] = ["xml:space=\"preserve\"", "xml:space='preserve'"];
const DEFAULT: [&str; 2] = ["xml:space=\"default\"", "xml:space='default'"];

/// A text as xml, converted with this style.
pub(super) fn parsed(text: Cow<'_, str>, style: i32) -> Cow<'_, str> {
    match style {
        1 | 3 => text,
        _ => Cow::Owned(without_insignificant_space(&text)),
    }
}

fn without_insignificant_space(xml: &str) -> String {
    let mut kept = String::with_capacity(xml.len());
    let mut rest = xml;
    // Whether each open element keeps white space.
    let mut keeps: Vec<bool> = Vec::new();
    while !rest.is_empty() {
        let (text, after) = rest.split_at(text_length(rest));
        let blank = text
            .bytes()
            .all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        if !blank || keeps.last() == Some(&true) {
            kept.push_str(text);
        }
        let (markup, after) = after.split_at(markup_length(after));
        kept.push_str(markup);
        rest = after;
        if markup.starts_with("</") {
            keeps.pop();
        } else if !markup.starts_with("<!") && !markup.starts_with("<?") && !markup.ends_with("/>") {
            let says = |words: [&str; 2]| words.iter().any(|words| markup.contains(words));
            let outer = keeps.last() == Some(&true);
            keeps.push(says(PRESERVE) || (outer && !says(DEFAULT)));
        }
    }
    kept
}

/// The length of the text up to the next markup. A CDATA section is text.
fn text_length(rest: &str) -> usize {
    let mut at = 0;
    while let Some(found) = rest[at..].find('<') {
        at += found;
        if !rest[at..].starts_with("<![CDATA[") {
            return at;
        }
        at = rest[at..].find("]]>").map_or(rest.len(), |end| at + end + 3);
    }
    rest.len()
}

/// The length of the comment, the instruction or the tag that a text begins with.
fn markup_length(rest: &str) -> usize {
    let end = |mark: &str| rest.find(mark).map_or(rest.len(), |at| at + mark.len());
    if rest.starts_with("<!--") {
        return end("-->");
    }
    if rest.starts_with("<?") {
        return end("?>");
    }
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_between_tags_is_dropped_unless_the_style_keeps_it() {
        for (given, stored) in [
            (" <a> <b/>\n</a> ", "<a><b/></a>"),
            ("<a> x <b> </b></a>", "<a> x <b></b></a>"),
            (
                "<a xml:space=\"preserve\"> <b> </b><c xml:space='default'> </c></a>",
                "<a xml:space=\"preserve\"> <b> </b><c xml:space='default'></c></a>",
            ),
            ("<a> <!-- > --> <?p > ?> </a>", "<a><!-- > --><?p > ?></a>"),
            (
                "<a b=\"> \"> <![CDATA[ <x> ]]> </a>",
                "<a b=\"> \"> <![CDATA[ <x> ]]> </a>",
            ),
            ("<a>&#x20;</a>", "<a>&#x20;</a>"),
            ("", ""),
        ] {
            for (style, expected) in [(0, stored), (2, stored), (1, given), (3, given)] {
                assert_eq!(parsed(given.into(), style), expected, "{given} by style {style}");
            }
        }
    }
}
