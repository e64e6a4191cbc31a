//! Collations by name: the order of text, the code page of `char`/`varchar`, and the 5 bytes that TDS sends.
//!
//! Comparison has three levels, as in a dictionary: letters, then accents, then case, each over the whole string.
//! Blanks, punctuation, digits and letters sort in this order. For the characters of code page 1252 it is SQL
//! Server's order. Other characters compare by code point after simple case folding: equality is right and the
//! order is stable, but it is not SQL Server's within other scripts. Trailing blanks never count.

use std::borrow::Cow;
use std::cmp::Ordering;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::collation_names::{self, Rule};

pub(crate) use super::collation_names::Collation;

/// The collation of a database or column that names none.
pub(crate) const DEFAULT: &str = "SQL_Latin1_General_CP1_CI_AS";

impl Collation {
    /// Looks a name up. `None` for one that does not exist. The case of the name does not matter.
    pub(crate) fn find(name: &str) -> Option<Collation> {
        if name == DEFAULT {
            Some(collation_names::DEFAULT_COLLATION)
        } else {
            collation_names::find(name)
        }
    }

    fn of(name: &str) -> Collation {
        Collation::find(name).unwrap_or(collation_names::DEFAULT_COLLATION)
    }

    /// Compares as `ORDER BY` and `=` do.
    pub(crate) fn compare(&self, a: &str, b: &str) -> Ordering {
        match self.rule {
            Rule::Binary { .. } => compare_padded(a.as_bytes(), b.as_bytes()),
            Rule::Dictionary {
                case,
                accent,
                kana,
                width,
            } => {
                if a == b {
                    return Ordering::Equal;
                }
                let (a, b) = (a.trim_end_matches(' '), b.trim_end_matches(' '));
                compare_dictionary(
                    a,
                    b,
                    Levels {
                        case,
                        accent,
                        kana,
                        width,
                    },
                )
            }
        }
    }

    /// The 5 bytes of TYPE_INFO: locale and flags in 4, little endian, then the sort order.
    pub(crate) fn wire_bytes(&self) -> [u8; 5] {
        let flags: u32 = match self.rule {
            Rule::Binary { old: true } => 0x10,
            Rule::Binary { old: false } => 0x20,
            Rule::Dictionary {
                case,
                accent,
                kana,
                width,
            } => u32::from(!case) | u32::from(!accent) << 1 | u32::from(!kana) << 2 | u32::from(!width) << 3,
        };
        let utf8 = u32::from(self.encoding == UTF_8) << 6;
        let info = self.lcid | (flags | utf8) << 20 | u32::from(self.version) << 28;
        let [a, b, c, d] = info.to_le_bytes();
        [a, b, c, d, self.sort_id]
    }

    /// Whether `char` and `varchar` are UTF-8.
    pub(crate) fn is_utf8(&self) -> bool {
        self.encoding == UTF_8
    }

    /// Whether letter case matters to it.
    pub(crate) fn is_case_sensitive(&self) -> bool {
        !matches!(self.rule, Rule::Dictionary { case: false, .. })
    }

    /// The code page that a client's 5 bytes name, or 1252 if they name no known one.
    pub(super) fn encoding_of_wire(bytes: [u8; 5]) -> &'static Encoding {
        let info = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        if info & (0x40 << 20) != 0 {
            return UTF_8;
        }
        collation_names::encoding_of_sort_id(bytes[4])
            .or_else(|| collation_names::encoding_of_lcid(info & 0xF_FFFF))
            .unwrap_or(WINDOWS_1252)
    }
}

/// Compares as `ORDER BY` and `=` do under the collation. An unknown name compares as the default collation.
pub(crate) fn compare(collation: &str, a: &str, b: &str) -> Ordering {
    Collation::of(collation).compare(a, b)
}

/// The 5 bytes of TYPE_INFO and of ENVCHANGE 7. An unknown name gives those of the default collation.
pub(crate) fn wire_bytes(collation: &str) -> [u8; 5] {
    Collation::of(collation).wire_bytes()
}

/// Whether `char`/`varchar` of this collation are UTF-8.
pub(crate) fn is_utf8(collation: &str) -> bool {
    Collation::of(collation).is_utf8()
}

