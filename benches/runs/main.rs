//! What a job costs beside a bare loop on the same driver, server and machine, as whole processes.
//!
//! `cargo bench --bench runs [-- PART …]` runs on the emulator, or on the server that `SYNC_TEST_SERVER` names. The
//! parts are `rate`, `jobs`, `growth` and `again`; all run if none is named. docs/performance.md says what each number
//! means. Criterion suits short functions, so the medians here are this program's own.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

mod again;
mod bare;
mod growth;
mod jobs;
mod process;
mod rate;
mod scene;
mod settings;
mod table;

use process::load_average;
use settings::Settings;

/// Measures and prints one part.
type Measure = fn(&Settings);

/// The parts, in the order in which they run.
const PARTS: [(&str, Measure); 4] = [
    ("rate", rate::measure),
    ("jobs", jobs::measure),
    ("growth", growth::measure),
    ("again", again::measure),
];

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == bare::ARGUMENT) {
        return bare::run();
    }
    // `cargo test --benches` starts this program without the flag, and has no time for it.
    let Some(flag) = arguments.iter().position(|argument| argument == "--bench") else {
        return;
    };
    arguments.remove(flag);
    for argument in &arguments {
        let known = PARTS.iter().any(|(name, _)| name == argument);
        assert!(known, "{argument} is none of the parts: {}", names());
    }
    let settings = Settings::from_environment();
    println!("{settings}");
    println!("{}", load_average());
    for (name, measure) in PARTS {
        if arguments.is_empty() || arguments.iter().any(|argument| argument == name) {
            println!("\n## {name}\n");
            measure(&settings);
        }
    }
    println!("\n{}", load_average());
}

fn names() -> String {
    PARTS.map(|(name, _)| name).join(", ")
}
