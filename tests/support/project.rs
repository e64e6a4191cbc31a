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

    /// Runs `sync` with these arguments to its end.
    pub async fn sync(&self, arguments: &[&str]) -> Ended {
        self.sync_with(arguments, &[]).await
    }

    /// The same, with further variables in its environment.
    pub async fn sync_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let child = self.spawn_with(arguments, variables);
        let output = child.wait_with_output().await.expect("sync ends");
        Ended {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
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
        Command::new(env!("CARGO_BIN_EXE_sync"))
            .args(arguments)
            .current_dir(self.directory.path())
            .env(PASSWORD_VARIABLE, &self.password)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("sync starts")
    }

    /// `sync status --json`, parsed.
    pub async fn status(&self) -> serde_json::Value {
        let ended = self.sync(&["status", "--json"]).await.expect(0);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error} in {}", ended.stdout))
    }
}