/// Whether SQL Server (and the emulator) has a collation of this name. Letter case does not matter.
pub(crate) fn known(collation: &str) -> bool {
    Collation::find(collation).is_some()
}

/// The code page of a collation by name. Without a name, that of the default one.
pub(super) fn encoding(collation: Option<&str>) -> &'static Encoding {
    collation.map_or(WINDOWS_1252, |name| Collation::of(name).encoding)
}

/// The bytes that `char`/`varchar` of the collation (default: [`DEFAULT`]) hold for `text`. A character that the
/// code page lacks becomes `?`.
pub(crate) fn code_page_encode<'a>(collation: Option<&str>, text: &'a str) -> Cow<'a, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text.as_bytes());
    }
    encode(encoding(collation), text)
}

/// Text of the bytes that a `char`/`varchar` of the collation holds. Bytes that are not text become U+FFFD.
pub(crate) fn code_page_decode<'a>(collation: Option<&str>, bytes: &'a [u8]) -> Cow<'a, str> {
    encoding(collation).decode_without_bom_handling(bytes).0
}

/// As [`code_page_encode`], with the code page in hand.
pub(super) fn encode<'a>(encoding: &'static Encoding, text: &'a str) -> Cow<'a, [u8]> {
    if encoding == UTF_8 {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut encoder = encoding.new_encoder();
    let mut rest = text;
    loop {
        let need = encoder
            .max_buffer_length_from_utf8_without_replacement(rest.len())
            .unwrap_or(rest.len() * 2);
        out.reserve(need + 1);
        let (result, read) = encoder.encode_from_utf8_to_vec_without_replacement(rest, &mut out, true);
        rest = &rest[read..];
        match result {
            encoding_rs::EncoderResult::InputEmpty => return Cow::Owned(out),
            encoding_rs::EncoderResult::OutputFull => {}
            encoding_rs::EncoderResult::Unmappable(_) => out.push(b'?'),
        }
    }
}

/// Text as it comes back from the code page. It is unchanged when every character is in it.
pub(super) fn through_code_page<'a>(encoding: &'static Encoding, text: Cow<'a, str>) -> Cow<'a, str> {
    if encoding == UTF_8 || text.is_ascii() {
        return text;
    }
    let bytes = encode(encoding, &text);
    let (back, _) = encoding.decode_without_bom_handling(&bytes);
    if back == text {
        text
    } else {
        Cow::Owned(back.into_owned())
    }
}

/// UTF-8 keeps code-point order, so bytes are compared. The shorter side is padded with blanks.
fn compare_padded(a: &[u8], b: &[u8]) -> Ordering {
    let common = a.len().min(b.len());
    a[..common].cmp(&b[..common]).then_with(|| {
        let against_blanks = |rest: &[u8]| {
            rest.iter()
                .find(|byte| **byte != b' ')
                .map_or(Ordering::Equal, |byte| byte.cmp(&b' '))
        };
        against_blanks(&a[common..]).then_with(|| against_blanks(&b[common..]).reverse())
    })
}

#[derive(Clone, Copy)]
struct Levels {
    case: bool,
    accent: bool,
    kana: bool,
    width: bool,
}

/// The weights of one character, from the strongest.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Weights {
    primary: u32,
    accent: u32,
    case: u8,
}

fn compare_dictionary(a: &str, b: &str, levels: Levels) -> Ordering {
    let (mut accent, mut case) = (Ordering::Equal, Ordering::Equal);
    let (a_bytes, b_bytes) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    // Most compared text is ASCII: it takes two table look-ups a byte, and no decoding.
    while at < a_bytes.len() && at < b_bytes.len() {
        let (x, y) = (a_bytes[at], b_bytes[at]);
        if x >= 0x80 || y >= 0x80 {
            break;
        }
        if x != y {
            let (wx, wy) = (ASCII_PRIMARY[usize::from(x)], ASCII_PRIMARY[usize::from(y)]);
            if wx != wy {
                return wx.cmp(&wy);
            }
            // Lower case sorts before upper case. ASCII has it the other way round.
            case = case.then(y.cmp(&x));
        }
        at += 1;
    }
    // Both sides have only ASCII before `at`, so it is a boundary in both.
    let mut x = a[at..].chars().map(|c| weights(c, levels));
    let mut y = b[at..].chars().map(|c| weights(c, levels));
    loop {
        match (x.next(), y.next()) {
            (None, None) => break,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => {
                if x.primary != y.primary {
                    return x.primary.cmp(&y.primary);
                }
                accent = accent.then(x.accent.cmp(&y.accent));
                case = case.then(x.case.cmp(&y.case));
            }
        }
    }
    let accent = if levels.accent { accent } else { Ordering::Equal };
    accent.then(if levels.case { case } else { Ordering::Equal })
}

