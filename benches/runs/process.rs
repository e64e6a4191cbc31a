//! A process, measured from its start to its end: seconds, processor time, the most memory that it held.
//!
//! Processor time and memory come from Linux's `/proc`, and are unknown elsewhere. A process that has ended keeps its
//! times until its parent takes note of it, so they are complete; its memory is sampled while it runs.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time between two samples of memory.
const SAMPLE: Duration = Duration::from_millis(10);
/// Units of processor time a second: Linux tells programs this many on every machine.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process took.
pub struct Measured {
    /// Seconds from its start to its end.
    pub seconds: f64,
    /// Seconds of processor time, of all its threads.
    pub cpu_seconds: Option<f64>,
    /// The most memory that it held, in MiB.
    pub peak_mib: Option<f64>,
    /// Whether it ended with exit code 0.
    pub success: bool,
    /// What it printed as its result.
    pub stdout: String,
    /// The lines of its narrative, each with the seconds from its start to the line.
    pub narrative: Vec<(f64, String)>,
}

/// Runs a command to its end.
pub fn measure(command: &mut Command) -> Measured {
    measure_until(command, |_| false)
}

/// The same, and kills it after the first line of its narrative that `is_end`.
pub fn measure_until(command: &mut Command, is_end: impl Fn(&str) -> bool + Send + 'static) -> Measured {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().expect("the process starts");
    let pid = child.id();
    let peak = Arc::new(AtomicU64::new(0));
    let ended = Arc::new(AtomicBool::new(false));
    let sampler = std::thread::spawn({
        let (peak, ended) = (Arc::clone(&peak), Arc::clone(&ended));
        move || {
            while !ended.load(Ordering::Relaxed) {
                peak.fetch_max(peak_kib(pid).unwrap_or(0), Ordering::Relaxed);
                std::thread::sleep(SAMPLE);
            }
        }
    });
    let stderr = child.stderr.take().expect("it is piped");
    let (tell, told) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut lines = Vec::new();
        for line in BufReader::new(stderr).lines() {
            let line = line.expect("its narrative is text");
            if is_end(&line) {
                let _ = tell.send(());
            }
            lines.push((started.elapsed().as_secs_f64(), line));
        }
        lines
    });
    let stdout = child.stdout.take().expect("it is piped");
    let result = std::thread::spawn(move || {
        let mut text = String::new();
        BufReader::new(stdout)
            .read_to_string(&mut text)
            .expect("its result is text");
        text
    });
    // The sender is gone once its narrative has ended, and the process with it.
    if told.recv().is_ok() {
        child.kill().expect("it is killed");
    }
    let narrative = reader.join().expect("its narrative is read");
    let stdout = result.join().expect("its result is read");
    let seconds = started.elapsed().as_secs_f64();
    let (cpu_seconds, success) = end(&mut child);
    ended.store(true, Ordering::Relaxed);
    sampler.join().expect("its memory is sampled");
    let peak = peak.load(Ordering::Relaxed);
    Measured {
        seconds,
        cpu_seconds,
        peak_mib: (peak > 0).then_some(peak as f64 / 1024.0),
        success,
        stdout,
        narrative,
    }
}

/// Takes note of the end of a process; its processor time, and whether it was successful.
fn end(child: &mut Child) -> (Option<f64>, bool) {
    let cpu = loop {
        match times(child.id()) {
            Some((state, _)) if state != 'Z' => std::thread::sleep(Duration::from_millis(1)),
            Some((_, seconds)) => break Some(seconds),
            None => break None,
        }
    };
    (cpu, child.wait().expect("it has ended").success())
}

/// State and processor time of a process; `None` where there is no `/proc`.
fn times(pid: u32) -> Option<(char, f64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before may hold anything, but for the last parenthesis.
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
    let state = fields.first()?.chars().next()?;
    Some((state, (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND))
}

fn peak_kib(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// How busy the machine is, for whoever reads the numbers.
pub fn load_average() -> String {
    match std::fs::read_to_string("/proc/loadavg") {
        Ok(text) => {
            let averages: Vec<&str> = text.split(' ').take(3).collect();
            let processors = std::thread::available_parallelism().map_or(0, usize::from);
            format!(
                "Load of the machine: {} on {processors} processors",
                averages.join(", ")
            )
        }
        Err(_) => "Load of the machine: unknown".to_owned(),
    }
}

/// The middle of some numbers.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    assert!(!numbers.is_empty(), "a median is of something");
    numbers.sort_unstable_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 {
        numbers[middle]
    } else {
        (numbers[middle - 1] + numbers[middle]) / 2.0
    }
}
