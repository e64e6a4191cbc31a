//! A project: a `sync.toml` whose source and target are a server's scratch databases, and the program run on it.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::{Ended, Home, Server, program};

/// Name of the variable that the written `sync.toml` takes its password from.
pub const PASSWORD_VARIABLE: &str = "SYNC_TEST_PROJECT_PASSWORD";

/// The line that asks for no replica, as a scratch database on a server under test is none.
const ANYWHERE: &str = "require_replica = false";

/// The section of `sync.toml` for table T by its date D, which most tests copy.
pub const T_MONTHLY: &str = "[[table]]\nname = \"T\"\ndate_column = \"D\"\n";

/// The section of `sync.toml` for the reference table ITEM.
pub const ITEM_FULL: &str = "[[table]]\nname = \"ITEM\"\nmode = \"full\"\n";

/// A section of `sync.toml` for a table that is copied by months.
pub fn monthly(table: &str, date_column: &str) -> String {
    format!("[[table]]\nname = \"{table}\"\ndate_column = \"{date_column}\"\n")
}

/// A section of `sync.toml` for a table that is copied whole.
pub fn full(table: &str) -> String {
    format!("[[table]]\nname = \"{table}\"\nmode = \"full\"\n")
}

/// A project whose source and target are the server's scratch databases.
pub struct Project {
    /// The directory that it is in.
    pub home: Home,
    password: String,
}

impl Project {
    /// Writes `sync.toml` with these `[[table]]` sections.
    pub fn new(server: &Server, tables: &str) -> Project {
        Project::tuned(server, "", tables)
    }

    /// Writes `sync.toml` with further lines for `[run]`.
    pub fn tuned(server: &Server, run: &str, tables: &str) -> Project {
        Project::with(server, ANYWHERE, run, tables)
    }

    /// Writes `sync.toml` with further lines for `[source]`, which say what proves a replica, and for `[run]`.
    pub fn with(server: &Server, source: &str, run: &str, tables: &str) -> Project {
        let end = |database: &str| {
            format!(
                "server = \"{},{}\"\ndatabase = \"{database}\"\nuser = \"{}\"\n\
                 password = \"${{{PASSWORD_VARIABLE}}}\"\nschema = \"dbo\"\n",
                server.host, server.port, server.user
            )
        };
        let trust = "encrypt = false\ntrust_server_certificate = true\n";
        Project {
            home: Home::with_config(&format!(
                "[source]\n{}{trust}{source}\n\n[target]\n{}table_prefix = \"t_\"\n{trust}\n[run]\n{run}\n\n{tables}\n",
                end(&server.source),
                end(&server.target),
            )),
            password: server.password.clone(),
        }
    }

    /// The password that [`PASSWORD_VARIABLE`] holds for the program.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The state file.
    pub fn state(&self) -> PathBuf {
        self.home.path("state/checkpoints.redb")
    }

    /// The files that `sync rebuild` put aside.
    pub fn asides(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.home.path("state")).expect("the state directory is there");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.retain(|path| path.to_string_lossy().contains("checkpoints.redb.aside-"));
        paths.sort_unstable();
        paths
    }

    /// Replaces a part of `sync.toml`, which must be there.
    pub fn configure(&self, from: &str, to: &str) {
        self.home.configure(from, to);
    }

    /// Runs `sync` with these arguments to its end.
    pub async fn sync(&self, arguments: &[&str]) -> Ended {
        self.sync_with(arguments, &[]).await
    }

    /// The same, with further variables in its environment.
    pub async fn sync_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        Ended::of(self.spawn_with(arguments, variables)).await
    }

    /// `sync run` for these days, both included.
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
        let mut command = self.command(program::path());
        let command = command.args(arguments).envs(variables.iter().copied());
        program::start(command).expect("sync starts")
    }

    /// A command in the project's directory, with what `sync` needs in its environment.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.home.directory())
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