fn weights(original: char, levels: Levels) -> Weights {
    let mut c = original;
    let mut case = 0;
    if !levels.width && ('\u{FF01}'..='\u{FF5E}').contains(&c) {
        c = char::from_u32(c as u32 - 0xFEE0).unwrap_or(c);
    }
    if !levels.kana && ('\u{30A1}'..='\u{30F6}').contains(&c) {
        c = char::from_u32(c as u32 - 0x60).unwrap_or(c);
    }
    let mut lower = c.to_lowercase();
    // Only one-to-one foldings count: a dotted capital I must not become two characters here.
    if let (Some(folded), None) = (lower.next(), lower.next())
        && folded != c
    {
        c = folded;
        case = 1;
    }
    if c.is_ascii() {
        return Weights {
            primary: u32::from(ASCII_PRIMARY[c as usize]),
            accent: 0,
            case,
        };
    }
    match base_letter(c) {
        Some(base) => Weights {
            primary: u32::from(ASCII_PRIMARY[base as usize]),
            accent: c as u32,
            case,
        },
        // After every ASCII character, whose weights stay below 256.
        None => Weights {
            primary: 0x100 + c as u32,
            accent: 0,
            case,
        },
    }
}

/// The letter under the accents, for lower-case letters of Latin-1 and Latin Extended-A.
fn base_letter(c: char) -> Option<char> {
    Some(match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => 'c',
        'ď' => 'd',
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => 'e',
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => 'g',
        'ĥ' => 'h',
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' => 'i',
        'ĵ' => 'j',
        'ķ' => 'k',
        'ĺ' | 'ļ' | 'ľ' => 'l',
        'ñ' | 'ń' | 'ņ' | 'ň' => 'n',
        'ò'..='ö' | 'ō' | 'ŏ' | 'ő' => 'o',
        'ŕ' | 'ŗ' | 'ř' => 'r',
        'ś' | 'ŝ' | 'ş' | 'š' => 's',
        'ţ' | 'ť' => 't',
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => 'u',
        'ŵ' => 'w',
        'ý' | 'ÿ' | 'ŷ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        _ => return None,
    })
}

/// Weight of each ASCII character: control characters, blank and punctuation in code order, then digits, then letters
/// of either case.
static ASCII_PRIMARY: [u8; 128] = ascii_primary();

