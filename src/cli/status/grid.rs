//! The status as a grid: a line a table, a character a month. Where the months do not fit, the oldest years are folded
//! into a character each, the worst of the year; where the years do not fit, the oldest of them are one.

use std::collections::BTreeSet;

use crate::base::text::{columns_of, cut, thousands};
use crate::cli::screen::{Screen, Tone};
use crate::status::{Condition, Line, Status, worst};

/// Columns of a year that shows its months, and of a folded one, each with a blank behind it.
const YEAR_COLUMNS: usize = 13;
const FOLDED_COLUMNS: usize = 3;

/// The initials of the months.
const MONTHS: &str = "JFMAMJJASOND";

/// The head of the column for rows without a date.
const UNDATED: &str = "undated";

/// The most columns of a table's name, and the part of the screen that it may take: the rest shows some years.
const NAME_COLUMNS_MAX: usize = 32;
const NAME_DIVISOR: usize = 3;

/// The worst condition of a table's months of some years.
fn worst_of(line: &Line<'_>, years: impl Fn(i32) -> bool) -> Option<Condition> {
    let months = line.months.iter().filter(|((year, _), _)| years(*year));
    Condition::worst(months.filter_map(|(_, parts)| worst(parts)))
}

/// A column of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All years before this one.
    Before(i32),
    /// A year, folded.
    Folded(i32),
    /// A year with its months.
    Months(i32),
}

impl Part {
    fn columns(self) -> usize {
        match self {
            Part::Before(_) => FOLDED_COLUMNS + 1,
            Part::Folded(_) => FOLDED_COLUMNS,
            Part::Months(_) => YEAR_COLUMNS,
        }
    }

    /// Its head: the year.
    fn head(self) -> String {
        match self {
            Part::Before(year) => format!("<{:02}", year.rem_euclid(100)),
            Part::Folded(year) => format!("{:02}", year.rem_euclid(100)),
            Part::Months(year) => year.to_string(),
        }
    }

    /// Its cells of a line.
    fn cells(self, line: &Line<'_>) -> Vec<Option<Condition>> {
        match self {
            Part::Before(end) => vec![worst_of(line, |year| year < end)],
            Part::Folded(of) => vec![worst_of(line, |year| year == of)],
            Part::Months(year) => (1..=12)
                .map(|month| line.months.get(&(year, month)).and_then(|parts| worst(parts)))
                .collect(),
        }
    }
}

/// The years as columns that fit: the latest with their months.
fn parts(years: &[i32], columns: usize) -> Vec<Part> {
    let total = |parts: &[Part]| parts.iter().map(|part| part.columns()).sum::<usize>();
    let mut parts: Vec<Part> = years.iter().map(|year| Part::Months(*year)).collect();
    for at in 0..parts.len() {
        // The last blank may be missing.
        if total(&parts) <= columns + 1 {
            break;
        }
        parts[at] = Part::Folded(years[at]);
    }
    while total(&parts) > columns + 1 && parts.len() > 2 {
        let behind = match parts[1] {
            Part::Before(year) | Part::Folded(year) | Part::Months(year) => year + 1,
        };
        parts.splice(..2, [Part::Before(behind)]);
    }
    parts
}

/// The grid of all tables, its legend, and the names that had to be cut.
pub(super) fn grid(status: &Status, screen: &Screen) -> String {
    if status.tables.is_empty() {
        return String::new();
    }
    let lines: Vec<Line<'_>> = status
        .tables
        .iter()
        .map(|table| Line::of(status, table))
        .collect();
    let layout = Layout::of(&lines, screen.columns());
    let mut text = layout.head(screen);
    for line in &lines {
        text.push_str(&layout.line(line, screen));
    }
    text.push('\n');
    for line in &lines {
        if columns_of(&line.table.name) > layout.name {
            text.push_str(&screen.prose(&line.table.name));
        }
    }
    text.push_str(&layout.legend(&lines, screen));
    text
}

/// The columns of the grid and their widths.
struct Layout {
    name: usize,
    parts: Vec<Part>,
    /// Columns of all parts.
    months: usize,
    undated: bool,
    rows: usize,
}

