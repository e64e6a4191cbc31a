//! Reports for the tests of this folder.

use chrono::{DateTime, NaiveDate, Utc};

use super::facts::{Counted, End, LeftOut, Made, Months, Receipts, Report, Servers, TableFacts, WindowFacts};
use crate::base::exit_code::ExitCode;
use crate::checkpoint::{Pass, PassScope, RunRecord};
use crate::cli::account::tests::account;
use crate::model::hours::Wall;
use crate::model::row::{Digest, Tally};
use crate::model::window::{DateRange, Window, missing};
use crate::status::{Condition, Kept, PassStatus, WindowDifferences};

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn end(database: &str) -> End {
    End {
        server: "replica.example:1433".to_owned(),
        database: database.to_owned(),
        schema: "dbo".to_owned(),
    }
}

/// A complete window of a row, equal at both ends.
pub(super) fn window(window: Window) -> WindowFacts {
    WindowFacts {
        window,
        state: Condition::Complete,
        error: None,
        chunks: 1,
        tally: Tally {
            row_count: 1,
            byte_count: 9,
            digest: Digest::of_row(b"a row"),
        },
        counted: Some(Counted { source: 1, target: 1 }),
        receipts: Some(Receipts { rows: 1, agree: true }),
        must_be_complete: true,
    }
}

/// A table of so many months from 2016 on, equal at both ends.
pub(super) fn table(name: &str, months: u32) -> TableFacts {
    let start = day("2016-01-01");
    let end = start + chrono::Months::new(months);
    let windows = missing(DateRange { start, end }, &[]).unwrap();
    let rows = u64::from(months);
    TableFacts {
        name: name.to_owned(),
        mode: "monthly".to_owned(),
        source: format!("COM.{name}"),
        target: format!("dbo.com_{name}"),
        is_dated: true,
        windows: windows.into_iter().map(window).collect(),
        counted: Some(Counted {
            source: rows,
            target: rows,
        }),
        ..TableFacts::default()
    }
}

/// A report of these tables, in which nothing is wrong.
pub(super) fn report(tables: Vec<TableFacts>) -> Report {
    Report {
        made: Made {
            at: at("2025-12-01T03:04:05Z"),
            version: "1.2.3",
            host: "vm".to_owned(),
            wall: Wall::new(chrono_tz::Asia::Kuala_Lumpur, None),
            during_a_run: false,
        },
        source: end("POS"),
        target: end("Warehouse"),
        months: Months::default(),
        is_of_some: false,
        tables,
        servers: Servers::Asked,
        runs: Vec::new(),
        passes: Vec::new(),
        accounts: Vec::new(),
        left_out: Vec::new(),
    }
}

/// A report with something of each kind, of which each text that can come from elsewhere is `text`.
pub(super) fn with_everything(text: &str) -> Report {
    let mut states = table(text, 9);
    for (window, state) in states.windows.iter_mut().zip(Condition::ALL) {
        window.state = state;
        window.error = Some(text.to_owned());
    }
    states.windows[0].counted = Some(Counted { source: 2, target: 1 });
    states.windows[8].receipts = Some(Receipts {
        rows: 3,
        agree: false,
    });
    states.refused = Some(text.to_owned());
    states.count_error = Some((text.to_owned(), ExitCode::Preflight));
    states.unfollowed = 2;
    states.is_being_forgotten = true;
    let range = DateRange {
        start: day("2016-01-01"),
        end: day("2016-03-01"),
    };
    let record = |exit_code: Option<u8>| RunRecord {
        run_id: 7,
        pid: 4711,
        host: text.to_owned(),
        started_at: at("2025-11-20T22:00:00Z"),
        ended_at: exit_code.map(|_| at("2025-11-20T22:14:30Z")),
        exit_code,
        range,
        error: Some(text.to_owned()),
    };
    let run = |exit_code: Option<u8>, running: bool| Kept {
        record: record(exit_code),
        running,
        accounts: vec![account()],
    };
    let pass = Pass {
        id: 1,
        source: true,
        scope: PassScope {
            tables: Some(vec![text.to_owned()]),
            range: Some(range),
        },
        started_at: at("2025-11-21T22:00:00Z"),
        ended_at: None,
        same: 4,
        differing: 1,
        repaired: 2,
        left_out: 1,
    };
    let finding = WindowDifferences {
        table: text.to_owned(),
        window: states.windows[1].window,
        differing: 3,
        repaired_since: 1,
    };
    let mut all = report(vec![
        states,
        TableFacts {
            name: text.to_owned(),
            ..TableFacts::default()
        },
    ]);
    all.made.host = text.to_owned();
    all.made.during_a_run = true;
    all.source.database = text.to_owned();
    all.months = Months::of(vec![day("2016-02-01"), day("2016-01-01"), day("2016-02-01")]);
    all.is_of_some = true;
    all.runs = vec![run(None, true), run(None, false), run(Some(4), false)];
    all.passes = vec![PassStatus {
        pass,
        found: vec![finding],
    }];
    all.accounts = vec![account(), crate::model::account::Account::default()];
    all.left_out = [text, ""]
        .map(|table| LeftOut {
            table: table.to_owned(),
            text: text.to_owned(),
        })
        .into();
    all
}
