//! A fault rule: the requests it is about, the point at which it fires, and its action.

use std::time::Duration;

use crate::store::Role;

/// A fault and the requests that meet it. See [`Rule::from_str`](#method.from_str) for its form on the command
/// line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The requests that the rule is about.
    pub when: Match,
    /// The point of such a request at which it fires.
    pub at: At,
    /// Its action at that point.
    pub action: Action,
}

/// The requests that a rule is about: those for which every given condition holds.
///
/// A request is one message of the client: a SQL batch, an `sp_executesql`, a transaction manager request (`BEGIN
/// TRANSACTION`, `COMMIT TRANSACTION`, `ROLLBACK TRANSACTION`), a procedure call (`EXEC name`), or an `INSERT BULK`
/// together with its bulk load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Its text contains this, in any case.
    pub statement_contains: Option<String>,
    /// The session's current database has this name, in any case.
    pub database: Option<String>,
    /// The client's name for itself begins with this, in any case: clients add what tells their sessions apart.
    pub application: Option<String>,
    /// The first request to fire for, counted from 1 among those that match.
    pub nth: u64,
    /// The number of matching requests to fire for, from there on; `u64::MAX` for all.
    pub times: u64,
}

impl Default for Match {
    fn default() -> Self {
        Match {
            statement_contains: None,
            database: None,
            application: None,
            nth: 1,
            times: 1,
        }
    }
}

impl Match {
    /// Requests whose text contains `text`.
    pub fn statement(text: impl Into<String>) -> Match {
        Match {
            statement_contains: Some(text.into()),
            ..Match::default()
        }
    }
}

/// The point of a request at which a rule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// Before the request runs.
    Before,
    /// After it ran (and its bulk load, if it has one) and before the end of its answer is sent. A COMMIT then has
    /// taken effect, and the client does not learn of it.
    After,
    /// After this many rows of its answer were sent. They reach the client.
    AfterRows(u64),
    /// After this many packets of its answer were sent. They reach the client.
    AfterPacketsOut(u64),
    /// After this many packets of the request, or of its bulk load, were received.
    AfterPacketsIn(u64),
    /// After this many rows of its bulk load were received.
    AfterBulkRows(u64),
    /// While a client logs in, after its name and password were checked.
    AtLogin,
}

/// The action of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ends the session, which rolls back, and then the connection.
    Drop,
    /// Fails the request. As in SQL Server, class 20 and above ends the connection too, and 1205 rolls the
    /// transaction back.
    Error {
        /// SQL Server's error number.
        number: i32,
        /// Its state.
        state: u8,
        /// Its severity, from 11 to 25.
        class: u8,
        /// Its text.
        message: String,
    },
    /// Waits until [`crate::Faults::release`], the rule's removal, an attention, or the end of the connection.
    Stall,
    /// Takes so much longer for each row of the answer from there on, in the time of [`crate::Faults::pass_time_by`].
    Slow(Duration),
    /// Runs SQL in the same session and transaction. If the session is busy at the rule's point, the SQL runs at
    /// the end of the request. Its results are thrown away; its error fails the request.
    Run(String),
    /// Refuses the login with 18456.
    RefuseLogin,
    /// Changes a database's role.
    SetRole(String, Role),
}

/// Names a rule that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub(super) u64);

/// The properties of a request that a rule is matched against.
pub(crate) struct Subject<'a> {
    /// `None` while logging in.
    pub(crate) statement: Option<&'a str>,
    pub(crate) database: &'a str,
    pub(crate) application: &'a str,
}

impl Rule {
    /// Whether the request is one that the rule is about.
    pub(super) fn is_about(&self, subject: &Subject<'_>) -> bool {
        let at_login = self.at == At::AtLogin || self.action == Action::RefuseLogin;
        let statement = match (subject.statement, &self.when.statement_contains) {
            (None, _) => at_login,
            (Some(_), None) => !at_login,
            (Some(text), Some(part)) => !at_login && contains_ignoring_case(text, part),
        };
        let same = |wanted: &Option<String>, is: &str| {
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted.to_lowercase() == is.to_lowercase())
        };
        let begins = |wanted: &Option<String>, is: &str| {
            wanted
                .as_ref()
                .is_none_or(|wanted| is.to_lowercase().starts_with(&wanted.to_lowercase()))
        };
        statement
            && same(&self.when.database, subject.database)
            && begins(&self.when.application, subject.application)
    }
}

fn contains_ignoring_case(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}
