//! A table that fits the screen: numbers at the right, long texts cut with `…` and given whole below.

use super::terminal::{Screen, Tone};
use crate::base::text::{columns_of, cut, thousands};

/// Blanks between two columns.
const GAP: &str = "  ";

/// The fewest columns of a text that may be cut: less says nothing.
const TEXT_COLUMNS_MIN: usize = 12;

/// The fewest columns of a name, if there is no room even with all texts cut.
const NAME_COLUMNS_MIN: usize = 8;

/// The lines that a whole text below the table names, before it counts the others.
const NAMED_MAX: usize = 3;

/// A column's title and kind.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Name,
    Number,
    Text,
}

impl Column {
    /// Names and short words. They are cut only if there is no room otherwise.
    pub fn name(title: &'static str) -> Column {
        Column {
            title,
            kind: Kind::Name,
        }
    }

    /// Numbers: at the right, never cut.
    pub fn number(title: &'static str) -> Column {
        Column {
            title,
            kind: Kind::Number,
        }
    }

    /// Texts of any length, the first to be cut.
    pub fn text(title: &'static str) -> Column {
        Column {
            title,
            kind: Kind::Text,
        }
    }
}

/// A cell: its text and its tone.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// The cell in another tone.
    pub fn tone(self, tone: Tone) -> Cell {
        Cell { tone, ..self }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell {
            text,
            tone: Tone::Plain,
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        text.to_owned().into()
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Cell {
        thousands(number).into()
    }
}

/// Lines of cells under the titles of their columns.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    named_by: usize,
    lines: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without lines.
    pub fn new(columns: impl Into<Vec<Column>>) -> Table {
        Table {
            columns: columns.into(),
            named_by: 1,
            lines: Vec::new(),
        }
    }

    /// The first `count` cells are the name of a line in the whole texts below; without this, the first cell is.
    pub fn named_by(mut self, count: usize) -> Table {
        self.named_by = count;
        self
    }

    /// Adds a line, with a cell for each column.
    pub fn line<const N: usize>(&mut self, cells: [Cell; N]) {
        assert_eq!(N, self.columns.len(), "a line has a cell for each column");
        self.lines.push(cells.into());
    }

    /// Whether the table has no lines.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The table for people, as wide as the screen at most, and below it the texts that had to be cut.
    pub fn text(&self, screen: &Screen) -> String {
        let widths = self.fitted(screen.columns());
        let rules = widths
            .iter()
            .map(|width| Cell::from("─".repeat(*width)).tone(Tone::Faint));
        let mut text = self.drawn(&self.titles(), &widths, screen);
        text.push_str(&self.drawn(&rules.collect::<Vec<_>>(), &widths, screen));
        for line in &self.lines {
            text.push_str(&self.drawn(line, &widths, screen));
        }
        let whole = self.whole(&widths);
        if !whole.is_empty() {
            text.push('\n');
        }
        for sentence in whole {
            text.push_str(&screen.prose(&sentence));
        }
        text
    }

    /// The table for a terminal, and as Markdown where there is none.
    pub fn shown(&self, screen: &Screen) -> String {
        match screen.width {
            Some(_) => self.text(screen),
            None => self.markdown(),
        }
    }

    /// The table as Markdown, with all texts whole and strong ones between stars.
    pub fn markdown(&self) -> String {
        let starred = self.starred();
        let widths = starred.natural();
        let mut text = String::new();
        let plain = Screen {
            width: None,
            height: None,
            colour: false,
        };
        let mut push = |cells: Vec<String>| text.push_str(&format!("| {} |\n", cells.join(" | ")));
        push(self.cells(&self.titles(), &widths, &plain));
        let rules = self.columns.iter().zip(&widths);
        push(
            rules
                .map(|(column, width)| match column.kind {
                    Kind::Number => format!("{}:", "-".repeat(width.saturating_sub(1))),
                    Kind::Name | Kind::Text => "-".repeat(*width),
                })
                .collect(),
        );
        for line in &starred.lines {
            push(self.cells(line, &widths, &plain));
        }
        text
    }

    /// The table with stars around its strong texts.
    fn starred(&self) -> Table {
        let mut table = self.clone();
        for cell in table.lines.iter_mut().flatten() {
            if cell.tone == Tone::Strong && !cell.text.is_empty() {
                cell.text = format!("**{}**", cell.text);
            }
        }
        table
    }

    fn titles(&self) -> Vec<Cell> {
        let titles = self.columns.iter().map(|column| Cell::from(column.title));
        titles.map(|title| title.tone(Tone::Strong)).collect()
    }

    /// The width of each column that no text is cut for.
    fn natural(&self) -> Vec<usize> {
        let widths = self.columns.iter().enumerate().map(|(at, column)| {
            let cells = self.lines.iter().map(|line| columns_of(&line[at].text));
            cells.max().unwrap_or(0).max(columns_of(column.title))
        });
        widths.collect()
    }

    /// The widths at which the table fits, if it can: the widest text gives way first, names last, numbers never.
    fn fitted(&self, columns: usize) -> Vec<usize> {
        let mut widths = self.natural();
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        for (kind, min) in [(Kind::Text, TEXT_COLUMNS_MIN), (Kind::Name, NAME_COLUMNS_MIN)] {
            while widths.iter().sum::<usize>() + gaps > columns {
                let wider = |at: &usize| {
                    let column = self.columns[*at];
                    column.kind == kind && widths[*at] > min.max(columns_of(column.title))
                };
                match (0..widths.len()).filter(wider).max_by_key(|at| widths[*at]) {
                    Some(widest) => widths[widest] -= 1,
                    None => break,
                }
            }
        }
        widths
    }

    /// A line of the table.
    fn drawn(&self, line: &[Cell], widths: &[usize], screen: &Screen) -> String {
        let cells = self.cells(line, widths, screen);
        format!("{}\n", cells.join(GAP).trim_end())
    }

    /// The cells of a line, cut and padded to their widths. Blanks have no colour.
    fn cells(&self, line: &[Cell], widths: &[usize], screen: &Screen) -> Vec<String> {
        let cells = line.iter().zip(&self.columns).zip(widths);
        cells
            .map(|((cell, column), width)| {
                let text = cut(&cell.text, *width);
                let blanks = " ".repeat(width - columns_of(&text));
                let text = screen.paint(&text, cell.tone);
                match column.kind {
                    Kind::Number => blanks + &text,
                    Kind::Name | Kind::Text => text + &blanks,
                }
            })
            .collect()
    }

    /// The texts that are cut at these widths, each once, after the names of its lines.
    fn whole(&self, widths: &[usize]) -> Vec<String> {
        let mut texts: Vec<(&str, Vec<String>)> = Vec::new();
        for line in &self.lines {
            let name: Vec<&str> = line
                .iter()
                .take(self.named_by)
                .map(|cell| cell.text.as_str())
                .collect();
            let name = name.join(" ");
            for (at, (cell, width)) in line.iter().zip(widths).enumerate() {
                if columns_of(&cell.text) <= *width {
                    continue;
                }
                // A name that is cut has no other name.
                let text = if at < self.named_by {
                    ""
                } else {
                    cell.text.as_str()
                };
                match texts
                    .iter_mut()
                    .find(|(known, _)| !text.is_empty() && *known == text)
                {
                    Some((_, names)) => names.push(name.clone()),
                    None => texts.push((text, vec![name.clone()])),
                }
            }
        }
        texts
            .into_iter()
            .map(|(text, names)| sentence(text, &names))
            .collect()
    }
}

