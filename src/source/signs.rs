//! The signs of a source's state: whether somebody waits for this program, how its disks and schedulers do, and how far a
//! replica is behind.
//!
//! They come from dynamic management views, which a login may not see and a server may not have. What there is to see is
//! found out once a run, and done without from then on: no view that is missing costs a connection or a retry. All that can be
//! seen is one statement, which reads no table and takes no lock.
//!
//! What the views say: `sys.dm_exec_requests` shows other sessions' requests only to who has VIEW SERVER STATE, and nothing is
//! an empty answer without it, so the right is asked for first. The counters of `sys.dm_os_wait_stats` grow from the server's
//! start, so a sign is the difference of two looks at one server. `sys.dm_hadr_database_replica_states` shows a secondary its
//! own row alone. Its `last_commit_time` says nothing of the lag: it stands still while nobody sells anything.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::error::{Error, Result};
use crate::model::pace::Signs;
use crate::mssql::Row;
use crate::source::session::SourceSession;

/// Which views there are, and whether the login may see them. From SQL Server 2022 on, a smaller right is enough; earlier
/// servers do not know it, and answer NULL.
const PROBE: &str = "SELECT OBJECT_ID(N'sys.dm_exec_requests') AS [requests], OBJECT_ID(N'sys.dm_os_wait_stats') AS [waits], \
    OBJECT_ID(N'sys.dm_hadr_database_replica_states') AS [replica], \
    HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER STATE') AS [state], \
    HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER PERFORMANCE STATE') AS [performance]";

/// How many connections in a row may break at a look before the run does without.
const BREAKS_MAX: u32 = 3;

/// The fewest waits whose average tells something of a disk.
const WAITS_MIN: u64 = 10;

/// One kind of sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Blocking,
    Waits,
    Replica,
}

impl Part {
    const ALL: [Part; 3] = [Part::Blocking, Part::Waits, Part::Replica];

    /// The columns of a look, and the source that they come from: of one row, or joined so that one row stays.
    fn sql(self) -> (&'static str, &'static str) {
        match self {
            // Who waits may be no user: on a readable secondary it is the redo, which a reader's schema lock holds up. Such
            // a session names no program. A name of this program may end with a slash and more.
            Part::Blocking => (
                "b.[blocked]",
                " CROSS JOIN (SELECT COUNT_BIG(*) AS [blocked] FROM sys.dm_exec_requests AS r \
                 JOIN sys.dm_exec_sessions AS o ON o.session_id = r.blocking_session_id \
                 JOIN sys.dm_exec_sessions AS w ON w.session_id = r.session_id \
                 WHERE LEFT(r.wait_type, 6) = N'LCK_M_' AND LEFT(o.program_name, CHARINDEX(N'/', o.program_name + N'/') - 1) \
                 = LEFT(APP_NAME(), CHARINDEX(N'/', APP_NAME() + N'/') - 1) \
                 AND LEFT(COALESCE(w.program_name, N''), CHARINDEX(N'/', COALESCE(w.program_name, N'') + N'/') - 1) \
                 <> LEFT(APP_NAME(), CHARINDEX(N'/', APP_NAME() + N'/') - 1)) AS b",
            ),
            Part::Waits => (
                "CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(256)) AS [server_name], w.[page_count], w.[page_ms], \
                 w.[log_count], w.[log_ms], w.[starved]",
                " CROSS JOIN (SELECT \
                 SUM(CASE WHEN wait_type LIKE N'PAGEIOLATCH%' THEN waiting_tasks_count ELSE 0 END) AS [page_count], \
                 SUM(CASE WHEN wait_type LIKE N'PAGEIOLATCH%' THEN wait_time_ms ELSE 0 END) AS [page_ms], \
                 SUM(CASE WHEN wait_type = N'WRITELOG' THEN waiting_tasks_count ELSE 0 END) AS [log_count], \
                 SUM(CASE WHEN wait_type = N'WRITELOG' THEN wait_time_ms ELSE 0 END) AS [log_ms], \
                 SUM(CASE WHEN wait_type IN (N'THREADPOOL', N'RESOURCE_SEMAPHORE') THEN waiting_tasks_count ELSE 0 END) \
                 AS [starved] FROM sys.dm_os_wait_stats \
                 WHERE wait_type IN (N'PAGEIOLATCH_DT', N'PAGEIOLATCH_EX', N'PAGEIOLATCH_KP', N'PAGEIOLATCH_NL', \
                 N'PAGEIOLATCH_SH', N'PAGEIOLATCH_UP', N'WRITELOG', N'THREADPOOL', N'RESOURCE_SEMAPHORE')) AS w",
            ),
            Part::Replica => (
                "h.[is_primary_replica], h.[synchronization_state], h.[is_suspended], h.[secondary_lag_seconds], \
                 h.[redo_queue_size], h.[log_send_queue_size], h.[last_received_time], SYSDATETIME() AS [now]",
                " LEFT JOIN sys.dm_hadr_database_replica_states AS h ON h.database_id = DB_ID() AND h.is_local = 1",
            ),
        }
    }
}