impl Layout {
    fn of(lines: &[Line<'_>], columns: usize) -> Layout {
        let widest = |of: &dyn Fn(&Line<'_>) -> usize| lines.iter().map(of).max().unwrap_or(0);
        let most = NAME_COLUMNS_MAX.min(columns / NAME_DIVISOR).max("Table".len());
        let name = widest(&|line| columns_of(&line.table.name)).clamp("Table".len(), most);
        let rows = widest(&|line| columns_of(&thousands(line.table.counts().rows))).max("Rows".len());
        let undated = lines.iter().any(|line| line.undated.is_some());
        let words = widest(&|line| match line.whole {
            Some(_) => 2 + line.word().len(),
            None => 0,
        });
        let others = name + 2 + 2 + rows + if undated { UNDATED.len() + 2 } else { 0 };
        let years: BTreeSet<i32> = lines
            .iter()
            .flat_map(|line| line.months.keys().map(|(year, _)| *year))
            .collect();
        let years: Vec<i32> = match (years.first(), years.last()) {
            (Some(first), Some(last)) => (*first..=*last).collect(),
            _ => Vec::new(),
        };
        let parts = parts(&years, columns.saturating_sub(others));
        let months = parts
            .iter()
            .map(|part| part.columns())
            .sum::<usize>()
            .saturating_sub(1);
        Layout {
            name,
            months: months.max(words.min(columns.saturating_sub(others))),
            parts,
            undated,
            rows,
        }
    }

    fn head(&self, screen: &Screen) -> String {
        let mut years = String::new();
        let mut initials = String::new();
        for part in &self.parts {
            years.push_str(&format!("{:width$}", part.head(), width = part.columns()));
            let below = if matches!(part, Part::Months(_)) {
                MONTHS
            } else {
                ""
            };
            initials.push_str(&format!("{below:width$}", width = part.columns()));
        }
        let undated = if self.undated {
            format!("  {UNDATED}")
        } else {
            String::new()
        };
        let above = format!("{:name$}  {years}", "", name = self.name);
        let below = format!(
            "{:name$}  {:months$}{undated}  {:>rows$}",
            "Table",
            initials.trim_end(),
            "Rows",
            name = self.name,
            months = self.months,
            rows = self.rows
        );
        let lines = [above.trim_end(), below.as_str()].map(|line| match line.is_empty() {
            true => String::new(),
            false => format!("{}\n", screen.paint(line, Tone::Strong)),
        });
        lines.concat()
    }

    fn line(&self, line: &Line<'_>, screen: &Screen) -> String {
        let name = cut(&line.table.name, self.name);
        let mut cells = String::new();
        let mut taken = 0;
        let painted = |condition: Option<Condition>| match condition {
            Some(condition) => condition.painted(screen),
            None => " ".to_owned(),
        };
        match line.whole {
            Some(part) => {
                let word = cut(line.word(), self.months.saturating_sub(2));
                cells.push_str(&format!("{} {word}", part.state.painted(screen)));
                taken = 2 + columns_of(&word);
            }
            None => {
                for part in &self.parts {
                    let of_part = part.cells(line);
                    let blanks = part.columns() - of_part.len();
                    cells.extend(of_part.into_iter().map(painted));
                    cells.push_str(&" ".repeat(blanks));
                    taken += part.columns();
                }
                // The last part has a blank more than the grid.
                if taken > self.months {
                    cells.pop();
                    taken -= 1;
                }
            }
        }
        cells.push_str(&" ".repeat(self.months.saturating_sub(taken)));
        let undated = match self.undated {
            true => format!(
                "  {}{}",
                painted(line.undated.map(|part| part.state)),
                " ".repeat(UNDATED.len() - 1)
            ),
            false => String::new(),
        };
        let blanks = " ".repeat(self.name - columns_of(&name));
        let rows = thousands(line.table.counts().rows);
        format!(
            "{name}{blanks}  {cells}{undated}  {rows:>width$}\n",
            width = self.rows
        )
    }

    /// The characters that occur, with their words.
    fn legend(&self, lines: &[Line<'_>], screen: &Screen) -> String {
        let occur: Vec<Condition> = lines
            .iter()
            .flat_map(|line| {
                let cells = self.parts.iter().flat_map(|part| part.cells(line));
                cells
                    .chain([line.undated, line.whole].map(|part| part.map(|part| part.state)))
                    .flatten()
            })
            .collect();
        let mut text = String::new();
        let mut taken = 0;
        for condition in Condition::ALL
            .into_iter()
            .filter(|condition| occur.contains(condition))
        {
            let columns = 2 + condition.as_str().len();
            // Colours take no columns, so the line is not folded as a text.
            match taken {
                0 => {}
                _ if taken + 2 + columns > screen.columns() => {
                    text.push('\n');
                    taken = 0;
                }
                _ => text.push_str("  "),
            }
            taken += columns + if taken > 0 { 2 } else { 0 };
            text.push_str(&format!("{} {}", condition.painted(screen), condition.as_str()));
        }
        text.push('\n');
        text
    }
}
