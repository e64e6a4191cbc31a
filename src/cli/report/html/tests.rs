//! Of the page: that it is whole, that no text becomes markup, and that each fact is on it.

use super::*;
use crate::cli::report::testing::{report, table, with_everything};
use crate::status::Condition;

/// Asserts that each tag is closed, and that each place that is referred to is there once.
#[track_caller]
fn assert_is_well_formed(page: &str) {
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag has an end");
        let name = tag.trim_start_matches('/').split_whitespace().next().unwrap();
        match tag.starts_with('/') {
            true => assert_eq!(open.pop(), Some(name), "</{name}>"),
            false if ["meta", "br", "!DOCTYPE"].contains(&name) => {}
            false => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for mark in ["href=\"#", "aria-labelledby=\""] {
        for place in page.split(mark).skip(1) {
            let id = place.split('"').next().unwrap();
            assert_eq!(page.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}");
        }
    }
}

fn page_of(report: &Report) -> String {
    let page = page(report, &Verdict::of(report));
    assert_is_well_formed(&page);
    page
}

#[test]
fn a_page_begins_as_one_is_known_by_and_fetches_nothing() {
    let page = page_of(&report(vec![table("SALES", 3)]));
    assert!(page.starts_with(HEAD));
    for outside in [
        "<script", "<link", "src=", "url(", "http:", "https:", "@import", "<iframe", "style=\"",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(
        page.contains("Made by sync 1.2.3 on vm, 2025-12-01 11:04:05 Asia/Kuala_Lumpur."),
        "{page}"
    );
    for (anchor, heading) in SECTIONS {
        assert!(
            page.contains(&format!("<h2 id=\"{anchor}\">{heading}</h2>")),
            "{heading}"
        );
    }
}

#[test]
fn no_text_becomes_markup() {
    let page = page_of(&with_everything("<i title=\"x\">&`\u{202e}"));
    assert!(!page.contains("<i") && !page.contains('\u{202e}'), "{page}");
    assert!(page.contains("&lt;i title=&quot;x&quot;&gt;&amp;"), "{page}");
}

#[test]
fn each_condition_has_its_character_and_its_word() {
    let page = page_of(&with_everything("T"));
    for condition in Condition::ALL {
        let cell = format!(
            "<span aria-hidden=\"true\">{}</span><span class=\"hidden\">{}</span></td>",
            condition.glyph(),
            condition.as_str()
        );
        assert!(page.contains(&cell), "{cell}");
    }
    for text in [
        "it is going",
        "killed, or its machine lost power",
        "4: incomplete: the same command again resumes it",
        "3 differences, 1 loaded again since",
        "1 table could not be compared",
        "Next: <code>sync reconcile --source --repair --tables T</code>",
        "a run was going meanwhile",
        "2016-01, 2016-02",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn each_heading_of_a_table_says_what_it_heads() {
    let page = page_of(&with_everything("T"));
    for heading in page.split("<th").skip(1).filter(|rest| !rest.starts_with("ead")) {
        let tag = heading.split('>').next().unwrap();
        assert!(tag.contains("scope=\""), "<th{tag}>");
        assert!(!heading.starts_with(&format!("{tag}></th>")), "an empty heading");
    }
}

/// Years of many tables stay a file that can be mailed.
#[test]
fn twenty_tables_of_ten_years_are_two_megabytes_at_most() {
    let tables = (0..20).map(|n| table(&format!("TABLE_{n}"), 120)).collect();
    let page = page_of(&report(tables));
    assert!(
        page.contains("All 2,400 windows of 20 tables are verified, and both ends have the same 2,400 rows.")
    );
    assert!(page.len() < 2 << 20, "{} bytes", page.len());
}
