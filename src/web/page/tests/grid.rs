//! The grid: every condition, gaps, filters, and how many bytes years take.

use super::*;

fn named(page: &Markup) -> Vec<String> {
    let cells = values(&page.0, "aria-label")
        .into_iter()
        .filter(|label| label.contains(": "));
    cells.map(str::to_owned).collect()
}

fn with(show: Show, table: Option<&str>) -> Filter {
    Filter {
        show,
        table: table.map(str::to_owned),
    }
}

/// The part of a page that is the grid, as text.
fn grid_of(page: &Markup) -> String {
    let start = page.0.find("<section class=\"tables\"").unwrap();
    let end = start + page.0[start..].find("</section>").unwrap();
    text_of(&maud::PreEscaped(page.0[start..end].to_owned()))
}

#[test]
fn each_cell_says_what_it_is() {
    let page = index(&going(), &Filter::default());
    insta::assert_snapshot!(grid_of(&page), @r"
    Grid
    All
    Not complete
    Failed
    Table
    all tables
    SALES
    PAYMENT
    VOID
    ITEM
    Show
    ■ complete 14
    ▄ open 2
    · not loaded 1
    ○ planned 18
    ► loading 1
    ~ stale 1
    X failed 1
    ≠ mismatched 1
    ! refused 1 table
    State of each table, by month
    Table 2024 2025 undated whole table Rows
    Jun Jul Aug Sep Oct Nov Dec Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov
    SALES ■ ■ ■ X ■ ≠ ■ ■ ~ ■ ○ ■ ■ ■ ■ ► ○ ▄ ■ 7,920,000
    PAYMENT ! refused ○ ○ ○ ○ ○ ○ ○ ○ ○ ○ ○ ○ ○ ○ ○ ○ ■ ▄ 880,000
    VOID · nothing is loaded 0
    ITEM ■ 440,000
    ");
    insta::assert_snapshot!(named(&page).join("\n"), @r"
    Read: 3,269 rows/s at the end, 4,899 at most. Loaded: 3,045 rows/s at the end, 4,798 at most.
    Legend: windows by their state
    SALES 2024-06: complete
    SALES 2024-07: complete
    SALES 2024-08: complete
    SALES 2024-09: failed, 3 of 22 chunks
    SALES 2024-10: complete
    SALES 2024-11: mismatched, 21 of 22 chunks
    SALES 2024-12: complete
    SALES 2025-01: complete
    SALES 2025-02: stale, 20 of 22 chunks
    SALES 2025-03: complete
    SALES 2025-04: planned, forgotten
    SALES 2025-05: complete
    SALES 2025-06: complete
    SALES 2025-07: complete
    SALES 2025-08: complete
    SALES 2025-09: loading, 22 chunks, 43% loaded
    SALES 2025-10: planned, 2 chunks, 8% loaded
    SALES 2025-11: open, 22 chunks
    SALES undated: complete
    PAYMENT 2024-06: planned
    PAYMENT 2024-07: planned
    PAYMENT 2024-08: planned
    PAYMENT 2024-09: planned
    PAYMENT 2024-10: planned
    PAYMENT 2024-11: planned
    PAYMENT 2024-12: planned
    PAYMENT 2025-01: planned
    PAYMENT 2025-02: planned
    PAYMENT 2025-03: planned
    PAYMENT 2025-04: planned
    PAYMENT 2025-05: planned
    PAYMENT 2025-06: planned
    PAYMENT 2025-07: planned
    PAYMENT 2025-08: planned
    PAYMENT 2025-09: planned
    PAYMENT 2025-10: complete
    PAYMENT 2025-11: open, 22 chunks
    ITEM all: complete
    ");
}

/// What is verified of it says nothing of what the last run did.
#[test]
fn a_table_that_was_refused_looks_so_though_all_its_windows_are_complete() {
    let mut seen = going();
    let payment = &mut seen.status.tables[1];
    payment.windows.truncate(1);
    let page = index(&seen, &Filter::default());
    let row = &page.0[page.0.find("<tr id=\"t1\" class=\"refused\">").unwrap()..];
    let row = text_of(&maud::PreEscaped(row[..row.find("</tr>").unwrap()].to_owned()));
    assert!(
        row.starts_with("PAYMENT ! refused ") && row.contains('■'),
        "{row}"
    );
    assert!(STYLE.contains(".grid .refused td:not(.o, .n, .p, .l, .s, .f, .m) a { background: transparent;"));
    seen.status.tables[1].refused = None;
    assert!(!index(&seen, &Filter::default()).0.contains("refused"));
}

/// A person who opens the page after a bad night looks for the cause first.
#[test]
fn what_is_to_be_put_right_stands_above_the_grid() {
    let page = index(&ended(going()), &Filter::default()).0;
    let at = |text: &str| page.find(text).unwrap();
    assert!(at("To put right") < at("id=\"grid-title\""));
    assert!(at("id=\"grid-title\"") < at("To know"));
    // The first ones stand open.
    assert!(
        at("<summary>And 1 other</summary>") < at("id=\"grid-title\""),
        "{page}"
    );
}

#[test]
fn each_condition_has_a_class_and_a_glyph_of_its_own() {
    let page = index(&going(), &Filter::default()).0;
    for condition in crate::status::Condition::ALL {
        let class = layout::class(condition);
        assert!(page.contains(&format!(
            "<i class=\"k {class}\" aria-hidden=\"true\">{}</i>",
            condition.glyph()
        )));
        assert!(STYLE.contains(&format!(".k.{class}")) || class == "c", "{class}");
    }
    // A part of a cell that is being loaded is filled.
    assert!(page.contains("<td class=\"l fill-4\"><a href=\"window?table=SALES&amp;window=2025-09\""));
    assert!(page.contains("<td class=\"p fill-1\">"));
}

#[test]
fn a_month_of_several_parts_shows_the_worst_and_lists_them() {
    let mut seen = going();
    let table = &mut seen.status.tables[0];
    table.windows.retain(|window| window.window != month("2024-07"));
    let part = |first, end, state| {
        one(
            crate::model::window::Window::new(day(first), day(end)).unwrap(),
            state,
        )
    };
    use crate::status::Condition::{Complete, Failed};
    table.windows.push(part("2024-07-01", "2024-07-10", Complete));
    table.windows.push(part("2024-07-10", "2024-07-20", Failed));
    let page = index(&seen, &Filter::default());
    assert!(named(&page).contains(&"SALES 2024-07: failed, 1 of 3 parts".to_owned()));
    let list = window(&seen, &Filter::default(), "SALES", "2024-07", &[]).unwrap();
    insta::assert_snapshot!(text_of(&list), @r"
    SALES 2024-07 · sync Skip to the content
    sync
    Status
    Next run
    Runs
    Reconcile
    POS.COM_5013 on replica.example:1433 → Warehouse.pos on 127.0.0.1:1433
    Grid › SALES
    SALES 2024-07 X failed
    This month has 3 parts, because runs were asked for parts of it.
    2024-07-01..2024-07-09 ■ complete complete
    2024-07-10..2024-07-19 X failed failed, 22 chunks
    2024-07-20..2024-07-31 ○ planned planned
    As of 2025-11-20 21:00:00. All times are of the time zone Asia/Kuala_Lumpur.
    State file state/checkpoints.redb, configuration sync.toml.
    sync 0.1.0. This page only shows: it asks no server and changes nothing.
    ");
    assert!(window(&seen, &Filter::default(), "SALES", "2024-07-20..2024-07-31", &[]).is_some());
}

#[test]
fn a_filter_shows_its_tables_and_months_alone() {
    let failed = index(&going(), &with(Show::Failed, None));
    insta::assert_snapshot!(grid_of(&failed), @r"
    Grid
    All
    Not complete
    Failed
    Table
    all tables
    SALES
    PAYMENT
    VOID
    ITEM
    Show
    Shown: 2 of 4 tables with windows that are failed, mismatched or stale, or that the last run refused. Months without such windows are left out. Everything
    ■ complete 14
    ▄ open 2
    · not loaded 1
    ○ planned 18
    ► loading 1
    ~ stale 1
    X failed 1
    ≠ mismatched 1
    ! refused 1 table
    State of each table, by month
    Table 2024 2025 Rows
    Sep Nov Feb
    SALES X ≠ ~ 7,920,000
    PAYMENT ! refused ○ ○ ○ 880,000
    ");
    let incomplete = index(&going(), &with(Show::Incomplete, None));
    let shown = grid_of(&incomplete);
    assert!(shown.contains("VOID") && !shown.contains("ITEM ■"), "{shown}");
    // A cell leads to a page that leads back to what was shown.
    let cell = "window?table=SALES&amp;window=2024-09&amp;show=failed";
    assert!(failed.0.contains(cell));
    let opened = window(
        &going(),
        &with(Show::Failed, Some("SALES")),
        "SALES",
        "2024-09",
        &[],
    )
    .unwrap();
    assert!(opened.0.contains("href=\"/?show=failed#t0\""));
}

#[test]
fn a_table_alone_has_its_windows_as_a_list() {
    let page = index(&going(), &with(Show::All, Some("payment")));
    let text = text_of(&page);
    insta::assert_snapshot!(&text[text.find("2025-09 ○").unwrap()..], @r"
    2025-09 ○ planned – –
    2025-10 ■ complete 22 440,000 rows
    2025-11 ▄ open 22 so far 440,000 rows
    To know
    Not loaded: VOID: nothing is loaded
    As of 2025-11-20 21:00:00. All times are of the time zone Asia/Kuala_Lumpur.
    State file state/checkpoints.redb, configuration sync.toml.
    sync 0.1.0. This page only shows: it asks no server and changes nothing.
    ");
    let of_nobody = text_of(&index(&going(), &with(Show::All, Some("NOBODY"))));
    assert!(of_nobody.contains("No table of this name is known."));
}

#[test]
fn a_table_that_a_filter_hides_keeps_its_row() {
    let rows = |filter: &Filter| {
        let parts = fragments(&going(), filter);
        parts
            .into_iter()
            .filter(|(id, _)| id.starts_with('t'))
            .collect::<Vec<_>>()
    };
    let failed = rows(&with(Show::Failed, None));
    assert_eq!(failed.len(), rows(&Filter::default()).len());
    assert_eq!(failed[3].1.0, "<tr id=\"t3\" hidden></tr>");
}

#[test]
fn ten_years_of_twenty_tables_are_no_heavy_page() {
    let page = index(&years(20, 120), &Filter::default());
    assert_eq!(page.0.matches("<a href=\"window?").count(), 2_401);
    let bytes = page.0.len();
    println!(
        "{bytes} bytes at 20 tables and 120 months, and {} of style",
        STYLE.len()
    );
    assert!(bytes < 300 * 1024, "{bytes}");
}
