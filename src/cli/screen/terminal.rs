//! Size and colours of the terminal, if there is one.

use clap::ValueEnum;
use console::{Style, Term};

use crate::base::program;
use crate::base::text::wrapped;

/// Columns of a table that is laid out for no terminal.
const COLUMNS_DEFAULT: usize = 100;

/// The value of `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    // On a terminal that shows colours, unless NO_COLOR is set. No help of its own: see the test of the help.
    Auto,
    // Also to a file or a pipe.
    Always,
    Never,
}

/// The meaning of a text that may be coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// As it should be, and all other text.
    #[default]
    Plain,
    /// Worth a look.
    Attention,
    /// Wrong.
    Bad,
    /// Of less weight than what stands beside it.
    Faint,
    /// A heading.
    Strong,
}

impl Tone {
    /// The character that says the same without colour; none for a text that is no judgement.
    pub fn mark(self) -> &'static str {
        match self {
            Tone::Plain => "✓",
            Tone::Attention => "!",
            Tone::Bad => "✗",
            Tone::Faint => "○",
            Tone::Strong => "",
        }
    }
}

/// Where one stream of the program goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Columns of the terminal; `None` if the stream is none.
    pub width: Option<usize>,
    /// Lines of the terminal; `None` if the stream is none.
    pub height: Option<usize>,
    /// Whether texts are coloured.
    pub colour: bool,
}

impl Screen {
    /// The screen of stdout.
    pub fn stdout(color: Color) -> Screen {
        Screen::of(&Term::stdout(), color, &|name| {
            std::env::var_os(name).is_some_and(|value| !value.is_empty())
        })
    }

    /// The screen of stderr.
    pub fn stderr(color: Color) -> Screen {
        Screen::of(&Term::stderr(), color, &|name| {
            std::env::var_os(name).is_some_and(|value| !value.is_empty())
        })
    }

    fn of(term: &Term, color: Color, is_set: &dyn Fn(&str) -> bool) -> Screen {
        let size = term.is_term().then(|| term.size());
        // Asking for colours also turns them on in a console of Windows.
        let shows = term.features().colors_supported();
        Screen {
            width: size.map(|(_, columns)| usize::from(columns)),
            height: size.map(|(lines, _)| usize::from(lines)),
            colour: is_coloured(color, shows, is_set("NO_COLOR")),
        }
    }

    /// The same stdout, of which the user may have changed the size.
    pub fn measured_again(&self) -> Screen {
        Screen {
            colour: self.colour,
            ..Screen::stdout(Color::Never)
        }
    }

    /// A screen that is no terminal.
    #[cfg(test)]
    pub fn none() -> Screen {
        Screen {
            width: None,
            height: None,
            colour: false,
        }
    }

    /// A terminal without colours.
    #[cfg(test)]
    pub fn wide(columns: usize) -> Screen {
        Screen {
            width: Some(columns),
            height: Some(40),
            colour: false,
        }
    }

    /// The columns that a table may take.
    pub fn columns(&self) -> usize {
        self.width.unwrap_or(COLUMNS_DEFAULT)
    }

    /// The text in the colour of its tone.
    pub fn paint(&self, text: &str, tone: Tone) -> String {
        let style = Style::new().force_styling(self.colour);
        let style = match tone {
            _ if text.is_empty() => return String::new(),
            Tone::Plain => return text.to_owned(),
            Tone::Attention => style.yellow(),
            Tone::Bad => style.red(),
            Tone::Faint => style.dim(),
            Tone::Strong => style.bold(),
        };
        style.apply_to(text).to_string()
    }

    /// A sentence as lines that fit a terminal, each but the first indented; one line where there is none. Ends with a
    /// line break. Commands in it are those to type, as they take their room.
    pub fn prose(&self, text: &str) -> String {
        let text = &program::named(text);
        match self.width {
            Some(columns) => wrapped(text, columns, "  "),
            None => format!("{text}\n"),
        }
    }
}

fn is_coloured(color: Color, shows: bool, no_color: bool) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => shows && !no_color,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_show_them_unless_they_are_asked_for() {
        assert!(is_coloured(Color::Auto, true, false));
        assert!(!is_coloured(Color::Auto, false, false));
        assert!(!is_coloured(Color::Auto, true, true), "NO_COLOR is set");
        assert!(is_coloured(Color::Always, false, true));
        assert!(!is_coloured(Color::Never, true, false));
    }

    #[test]
    fn a_tone_is_a_colour_only_where_there_are_colours() {
        let plain = Screen::none();
        let coloured = Screen {
            colour: true,
            ..plain
        };
        for (tone, code) in [
            (Tone::Bad, "31"),
            (Tone::Attention, "33"),
            (Tone::Faint, "2"),
            (Tone::Strong, "1"),
        ] {
            assert_eq!(plain.paint("x", tone), "x");
            assert_eq!(coloured.paint("x", tone), format!("\u{1b}[{code}mx\u{1b}[0m"));
        }
        assert_eq!(coloured.paint("x", Tone::Plain), "x");
    }

    #[test]
    fn marks_differ_without_colour() {
        let marks = [Tone::Plain, Tone::Attention, Tone::Bad, Tone::Faint].map(Tone::mark);
        let distinct: std::collections::BTreeSet<_> = marks.iter().collect();
        assert_eq!(distinct.len(), marks.len());
    }

    #[test]
    fn a_sentence_is_folded_on_a_terminal_alone() {
        let text = "One two three four five six seven";
        assert_eq!(Screen::none().prose(text), format!("{text}\n"));
        assert_eq!(
            Screen::wide(16).prose(text),
            "One two three\n  four five six\n  seven\n"
        );
    }
}
