//! Made-up state files as pages, and what must hold of each page.

mod all_pages;
mod grid;
mod made_up;
mod present;

use maud::Markup;

use super::*;
use crate::web::filter::Show;
use made_up::*;

/// Elements that begin a line of the text of a page.
const LINES: [&str; 22] = [
    "h1",
    "h2",
    "h3",
    "p",
    "li",
    "tr",
    "thead",
    "tbody",
    "tfoot",
    "div",
    "ul",
    "ol",
    "section",
    "nav",
    "main",
    "footer",
    "label",
    "summary",
    "figcaption",
    "caption",
    "dl",
    "option",
];

/// The text of a page as a person reads it: a line a block, blanks between cells.
fn text_of(markup: &Markup) -> String {
    let mut text = String::new();
    let mut rest = markup.0.as_str();
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        let end = open + rest[open..].find('>').unwrap();
        let tag = rest[open + 1..end].trim_start_matches('/');
        let name = tag.split([' ', '>']).next().unwrap();
        match name {
            _ if LINES.contains(&name) => text.push('\n'),
            "td" | "th" | "dt" | "dd" | "small" | "a" => text.push(' '),
            _ => {}
        }
        rest = &rest[end + 1..];
    }
    text.push_str(rest);
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The values of an attribute, in their order.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let key = format!(" {attribute}=\"");
    let starts = page.match_indices(&key).map(|(at, _)| at + key.len());
    starts
        .map(|at| &page[at..at + page[at..].find('"').unwrap()])
        .collect()
}

/// Each page there is, with a name for it.
fn pages(seen: &Seen) -> Vec<(String, Markup)> {
    let table = &seen.status.tables[0].name;
    let mut pages = Vec::new();
    for show in Show::ALL {
        for of in [None, Some(table.clone())] {
            let name = format!(
                "index-{}{}",
                show.as_str(),
                if of.is_some() { "-table" } else { "" }
            );
            pages.push((name, index(seen, &Filter { show, table: of })));
        }
    }
    for (at, line) in crate::status::Line::of(&seen.status, &seen.status.tables[0])
        .parts()
        .enumerate()
    {
        let name = line.window.to_string();
        let page = window(seen, &Filter::default(), table, &name, &chunks());
        pages.push((format!("window-{at}"), page.unwrap()));
    }
    pages.push(("next".to_owned(), next(seen)));
    pages.push(("runs".to_owned(), runs(seen)));
    pages.push(("reconcile".to_owned(), findings(seen, &differing(table))));
    pages.push(("problem".to_owned(), problem(503, "The state file is damaged")));
    pages
}
