//! The other work of an operator's week beside the bare loop: a killed run resumed, comparisons, reference tables,
//! `status`.

use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::{Project, project};

use crate::bare;
use crate::process::{Measured, measure_until, median};
use crate::rate::{MONTHS, Report, bare_loop};
use crate::scene::{Scene, command, sales, sync};
use crate::settings::Settings;
use crate::table;

/// Chunks of the job at least, so that a run can be killed amid them.
const CHUNKS_MIN: u64 = 16;
/// The part of SALES that the reference table has.
const ITEM_PART: u64 = 4;

/// Measures and prints.
pub fn measure(settings: &Settings) {
    let scene = Scene::start();
    let wire = scene.wire();
    let share = settings.rows / u64::from(MONTHS);
    let rows = share * u64::from(MONTHS);
    scene.wait(table::fill(&wire, "SALES", &vec![share; MONTHS as usize]));
    let items = rows / ITEM_PART;
    scene.wait(table::fill(&wire, "ITEM", &[items]));
    scene.at_target(&table::create("BARE"));
    let chunk_rows = settings.chunk_rows.min(rows / CHUNKS_MIN);
    let tuned = format!("max_workers = 2\nchunk_rows = {chunk_rows}");
    let project = scene.project(&tuned, &(sales("SALES") + &project::full("ITEM")));
    let of =
        |round: &dyn Fn() -> Measured| -> Vec<Measured> { (0..settings.rounds).map(|_| round()).collect() };

    let bare = of(&|| bare_loop(&scene, &wire, rows, bare::WORKERS));
    let mut report = Report::new(rows, &bare);
    report.add("bare loop", rows, &bare);
    let resumed = of(&|| killed_and_resumed(&scene, &project));
    let rest = median(resumed.iter().map(|run| loaded(run) as f64)) as u64;
    report.add("a killed run resumed", rest, &resumed);
    let first = median(resumed.iter().map(|run| verified(run).next().expect("a chunk").0));
    sync(&project, &arguments(&[], &bounds()));
    report.add(
        "reconcile",
        rows,
        &of(&|| sync(&project, &["reconcile", "--tables", "SALES"])),
    );
    let source = ["reconcile", "--source", "--tables", "SALES"];
    report.add("reconcile --source", rows, &of(&|| sync(&project, &source)));

    let refresh = ["run", "--tables", "ITEM"];
    sync(&project, &refresh);
    report.add(
        "reference table, unchanged",
        items,
        &of(&|| sync(&project, &refresh)),
    );
    let changed = of(&|| {
        scene.at_source(&format!(
            "UPDATE dbo.ITEM SET STORE_ID = STORE_ID + 1 WHERE SALES_ID = {}",
            table::id(items / 2)
        ));
        sync(&project, &refresh)
    });
    report.add("reference table, a row changed", items, &changed);
    println!("{report}");

    let status = median(of(&|| sync(&project, &["status"])).iter().map(|run| run.seconds));
    println!("\nResume: {first:.2} s from the start to the first chunk verified");
    println!("Status: {status:.3} s");
}

/// The first and the last day of the job.
fn bounds() -> (String, String) {
    (
        table::month(0).to_string(),
        table::last_day(MONTHS - 1).to_string(),
    )
}

fn arguments<'a>(before: &[&'a str], (first, last): &'a (String, String)) -> Vec<&'a str> {
    let run = [
        "run",
        "--tables",
        "SALES",
        "--start-date",
        first,
        "--end-date",
        last,
    ];
    [before, &run].concat()
}

/// Kills a run from the start when half of its chunks are verified, and measures the run after it.
fn killed_and_resumed(scene: &Scene, project: &Project) -> Measured {
    let bounds = bounds();
    let run = arguments(&["--log", "json"], &bounds);
    if project.state().exists() {
        scene.forget(project, &["SALES"]);
    }
    let seen = AtomicUsize::new(0);
    let half = CHUNKS_MIN as usize / 2;
    let killed = measure_until(&mut command(project, &run), move |line| {
        is_verified(line) && seen.fetch_add(1, Ordering::Relaxed) + 1 == half
    });
    assert!(!killed.success, "it is killed");
    sync(project, &run)
}

fn is_verified(line: &str) -> bool {
    line.contains("\"message\":\"chunk verified\"")
}

fn verified(run: &Measured) -> impl Iterator<Item = &(f64, String)> {
    run.narrative.iter().filter(|(_, line)| is_verified(line))
}

/// Rows that a run has loaded, by its log.
fn loaded(run: &Measured) -> u64 {
    let rows = verified(run).map(|(_, line)| {
        let line: serde_json::Value = serde_json::from_str(line).expect("the log is JSON");
        line["fields"]["row_count"].as_u64().expect("a number")
    });
    rows.sum()
}
