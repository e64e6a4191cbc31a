//! A directory that the program is run in, with its files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::Ended;
use crate::program;

/// A directory that the program is run in; it goes with this value.
pub struct Home(TempDir);

impl Home {
    /// A directory with nothing in it.
    pub fn empty() -> Home {
        Home(tempfile::tempdir().expect("a temporary directory can be made"))
    }

    /// A directory with this `sync.toml`.
    pub fn with_config(text: &str) -> Home {
        let home = Home::empty();
        home.write("sync.toml", text);
        home
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        self.0.path()
    }

    /// The path of a file in it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// The text of a file in it.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes a file in it, and the directories that it is in.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("the file is in a directory"))
            .expect("the directory is made");
        std::fs::write(path, text).expect("the file is written");
    }

    /// Replaces a part of `sync.toml`, which must be there.
    pub fn configure(&self, from: &str, to: &str) {
        let text = self.read("sync.toml");
        assert!(text.contains(from), "no {from} in sync.toml");
        self.write("sync.toml", text.replace(from, to));
    }

    /// Adds lines at the end of `sync.toml`.
    pub fn configure_too(&self, lines: &str) {
        self.write("sync.toml", self.read("sync.toml") + lines);
    }

    /// Runs the program in the directory.
    pub fn sync(&self, args: &[&str]) -> Ended {
        self.sync_with(args, &[])
    }

    /// Runs it with environment variables. What it prints is as any machine has it in any run.
    pub fn sync_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Ended {
        self.run(&program::path(), args, variables)
    }

    /// Runs it by its second name.
    pub fn mssql_sync(&self, args: &[&str]) -> Ended {
        let name = format!("mssql-sync{}", std::env::consts::EXE_SUFFIX);
        self.run(&program::path().with_file_name(name), args, &[])
    }

    fn run(&self, program: &Path, args: &[&str], variables: &[(&str, &str)]) -> Ended {
        let mut command = Command::new(program);
        command
            .current_dir(self.directory())
            .env_remove("SOURCE_PASSWORD")
            .env_remove("TARGET_PASSWORD")
            // The width of the terminal that the tests are run in.
            .env_remove("COLUMNS")
            .envs(variables.iter().copied())
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = program::start_blocking(&mut command).expect("the program starts");
        let mut ended = Ended::from(child.wait_with_output().expect("the program runs"));
        assert!(ended.status.code().is_some(), "the program ended by itself");
        let directory = self.directory().to_str().expect("the directory's name is text");
        for text in [&mut ended.stdout, &mut ended.stderr] {
            *text = without_run_id(&text.replace(directory, "DIR"));
        }
        ended
    }
}

/// The text with `RUN-ID` for a run's number, which is another one every time.
fn without_run_id(text: &str) -> String {
    let is_id = |word: &str| word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
    text.split_inclusive([' ', '\n', ':'])
        .map(|word| {
            if is_id(word.trim_end_matches([' ', '\n', ':'])) {
                "RUN-ID: "
            } else {
                word
            }
        })
        .collect::<String>()
        .replace("RUN-ID:  ", "RUN-ID: ")
}
