//! Rows a second of `sync`, beside the bare loop, which runs in turn with it so that both meet the same machine.

use comfy_table::{Table, presets};

use crate::bare::{self, Wire};
use crate::process::{Measured, measure as run_process, median};
use crate::scene::{Scene, sales, sync};
use crate::settings::Settings;
use crate::table;

/// Months of the table.
pub const MONTHS: u32 = 4;
/// Attempts of one round of the bare loop. The emulator lets two loads of one database deadlock in about one round
/// of twenty.
const BARE_ATTEMPTS_MAX: u32 = 5;

/// Measures and prints.
pub fn measure(settings: &Settings) {
    let scene = Scene::start();
    let wire = scene.wire();
    let share = settings.rows / u64::from(MONTHS);
    scene.wait(table::fill(&wire, "SALES", &vec![share; MONTHS as usize]));
    let rows = share * u64::from(MONTHS);
    scene.at_target(&table::create("BARE"));
    let tuned = format!("max_workers = 2\nchunk_rows = {}", settings.chunk_rows);
    let project = scene.project(&tuned, &sales("SALES"));
    let (first, last) = (
        table::month(0).to_string(),
        table::last_day(MONTHS - 1).to_string(),
    );
    let run = ["run", "--start-date", first.as_str(), "--end-date", last.as_str()];
    let (mut bare, mut alone, mut copied) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..settings.rounds {
        bare.push(bare_loop(&scene, &wire, rows, bare::WORKERS));
        alone.push(bare_loop(&scene, &wire, rows, 1));
        copied.push(sync(&project, &run));
        scene.forget(&project, &["SALES"]);
    }
    let mut report = Report::new(rows, &bare);
    report.add("bare loop", rows, &bare);
    report.add("bare loop, one worker", rows, &alone);
    report.add("sync run", rows, &copied);
    println!("{report}");
    // Where the time goes, of one round that does not count.
    let profiled = sync(&project, &[&run[..], &["--profile"]].concat());
    let narrative = profiled.narrative.iter().map(|(_, line)| line.as_str());
    for line in narrative.filter(|line| line.contains('|')) {
        println!("{line}");
    }
}

/// One round of the bare loop, into an empty table. A round that ends as a deadlock's victim does not count: the loop
/// has no retry, and one would only flatter the other side of the ratio.
pub fn bare_loop(scene: &Scene, wire: &Wire, rows: u64, workers: usize) -> Measured {
    for _ in 0..BARE_ATTEMPTS_MAX {
        let measured = run_process(&mut wire.command(MONTHS as usize, workers));
        scene.at_target("TRUNCATE TABLE dbo.BARE");
        if measured.stdout.trim() == rows.to_string() {
            return measured;
        }
        let said = &measured.narrative;
        let deadlock = said.iter().any(|(_, line)| line.contains("code: 1205"));
        assert!(deadlock, "the bare loop failed: {said:#?}");
        println!("The bare loop was a deadlock's victim; this round is repeated");
    }
    panic!("the bare loop was a deadlock's victim {BARE_ATTEMPTS_MAX} times in a row")
}

/// The lines of a table of rates.
pub struct Report {
    table: Table,
    /// Seconds a row of the bare loop.
    bare: f64,
}

impl Report {
    /// A table beside the bare loop.
    pub fn new(rows: u64, bare: &[Measured]) -> Report {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN).set_header([
            "Measure",
            "Seconds",
            "Rows/s",
            "Times the bare loop",
            "CPU s per million rows",
            "Peak MiB",
            "Fastest to slowest",
        ]);
        Report {
            table,
            bare: median(bare.iter().map(|measured| measured.seconds)) / rows as f64,
        }
    }

    /// A line of medians of a measure that moved or compared so many rows. The ratio is that of seconds a row.
    pub fn add(&mut self, name: &str, rows: u64, all: &[Measured]) {
        let rows = rows as f64;
        let seconds = median(all.iter().map(|measured| measured.seconds));
        let of = |part: fn(&Measured) -> Option<f64>| -> Option<f64> {
            let known: Option<Vec<f64>> = all.iter().map(part).collect();
            known.map(median)
        };
        let cpu = of(|measured| measured.cpu_seconds).map(|cpu| cpu / rows * 1e6);
        let shown = |number: Option<f64>| number.map_or("-".to_owned(), |number| format!("{number:.1}"));
        let slowest = all.iter().map(|measured| measured.seconds).fold(0.0, f64::max);
        let fastest = all
            .iter()
            .map(|measured| measured.seconds)
            .fold(f64::MAX, f64::min);
        self.table.add_row([
            name.to_owned(),
            format!("{seconds:.2}"),
            format!("{:.0}", rows / seconds),
            format!("{:.2}", seconds / rows / self.bare),
            shown(cpu),
            shown(of(|measured| measured.peak_mib)),
            format!("{fastest:.2} to {slowest:.2}"),
        ]);
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.table)
    }
}
