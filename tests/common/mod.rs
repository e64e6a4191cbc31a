//! What the tests of the program share: a directory to work in, and what the program said in it.

use std::fmt;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

/// A directory that the program is run in.
pub struct Home(TempDir);

/// What the program printed, and its exit code.
pub struct Said {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Home {
    pub fn empty() -> Home {
        Home(tempfile::tempdir().expect("a temporary directory can be made"))
    }

    pub fn with_config(text: &str) -> Home {
        let home = Home::empty();
        home.write("sync.toml", text);
        home
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("the file is in a directory"))
            .expect("the directory is made");
        std::fs::write(path, text).expect("the file is written");
    }

    /// Runs the program in the directory.
    pub fn sync(&self, args: &[&str]) -> Said {
        self.sync_with(args, &[])
    }

    /// Runs it with environment variables.
    pub fn sync_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Said {
        let output = Command::cargo_bin("sync")
            .expect("the program is built")
            .current_dir(self.0.path())
            .env_remove("SOURCE_PASSWORD")
            .env_remove("TARGET_PASSWORD")
            .envs(variables.iter().copied())
            .args(args)
            .output()
            .expect("the program runs");
        let directory = self
            .0
            .path()
            .to_str()
            .expect("the directory's name is text")
            .to_owned();
        let text = |bytes| {
            let text = String::from_utf8(bytes).expect("output is UTF-8");
            without_run_id(&text.replace(&directory, "DIR"))
        };
        Said {
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            code: output.status.code().expect("the program ended by itself"),
        }
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

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(f, "{name}:\n{}", text.trim_end())?;
            }
        }
        write!(f, "exit code: {}", self.code)
    }
}
