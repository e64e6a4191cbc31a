//! The cost of a chunk at either end: no statement visits rows beside its range, wherever in the window that lies.

use testkit::{Project, Server, project};

const ROWS: u32 = 6_000;
const CHUNK_ROWS: u32 = 30;
/// Steps of a statement that are not of its rows: its beginning, and its other pieces, of a chunk's rows at most.
const STEPS_ALLOWED: u64 = 1_000;

struct Table {
    name: &'static str,
    config: String,
    make: &'static str,
    /// A row's values, from its number.
    row: fn(u32) -> String,
}

fn tables() -> [Table; 4] {
    [
        Table {
            name: "many dates",
            config: project::monthly("T", "D"),
            make: "CREATE TABLE dbo.T (D datetime NOT NULL, ID int NOT NULL, V nvarchar(20) NULL, \
                   CONSTRAINT PK_T PRIMARY KEY NONCLUSTERED (ID)); CREATE UNIQUE CLUSTERED INDEX CX_T ON dbo.T (D, ID)",
            row: |n| {
                let minute = n % 300;
                format!(
                    "('2024-03-{:02}T{:02}:{:02}:00', {n}, N'some text')",
                    1 + n / 300,
                    minute / 60,
                    minute % 60
                )
            },
        },
        Table {
            name: "a day of many rows, and a longer key with text",
            config: project::monthly("T", "D"),
            make: "CREATE TABLE dbo.T (D date NOT NULL, NO varchar(12) NOT NULL, LINE int NOT NULL, V nvarchar(20) NULL, \
                   CONSTRAINT PK_T PRIMARY KEY CLUSTERED (D, NO, LINE))",
            row: |n| {
                format!(
                    "('2024-03-{:02}', 'R{:06}', {}, N'some text')",
                    1 + n / 3000,
                    n / 50,
                    n % 50
                )
            },
        },
        Table {
            name: "rows without a date",
            config: project::monthly("T", "D"),
            make: "CREATE TABLE dbo.T (D datetime NULL, ID int NOT NULL, V nvarchar(20) NULL, \
                   CONSTRAINT PK_T PRIMARY KEY CLUSTERED (ID)); CREATE INDEX IX_T ON dbo.T (D, ID)",
            row: |n| format!("(NULL, {n}, N'some text')"),
        },
        Table {
            name: "a reference table",
            config: "[[table]]\nname = \"T\"\nmode = \"full\"\n".to_owned(),
            make: "CREATE TABLE dbo.T (A int NOT NULL, B int NOT NULL, V nvarchar(20) NULL, \
                   CONSTRAINT PK_T PRIMARY KEY CLUSTERED (A, B))",
            row: |n| format!("({}, {}, N'some text')", n / 100, n % 100),
        },
    ]
}

/// The steps of a chunk's statements, for the chunks in their order.
fn steps(server: &Server, mark: u64, database: &str, is_meant: impl Fn(&str) -> bool) -> Vec<u64> {
    let statements = server.statements_in(mark, database);
    let meant = statements.iter().filter(|statement| is_meant(&statement.text));
    meant.map(|statement| statement.steps).collect()
}

/// Asserts that no chunk costs more than the median one, but for a constant and a twentieth.
#[track_caller]
fn assert_even(what: &str, steps: &[u64]) {
    let mut sorted = steps.to_vec();
    sorted.sort_unstable();
    let median = sorted[sorted.len() / 2];
    let most = *sorted.last().expect("a chunk");
    assert!(
        most <= median + median / 20 + STEPS_ALLOWED,
        "{what}: a chunk took {most} steps where {median} are usual, of {} chunks",
        steps.len()
    );
}

#[tokio::test]
async fn no_statement_visits_rows_beside_its_range() {
    for table in tables() {
        let server = Server::start().await;
        if !server.has_log() {
            return;
        }
        server.at_source(table.make).await;
        let rows: Vec<String> = (0..ROWS).map(table.row).collect();
        for rows in rows.chunks(1000) {
            server
                .at_source(&format!("INSERT INTO dbo.T VALUES {}", rows.join(", ")))
                .await;
        }
        let run = format!("chunk_rows = {CHUNK_ROWS}\nmax_workers = 1");
        let project = Project::tuned(&server, &run, &table.config);
        let reads = |text: &str| text.contains("SELECT TOP (@P1)") && text.contains("FROM [dbo].[T]");
        let load =
            |text: &str| text.contains("INSERT INTO [dbo].[t_T") && text.contains("FROM #load; SELECT");
        let chunks = (ROWS / CHUNK_ROWS) as usize;

        let mark = server.mark();
        project.run("2024-03-01", "2024-03-31", &[]).await.expect(0);
        let (read, loaded) = (
            steps(&server, mark, &server.source, reads),
            steps(&server, mark, &server.target, load),
        );
        assert!(read.len() >= chunks && loaded.len() >= chunks, "{}", table.name);
        assert_even(&format!("{}: reads", table.name), &read);
        assert_even(&format!("{}: loads", table.name), &loaded);
        server.assert_equal("dbo.T", "dbo.t_T").await;

        // All chunks once more, into ranges that have their rows.
        server
            .at_target("UPDATE [sync].[receipt] SET [state] = N'stale'")
            .await;
        let mark = server.mark();
        project.run("2024-03-01", "2024-03-31", &[]).await.expect(0);
        let whole = [
            ("reads again", steps(&server, mark, &server.source, reads)),
            (
                "looks",
                steps(&server, mark, &server.target, |text| text.contains("[occupied]")),
            ),
            (
                "rows that leave",
                steps(&server, mark, &server.target, |text| text.contains("HASH JOIN")),
            ),
            ("loads again", steps(&server, mark, &server.target, load)),
        ];
        for (what, steps) in &whole {
            if !steps.is_empty() {
                assert_even(&format!("{}: {what}", table.name), steps);
            }
        }
        server.assert_equal("dbo.T", "dbo.t_T").await;
    }
}

#[tokio::test]
async fn the_rows_that_leave_are_found_in_proportion_to_a_chunk() {
    let mut of_a_row = Vec::new();
    for chunk_rows in [100, 1_000] {
        let server = Server::start().await;
        if !server.has_log() {
            return;
        }
        let table = &tables()[0];
        server.at_source(table.make).await;
        for start in [0, 1_000] {
            let rows: Vec<String> = (start..start + 1_000).map(table.row).collect();
            server
                .at_source(&format!("INSERT INTO dbo.T VALUES {}", rows.join(", ")))
                .await;
        }
        let run = format!("chunk_rows = {chunk_rows}\nmax_workers = 1");
        let project = Project::tuned(&server, &run, &table.config);
        project.run("2024-03-01", "2024-03-31", &[]).await.expect(0);
        server
            .at_target("UPDATE [sync].[receipt] SET [state] = N'stale'")
            .await;
        let mark = server.mark();
        project.run("2024-03-01", "2024-03-31", &[]).await.expect(0);
        let asked = steps(&server, mark, &server.target, |text| text.contains("HASH JOIN"));
        assert!(!asked.is_empty());
        of_a_row.push(asked.iter().max().expect("a chunk") / chunk_rows);
    }
    assert!(
        of_a_row[1] <= 2 * of_a_row[0],
        "steps a row of chunks of 100 and 1,000 rows: {of_a_row:?}"
    );
}