const fn ascii_primary() -> [u8; 128] {
    let mut table = [0u8; 128];
    let mut at = 0usize;
    while at < 128 {
        let byte = at as u8;
        table[at] = if byte.is_ascii_digit() {
            0x80 + (byte - b'0')
        } else if byte.is_ascii_alphabetic() {
            0x90 + (byte.to_ascii_lowercase() - b'a')
        } else {
            byte
        };
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering::{Equal, Greater, Less};

    #[test]
    fn case_accents_and_trailing_blanks() {
        let ci = DEFAULT;
        assert_eq!(compare(ci, "Hello", "hELLO  "), Equal);
        assert_eq!(compare(ci, "", "   "), Equal);
        assert_eq!(compare(ci, " a", "a"), Less);
        assert_eq!(compare(ci, "e", "é"), Less);
        assert_eq!(compare(ci, "É", "é"), Equal);
        assert_eq!(
            compare(ci, "éa", "eb"),
            Less,
            "accents count only where the letters are the same"
        );
        assert_eq!(compare("Latin1_General_CI_AI", "resume", "Résumé"), Equal);
        assert_eq!(compare("Latin1_General_CS_AS", "a", "A"), Less);
        assert_eq!(compare("Latin1_General_CS_AS", "A", "b"), Less);
        assert_eq!(compare("Latin1_General_CS_AS", "Ab", "aB"), Greater);
        assert_eq!(compare("SQL_Latin1_General_CP1_CS_AS", "x", "x "), Equal);
        assert_eq!(compare(ci, "A_", "AB"), Less, "punctuation sorts before letters");
        assert_eq!(compare(ci, "9", "a"), Less);
        assert_eq!(
            compare(ci, "ＡＢ", "ab"),
            Equal,
            "width does not count without _WS"
        );
        assert_eq!(compare(ci, "Ж", "ж"), Equal);
        assert_eq!(compare(ci, "😀", "😁"), Less);
        assert_eq!(compare(ci, "aé", "a"), Greater);
        assert_eq!(compare(ci, "a", "aé"), Less);
    }

    #[test]
    fn binary_collations_go_by_code_point() {
        let bin2 = "Latin1_General_100_BIN2_UTF8";
        assert_eq!(compare(bin2, "B", "a"), Less);
        assert_eq!(compare(bin2, "a", "a  "), Equal);
        assert_eq!(
            compare(bin2, "a\t", "a"),
            Less,
            "a tab is less than the blank it is compared with"
        );
        assert_eq!(compare(bin2, "a", "a\t"), Greater);
        assert_eq!(compare(bin2, "\u{FFFD}", "😀"), Less);
    }

    #[test]
    fn wire_bytes_of_known_collations() {
        assert_eq!(wire_bytes(DEFAULT), [0x09, 0x04, 0xD0, 0x00, 0x34]);
        assert_eq!(wire_bytes("Latin1_General_CI_AS"), [0x09, 0x04, 0xD0, 0x00, 0x00]);
        assert_eq!(
            wire_bytes("SQL_Latin1_General_CP1_CS_AS"),
            [0x09, 0x04, 0xC0, 0x00, 0x33]
        );
        assert_eq!(wire_bytes("latin1_general_bin2"), [0x09, 0x04, 0x00, 0x02, 0x00]);
        assert_eq!(wire_bytes("Latin1_General_BIN"), [0x09, 0x04, 0x00, 0x01, 0x00]);
        assert_eq!(
            wire_bytes("Latin1_General_100_CI_AS_SC_UTF8"),
            [0x09, 0x04, 0xD0, 0x24, 0x00]
        );
        assert_eq!(wire_bytes("Chinese_PRC_CI_AS"), [0x04, 0x08, 0xD0, 0x00, 0x00]);
    }

    #[test]
    fn code_pages_replace_what_they_lack() {
        assert_eq!(code_page_encode(None, "aé€你b").as_ref(), b"a\xE9\x80?b");
        assert_eq!(
            code_page_encode(Some("Chinese_PRC_CI_AS"), "你").as_ref(),
            [0xC4, 0xE3]
        );
        assert_eq!(code_page_decode(Some("Chinese_PRC_CI_AS"), &[0xC4, 0xE3]), "你");
        assert_eq!(
            code_page_encode(Some("Latin1_General_100_CI_AS_SC_UTF8"), "你").as_ref(),
            "你".as_bytes()
        );
        assert_eq!(code_page_decode(None, b"\xE9\x80"), "é€");
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(
            code_page_encode(None, &code_page_decode(None, &all)).as_ref(),
            &all[..]
        );
    }

    proptest::proptest! {
        #[test]
        fn comparison_is_an_order(a in "[ a-cA-C0é_😀]{0,5}", b in "[ a-cA-C0é_😀]{0,5}", c in "[ a-cA-C0é_😀]{0,5}") {
            for name in [DEFAULT, "Latin1_General_CS_AS", "Latin1_General_CI_AI", "Latin1_General_BIN2"] {
                proptest::prop_assert_eq!(compare(name, &a, &b), compare(name, &b, &a).reverse());
                if compare(name, &a, &b) != Greater && compare(name, &b, &c) != Greater {
                    proptest::prop_assert_ne!(compare(name, &a, &c), Greater);
                }
            }
        }
    }
}
