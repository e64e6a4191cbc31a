//! A server with both ends, and `sync` run on it from the outside.

use std::process::Command;

use testkit::{Project, Server, program, project};
use tokio::runtime::Runtime;

use crate::bare::Wire;
use crate::process::{Measured, measure};

/// A server with both ends, and the program.
pub struct Scene {
    runtime: Runtime,
    server: Server,
}

impl Scene {
    /// The emulator, in a thread of this process, or the server that the environment names.
    pub fn start() -> Scene {
        let runtime = Runtime::new().expect("a runtime");
        let server = runtime.block_on(Server::start());
        Scene { runtime, server }
    }

    /// What the bare driver must know of the server.
    pub fn wire(&self) -> Wire {
        Wire::from(&self.server)
    }

    /// Waits for work at the server.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Runs statements in the source database.
    pub fn at_source(&self, sql: &str) {
        self.wait(self.server.at_source(sql));
    }

    /// Runs statements in the target database.
    pub fn at_target(&self, sql: &str) {
        self.wait(self.server.at_target(sql));
    }

    /// A project with these tables by months.
    pub fn project(&self, run: &str, tables: &str) -> Project {
        Project::tuned(&self.server, run, tables)
    }

    /// Makes the target and the store of a project as they were before its first run.
    pub fn forget(&self, project: &Project, tables: &[&str]) {
        let mut sql: Vec<String> = tables
            .iter()
            .map(|table| format!("DROP TABLE dbo.t_{table}"))
            .collect();
        sql.extend(["receipt", "plan"].map(|table| format!("DELETE FROM [sync].[{table}]")));
        self.at_target(&sql.join("; "));
        std::fs::remove_file(project.state()).expect("the state file");
    }
}

/// The section of a table by its sales' dates.
pub fn sales(name: &str) -> String {
    project::monthly(name, "SALES_DATE")
}

/// `sync` in a project.
pub fn command(project: &Project, arguments: &[&str]) -> Command {
    let mut command = Command::new(program::path());
    command
        .args(arguments)
        .current_dir(project.home.directory())
        .env(project::PASSWORD_VARIABLE, project.password());
    command
}

/// `sync` in a project, measured, which must be successful.
pub fn sync(project: &Project, arguments: &[&str]) -> Measured {
    let measured = measure(&mut command(project, arguments));
    let narrative: Vec<&str> = measured.narrative.iter().map(|(_, line)| line.as_str()).collect();
    assert!(
        measured.success,
        "sync {arguments:?} failed:\n{}\n{}",
        measured.stdout,
        narrative.join("\n")
    );
    measured
}
