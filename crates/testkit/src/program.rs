//! The program under test: where it is, how it is started, and what it ended with.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Output};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use tokio::process::{Child, Command};

/// What the name begins with that the program under test gives itself at a server.
pub const APPLICATION: &str = "sync/";

/// Taken by whoever starts a process, and alone by who needs that nobody does.
static STARTS: RwLock<()> = RwLock::new(());

/// As long as this is there, no test starts a process.
#[must_use]
pub struct Quiet(#[expect(dead_code, reason = "it is held, not read")] RwLockWriteGuard<'static, ()>);

/// Keeps all tests from starting processes.
///
/// A process that is started has copies of all open files, and with them their locks, until it becomes its own
/// program. A test that gives up a lock and takes it again at once would find it taken by such a child of another
/// test, and a program that was just written could not be run.
pub fn none_starts() -> Quiet {
    Quiet(STARTS.write().unwrap_or_else(PoisonError::into_inner))
}

/// Starts a process, once no test is against it.
pub fn start(command: &mut Command) -> io::Result<Child> {
    let _starts = STARTS.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// The same for a process that is waited for without a runtime.
pub fn start_blocking(command: &mut std::process::Command) -> io::Result<std::process::Child> {
    let _starts = STARTS.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// The file of the program, as Cargo built it with the test that runs.
pub fn path() -> PathBuf {
    // Older versions of Cargo name it to the compiler of the test alone, and not to the test.
    if let Some(path) = std::env::var_os("CARGO_BIN_EXE_sync") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test is a file");
    let mut directory = test.parent().expect("it is in a directory");
    if directory.ends_with("deps") {
        directory = directory.parent().expect("it is in a directory");
    }
    directory.join(format!("sync{}", std::env::consts::EXE_SUFFIX))
}

/// What a command ended with.
#[derive(Debug)]
pub struct Ended {
    /// How the process ended.
    pub status: ExitStatus,
    /// What it printed as its result.
    pub stdout: String,
    /// What it said on the way.
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        Ended {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: unstamped(&String::from_utf8_lossy(&output.stderr)),
        }
    }
}

impl Ended {
    /// What a process ended with, once it has.
    pub async fn of(child: Child) -> Ended {
        child.wait_with_output().await.expect("the program ends").into()
    }

    /// stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {}", self.stdout))
    }

    /// The exit code; -1 for a process that a signal ended.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// All that was printed.
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Asserts the exit code, showing what was printed where it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Ended {
        assert_eq!(
            self.code(),
            code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Asserts the exit code, as a story puts it.
    #[track_caller]
    pub fn exits(self, code: i32) -> Ended {
        self.expect(code)
    }

    /// Asserts that a text was printed, as the result or on the way. A server may keep names in lower case, so case does
    /// not count.
    #[track_caller]
    pub fn says(self, text: &str) -> Ended {
        assert!(
            self.said().to_lowercase().contains(&text.to_lowercase()),
            "`{text}` was not said: {}",
            self.said()
        );
        self
    }

    /// Asserts that it was not.
    #[track_caller]
    pub fn does_not_say(self, text: &str) -> Ended {
        assert!(!self.said().contains(text), "`{text}` was said: {}", self.said());
        self
    }
}

impl fmt::Display for Ended {
    /// What was printed and the exit code, as a snapshot has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(f, "{name}:\n{}", text.trim_end())?;
            }
        }
        write!(f, "exit code: {}", self.code())
    }
}

/// A narrative without the times of its lines, `2026-11-29 03:12:44Z `, which are of the clock.
fn unstamped(stderr: &str) -> String {
    let is_stamp = |text: &str| {
        let shape = |(c, like): (char, char)| {
            if like == '0' {
                c.is_ascii_digit()
            } else {
                c == like
            }
        };
        text.chars().zip("0000-00-00 00:00:00Z ".chars()).all(shape)
    };
    let bare = |line: &str| match line.get(..21) {
        Some(stamp) if is_stamp(stamp) => line[21..].to_owned(),
        _ => line.to_owned(),
    };
    stderr.split_inclusive('\n').map(bare).collect()
}
