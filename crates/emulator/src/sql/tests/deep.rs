//! Statements that nest as deeply as a client can make them: each is answered on the stack that a session has, and
//! the session answers the next.

use super::{Server, one, run};
use crate::listen::STACK_BYTES;

/// Runs a check on a thread with the stack of a session's.
fn on_a_session_stack(check: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(check)
        .unwrap()
        .join()
        .unwrap();
}

/// A chain of so many operands.
fn chain(operand: &str, word: &str, operands: usize) -> String {
    vec![operand; operands].join(word)
}

fn nested(open: &str, inner: &str, close: &str, levels: usize) -> String {
    format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))
}

/// Runs batches in one session on a session's stack, and expects the next statement to work after each. Returns the
/// error of each.
fn errors_of(batches: Vec<String>) -> Vec<Option<i32>> {
    let (send, receive) = std::sync::mpsc::channel();
    on_a_session_stack(move || {
        let server = Server::new();
        let mut session = server.session();
        for batch in batches {
            let answer = run(&mut session, &batch);
            let numbers: Vec<i32> = answer.errors.iter().map(|e| e.number).collect();
            assert!(numbers.len() <= 1, "{numbers:?}");
            send.send(numbers.first().copied()).unwrap();
            assert_eq!(one(&mut session, "SELECT 1"), "1");
        }
    });
    receive.iter().collect()
}

/// Runs a form at a size that must be answered, and at sizes that must be refused.
#[track_caller]
fn answers_up_to(answered: usize, form: impl Fn(usize) -> String) {
    let errors = errors_of([answered, 5_500, 20_000].map(&form).to_vec());
    assert_eq!(errors, [None, Some(191), Some(191)], "{}", form(3));
}

#[test]
fn a_chain_of_operators_is_answered_or_refused() {
    answers_up_to(300, |n| format!("SELECT {}", chain("1", "+", n)));
    answers_up_to(300, |n| {
        format!("SELECT {} AS a INTO #t{n}", chain("1", " - ", n))
    });
    answers_up_to(300, |n| format!("SELECT {}", chain("'a'", " + ", n)));
    answers_up_to(300, |n| format!("DECLARE @a int = {}", chain("1", "*", n)));
    answers_up_to(300, |n| {
        format!("CREATE TABLE t{n} (a int DEFAULT {})", chain("1", "+", n))
    });
}

#[test]
fn a_chain_of_conditions_is_answered_or_refused() {
    answers_up_to(1_900, |n| {
        format!("SELECT 1 WHERE {}", chain("1 = 1", " AND ", n))
    });
    answers_up_to(1_900, |n| format!("IF {} SELECT 1", chain("1 = 2", " OR ", n)));
    answers_up_to(900, |n| {
        format!("SELECT 1 WHERE {}", chain("1 = 1 AND 1 = 2", " OR ", n))
    });
}

#[test]
fn a_chain_of_queries_is_answered_or_refused() {
    answers_up_to(150, |n| chain("SELECT 1 AS a", " UNION ALL ", n));
    answers_up_to(100, |n| chain("SELECT 1 AS a", " UNION ", n));
    answers_up_to(100, |n| chain("SELECT 1 AS a", " EXCEPT ", n));
    answers_up_to(100, |n| {
        let rest = |i: usize| format!(", c{i} AS (SELECT a FROM c{})", i - 1);
        let rest: String = (1..n).map(rest).collect();
        format!("WITH c0 AS (SELECT 1 AS a){rest} SELECT a FROM c{}", n - 1)
    });
}

