//! Leases: the right of one run to write a target table.
//!
//! A run that takes a lease raises its epoch. Every load transaction begins by writing the lease's row under
//! the run's own epoch. So a run that lost the lease commits nothing more, and a second session of the same
//! run waits there for the outcome of the first. An applock that lives as long as a session keeps two runs
//! from taking turns.

use std::time::Duration;

use crate::base::clock::SharedClock;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failpoint;
use crate::base::stop::{StopSignal, stopped};
use crate::base::text::shown;
use crate::model::row::Value;
use crate::model::table::TableName;
use crate::mssql::{Endpoint, Session, Timeouts};

/// The time that the first attempt at an applock waits at the server: longer than a run holds it between two tables, and
/// short for a person who looks on, who is told whom the run waits for after it.
const APPLOCK_FIRST_TRY_MS: i64 = 2_000;

/// The same for each later attempt. A minute is four attempts: Babelfish 4.3 keeps each failed one in the session, and
/// the sixth ends the whole server.
pub const APPLOCK_TRY_MS: i64 = 20_000;

/// The same as a time.
pub const APPLOCK_TRY: Duration = Duration::from_millis(APPLOCK_TRY_MS.cast_unsigned());

/// The time that a command that only looks waits for a lock. A chunk's transaction takes a few seconds.
const LOOK_LOCK_MS: u32 = 10_000;

/// The server's error for a lock that was not granted in time.
const LOCK_TIMED_OUT: u32 = 1222;

/// The time that a run waits for a table's applock. After a power cut a server keeps a dead session's locks
/// until its keep-alive (30 s for SQL Server) finds the client gone.
const APPLOCK_WAIT: Duration = Duration::from_secs(60);

/// The writer that a lease names, so that another run can report who holds it.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The run's identity.
    pub run_id: u128,
    /// The name of its machine.
    pub host: String,
    /// Its process.
    pub process_id: u32,
}

/// The right to write a target table. It lasts until another run raises the epoch.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The table, as the lease's row names it.
    pub table: String,
    /// The epoch that the table's lease must have for this run to commit anything.
    pub epoch: i64,
    /// The run that holds it.
    pub run_id: u128,
}

/// Takes the lease of a target table: its turn, then its epoch.
///
/// # Errors
/// Those of [`wait_turn`] and [`raise`].
pub async fn take(
    session: &mut Session,
    table: &str,
    holder: &Holder,
    clock: &SharedClock,
    stop: &StopSignal,
) -> Result<Lease> {
    wait_turn(session, table, clock, stop, &|_| {}).await?;
    raise(session, table, holder, 0).await
}

