//! FOREIGN KEY constraints, and the catalog views of the relations between tables.

use super::{Server, fails, ok, one, rows};

const TABLES: &str = "CREATE TABLE p (a int NOT NULL, b nvarchar(5) NOT NULL, v int NULL, CONSTRAINT PK_p PRIMARY KEY (a, b)); \
    CREATE TABLE c (id int NOT NULL CONSTRAINT PK_c PRIMARY KEY, x int NULL, y nvarchar(5) NULL, CONSTRAINT FK_c FOREIGN KEY (x, y) REFERENCES dbo.p (a, b) ON DELETE NO ACTION ON UPDATE NO ACTION); \
    INSERT p VALUES (1, N'a', 0), (2, N'b', 0); INSERT c VALUES (1, 1, N'A'), (2, NULL, N'z')";

#[test]
fn a_foreign_key_is_enforced_on_both_sides() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLES);
    for (sql, statement, constraint) in [
        ("INSERT c VALUES (3, 1, N'b')", "INSERT", "FOREIGN KEY"),
        ("UPDATE c SET y = N'q' WHERE id = 1", "UPDATE", "FOREIGN KEY"),
        ("UPDATE p SET b = N'q' WHERE a = 1", "UPDATE", "REFERENCE"),
        ("DELETE p WHERE a = 1", "DELETE", "REFERENCE"),
    ] {
        let failure = fails(&mut s, sql);
        let text = format!("The {statement} statement conflicted with the {constraint} constraint \"FK_c\".");
        assert_eq!(
            (failure.number, failure.message.starts_with(&text)),
            (547, true),
            "{failure}"
        );
    }
    ok(
        &mut s,
        "UPDATE p SET v = 1; DELETE p WHERE a = 2; UPDATE c SET x = NULL; DELETE p",
    );
}

#[test]
fn a_foreign_key_comes_and_goes_by_alter_table() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLES);
    ok(
        &mut s,
        "ALTER TABLE c DROP CONSTRAINT FK_c; INSERT c VALUES (3, 9, N'z')",
    );
    let add = "ALTER TABLE c WITH CHECK ADD CONSTRAINT FK_c FOREIGN KEY (x, y) REFERENCES p";
    let failure = fails(&mut s, add);
    assert_eq!(failure.number, 547);
    assert!(
        failure
            .message
            .starts_with("The ALTER TABLE statement conflicted"),
        "{failure}"
    );
    ok(&mut s, &format!("DELETE c WHERE id = 3; {add}"));
    assert_eq!(fails(&mut s, "INSERT c VALUES (3, 9, N'z')").number, 547);
    assert_eq!(fails(&mut s, "DROP TABLE p").number, 3726);
    assert_eq!(
        fails(
            &mut s,
            "CREATE TABLE d (x int NULL CONSTRAINT FK_d REFERENCES p (v))"
        )
        .number,
        1776
    );
    ok(&mut s, "BEGIN TRAN; DROP TABLE c; DROP TABLE p; ROLLBACK");
    assert_eq!(fails(&mut s, "DELETE p").number, 547);
}

#[test]
fn the_views_of_relations() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLES);
    let keys = "SELECT f.name, OBJECT_NAME(f.parent_object_id), OBJECT_NAME(f.referenced_object_id), cc.name, pc.name, f.delete_referential_action_desc \
        FROM sys.foreign_keys AS f JOIN sys.foreign_key_columns AS k ON k.constraint_object_id = f.object_id \
        JOIN sys.columns AS cc ON cc.object_id = k.parent_object_id AND cc.column_id = k.parent_column_id \
        JOIN sys.columns AS pc ON pc.object_id = k.referenced_object_id AND pc.column_id = k.referenced_column_id ORDER BY k.constraint_column_id";
    assert_eq!(
        rows(&mut s, keys),
        [
            ["FK_c", "c", "p", "x", "a", "NO_ACTION"],
            ["FK_c", "c", "p", "y", "b", "NO_ACTION"]
        ]
    );
    for empty in [
        "SELECT COUNT(*) FROM sys.triggers WHERE parent_id = OBJECT_ID(N'c') AND is_disabled = 0",
        "SELECT COUNT(*) FROM sys.sql_expression_dependencies WHERE referenced_id = OBJECT_ID(N'c') AND is_schema_bound_reference = 1 AND referencing_id > 0 AND referenced_entity_name = N'c'",
        "SELECT COUNT(*) FROM sys.computed_columns WHERE object_id = OBJECT_ID(N'c') AND definition IS NOT NULL",
        "SELECT COUNT(*) FROM sys.extended_properties WHERE major_id = OBJECT_ID(N'c') AND minor_id = 0 AND class = 1 AND name = N'x' AND value IS NULL",
    ] {
        assert_eq!(one(&mut s, empty), "0", "{empty}");
    }
    ok(&mut s, "CREATE UNIQUE INDEX ix ON c (y DESC, id) INCLUDE (x)");
    assert_eq!(
        rows(
            &mut s,
            "SELECT c.name, i.key_ordinal, i.is_descending_key, i.is_included_column FROM sys.index_columns AS i JOIN sys.columns AS c ON c.object_id = i.object_id AND c.column_id = i.column_id WHERE i.index_id = 2 ORDER BY i.index_column_id"
        ),
        [["y", "1", "1", "0"], ["id", "2", "0", "0"], ["x", "0", "0", "1"]]
    );
}

#[test]
fn a_foreign_key_to_its_own_table_is_checked_at_the_end_of_a_statement() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE t (id int NOT NULL PRIMARY KEY, up int NULL CONSTRAINT FK_t REFERENCES t (id)); \
         INSERT t VALUES (1, 2), (2, 1), (3, NULL); UPDATE t SET up = 4 - id WHERE id <> 2; DELETE t WHERE id IN (1, 2, 3)",
    );
    ok(&mut s, "INSERT t VALUES (1, 2), (2, 1)");
    for (sql, says) in [
        (
            "INSERT t VALUES (3, 4)",
            "The INSERT statement conflicted with the FOREIGN KEY SAME TABLE constraint \"FK_t\".",
        ),
        (
            "DELETE t WHERE id = 1",
            "The DELETE statement conflicted with the SAME TABLE REFERENCE constraint \"FK_t\".",
        ),
    ] {
        let failure = fails(&mut s, sql);
        assert_eq!(
            (failure.number, failure.message.starts_with(says)),
            (547, true),
            "{failure}"
        );
    }
    assert_eq!(one(&mut s, "SELECT COUNT(*) FROM t"), "2");
}
