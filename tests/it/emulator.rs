//! `sync emulator`: what it prints works, and one serves a directory.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use mssql_sync::mssql::{Session, Timeouts};
use testkit::{Home, program, session};

/// A server of a directory, killed with this.
struct Served {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Served {
    fn start(home: &Home, more: &[&str]) -> Served {
        let mut command = Command::new(program::path());
        command
            .current_dir(home.directory())
            .args(["emulator", "--data", "data", "--listen", "127.0.0.1:0"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = program::start_blocking(&mut command).expect("sync starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        Served { child, lines }
    }

    /// The next lines, up to the one with these words.
    fn until(&mut self, words: &str) -> Vec<String> {
        let mut said = Vec::new();
        for line in self.lines.by_ref() {
            said.push(line.expect("it is text"));
            if said.last().is_some_and(|line| line.contains(words)) {
                return said;
            }
        }
        panic!("it ended without {words}: {said:?}");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that has ended already needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is printed is pasted, a table is made, and the doctor has nothing to say against it.
#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_that_it_prints_works_with_it() {
    let home = Home::empty();
    let databases = ["--database", "POS", "--database", "Warehouse"];
    let said = {
        let mut alone = Served::start(&home, &databases[..2]);
        alone.until("date_column")
    };
    let way_out =
        "works with it once it has what is missing (start it again with --database WAREHOUSE as well)";
    assert!(said.iter().any(|line| line.contains(way_out)), "{said:?}");
    assert!(said.contains(&"database = \"WAREHOUSE\"".to_owned()), "{said:?}");

    let mut served = Served::start(&home, &databases);
    let said = served.until("date_column");
    assert!(!said.iter().any(|line| line.contains("missing")), "{said:?}");
    let from = said
        .iter()
        .position(|line| line == "[source]")
        .expect("a fragment");
    let config = said[from..].join("\n");
    home.write("sync.toml", &config);
    for says in ["Databases: POS (primary), Warehouse (primary)", "Login: any"] {
        assert!(said.iter().any(|line| line.contains(says)), "{said:?}");
    }
    let port = said[0]
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let endpoint = session::endpoint("127.0.0.1", port, "sync", "any", "POS");
    let mut source = Session::open(&endpoint, None, &Timeouts::default())
        .await
        .expect("a session");
    source
        .batch("CREATE TABLE dbo.T (DAY date NOT NULL, ID int NOT NULL, CONSTRAINT PK_T PRIMARY KEY CLUSTERED (DAY, ID))")
        .await
        .expect("the table is made");
    let doctor = home.sync(&["doctor"]);
    assert_eq!(doctor.code(), 0, "{config}\n{doctor:?}");
    let run = home.sync(&["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"]);
    assert_eq!(run.code(), 0, "{run:?}");
}

#[test]
fn a_second_one_on_the_same_directory_is_refused_and_told_of_the_first() {
    let home = Home::empty();
    let mut served = Served::start(&home, &["--database", "POS"]);
    let said = served.until("Listening on");
    let address = said[0].trim_start_matches("Listening on ").to_owned();
    served.until("[[table]]");
    let named = format!(
        "served by `sync emulator` (process {} at {address})",
        served.child.id()
    );
    home.sync(&["emulator", "--data", "data", "--listen", "127.0.0.1:0"])
        .exits(5)
        .says(&named);
    drop(served);
    // The lock went with the process.
    let mut again = Served::start(&home, &[]);
    again.until("Databases: POS (primary)");
}