#[test]
fn what_contains_itself_is_answered_or_refused() {
    answers_up_to(100, |n| format!("SELECT {}", nested("(", "1", ")", n)));
    answers_up_to(100, |n| {
        format!(
            "SELECT {}",
            nested("CASE WHEN 1 = 1 THEN ", "1", " ELSE 0 END", n)
        )
    });
    answers_up_to(25, |n| format!("SELECT {}", nested("(SELECT ", "1", ")", n)));
    answers_up_to(25, |n| nested("SELECT * FROM (", "SELECT 1 AS a", ") AS t", n));
    answers_up_to(25, |n| {
        format!(
            "SELECT 1 WHERE {}",
            nested("EXISTS (SELECT 1 WHERE ", "1 = 1", ")", n)
        )
    });
    answers_up_to(50, |n| {
        format!(
            "SELECT 1 WHERE {}",
            nested("1 IN (SELECT 1 WHERE ", "1 = 1", ")", n / 2)
        )
    });
    answers_up_to(50, |n| format!("SELECT {}", nested("ABS(", "1", ")", n)));
    answers_up_to(50, |n| format!("SELECT {}", nested("CAST(", "1", " AS int)", n)));
    answers_up_to(100, |n| format!("SELECT {}1", "- ".repeat(n)));
    answers_up_to(100, |n| format!("SELECT 1 WHERE {}1 = 1", "NOT ".repeat(n)));
    answers_up_to(100, |n| format!("{}SELECT 1", "IF 1 = 1 ".repeat(n)));
    answers_up_to(100, |n| format!("{}SELECT 1", "WHILE 1 = 2 ".repeat(n)));
    answers_up_to(50, |n| nested("BEGIN ", "SELECT 1", " END", n));
    answers_up_to(50, |n| {
        nested(
            "BEGIN TRY ",
            "SELECT 1",
            " END TRY BEGIN CATCH SELECT 2 END CATCH",
            n,
        )
    });
    answers_up_to(25, |n| {
        format!(
            "SELECT 1 FROM {}",
            nested("(", "sys.tables CROSS JOIN sys.tables AS b", ")", n)
        )
    });
}

#[test]
fn lists_are_no_chains() {
    let list = |n: usize, item: &str| chain(item, ", ", n);
    let errors = errors_of(vec![
        format!("SELECT 1 WHERE 1 IN ({})", list(20_000, "-1")),
        format!("SELECT TOP 1 a FROM (VALUES {}) AS v (a)", list(20_000, "(1)")),
        format!(
            "CREATE TABLE v (a int); INSERT INTO v VALUES {}",
            list(1_000, "(1 + 1 - 1 + 1 - 1 + 1)")
        ),
        list(3_000, "SELECT 1").replace(',', ";"),
    ]);
    assert_eq!(errors, [None; 4]);
}

/// The deepest trees that are made and then not understood: naming them in the error needs their text.
#[test]
fn what_is_not_understood_is_named_however_deep_it_is() {
    let inner = |n: usize| chain("1", " & ", n);
    let mixed = (0..30).fold(inner(100), |inner, _| {
        format!("1 & ({inner}){}", " & 1".repeat(120))
    });
    let errors = errors_of(vec![
        format!("SELECT {}", inner(4_000)),
        format!("SELECT {}", chain("1", " = ", 4_000)),
        format!("SELECT 1 WHERE {}", chain("1", " = ", 4_000)),
        format!("SELECT {mixed}"),
        format!("SELECT 1{}", " IS NULL".repeat(4_000)),
        format!("SELECT 1 WHERE 1{}", " IN (1)".repeat(4_000)),
        format!("SELECT 1{}", " BETWEEN 1 AND 2".repeat(3_000)),
        format!(
            "SELECT * FROM sys.tables AS t{}",
            " PIVOT (SUM(a) FOR b IN (c)) AS t".repeat(900)
        ),
        format!(
            "SELECT * FROM sys.tables AS t{}",
            " PIVOT (SUM(a) FOR b IN (c)) AS t".repeat(9_000)
        ),
    ]);
    let refused = |error: &Option<i32>| error.is_some();
    assert!(errors.iter().all(refused), "{errors:?}");
    assert_eq!(errors.last(), Some(&Some(191)));
}

#[test]
fn what_grows_by_naming_itself_is_refused() {
    let doubled = |i: usize| {
        format!(
            ", c{i} AS (SELECT a.x FROM c{j} AS a CROSS JOIN c{j} AS b)",
            j = i - 1
        )
    };
    let ctes: String = (1..60).map(doubled).collect();
    let between = nested("CASE WHEN ", "1", " BETWEEN 1 AND 2 THEN 1 ELSE 0 END", 50);
    let errors = errors_of(vec![
        format!("WITH c0 AS (SELECT 1 AS x){ctes} SELECT x FROM c59"),
        nested("SELECT *, * FROM (", "SELECT 1 AS a", ") AS t", 25),
        format!("SELECT {between}"),
    ]);
    assert_eq!(errors, [Some(191), Some(1056), Some(191)]);
}

#[test]
fn batches_inside_batches_have_a_limit_together() {
    let block = nested(
        "BEGIN ",
        "EXEC sp_executesql @s, N'@s nvarchar(max)', @s",
        " END",
        50,
    );
    let sql = format!(
        "DECLARE @s nvarchar(max) = N'{}' EXEC sp_executesql @s, N'@s nvarchar(max)', @s",
        block.replace('\'', "''")
    );
    let error = errors_of(vec![sql])[0];
    assert_eq!(error, Some(191));
}
