//! Texts of others as HTML, for the page and for the report: nothing in them hides or turns around what stands beside it.

use maud::{Markup, html};

use crate::base::program;
use crate::base::text::harmless_text;

/// A name or a text of others as people see it. An address and the value of a field have the exact one.
pub(crate) fn shown(text: &str) -> String {
    harmless_text(text)
}

/// A text with its commands, which stand between backticks, as code.
pub(crate) fn prose(text: &str) -> Markup {
    let text = program::named(text);
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 0 { (shown(part)) } @else { code { (shown(part)) } }
        }
    }
}
