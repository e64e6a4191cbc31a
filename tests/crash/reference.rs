//! The power fails at every step of a reference table's refresh and of a repair. Whoever reads the target sees all of
//! the old rows or all of the new ones, and never none; the next run finishes what was begun.

use std::collections::BTreeSet;

use testkit::sweep::{LANES, steps, sweep};
use testkit::tables::{self, Table};
use testkit::{Project, Server};

const ROWS: u32 = 60;
const CHUNK_ROWS: u64 = 10;

const TABLES: &str =
    "[[table]]\nname = \"ITEM\"\nmode = \"full\"\n[[table]]\nname = \"SALES\"\ndate_column = \"D\"";

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"];
const REFRESH: [&str; 3] = ["run", "--tables", "ITEM"];
const RECONCILE: [&str; 3] = ["reconcile", "--source", "--repair"];

/// What the source's reference table is changed to, by number, so that each death begins with the same change. The
/// fourth chunk is the first that differs.
const CHANGE: &str = "DELETE FROM dbo.ITEM WHERE CODE >= N'C035'; \
    INSERT INTO dbo.ITEM VALUES (N'C036', N'new', 1), (N'C0361', NULL, NULL), (N'C05', N'z', 2), (N'D', NULL, 3)";

/// Two rows of different chunks that get each other's name.
const EXCHANGE: &str = "UPDATE dbo.ITEM SET NAME = N'' WHERE CODE = N'C002'; \
    UPDATE dbo.ITEM SET NAME = N'name 2' WHERE CODE = N'C052'; \
    UPDATE dbo.ITEM SET NAME = N'name 52' WHERE CODE = N'C002'";

/// A target in which names are unique, and that a copy could not stand in for.
const UNIQUE: &str = "CREATE TABLE dbo.t_ITEM (CODE nvarchar(20) NOT NULL PRIMARY KEY CLUSTERED, \
    NAME nvarchar(40) NULL CONSTRAINT DF_name DEFAULT (N'x'), PRICE money NULL); \
    CREATE UNIQUE INDEX UX_name ON dbo.t_ITEM (NAME)";

/// A target that a copy could not stand in for.
const DEFAULTED: &str = "CREATE TABLE dbo.t_ITEM (CODE nvarchar(20) NOT NULL PRIMARY KEY CLUSTERED, \
    NAME nvarchar(40) NULL CONSTRAINT DF_name DEFAULT (N'x'), PRICE money NULL)";

#[derive(Clone, Copy)]
struct Job {
    name: &'static str,
    command: &'static [&'static str],
    /// What is done to the target before anything is loaded.
    prepared: &'static str,
    /// What the source's reference table is changed to.
    change: &'static str,
    /// Whether all is loaded before, and the source's reference table changed then.
    loaded: bool,
    /// What is done to the target then.
    touched: &'static str,
    /// Whether each reader sees the old rows or the new ones.
    whole: bool,
}

const JOBS: [Job; 5] = [
    Job {
        name: "a first load",
        command: &REFRESH,
        prepared: "",
        change: CHANGE,
        loaded: false,
        touched: "",
        whole: true,
    },
    Job {
        name: "a refresh that is swapped in",
        command: &REFRESH,
        prepared: "",
        change: CHANGE,
        loaded: true,
        touched: "",
        whole: true,
    },
    Job {
        name: "a refresh in place",
        command: &REFRESH,
        prepared: DEFAULTED,
        change: CHANGE,
        loaded: true,
        touched: "",
        whole: false,
    },
    Job {
        name: "a refresh in one transaction",
        command: &REFRESH,
        prepared: UNIQUE,
        change: EXCHANGE,
        loaded: true,
        touched: "",
        whole: false,
    },
    Job {
        name: "a repair",
        command: &RECONCILE,
        prepared: "",
        change: CHANGE,
        loaded: true,
        touched: "DELETE FROM dbo.t_SALES WHERE ID IN (3, 14); UPDATE dbo.t_SALES SET V = 0 WHERE ID = 27",
        whole: false,
    },
];

/// The rows of the reference table before a job and after it.
async fn fill(server: &Server) {
    let item = tables::items("NAME nvarchar(40) NULL, PRICE money NULL");
    item.at_source(server).await;
    let items = (0..ROWS).map(|n| format!("(N'C{n:03}', N'name {n}', {n}.5)"));
    item.named("OLD").rows(items).at_source(server).await;
    let sales = (0..30).map(|n| format!("({n}, '2025-10-{:02}', {n})", 1 + n));
    let table = Table::new("SALES", "ID int NOT NULL, D datetime NOT NULL, V int NULL");
    table.rows(sales).at_source(server).await;
    put_back(server).await;
}

async fn put_back(server: &Server) {
    server
        .at_source("DELETE FROM dbo.ITEM; INSERT INTO dbo.ITEM SELECT CODE, NAME, PRICE FROM dbo.OLD")
        .await;
}

async fn begin(server: &mut Server, job: &Job) -> Project {
    server.renew_target().await;
    put_back(server).await;
    let run = format!("chunk_rows = {CHUNK_ROWS}\nmax_workers = 2");
    let project = Project::tuned(server, &run, TABLES);
    if !job.prepared.is_empty() {
        server.at_target(job.prepared).await;
    }
    if job.loaded {
        project.sync(&RUN).await.expect(0);
        server.at_source(job.change).await;
    }
    if !job.touched.is_empty() {
        server.at_target(job.touched).await;
    }
    project
}

