//! A directory with a `sync.toml`, and the real binary run in it.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, Command};

use super::Server;

/// Name of the variable that the written `sync.toml` takes its password from.
pub const PASSWORD_VARIABLE: &str = "SYNC_TEST_PROJECT_PASSWORD";

/// A project whose source and target are the server's scratch databases.
pub struct Project {
    pub directory: tempfile::TempDir,
    password: String,
}

/// What a command ended with.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// What a process ended with, once it has.
    pub async fn of(child: Child) -> Ended {
        let output = child.wait_with_output().await.expect("the program ends");
        Ended {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
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
}

impl Project {
    /// Writes `sync.toml` with these `[[table]]` sections. The replica is not required, as a scratch database on
    /// a server under test is none; a test of the proof writes its own lines with [`Project::with`].
    pub fn new(server: &Server, tables: &str) -> Project {
        Project::with(server, "require_replica = false", "", tables)
    }

    /// Writes `sync.toml` with further lines for `[source]` and `[run]`.
    pub fn with(server: &Server, source: &str, run: &str, tables: &str) -> Project {
        let directory = tempfile::tempdir().expect("a directory for the project");
        let text = format!(
            r#"[source]
server = "{host},{port}"
database = "{source_database}"
user = "{user}"
password = "${{{PASSWORD_VARIABLE}}}"
schema = "dbo"
encrypt = false
trust_server_certificate = true
{source}

[target]
server = "{host},{port}"
database = "{target_database}"
user = "{user}"
password = "${{{PASSWORD_VARIABLE}}}"
schema = "dbo"
table_prefix = "t_"
encrypt = false
trust_server_certificate = true

[run]
{run}

{tables}
"#,
            host = server.host,
            port = server.port,
            user = server.user,
            source_database = server.source,
            target_database = server.target,
        );
        std::fs::write(directory.path().join("sync.toml"), text).expect("sync.toml is written");
        Project {
            directory,
            password: server.password.clone(),
        }
    }

    /// The state file.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state").join("checkpoints.redb")
    }

    /// The files that `sync rebuild` put aside.
    pub fn asides(&self) -> Vec<PathBuf> {
        let directory = self.directory.path().join("state");
        let entries = std::fs::read_dir(directory).expect("the state directory is there");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.retain(|path| path.to_string_lossy().contains("checkpoints.redb.aside-"));
        paths.sort_unstable();
        paths
    }

    /// Replaces a part of `sync.toml`, which must be there.
    pub fn configure(&self, from: &str, to: &str) {
        let path = self.directory.path().join("sync.toml");
        let text = std::fs::read_to_string(&path).expect("sync.toml is there");
        assert!(text.contains(from), "no {from} in sync.toml");
        std::fs::write(&path, text.replace(from, to)).expect("sync.toml is written");
    }

    /// Runs `sync` with these arguments to its end.
    pub async fn sync(&self, arguments: &[&str]) -> Ended {
        self.sync_with(arguments, &[]).await
    }

    /// The same, with further variables in its environment.
    pub async fn sync_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        Ended::of(self.spawn_with(arguments, variables)).await
    }

    /// `sync run` over October and November 2025 unless `more` says otherwise.
    pub async fn run(&self, first: &str, last: &str, more: &[&str]) -> Ended {
        let mut arguments = vec!["run", "--start-date", first, "--end-date", last];
        arguments.extend_from_slice(more);
        self.sync(&arguments).await
    }

    /// Starts `sync`; the process is killed when the handle is dropped.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.spawn_with(arguments, &[])
    }

    /// The same, with further variables in its environment.
    pub fn spawn_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Child {
        let mut command = self.command(env!("CARGO_BIN_EXE_sync"));
        let command = command.args(arguments).envs(variables.iter().copied());
        command.spawn().expect("sync starts")
    }

    /// A command in the project's directory, with what `sync` needs in its environment.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.directory.path())
            .env(PASSWORD_VARIABLE, &self.password)
            // What is kept of a test says nothing about the machine it was made on.
            .env("HOSTNAME", "vm")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// `sync status --json`, parsed.
    pub async fn status(&self) -> serde_json::Value {
        self.sync(&["status", "--json"]).await.expect(0).json()
    }
}
