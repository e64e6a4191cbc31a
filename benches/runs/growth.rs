//! Whether a chunk costs at the end of a window what it costs at its start (G9): one window of 20, 100 and 400 chunks.

use comfy_table::{Table, presets};

use crate::process::median;
use crate::scene::{Scene, sales, sync};
use crate::settings::Settings;
use crate::table;

/// Chunks of each window.
const CHUNKS: [u64; 3] = [20, 100, 400];
/// The least rows of a chunk: below it, the commit is all that is measured.
const CHUNK_ROWS_MIN: u64 = 100;

/// Measures and prints.
pub fn measure(settings: &Settings) {
    let chunk_rows = (settings.rows / CHUNKS[CHUNKS.len() - 1]).max(CHUNK_ROWS_MIN);
    let scene = Scene::start();
    let months = CHUNKS.map(|chunks| chunks * chunk_rows);
    scene.wait(table::fill(&scene.wire(), "SALES", &months));
    let tuned = format!("max_workers = 1\nchunk_rows = {chunk_rows}");
    let project = scene.project(&tuned, &sales("SALES"));
    let mut report = Table::new();
    report.load_preset(presets::ASCII_MARKDOWN).set_header([
        "Chunks",
        "Rows a chunk",
        "Seconds",
        "Rows/s, last tenth to first",
        "ms a chunk, first fifth",
        "ms a chunk, last fifth",
        "Last to first fifth",
    ]);
    for (number, chunks) in (0..).zip(CHUNKS) {
        let rounds = (0..settings.rounds).map(|_| {
            let (first, last) = (
                table::month(number).to_string(),
                table::last_day(number).to_string(),
            );
            let run = [
                "--log",
                "json",
                "run",
                "--start-date",
                first.as_str(),
                "--end-date",
                last.as_str(),
            ];
            let measured = sync(&project, &run);
            scene.forget(&project, &["SALES"]);
            Growth::of(&measured.narrative, chunks)
        });
        let rounds: Vec<Growth> = rounds.collect();
        let of = |part: fn(&Growth) -> f64| median(rounds.iter().map(part));
        report.add_row([
            chunks.to_string(),
            chunk_rows.to_string(),
            format!("{:.2}", of(|growth| growth.seconds)),
            format!("{:.2}", of(|growth| growth.tenths)),
            format!("{:.1}", of(|growth| growth.first * 1e3)),
            format!("{:.1}", of(|growth| growth.last * 1e3)),
            format!("{:.2}", of(|growth| growth.last / growth.first)),
        ]);
    }
    println!("{report}");
}

/// What one run tells.
struct Growth {
    /// Seconds of all chunks.
    seconds: f64,
    /// Rows a second of the last tenth to those of the first.
    tenths: f64,
    /// The median of the seconds of a chunk in the first fifth.
    first: f64,
    /// The same of the last fifth.
    last: f64,
}

impl Growth {
    /// From the log of a run over one window.
    fn of(narrative: &[(f64, String)], chunks: u64) -> Growth {
        let at = |message: &str| -> Vec<f64> {
            let message = format!("\"message\":\"{message}\"");
            let lines = narrative.iter().filter(|(_, line)| line.contains(&message));
            lines.map(|(seconds, _)| *seconds).collect()
        };
        let verified = at("chunk verified");
        // The first ones are smaller, and one that its dates end is.
        assert!(verified.len() as u64 >= chunks, "chunks of the window");
        let mut before = at("window started")[0];
        let mut each = Vec::new();
        for seconds in verified {
            each.push(seconds - before);
            before = seconds;
        }
        let (tenth, fifth) = (each.len() / 10, each.len() / 5);
        let sum = |part: &[f64]| part.iter().sum::<f64>();
        Growth {
            seconds: sum(&each),
            tenths: sum(&each[..tenth]) / sum(&each[each.len() - tenth..]),
            first: median(each[..fifth].iter().copied()),
            last: median(each[each.len() - fifth..].iter().copied()),
        }
    }
}