/// The job dies at its step `number`; the command that is given again finishes it. Returns whether it got that far.
async fn dies_at(server: &mut Server, job: &Job, number: usize) -> bool {
    let project = begin(server, job).await;
    let place = format!("{}, step {number}", job.name);
    let mut source = server.connect(&server.source).await;
    let (old, new) = (source.dump("dbo.OLD").await, source.dump("dbo.ITEM").await);
    let mark = server.mark();
    let died = project
        .sync_with(job.command, &[("SYNC_FAILPOINT", &number.to_string())])
        .await;
    if died.code() == 0 {
        return false;
    }
    assert_eq!(died.code(), -1, "{place}: it ended by itself: {}", died.stderr);
    let mut target = server.connect(&server.target).await;
    let there = target
        .integer("SELECT COUNT_BIG(*) FROM sys.tables WHERE name = N't_ITEM'")
        .await;
    assert!(there == 1 || !job.loaded, "{place}: the table is gone");
    if there == 1 && job.whole {
        let seen = target.dump("dbo.t_ITEM").await;
        assert!(
            seen == old && job.loaded || seen == new,
            "{place}: a reader sees {} rows",
            seen.len()
        );
        let proven = target
            .integer(
                "SELECT COALESCE(SUM([row_count]), 0) FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_ITEM' \
                 AND [state] = N'verified'",
            )
            .await;
        assert_eq!(seen.len() as i64, proven, "{place}: rows and what receipts say");
    }
    project.sync(&["status"]).await.expect(0);
    project.sync(job.command).await.expect(0);
    if job.command == RECONCILE {
        // What a repair was to find was found by the one that died, or by this one.
        server.assert_equal("dbo.SALES", "dbo.t_SALES").await;
    }
    server.assert_equal("dbo.ITEM", "dbo.t_ITEM").await;
    assert_receipts(server, &place).await;
    let read = server.rows_read(mark, &["[ITEM]"]);
    // Compared by the one that died and by the next, and what was in flight loaded again.
    // What is refused chunk by chunk is read once more for the one transaction.
    let again = if job.prepared == UNIQUE { 12 } else { 6 };
    let bound = 2 * (u64::from(ROWS) + ROWS as u64 / CHUNK_ROWS) + again * (CHUNK_ROWS + 1);
    assert!(
        read <= bound,
        "{place}: {read} rows were read, at most {bound} may be"
    );
    // Whatever it was, a run has nothing to write any more.
    project.sync(&RUN).await.expect(0);
    let loads = "SELECT [load_id] FROM [sync].[receipt] ORDER BY [table_name], [window_start], [ordinal]";
    let before = target.rows(loads).await;
    let said = project.sync(&RUN).await.expect(0);
    assert!(
        said.stdout.contains("Everything is already loaded"),
        "{place}: {}",
        said.stdout
    );
    assert_eq!(before, target.rows(loads).await, "{place}");
    true
}

/// Nothing is left beside the target, and its receipts add up to its rows.
async fn assert_receipts(server: &Server, place: &str) {
    let mut target = server.connect(&server.target).await;
    let left = target
        .integer("SELECT COUNT_BIG(*) FROM sys.tables WHERE name LIKE N'%sync'")
        .await;
    assert_eq!(left, 0, "{place}: a table is left");
    let sql = "SELECT COUNT_BIG(*) FROM [sync].[receipt] WHERE [state] <> N'verified' OR [table_name] LIKE N'%sync'";
    assert_eq!(target.integer(sql).await, 0, "{place}: receipts");
    let sql = "SELECT SUM([row_count]) FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_ITEM'";
    let rows = target.integer("SELECT COUNT_BIG(*) FROM dbo.t_ITEM").await;
    assert_eq!(target.integer(sql).await, rows, "{place}: receipts and rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_or_a_repair_that_dies_at_any_step_is_finished_by_the_next() {
    let name = "a_refresh_or_a_repair_that_dies_at_any_step_is_finished_by_the_next";
    let mut lanes = Vec::new();
    for _ in 0..LANES {
        let Some(server) = Server::start_emulator(name).await else {
            return;
        };
        fill(&server).await;
        lanes.push(server);
    }
    let mut cases = Vec::new();
    let mut names = BTreeSet::new();
    for job in JOBS {
        let project = begin(&mut lanes[0], &job).await;
        let steps = steps(&project, job.command).await;
        cases.extend((1..=steps.len()).map(|number| (job, number)));
        println!("{}: {} steps", job.name, steps.len());
        names.extend(steps);
    }
    for name in [
        "beside: after COMMIT",
        "beside: before it is made",
        "stale: after COMMIT",
        "swap: after COMMIT",
        "together: after COMMIT",
        "together: before COMMIT",
        "swap: after the old table is dropped",
        "swap: after the receipts",
        "swap: before COMMIT",
    ] {
        assert!(names.contains(name), "no job passes the step {name}: {names:?}");
    }
    sweep(
        lanes,
        cases,
        |mut server, (job, number): (Job, usize)| async move {
            let reached = dies_at(&mut server, &job, number).await;
            (server, reached)
        },
    )
    .await;
}
