//! SQLite uses the indexes: the plans of statements that read by keys.

use super::{Server, call, int, ok, params, text};
use crate::sql::session::SqlSession;

fn sales(s: &mut SqlSession) {
    ok(s, "CREATE SCHEMA [ledger]");
    ok(
        s,
        "CREATE TABLE [ledger].[entry] ([ID] int NOT NULL CONSTRAINT [PK_S] PRIMARY KEY NONCLUSTERED, [D] datetime NOT NULL, \
         [K] varchar(20) COLLATE Latin1_General_CI_AS NOT NULL, [A] money NULL, [G] uniqueidentifier NOT NULL)",
    );
    ok(
        s,
        "CREATE CLUSTERED INDEX [IX_D] ON [ledger].[entry] ([D], [K]); CREATE INDEX [IX_G] ON [ledger].[entry] ([G])",
    );
}

fn explain(s: &mut SqlSession, declare: &str, sql: &str) -> String {
    s.declare_for_test(declare);
    s.explain(sql).join("; ")
}

#[test]
fn a_chunk_is_a_range_of_the_clustered_index_without_a_sort() {
    let server = Server::new();
    let mut s = server.session();
    sales(&mut s);
    let sql = "SELECT TOP (@P1) [ID], CAST([A] AS decimal(19,4)) AS [A], CAST([K] AS nvarchar(max)) AS [K] FROM [ledger].[entry] \
         WHERE [D] >= CAST(@P2 AS datetime) AND [D] < CAST(@P3 AS datetime) AND [D] >= CAST(@P4 AS datetime) \
         AND ([D] > CAST(@P4 AS datetime) OR ([D] = CAST(@P4 AS datetime) AND [K] > CAST(@P5 AS varchar(20)) COLLATE Latin1_General_CI_AS)) \
         ORDER BY [D], [K] OPTION (MAXDOP 1)";
    let plan = explain(
        &mut s,
        "@P1 bigint, @P2 datetime2(3), @P3 datetime2(3), @P4 datetime2(3), @P5 nvarchar(4000)",
        sql,
    );
    assert!(
        plan.starts_with("SEARCH t1 USING INDEX ix_") && plan.contains("(<expr>>? AND <expr><?)")
            || plan.contains("(D>? AND D<?)"),
        "{plan}"
    );
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}

#[test]
fn keys_of_other_types_still_seek() {
    let server = Server::new();
    let mut s = server.session();
    sales(&mut s);
    for (declare, condition) in [
        ("@P1 bigint", "[ID] = @P1"),
        ("@P1 nvarchar(4000)", "[ID] = @P1"),
        ("@P1 nvarchar(4000)", "[G] = CAST(@P1 AS uniqueidentifier)"),
        ("@P1 nvarchar(4000)", "[D] = @P1 AND [K] = N'x'"),
        ("@P1 int", "[ID] IN (1, 2, @P1)"),
        ("@P1 int", "[ID] BETWEEN 1 AND @P1"),
        ("@P1 datetime", "[D] = @P1"),
    ] {
        let plan = explain(
            &mut s,
            declare,
            &format!("SELECT [A] FROM [ledger].[entry] WHERE {condition}"),
        );
        assert!(plan.starts_with("SEARCH"), "{condition}: {plan}");
    }
    let minimum = explain(
        &mut s,
        "@P1 int",
        "SELECT MIN([D]) FROM [ledger].[entry] WHERE [D] > GETDATE()",
    );
    assert!(minimum.contains("SEARCH"), "{minimum}");
}

#[test]
fn a_correlated_exists_is_computed_from_the_small_side() {
    let server = Server::new();
    let mut s = server.session();
    sales(&mut s);
    ok(&mut s, "CREATE TABLE #load (c1 nvarchar(max) NULL)");
    let plan = explain(
        &mut s,
        "@P1 int",
        "SELECT COUNT(*) FROM [ledger].[entry] AS t WHERE EXISTS (SELECT 1 FROM #load AS l WHERE CAST(l.[c1] AS int) = t.[ID])",
    );
    assert!(
        plan.contains("USING COVERING INDEX ix_") || plan.contains("USING INDEX ix_"),
        "{plan}"
    );
    assert!(!plan.contains("CORRELATED"), "{plan}");
}

#[test]
fn plans_are_kept_and_made_anew_when_the_schema_moves() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, "CREATE TABLE t (a int); INSERT t VALUES (1)");
    let query = |s: &mut SqlSession| {
        call(s, "SELECT * FROM t WHERE a >= @P1", params(&[int(0)]))
            .sets
            .remove(0)
    };
    assert_eq!(query(&mut s).1, [["1"]]);
    let mut other = server.session();
    ok(
        &mut other,
        "DROP TABLE t; CREATE TABLE t (b nvarchar(5), a int); INSERT t VALUES (N'x', 2)",
    );
    let (columns, rows) = query(&mut s);
    assert_eq!((columns.len(), rows), (2, vec![vec!["x".to_owned(), "2".into()]]));
    // The same text with parameters of other types is another plan.
    let named = |s: &mut SqlSession, p| call(s, "SELECT @P1 + @P1", params(&[p])).sets.remove(0).1;
    assert_eq!(named(&mut s, int(2)), [["4"]]);
    assert_eq!(named(&mut s, text("2")), [["22"]]);
}