/// The statement of a look at these signs.
fn statement(parts: &[Part]) -> String {
    let columns: Vec<_> = parts.iter().map(|part| part.sql().0).collect();
    let sources: String = parts.iter().map(|part| part.sql().1).collect();
    format!(
        "SELECT {} FROM (SELECT 1 AS [one]) AS [one]{sources}",
        columns.join(", ")
    )
}

/// The counters of waits, as they were at a look.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Waits {
    /// The server that they are of: a listener may lead to another one later.
    server: String,
    page_count: i64,
    page_ms: i64,
    log_count: i64,
    log_ms: i64,
    starved: i64,
}

#[derive(Debug, Default)]
struct State {
    /// The signs that can be seen; `None` before the first look.
    parts: Option<Vec<Part>>,
    /// Whether each is asked for alone.
    divided: bool,
    /// Whether the login has the right to see them; `None` if the server does not tell.
    may_see: Option<bool>,
    waits: Option<Waits>,
    breaks: u32,
    warned: bool,
}

impl State {
    /// A connection broke at a look. After some, the run does without.
    fn broke(&mut self) {
        self.breaks += 1;
        if self.breaks >= BREAKS_MAX {
            self.parts = Some(Vec::new());
        }
    }
}

/// Looks at the signs, and keeps what a later look needs. All workers of a run share it.
#[derive(Debug, Default)]
pub struct Prober {
    state: Mutex<State>,
}

impl Prober {
    /// Reads all signs that can be seen; `None` if the server cannot tell now. A sign that cannot be seen is `None`; so are
    /// waits at the first look, as they are differences.
    ///
    /// # Errors
    /// Those of a connection that breaks. The session is broken then, and not otherwise.
    pub async fn look(&self, session: &mut SourceSession) -> Result<Option<Signs>> {
        let seen = self.try_look(session).await;
        let mut state = self.state();
        match &seen {
            Ok(_) => state.breaks = 0,
            Err(_) => state.broke(),
        }
        seen
    }

    /// A look was given up, because no answer came.
    pub fn gave_up(&self) {
        self.state().broke();
    }

    async fn try_look(&self, session: &mut SourceSession) -> Result<Option<Signs>> {
        let known = self.state().parts.clone();
        let parts = match known {
            Some(parts) => parts,
            None => self.probe(session).await?,
        };
        if parts.is_empty() {
            self.state().parts = Some(parts);
            return Ok(Some(Signs::default()));
        }
        if parts == Part::ALL && !self.state().divided {
            match ask(session, &statement(&parts)).await? {
                Answer::Row(row) => {
                    self.state().parts = Some(parts.clone());
                    return self.signs(&row, &parts).map(Some);
                }
                Answer::NotNow => return Ok(None),
                Answer::Refused => self.state().divided = true,
            }
        }
        // It was refused for one of them, so each is asked for alone from now on, and not again if it is that one.
        let mut signs = Signs::default();
        let mut left = Vec::new();
        for part in parts {
            match ask(session, &statement(&[part])).await? {
                Answer::Row(row) => {
                    signs = merged(signs, self.signs(&row, &[part])?);
                    left.push(part);
                }
                Answer::NotNow => return Ok(None),
                Answer::Refused => {}
            }
        }
        self.state().parts = Some(left);
        Ok(Some(signs))
    }

    /// Finds out what there is to see.
    async fn probe(&self, session: &mut SourceSession) -> Result<Vec<Part>> {
        let Answer::Row(row) = ask(session, PROBE).await? else {
            return Ok(Vec::new());
        };
        let is = |column: &str| Ok::<_, Error>(row.optional_integer(column)? == Some(1));
        let may_see = is("state")? || is("performance")?;
        self.state().may_see = Some(may_see);
        let mut parts = Vec::new();
        for (column, part) in [
            ("requests", Part::Blocking),
            ("waits", Part::Waits),
            ("replica", Part::Replica),
        ] {
            if may_see && !row.is_null(column)? {
                parts.push(part);
            }
        }
        Ok(parts)
    }