/// Waits up to a minute for another session to release a target table's applock, and takes it. It lasts as long as
/// `session`. Nothing is written, so that a run that then finds a reason not to work takes nothing from another. `tell`
/// is told whom it waits for.
///
/// # Errors
/// `Busy`, naming the holder, if another run keeps it; `Stopped` if the run is asked to stop meanwhile; those
/// of [`Session::rows`].
pub async fn wait_turn(
    session: &mut Session,
    table: &str,
    clock: &SharedClock,
    stop: &StopSignal,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<()> {
    let began = clock.monotonic();
    let since = clock.now();
    let resource = resource(table);
    let mut try_ms = APPLOCK_FIRST_TRY_MS;
    loop {
        let locked = tokio::select! {
            locked = applock(session, &resource, try_ms) => locked?,
            () = stop.stopped() => return Err(stopped()),
        };
        if locked {
            break;
        }
        if clock.monotonic().saturating_sub(began) >= APPLOCK_WAIT {
            let holder = holder_of(session, table).await?;
            return Err(held_by(holder, table));
        }
        if try_ms == APPLOCK_FIRST_TRY_MS {
            try_ms = APPLOCK_TRY_MS;
            let holder = holder_of(session, table).await?;
            tell(&format!(
                "Another run{} is loading target table {table}; it is waited for since {}, for up to {} s",
                holder.map_or_else(String::new, |holder| format!(" ({holder})")),
                since.format("%H:%M:%S UTC"),
                APPLOCK_WAIT.as_secs()
            ));
        }
    }
    failpoint::step("lease: after the applock");
    Ok(())
}

/// Raises the epoch of a target table's lease, whose applock this session has. The epoch outlives the session. The
/// lease bears the name by which the server has it. The epoch is above `seen`, the last one that the caller knows of: a
/// target that was restored has an older one.
///
/// # Errors
/// Those of [`Session::rows`].
pub async fn raise(session: &mut Session, table: &str, holder: &Holder, seen: i64) -> Result<Lease> {
    let run_id = holder.run_id.to_be_bytes();
    let params = [
        Value::Text(table),
        Value::Bytes(&run_id),
        Value::Text(&holder.host),
        Value::Integer(i64::from(holder.process_id)),
        Value::Integer(seen),
    ];
    let raised = "UPDATE [sync].[lease] SET [epoch] = CASE WHEN [epoch] < @P5 THEN @P5 ELSE [epoch] END + 1, [run_id] = CAST(@P2 AS binary(16)), [host] = @P3, \
                  [process_id] = @P4, [renewed_at] = SYSUTCDATETIME() WHERE [table_name] = @P1";
    let begun = "INSERT INTO [sync].[lease] ([table_name], [epoch], [run_id], [host], [process_id], [renewed_at]) \
                 VALUES (@P1, @P5 + 1, CAST(@P2 AS binary(16)), @P3, @P4, SYSUTCDATETIME())";
    let mut found = read_row(session, &format!("{raised}; {ROW}"), &params).await?;
    if found.is_none() {
        found = read_row(session, &format!("{begun}; {ROW}"), &params).await?;
    }
    failpoint::step("lease: after the epoch is raised");
    let (table, epoch) = found.ok_or_else(|| lost(table))?;
    Ok(Lease {
        table,
        epoch,
        run_id: holder.run_id,
    })
}

/// The name by which the leases have a target table, and its epoch; `None` if nobody has loaded it. The server compares
/// names, by the collation of its database.
async fn row(session: &mut Session, table: &str) -> Result<Option<(String, i64)>> {
    read_row(session, ROW, &[Value::Text(table)]).await
}

/// The statement of [`row`].
const ROW: &str = "SELECT [table_name], [epoch] FROM [sync].[lease] WHERE [table_name] = @P1";

async fn read_row(session: &mut Session, sql: &str, params: &[Value<'_>]) -> Result<Option<(String, i64)>> {
    let rows = session.rows(sql, params).await?;
    rows.first()
        .map(|row| Ok((row.text("table_name")?.to_owned(), row.integer("epoch")?)))
        .transpose()
}

/// The name by which the leases have a target table; `None` if nobody has loaded it. The server compares names, by
/// the collation of its database.
///
/// # Errors
/// Those of [`Session::rows`].
pub async fn name_of(session: &mut Session, table: &TableName) -> Result<Option<String>> {
    let row = row(session, &table.exact()).await?;
    Ok(row.map(|(name, _)| name))
}

/// The epoch of a target table's lease; `None` if nobody has loaded it.
///
/// # Errors
/// Those of [`Session::rows`].
pub async fn epoch_of(session: &mut Session, table: &TableName) -> Result<Option<i64>> {
    let row = row(session, &table.exact()).await?;
    Ok(row.map(|(_, epoch)| epoch))
}

/// Releases the applock that [`take`] took, so that the session can serve another table.
///
/// # Errors
/// Those of [`Session::rows`].
pub async fn release(session: &mut Session, lease: &Lease) -> Result<()> {
    release_applock(session, &resource(&lease.table)).await
}

/// The applock of a target table, in one spelling: a server compares applocks by their bytes and, unless its database
/// tells upper case from lower case, tables by their letters. Where it does, two tables share one applock and take
/// turns.
fn resource(table: &str) -> String {
    let folded = table
        .chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase);
    format!("sync:{}", folded.collect::<String>())
}

/// Releases a session-owned applock.
///
/// # Errors
/// Those of [`Session::rows`].
pub async fn release_applock(session: &mut Session, resource: &str) -> Result<()> {
    let sql = "DECLARE @r int; EXEC @r = sp_releaseapplock @Resource = @P1, @LockOwner = N'Session'; SELECT @r AS [answer]";
    session.rows(sql, &[Value::Text(resource)]).await.map(|_| ())
}

/// Asks once for a session-owned exclusive applock, for up to `try_ms`. Returns whether the session has it.
///
/// # Errors
/// `Statement` if the login may not use applocks; those of [`Session::rows`].
pub async fn applock(session: &mut Session, resource: &str, try_ms: i64) -> Result<bool> {
    // Its answer comes before the wait for one ends.
    let answer_ms = i64::try_from(session.answer_max().as_millis()).unwrap_or(i64::MAX);
    let most = (answer_ms - 1_000).max(answer_ms / 2);
    let sql = "DECLARE @r int; EXEC @r = sp_getapplock @Resource = @P1, @LockMode = N'Exclusive', \
               @LockOwner = N'Session', @LockTimeout = @P2; SELECT @r AS [answer]";
    let rows = session
        .rows(sql, &[Value::Text(resource), Value::Integer(try_ms.min(most))])
        .await?;
    match rows.first().map(|row| row.integer("answer")).transpose()? {
        Some(0..) => Ok(true),
        // The wait timed out, or the session was the victim of a deadlock.
        Some(-1 | -3) => Ok(false),
        code => Err(Error::new(
            ErrorKind::Statement,
            format!(
                "sp_getapplock answered {code:?} for {resource}; allow the login to use applocks in the target database"
            ),
        )),
    }
}

/// Opens a session of a command that only looks at the target. It waits shortly for the locks of a run, because
/// somebody waits for its answer.
///
/// # Errors
/// As [`Session::open`].
pub async fn open_to_look(endpoint: &Endpoint, timeouts: &Timeouts) -> Result<Session> {
    let mut session = Session::open(endpoint, None, timeouts).await?;
    session.batch(&format!("SET LOCK_TIMEOUT {LOOK_LOCK_MS}")).await?;
    Ok(session)
}

/// The error of a command that only looks at a target table. If a run holds the locks, it names that run; if another
/// session does, it says so.
pub async fn with_holder(session: &mut Session, target: &TableName, error: Error) -> Error {
    if error.number() != Some(LOCK_TIMED_OUT) {
        return error;
    }
    if let Err(broken) = session.batch(&isolation("UNCOMMITTED")).await {
        return broken;
    }
    let name = target.exact();
    // The lease's row names the last run that took it, which may have ended since.
    let busy = match is_held(session, &name).await {
        Err(error) if session.is_broken() => return error,
        Ok(false) => Error::new(
            ErrorKind::Busy,
            format!(
                "A session that is no run of this program has locked target table {name}; see in sys.dm_tran_locks who it \
                 is, wait for it to end, or end it, then run again"
            ),
        ),
        Ok(true) | Err(_) => held_by_another(session, &name).await,
    };
    match session.batch(&isolation("COMMITTED")).await {
        Ok(()) => busy.with_source(error),
        Err(broken) => broken,
    }
}

/// Whether another session holds the applock of a target table.
async fn is_held(session: &mut Session, name: &str) -> Result<bool> {
    let resource = resource(name);
    let sql = "SELECT APPLOCK_TEST(N'public', @P1, N'Exclusive', N'Session') AS [free]";
    let rows = session.rows(sql, &[Value::Text(&resource)]).await?;
    let free = rows.first().map(|row| row.integer("free")).transpose()?;
    Ok(free != Some(1))
}

/// The statement that has a session see rows that others are changing, or not any more. While a chunk is loaded, the row of
/// the lease is locked as well.
fn isolation(level: &str) -> String {
    format!("SET TRANSACTION ISOLATION LEVEL READ {level}")
}

/// Who holds the lease of a target table, and since when it is known to: `process 7 on HOST, which last wrote at …`. `None`
/// if nobody has. It does not wait for a load of the holder's.
async fn holder_of(session: &mut Session, name: &str) -> Result<Option<String>> {
    session.batch(&isolation("UNCOMMITTED")).await?;
    let holder = holder(session, name).await;
    session.batch(&isolation("COMMITTED")).await?;
    Ok(holder)
}

async fn holder(session: &mut Session, name: &str) -> Option<String> {
    let sql = "SELECT [host], [process_id], [renewed_at] FROM [sync].[lease] WHERE [table_name] = @P1";
    let rows = session.rows(sql, &[Value::Text(name)]).await.ok()?;
    let row = rows.first()?;
    let (host, pid) = (shown(row.text("host").ok()?), row.integer("process_id").ok()?);
    let wrote = row.datetime("renewed_at").map_or_else(
        |_| String::new(),
        |at| format!(", which last wrote at {} UTC", at.format("%Y-%m-%d %H:%M:%S")),
    );
    Some(format!("process {pid} on {host}{wrote}"))
}

async fn held_by_another(session: &mut Session, name: &str) -> Error {
    held_by(holder(session, name).await, name)
}

fn held_by(holder: Option<String>, name: &str) -> Error {
    let who = holder.map_or_else(String::new, |holder| format!(" ({holder})"));
    Error::new(
        ErrorKind::Busy,
        format!(
            "Another run{who} is loading target table {name}; wait for it to end, or stop it, then run again"
        ),
    )
}

/// The error of a run whose lease another run has taken.
pub(super) fn lost(table: &str) -> Error {
    Error::new(
        ErrorKind::Busy,
        format!("Another run has taken over target table {table}; this run commits nothing more to it"),
    )
}

/// Writes the lease's row inside a load's transaction. The write waits for every other load of the table, and
/// it proves that this run still holds the lease.
///
/// # Errors
/// `Busy` if another run has taken the lease; those of [`Session::execute`].
pub async fn fence(session: &mut Session, lease: &Lease) -> Result<()> {
    let run_id = lease.run_id.to_be_bytes();
    match session.execute(FENCE, &fence_params(lease, &run_id)).await? {
        1 => Ok(()),
        _ => Err(lost(&lease.table)),
    }
}

/// The fence's statement. It changes one row, or none if the lease was lost.
pub(super) const FENCE: &str = "UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME() \
     WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16))";

/// The parameters of [`FENCE`]. `run_id` is the lease's, as bytes.
pub(super) fn fence_params<'a>(lease: &'a Lease, run_id: &'a [u8; 16]) -> Vec<Value<'a>> {
    vec![
        Value::Text(&lease.table),
        Value::Integer(lease.epoch),
        Value::Bytes(run_id),
    ]
}