fn sentence(text: &str, names: &[String]) -> String {
    let told = names[..names.len().min(NAMED_MAX)].join(", ");
    let more = match names.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {} more", thousands(more as u64)),
    };
    match text {
        "" => told,
        text => format!("{told}{more}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "The source has no table [COM].[VOID_LINE] that this login may see; check its name and schema, \
                        or grant SELECT on it";

    fn table() -> Table {
        let mut table = Table::new([
            Column::name("Table"),
            Column::name("Window"),
            Column::number("Rows"),
            Column::text("Error"),
        ])
        .named_by(2);
        table.line(["SALES".into(), "2025-10".into(), 1_234_567_u64.into(), "".into()]);
        table.line([
            "VOID_LINE".into(),
            "2025-10".into(),
            12_u64.into(),
            Cell::from(LONG).tone(Tone::Bad),
        ]);
        table.line([
            "VOID_LINE".into(),
            "2025-11".into(),
            0_u64.into(),
            Cell::from(LONG).tone(Tone::Bad),
        ]);
        table
    }

    #[test]
    fn a_long_text_is_cut_and_given_whole_below_it() {
        insta::assert_snapshot!(table().text(&Screen::wide(60)), @r"
        Table      Window        Rows  Error
        ─────────  ───────  ─────────  ─────────────────────────────
        SALES      2025-10  1,234,567
        VOID_LINE  2025-10         12  The source has no table [COM…
        VOID_LINE  2025-11          0  The source has no table [COM…

        VOID_LINE 2025-10, VOID_LINE 2025-11: The source has no
          table [COM].[VOID_LINE] that this login may see; check its
          name and schema, or grant SELECT on it
        ");
        insta::assert_snapshot!(table().text(&Screen::wide(80)), @r"
        Table      Window        Rows  Error
        ─────────  ───────  ─────────  ─────────────────────────────────────────────────
        SALES      2025-10  1,234,567
        VOID_LINE  2025-10         12  The source has no table [COM].[VOID_LINE] that t…
        VOID_LINE  2025-11          0  The source has no table [COM].[VOID_LINE] that t…

        VOID_LINE 2025-10, VOID_LINE 2025-11: The source has no table [COM].[VOID_LINE]
          that this login may see; check its name and schema, or grant SELECT on it
        ");
    }

    #[test]
    fn a_table_that_fits_is_as_wide_as_it_is() {
        insta::assert_snapshot!(table().text(&Screen::wide(160)), @r"
        Table      Window        Rows  Error
        ─────────  ───────  ─────────  ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
        SALES      2025-10  1,234,567
        VOID_LINE  2025-10         12  The source has no table [COM].[VOID_LINE] that this login may see; check its name and schema, or grant SELECT on it
        VOID_LINE  2025-11          0  The source has no table [COM].[VOID_LINE] that this login may see; check its name and schema, or grant SELECT on it
        ");
    }

    #[test]
    fn a_file_gets_a_table_for_a_hundred_columns_and_whole_sentences() {
        let text = table().text(&Screen::none());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[..5].iter().all(|line| columns_of(line) <= 100), "{text}");
        assert_eq!(
            lines.last().unwrap(),
            &format!("VOID_LINE 2025-10, VOID_LINE 2025-11: {LONG}")
        );
    }

    #[test]
    fn no_line_is_wider_than_the_screen() {
        for columns in [60, 80, 100, 160] {
            let text = table().text(&Screen::wide(columns));
            assert!(
                text.lines().all(|line| columns_of(line) <= columns),
                "{columns}: {text}"
            );
        }
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let mut table = Table::new([Column::name("Table"), Column::number("Rows")]);
        table.line(["売上明細表の長い名前".into(), 7_u64.into()]);
        table.line(["A".into(), 10_u64.into()]);
        insta::assert_snapshot!(table.text(&Screen::wide(20)), @r"
        Table           Rows
        ──────────────  ────
        売上明細表の…      7
        A                 10

        売上明細表の長い名前
        ");
    }

    #[test]
    fn markdown_cuts_nothing() {
        let mut table = Table::new([
            Column::name("Table"),
            Column::number("Rows"),
            Column::text("Status"),
        ]);
        table.line(["SALES".into(), 1000_u64.into(), Cell::from("✗").tone(Tone::Bad)]);
        table.line(["A".into(), 5_u64.into(), LONG.into()]);
        table.line([
            Cell::from("TOTAL").tone(Tone::Strong),
            Cell::from(1005_u64).tone(Tone::Strong),
            "".into(),
        ]);
        assert!(table.markdown().contains(LONG));
        assert!(table.markdown().contains("| **TOTAL** | **1,005** |  "));
        assert!(!table.text(&Screen::wide(80)).contains('*'));
        assert_eq!(table.shown(&Screen::none()), table.markdown());
        assert_eq!(table.shown(&Screen::wide(80)), table.text(&Screen::wide(80)));
        insta::assert_snapshot!(table.markdown().lines().take(3).collect::<Vec<_>>().join("\n"), @r"
        | Table     |      Rows | Status                                                                                                              |
        | --------- | --------: | ------------------------------------------------------------------------------------------------------------------- |
        | SALES     |     1,000 | ✗                                                                                                                   |
        ");
    }

    #[test]
    fn colour_changes_no_width() {
        let plain = table().text(&Screen::wide(80));
        let coloured = table().text(&Screen {
            colour: true,
            ..Screen::wide(80)
        });
        assert_ne!(plain, coloured);
        let codes = ["0", "1", "2", "31"].map(|code| format!("\u{1b}[{code}m"));
        let stripped = codes.iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(plain, stripped);
    }

    #[test]
    fn names_of_a_text_of_many_lines_are_counted() {
        let names: Vec<String> = (1..=9).map(|n| n.to_string()).collect();
        assert_eq!(sentence("it fails", &names), "1, 2, 3 and 6 more: it fails");
    }
}