    /// The signs in the row of a look at `parts`.
    fn signs(&self, row: &Row, parts: &[Part]) -> Result<Signs> {
        let mut signs = Signs::default();
        for part in parts {
            match part {
                Part::Blocking => signs.blocked_by_us = number(row, "blocked")?,
                Part::Waits => {
                    let now = waits(row)?;
                    let before = std::mem::replace(&mut self.state().waits, now.clone());
                    if let (Some(before), Some(now)) = (before, now) {
                        signs = merged(signs, since(&before, &now));
                    }
                }
                Part::Replica => {
                    let replica = Replica::of(row)?;
                    signs.lag = replica.and_then(Replica::lag);
                    signs.redo_queue_kib = number(row, "redo_queue_size")?;
                    signs.send_queue_kib = number(row, "log_send_queue_size")?;
                }
            }
        }
        Ok(signs)
    }

    /// Whether the login may see the server's state, as far as a look has shown it.
    pub fn may_see(&self) -> Option<bool> {
        self.state().may_see
    }

    /// The warning, once, that a limit of the lag is set and the lag cannot be read.
    pub fn without_lag(&self, signs: &Signs) -> Option<&'static str> {
        let mut state = self.state();
        if signs.lag.is_some() || std::mem::replace(&mut state.warned, true) {
            return None;
        }
        Some(match state.may_see {
            Some(false) => {
                "replica_lag_max_seconds is set, and how far the replica is behind cannot be read, so nothing is held for it: \
                 GRANT VIEW SERVER STATE to the source's login (`sync migrate --admin reader` prints how), or remove the setting"
            }
            _ => {
                "replica_lag_max_seconds is set, and the source does not tell how far it is behind, so nothing is held for it: \
                 only a replica of an availability group tells; remove the setting"
            }
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a server answers to a question about its state.
enum Answer {
    Row(Row),
    /// It has no such view, or hides it.
    Refused,
    /// It cannot answer now.
    NotNow,
}

/// Asks for one row. An error that leaves the session usable is an answer.
async fn ask(session: &mut SourceSession, sql: &str) -> Result<Answer> {
    match session.session.rows(sql, &[]).await {
        Ok(rows) => Ok(rows.into_iter().next().map_or(Answer::Refused, Answer::Row)),
        Err(error) if session.is_broken() => Err(error),
        Err(error) => {
            tracing::debug!(error = error.chain(), "a sign of the source cannot be seen");
            Ok(match error.kind().is_of_the_statement() {
                true => Answer::Refused,
                false => Answer::NotNow,
            })
        }
    }
}

/// The signs of both.
fn merged(one: Signs, other: Signs) -> Signs {
    Signs {
        blocked_by_us: one.blocked_by_us.or(other.blocked_by_us),
        page_read_ms: one.page_read_ms.or(other.page_read_ms),
        log_write_ms: one.log_write_ms.or(other.log_write_ms),
        starved: one.starved.or(other.starved),
        lag: one.lag.or(other.lag),
        redo_queue_kib: one.redo_queue_kib.or(other.redo_queue_kib),
        send_queue_kib: one.send_queue_kib.or(other.send_queue_kib),
    }
}

/// A number that is not negative; `None` if it is NULL, or is.
fn number(row: &Row, column: &str) -> Result<Option<u64>> {
    let number = row.optional_integer(column)?;
    Ok(number.and_then(|number| u64::try_from(number).ok()))
}

/// The counters; `None` if the server shows none.
fn waits(row: &Row) -> Result<Option<Waits>> {
    let server = row.optional_text("server_name")?.unwrap_or_default().to_owned();
    let [page_count, page_ms, log_count, log_ms, starved] =
        ["page_count", "page_ms", "log_count", "log_ms", "starved"]
            .map(|column| row.optional_integer(column));
    Ok(match (page_count?, page_ms?, log_count?, log_ms?, starved?) {
        (Some(page_count), Some(page_ms), Some(log_count), Some(log_ms), Some(starved)) => Some(Waits {
            server,
            page_count,
            page_ms,
            log_count,
            log_ms,
            starved,
        }),
        _ => None,
    })
}

/// What was waited for between two looks. Nothing is known if they are of two servers, or the counters began anew.
fn since(before: &Waits, now: &Waits) -> Signs {
    let grown = |now: i64, before: i64| u64::try_from(now - before).ok();
    let all = [
        grown(now.page_count, before.page_count),
        grown(now.page_ms, before.page_ms),
        grown(now.log_count, before.log_count),
        grown(now.log_ms, before.log_ms),
        grown(now.starved, before.starved),
    ];
    let [
        Some(page_count),
        Some(page_ms),
        Some(log_count),
        Some(log_ms),
        Some(starved),
    ] = all
    else {
        return Signs::default();
    };
    if before.server != now.server {
        return Signs::default();
    }
    let average = |ms: u64, count: u64| (count >= WAITS_MIN).then(|| ms as f64 / count as f64);
    Signs {
        page_read_ms: average(page_ms, page_count),
        log_write_ms: average(log_ms, log_count),
        starved: Some(starved),
        ..Signs::default()
    }
}

/// The row of this database's replica.
#[derive(Debug, Clone, Copy)]
struct Replica {
    is_primary: bool,
    /// Whether the primary's log comes in: it is neither suspended nor cut off.
    is_fed: bool,
    /// `secondary_lag_seconds`.
    told: Option<u64>,
    /// The time since the last log block came in, in seconds.
    silent: Option<u64>,
}

impl Replica {
    /// The row; `None` if the database is in no availability group.
    fn of(row: &Row) -> Result<Option<Replica>> {
        let Some(state) = row.optional_integer("synchronization_state")? else {
            return Ok(None);
        };
        let silent = match row.is_null("last_received_time")? {
            true => None,
            false => {
                let silent = row.datetime("now")? - row.datetime("last_received_time")?;
                Some(u64::try_from(silent.num_seconds()).unwrap_or(0))
            }
        };
        Ok(Some(Replica {
            is_primary: row.optional_integer("is_primary_replica")? == Some(1),
            is_fed: matches!(state, SYNCHRONIZING | SYNCHRONIZED)
                && row.optional_integer("is_suspended")? != Some(1),
            told: number(row, "secondary_lag_seconds")?,
            silent,
        }))
    }

    /// How far it is behind. A replica that is not fed may still tell the lag of when it was, often 0; it is then as far
    /// behind as the last log block is old, and no less.
    fn lag(self) -> Option<Duration> {
        let seconds = match (self.is_primary, self.is_fed) {
            (true, _) => Some(0),
            (false, true) => self.told,
            (false, false) => self.silent.max(self.told),
        };
        seconds.map(Duration::from_secs)
    }
}

/// `synchronization_state` of a secondary whose log comes in.
const SYNCHRONIZING: i64 = 1;
const SYNCHRONIZED: i64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_that_of_a_replica_that_is_fed_or_the_age_of_its_last_log() {
        let seconds = |n: u64| Some(Duration::from_secs(n));
        let cases = [
            // primary, fed, told, silent: lag
            ((true, true, None, None), seconds(0)),
            ((false, true, Some(0), Some(900)), seconds(0)),
            ((false, true, Some(7), Some(2)), seconds(7)),
            ((false, true, None, Some(2)), None),
            ((false, false, Some(0), Some(900)), seconds(900)),
            ((false, false, Some(3993), Some(10)), seconds(3993)),
            ((false, false, None, None), None),
        ];
        for ((is_primary, is_fed, told, silent), lag) in cases {
            let replica = Replica {
                is_primary,
                is_fed,
                told,
                silent,
            };
            assert_eq!(replica.lag(), lag, "{replica:?}");
        }
    }

    #[test]
    fn waits_are_differences_of_one_server() {
        let at = |server: &str, count: i64| Waits {
            server: server.to_owned(),
            page_count: count,
            page_ms: 20 * count,
            log_count: 0,
            log_ms: 0,
            starved: count / 10,
        };
        let signs = since(&at("A", 100), &at("A", 110));
        assert_eq!(
            (signs.page_read_ms, signs.log_write_ms, signs.starved),
            (Some(20.0), None, Some(1)),
            "no write of the log is none that is slow"
        );
        assert_eq!(
            since(&at("A", 100), &at("B", 110)),
            Signs::default(),
            "another server"
        );
        assert_eq!(
            since(&at("A", 100), &at("A", 10)),
            Signs::default(),
            "it was restarted"
        );
    }

    #[test]
    fn a_look_is_one_statement_of_what_can_be_seen() {
        let all = statement(&[Part::Blocking, Part::Waits, Part::Replica]);
        assert!(
            all.starts_with("SELECT b.[blocked], CAST(SERVERPROPERTY"),
            "{all}"
        );
        assert_eq!(all.matches("FROM (SELECT 1 AS [one])").count(), 1);
        let one = statement(&[Part::Replica]);
        assert!(
            !one.contains("dm_os_wait_stats") && !one.contains("dm_exec"),
            "{one}"
        );
    }
}
