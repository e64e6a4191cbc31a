//! What a run costs that has nothing to do (G9): 20 tables of 24 complete months, once more.

use comfy_table::{Table, presets};

use crate::process::{Measured, median};
use crate::scene::{Scene, sales, sync};
use crate::settings::Settings;
use crate::table;

/// Tables of the job.
const TABLES: usize = 20;
/// Months of each.
const MONTHS: u32 = 24;
/// Rows of a month. A run over complete months reads none of them, so there are few.
const MONTH_ROWS: u64 = 10;

/// Measures and prints.
pub fn measure(settings: &Settings) {
    let scene = Scene::start();
    let wire = scene.wire();
    let names: Vec<String> = (0..TABLES).map(|number| format!("SALES_{number:02}")).collect();
    let mut sections = String::new();
    for name in &names {
        scene.wait(table::fill(&wire, name, &[MONTH_ROWS; MONTHS as usize]));
        sections.push_str(&sales(name));
    }
    let project = scene.project("", &sections);
    let (first, last) = (
        table::month(0).to_string(),
        table::last_day(MONTHS - 1).to_string(),
    );
    let run = ["run", "--start-date", first.as_str(), "--end-date", last.as_str()];
    let log = [&["--log", "json"], &run[..], &["--profile"]].concat();
    let mut report = Table::new();
    report.load_preset(presets::ASCII_MARKDOWN).set_header([
        "Run",
        "Seconds",
        "Statements at the source",
        "Statements at the target",
    ]);
    let mut line = |name: &str, all: &[Measured]| {
        let of = |end: &str| median(all.iter().map(|measured| statements(measured, end)));
        report.add_row([
            name.to_owned(),
            format!("{:.2}", median(all.iter().map(|measured| measured.seconds))),
            format!("{:.0}", of("source")),
            format!("{:.0}", of("target")),
        ]);
    };
    line("first", &[sync(&project, &log)]);
    // The months' counts are compared until they have settled; the run before has recorded that they have.
    let second: Vec<Measured> = (0..settings.rounds).map(|_| sync(&project, &log)).collect();
    line("second", &second);
    println!("{report}");
}

/// The statements of a run at one end, by its own count.
fn statements(measured: &Measured, end: &str) -> f64 {
    let mut sum = 0.0;
    for (_, line) in &measured.narrative {
        let line: serde_json::Value = serde_json::from_str(line).expect("the log is JSON");
        let fields = &line["fields"];
        if fields["message"] == "statements" && fields["end"] == end {
            sum += fields["count"].as_f64().expect("a number");
        }
    }
    sum
}
