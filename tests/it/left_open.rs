//! Nothing at the source outlives its chunk: no transaction, no temporary table, no statement, and no wait for a lock without
//! an end.

use tds_emulator::OpenSession;
use testkit::project::T_MONTHLY;
use testkit::{Project, Server, faults, tables};

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"];

/// The program's sessions at the source, once no statement runs there.
fn at_rest(server: &Server) -> Vec<OpenSession> {
    loop {
        let mut sessions = server.emulator().sessions();
        sessions.retain(|session| {
            session.database == server.source && session.application.starts_with(testkit::APPLICATION)
        });
        if !sessions.is_empty() && sessions.iter().all(|session| !session.is_running) {
            return sessions;
        }
        std::thread::yield_now();
    }
}

/// Between two chunks, while the target is written: after whole reads, under SNAPSHOT, and after reads that were cancelled
/// because the rows of a chunk were large enough.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_stays_at_the_source_while_the_target_is_written() {
    let test = "nothing_stays_at_the_source_while_the_target_is_written";
    for (snapshot, run) in [
        (false, "chunk_rows = 50"),
        (true, "chunk_rows = 50"),
        (false, "chunk_bytes_max = 4096"),
        (true, "chunk_bytes_max = 4096"),
    ] {
        let Some(server) = Server::start_emulator(test).await else {
            return;
        };
        let note = "REPLICATE(N'x', 100)";
        let rows = tables::october(600).map(|row| row.replace(')', &format!(", {note})")));
        tables::Table::new(
            "T",
            "ID int NOT NULL, D datetime2(0) NULL, NOTE nvarchar(100) NULL",
        )
        .indexed("D")
        .rows(rows)
        .at_source(&server)
        .await;
        if snapshot {
            server
                .at_source(
                    "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON; \
                     ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT OFF",
                )
                .await;
        }
        let project = Project::tuned(&server, run, T_MONTHLY);
        let rule = faults::at("INSERT INTO [sync].[receipt]").nth(3).stalls(&server);
        let running = project.spawn(&RUN);
        server.faults().wait_fired(rule, 1).await;
        for session in at_rest(&server) {
            let case = format!("{snapshot}, {run}: {session:?}");
            assert_eq!((session.transactions, session.temps), (0, 0), "{case}");
            assert!(session.lock_timeout_ms > 0, "{case}");
        }
        server.faults().remove(rule);
        testkit::Ended::of(running).await.expect(0);
    }
}
