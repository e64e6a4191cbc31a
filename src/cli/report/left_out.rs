//! What a report is not about, though a reader might think so.

use super::asked::{Asked, of};
use super::facts::LeftOut;
use crate::base::text::counted;
use crate::config::Config;
use crate::model::window::{Window, spans};
use crate::status::{Status, of_table};

/// What the note on a column says that is left out.
const NOT_COPIED: &str = "is not copied";

/// Names what is left out, table by table; what is of the whole comes last.
pub(super) fn left_out(
    config: &Config,
    status: &Status,
    asked: &Asked<'_>,
    is_of_some: bool,
) -> Vec<LeftOut> {
    let mut all = Vec::new();
    for table in &asked.tables {
        let Some(of) = of(status, table) else { continue };
        let mut add = |text: String| {
            all.push(LeftOut {
                table: table.name.as_str().to_owned(),
                text,
            });
        };
        let notes = || of.notes.iter().filter(|note| note.contains(NOT_COPIED));
        for note in notes() {
            add(of_table(note, &of.name).to_owned());
        }
        for column in &table.exclude_columns {
            // A run notes it; there may not have been one.
            let text = format!("column {} {NOT_COPIED} (exclude_columns)", column.name);
            if !notes().any(|note| note.contains(&format!("column {} {NOT_COPIED}", column.name))) {
                add(text);
            }
        }
        let forgotten: Vec<String> = of
            .forgotten
            .iter()
            .map(|month| month.format("%Y-%m").to_string())
            .collect();
        if !forgotten.is_empty() {
            add(format!(
                "Forgotten, and not loaded since: {}",
                forgotten.join(", ")
            ));
        }
        let gaps = status.not_loaded(of);
        if !gaps.is_empty() && asked.months.is_all() {
            add(format!("Not loaded: {}", spans(&gaps).join(", ")));
        }
        if let Some(undated) = of.windows.iter().find(|window| window.window == Window::Undated) {
            let rows = counted(undated.counts.rows, "row");
            add(format!(
                "{rows} without a date: they are in no month, and in the window `undated`"
            ));
        }
        if of.unfollowed > 0 {
            add(format!(
                "{} left the target and could not be followed",
                counted(of.unfollowed, "row")
            ));
        }
    }
    all.extend(of_the_whole(config, status, asked, is_of_some));
    all
}

fn of_the_whole(config: &Config, status: &Status, asked: &Asked<'_>, is_of_some: bool) -> Vec<LeftOut> {
    let mut texts = Vec::new();
    if !asked.months.is_all() {
        texts.push(
            "Other months than those asked for. Reference tables and rows without a date have no month, and are shown whole"
                .to_owned(),
        );
    }
    if is_of_some {
        let others = config.tables.iter().filter(|table| {
            let mut chosen = asked.tables.iter();
            !chosen.any(|of| of.name.same_as(table.name.as_str()))
        });
        let others: Vec<&str> = others.map(|table| table.name.as_str()).collect();
        texts.push(format!("Tables that were not asked for: {}", others.join(", ")));
    }
    let strangers = status.tables.iter().filter(|of| {
        let mut known = config.tables.iter();
        !known.any(|table| table.name.same_as(&of.name))
    });
    let strangers: Vec<&str> = strangers.map(|of| of.name.as_str()).collect();
    if !strangers.is_empty() {
        texts.push(format!(
            "Tables that were copied once, and that the configuration does not name any more: {}",
            strangers.join(", ")
        ));
    }
    let table = String::new();
    texts
        .into_iter()
        .map(|text| LeftOut {
            table: table.clone(),
            text,
        })
        .collect()
}
