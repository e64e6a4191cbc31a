//! The proof that a source connection leads to a server that may be read (G5).
//!
//! The proof is one T-SQL predicate. A connection evaluates it once when it opens. Every statement that reads rows
//! repeats it (`IF <predicate> SELECT …`), so that nothing is read from a server that changed its role in between. A
//! server that cannot name itself proves nothing: NULL makes the predicate false.

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::row::Value;
use crate::mssql::catalog;
use crate::mssql::catalog::ServerInfo;
use crate::mssql::{Endpoint, Session};

const SERVER: &str = "UPPER(CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(256)))";
const UPDATEABILITY: &str = "CAST(DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS nvarchar(128))";

/// The proof that a source connection must give before it reads anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Proof {
    /// No proof: any server may be read.
    None,
    /// The database is READ_ONLY: a readable secondary, a standby, a snapshot.
    #[default]
    ReadOnly,
    /// The server is one of these, each `SERVER` or `SERVER/DATABASE`, whatever its role.
    Named(Vec<String>),
}

/// A source's proof, and the servers that are never read from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guard {
    /// The proof that is required.
    pub proof: Proof,
    /// Servers that are refused whatever they prove, each `SERVER` or `SERVER/DATABASE`.
    pub refuse_names: Vec<String>,
}

/// The guard as a T-SQL boolean, for `IF <predicate> SELECT …`, and the values of its parameters. The first parameter
/// is `@P{first_param}`. The boolean is `1 = 1` if there is nothing to prove.
pub fn predicate(guard: &Guard, first_param: usize) -> (String, Vec<String>) {
    let mut parts = Vec::new();
    let mut values = Vec::new();
    match &guard.proof {
        Proof::None => {}
        Proof::ReadOnly => parts.push(format!("{UPDATEABILITY} = N'READ_ONLY'")),
        Proof::Named(names) if names.is_empty() => parts.push("1 = 0".to_owned()),
        Proof::Named(names) => {
            let tests = lists(names, first_param, &mut values, "IN");
            parts.push(format!("({})", tests.join(" OR ")));
        }
    }
    parts.extend(lists(&guard.refuse_names, first_param, &mut values, "NOT IN"));
    if parts.is_empty() {
        parts.push("1 = 1".to_owned());
    }
    (parts.join(" AND "), values)
}

/// `SERVER IN (…)` for the bare names and `SERVER/DATABASE IN (…)` for the others. The server folds the case of both
/// sides, so that it folds them alike.
fn lists(names: &[String], first_param: usize, values: &mut Vec<String>, operator: &str) -> Vec<String> {
    let (full, bare): (Vec<_>, Vec<_>) = names.iter().partition(|name| name.contains('/'));
    let both = format!("{SERVER} + N'/' + UPPER(DB_NAME())");
    let mut tests = Vec::new();
    for (subject, names) in [(SERVER, bare), (both.as_str(), full)] {
        if names.is_empty() {
            continue;
        }
        let mut list = Vec::new();
        for name in names {
            list.push(format!("UPPER(@P{})", first_param + values.len()));
            values.push(name.clone());
        }
        tests.push(format!("{subject} {operator} ({})", list.join(", ")));
    }
    tests
}

/// Proves the guard on a connection that has read nothing yet. Only a server that does not prove itself is asked for its
/// name, for the error.
///
/// # Errors
/// `WrongServer` if the server proves nothing, given up if it is one of those that are refused by name: no failover makes
/// such a server one that may be read; those of [`Session::rows`].
pub(super) async fn prove(session: &mut Session, endpoint: &Endpoint, guard: &Guard) -> Result<()> {
    let (predicate, names) = predicate(guard, 1);
    let params: Vec<Value<'_>> = names.iter().map(|name| Value::Text(name)).collect();
    let proven = session
        .rows(&format!("IF {predicate} SELECT 1 AS [proven]"), &params)
        .await?;
    match proven.as_slice() {
        [_] => Ok(()),
        _ => Err(refusal(&catalog::server(session).await?, endpoint, guard)),
    }
}

/// The error for a statement whose proof failed, so that it has no result set.
pub fn unproven() -> Error {
    Error::new(
        ErrorKind::FailedOver,
        "The source no longer proves to be the server that may be read (it changed its role or its name), \
         so nothing is read from it; point [source] at the replica, or wait until it is one again",
    )
    .at_end("source")
}

fn refusal(server: &ServerInfo, endpoint: &Endpoint, guard: &Guard) -> Error {
    let is_this = |name: &String| match name.split_once('/') {
        Some((name, database)) => same(name, &server.server_name) && same(database, &server.database),
        None => same(name, &server.server_name),
    };
    let is_refused = guard.refuse_names.iter().any(is_this);
    let why =
        if is_refused {
            "refuse_names forbids it; point the connection at the replica".to_owned()
        } else {
            match &guard.proof {
            Proof::Named(_) => "replica_names does not list it; add it there, or point the connection at the \
                                replica"
                .to_owned(),
            _ => "a READ_ONLY database is required (require_replica); point the connection at the readable \
                  secondary, or prove a replica that is READ_WRITE by its name (replica_proof = \"named\")"
                .to_owned(),
        }
        };
    let error = Error::new(
        ErrorKind::WrongServer,
        format!(
            "The {} at {} is server {}, database {}, {}: {why}",
            endpoint.label,
            endpoint.address(),
            server.server_name,
            server.database,
            server.updateability
        ),
    );
    if is_refused { error.given_up() } else { error }
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn nothing_to_prove_is_true() {
        let guard = Guard {
            proof: Proof::None,
            refuse_names: vec![],
        };
        assert_eq!(predicate(&guard, 1), ("1 = 1".to_owned(), vec![]));
    }

    #[test]
    fn an_empty_list_of_names_proves_nothing() {
        let guard = Guard {
            proof: Proof::Named(vec![]),
            refuse_names: vec![],
        };
        assert_eq!(predicate(&guard, 1).0, "1 = 0");
    }

    #[test]
    fn parameters_are_numbered_from_where_they_are_asked_to() {
        let guard = Guard {
            proof: Proof::ReadOnly,
            refuse_names: names(&["PROD01", "PROD02/POS", "PROD03"]),
        };
        let (text, values) = predicate(&guard, 7);
        assert_eq!(
            text,
            "CAST(DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS nvarchar(128)) = N'READ_ONLY' \
             AND UPPER(CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(256))) NOT IN (UPPER(@P7), UPPER(@P8)) \
             AND UPPER(CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(256))) + N'/' + UPPER(DB_NAME()) \
             NOT IN (UPPER(@P9))"
        );
        assert_eq!(values, names(&["PROD01", "PROD03", "PROD02/POS"]));
    }

    #[test]
    fn a_name_is_enough_and_a_refused_one_is_not() {
        let guard = Guard {
            proof: Proof::Named(names(&["REPL01/POS", "REPL02"])),
            refuse_names: names(&["PROD01"]),
        };
        let (text, values) = predicate(&guard, 1);
        assert_eq!(
            text,
            "(UPPER(CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(256))) IN (UPPER(@P1)) \
             OR UPPER(CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(256))) + N'/' + UPPER(DB_NAME()) \
             IN (UPPER(@P2))) \
             AND UPPER(CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(256))) NOT IN (UPPER(@P3))"
        );
        assert_eq!(values, names(&["REPL02", "REPL01/POS", "PROD01"]));
    }
}
