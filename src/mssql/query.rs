//! A session: statements, parameters, results, transactions.
//!
//! A session is either in step with its server or broken; there is nothing in between. It marks itself broken before it
//! sends anything, and removes the mark after it has read the answer to its end. So a future that is dropped half-way
//! leaves a broken session, and never one that would read another statement's answer.
//!
//! Every answer has a bound of bytes and time; see `socket.rs`. That of a collected answer is a whole one,
//! and that of a stream is from row to row. What the driver cannot read breaks the session.

use std::fmt;

use futures_util::TryStreamExt;
use tiberius::error::Error as DriverError;
use tiberius::{ColumnData, QueryItem, ToSql};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::secret::Secret;
use crate::model::row::Value;
use crate::mssql::bound::{Bound, weight};
use crate::mssql::caught::caught;
use crate::mssql::counted::Counted;
use crate::mssql::rows::check_columns;
use crate::mssql::socket::{Socket, Stall, Watch};
use crate::mssql::value::parameter;
use crate::mssql::{Row, RowReader, Timeouts, fault};
use crate::tsql::label::label;

/// Bytes that a stopped stream reads on before it cancels. A short rest is cheaper to read than to cancel, and an
/// answer that the server has sent completely can only be read to its end.
const STOPPED_BYTES_MAX: u64 = 256 * 1024;

/// Whether a stream continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Read the next row.
    Continue,
    /// Read no more rows, and cancel the statement at the server.
    Stop,
}

/// What a stream came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streamed {
    /// Rows given out; `None` without any result set so far.
    pub count: Option<u64>,
    /// Whether it was cut, so that nothing is known of what else there is.
    pub cut: bool,
}

/// One connection in its own database, with its session options set.
pub struct Session {
    pub(super) client: tiberius::Client<Socket>,
    pub(super) watch: std::sync::Arc<Watch>,
    pub(super) timeouts: Timeouts,
    /// What is counted of its statements, and the text of the last one.
    pub(super) counted: Counted,
    /// `source at host:1433, database POS`, for errors.
    pub(super) place: String,
    pub(super) broken: bool,
    pub(super) lost: bool,
    /// The key that seals receipts at this end, if there is one.
    pub(super) receipt_key: Option<Secret>,
    /// The statement that made this session's stage, if it has one.
    pub(super) staged: Option<String>,
    /// `host:port` of the server that the configured one sent the connection on to; `None` if it did not.
    pub(super) redirected: Option<String>,
    /// Whether its reads wait for writers.
    pub(super) locks_rows: bool,
}

/// The reason that no more rows were given out.
enum End {
    All,
    Stopped,
    Refused(Error),
}

/// Whether part of the answer is still unread.
enum Rest {
    None,
    Some,
}

/// The number of results that a statement may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Results {
    One,
    Several,
}

/// The progress of a stream.
struct Passed {
    results: Results,
    /// Rows given out; `None` without a result set.
    count: Option<u64>,
    end: End,
    rest: Result<Rest, DriverError>,
}

impl fmt::Debug for Session {
    /// Leaves out the driver's own state, which would print bytes of the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("place", &self.place)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Whether the connection is unusable: after an error of the connection, after a wait that timed out, and after a
    /// call whose future was dropped before its end.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether the connection itself has ended, or fell silent: those opened before it may have as well.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// `host:port` of the server that the configured one sent the connection on to; `None` if it did not.
    pub fn redirected(&self) -> Option<&str> {
        self.redirected.as_deref()
    }

    /// `source at host:1433, database POS`: the place that errors name.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// How long a statement's answer may take to begin.
    pub fn answer_max(&self) -> std::time::Duration {
        self.timeouts.statement
    }

    /// The key that seals receipts at this end.
    pub fn receipt_key(&self) -> Option<&Secret> {
        self.receipt_key.as_ref()
    }

    /// Runs a batch and reads its results to the end. Its `SET` options and temporary tables last as long as the
    /// session.
    ///
    /// # Errors
    /// The server's first error, with its number and kind; `Broken` if the connection broke; `Timeout` if no answer
    /// began in time.
    pub async fn batch(&mut self, sql: &str) -> Result<()> {
        self.start(sql, self.timeouts.rows())?;
        let result = drain(&mut self.client, sql, &mut self.counted.rows).await;
        self.finish(result)
    }

    /// Runs a statement with parameters `@P1`, … and returns the number of rows it affected. Its `SET` options and
    /// temporary tables end with it. A transaction may neither begin nor end in it.
    ///
    /// # Errors
    /// Those of [`Session::batch`]; `Internal` if a parameter is NULL.
    pub async fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64> {
        let params = sent(params)?;
        self.start(sql, self.timeouts.rows())?;
        let result = caught(self.client.execute(sql, &borrowed(&params))).await;
        self.finish(result.map(|done| total(done.rows_affected())))
    }

    /// Runs a statement and returns the rows of its first result; none if it has no result. The result is small: of the
    /// catalog, or of counts.
    ///
    /// # Errors
    /// Those of [`Session::execute`].
    pub async fn rows(&mut self, sql: &str, params: &[Value<'_>]) -> Result<Vec<Row>> {
        self.collect(sql, params, self.timeouts.collected()).await
    }

    /// The same for a result of many rows, or of large ones, that have to be in memory at once.
    ///
    /// # Errors
    /// Those of [`Session::execute`].
    pub async fn many_rows(&mut self, sql: &str, params: &[Value<'_>]) -> Result<Vec<Row>> {
        self.collect(sql, params, self.timeouts.many()).await
    }

    async fn collect(&mut self, sql: &str, params: &[Value<'_>], bound: Bound) -> Result<Vec<Row>> {
        let params = sent(params)?;
        self.start(sql, bound)?;
        let result = first_result(
            &mut self.client,
            &self.watch,
            sql,
            &params,
            &mut self.counted.rows,
        )
        .await;
        self.finish(result)
    }

    /// Runs a statement and returns the names of its first result's columns, whatever their types. The statement should
    /// return no rows. `None` without any result set, which means that the guard in front of the statement failed.
    ///
    /// # Errors
    /// Those of [`Session::execute`].
    pub async fn column_names(&mut self, sql: &str, params: &[Value<'_>]) -> Result<Option<Vec<String>>> {
        let params = sent(params)?;
        self.start(sql, self.timeouts.collected())?;
        let result = first_names(&mut self.client, sql, &params, &mut self.counted.rows).await;
        self.finish(result)
    }

    /// Streams the rows of a statement into `each` as they arrive, and returns their number. `None` without any result
    /// set, which means that the guard in front of the statement failed.
    ///
    /// [`Flow::Stop`], or an error of `each`, cancels the statement at the server. The session stays usable, unless the
    /// server had sent everything before the cancellation reached it: then [`Session::is_broken`]. With XACT_ABORT ON a
    /// cancellation rolls an open transaction back.
    ///
    /// # Errors
    /// Those of [`Session::execute`]; those of `each`; `TooLarge` for a row that passes the bound of one; `Broken` for a
    /// second result, and for columns that the driver decodes inexactly, which no statement asks for. After an error, the
    /// rows that `each` has seen are not the whole result.
    pub async fn stream(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        each: impl FnMut(RowReader<'_>) -> Result<Flow>,
    ) -> Result<Option<u64>> {
        let never = std::future::pending();
        let streamed = self.pass(sql, params, (Results::One, never), each).await?;
        Ok(streamed.count)
    }

    /// The same, but that it ends once `over` comes. The statement is then cancelled at the server, as far as the server
    /// still listens, and the session is broken, because the driver may have been in the middle of a row.
    ///
    /// # Errors
    /// Those of [`Session::stream`].
    pub async fn stream_until(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        over: impl Future<Output = ()>,
        each: impl FnMut(RowReader<'_>) -> Result<Flow>,
    ) -> Result<Streamed> {
        self.pass(sql, params, (Results::One, over), each).await
    }

    /// The same for a batch that changes rows first, so that triggers may return results of their own.
    /// [`RowReader::result`] tells the results apart; the batch's own is the last.
    ///
    /// # Errors
    /// Those of [`Session::stream`], but for a second result.
    pub async fn stream_results(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        each: impl FnMut(RowReader<'_>) -> Result<Flow>,
    ) -> Result<Option<u64>> {
        let never = std::future::pending();
        let streamed = self.pass(sql, params, (Results::Several, never), each).await?;
        Ok(streamed.count)
    }

    async fn pass(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        (results, over): (Results, impl Future<Output = ()>),
        mut each: impl FnMut(RowReader<'_>) -> Result<Flow>,
    ) -> Result<Streamed> {
        let params = sent(params)?;
        self.start(sql, self.timeouts.rows())?;
        let mut passed = Passed {
            results,
            count: None,
            end: End::All,
            rest: Ok(Rest::None),
        };
        let mut wire = Wire {
            client: &mut self.client,
            watch: &self.watch,
            received: &mut self.counted.rows,
        };
        let passing = pass_rows(&mut wire, sql, &params, &mut passed, &mut each);
        let is_over = tokio::select! {
            biased;
            () = passing => false,
            () = over => true,
        };
        if is_over {
            self.cancel().await;
            // The driver may have been in the middle of a row, and then what it took for the answer to the cancellation
            // may be none.
            self.broken = true;
        }
        match passed.rest {
            _ if is_over => {}
            Ok(Rest::None) => self.broken = false,
            Ok(Rest::Some) => self.cancel().await,
            Err(error) => {
                let failed = self.finish(Err(error));
                // The error of `each` is the cause, and the caller knows it.
                return match passed.end {
                    End::Refused(refused) => Err(refused),
                    End::All | End::Stopped => failed,
                };
            }
        }
        self.counted.finish();
        let cut = is_over && matches!(passed.end, End::All);
        match passed.end {
            End::Refused(refused) => Err(refused),
            End::All | End::Stopped => Ok(Streamed {
                count: passed.count,
                cut,
            }),
        }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// Those of [`Session::batch`].
    pub async fn begin(&mut self) -> Result<()> {
        self.batch("BEGIN TRANSACTION").await
    }

    /// Commits the transaction. Once it returns without an error, the transaction is durable.
    ///
    /// # Errors
    /// `OutcomeUnknown` if the connection broke while the server may have been committing: the transaction may or may
    /// not have happened. After any other error it did not happen.
    pub async fn commit(&mut self) -> Result<()> {
        // A session that is broken already sends nothing, so its transaction ended without a commit.
        self.usable()?;
        // A commit has nothing to sort and no lock to wait for: if its answer is late, none will come.
        let statement = std::mem::replace(&mut self.timeouts.statement, self.timeouts.liveness);
        let result = self.batch("COMMIT TRANSACTION").await;
        self.timeouts.statement = statement;
        match result {
            Err(error) if self.broken => {
                let text = format!("The {} did not say whether it committed", self.place);
                Err(Error::new(ErrorKind::OutcomeUnknown, text).with_source(error))
            }
            other => other,
        }
    }

    /// Rolls the transaction back, if one is open.
    ///
    /// # Errors
    /// Those of [`Session::batch`].
    pub async fn rollback(&mut self) -> Result<()> {
        self.batch("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION").await
    }

    fn usable(&self) -> Result<()> {
        if !self.broken {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Broken,
            format!(
                "The connection to the {} is not usable any more; open a new one",
                self.place
            ),
        ))
    }

    /// Lets the answer to the next statement pause as long as it may take to begin.
    pub fn let_next_pause(&self) {
        self.watch.let_next_pause();
    }

    /// Tells the log of a statement that is sent. Values are its parameters, so its text has none.
    pub(super) fn tell(&self, sql: &str) {
        tracing::trace!(place = self.place, text = sql, "statement");
    }

    /// Marks the session broken until [`Session::finish`] removes the mark, and starts the wait for an answer.
    pub(super) fn start(&mut self, sql: &str, bound: Bound) -> Result<()> {
        self.usable()?;
        self.tell(sql);
        self.broken = true;
        self.watch.expect(self.timeouts.statement, bound);
        self.counted.start(sql);
        Ok(())
    }

    /// Ends an exchange: the answer was read to its end, or it failed.
    pub(super) fn finish<T>(&mut self, result: Result<T, DriverError>) -> Result<T> {
        self.counted.finish();
        match result {
            Ok(value) => {
                self.broken = false;
                Ok(value)
            }
            Err(error) => {
                let stall = self.watch.stall();
                let (error, broken) = fault::from_driver(error, &self.place, stall);
                self.broken = broken;
                let error = match broken {
                    true => error.at_end(self.counted.end()),
                    false => error,
                };
                self.lost = broken && matches!(error.kind(), ErrorKind::Broken | ErrorKind::Connection);
                Err(match stall {
                    Some(Stall::Endless(_) | Stall::LargeRow(_) | Stall::Slow(_)) => {
                        error.within(label(&self.counted.statement))
                    }
                    _ => error,
                })
            }
        }
    }

    /// Cancels the statement at the server. The session stays broken if the cancellation does not end cleanly: if the
    /// server had sent everything before, the driver takes the end of the answer for the end of the cancellation, and
    /// is one answer behind from then on.
    async fn cancel(&mut self) {
        self.watch
            .expect(self.timeouts.liveness, self.timeouts.cancelled());
        if caught(self.client.cancel_query()).await.is_ok() {
            self.broken = false;
        }
    }
}

/// The error for an answer with more rows than its statement asked for.
pub fn more_than_asked() -> Error {
    Error::malformed("The server answered with more rows than it was asked for")
}

/// The error for an answer with other columns than the `count` that its statement asked for.
pub fn other_columns(count: usize) -> Error {
    Error::malformed(format_args!(
        "The server answered with other columns than the {count} it was asked for"
    ))
}

fn sent<'a>(params: &[Value<'a>]) -> Result<Vec<ColumnData<'a>>> {
    params.iter().map(|value| parameter(*value)).collect()
}

fn borrowed<'a>(params: &'a [ColumnData<'a>]) -> Vec<&'a dyn ToSql> {
    params.iter().map(|param| param as &dyn ToSql).collect()
}

/// The rows of all statements of a batch. Counts that are too large for their sum are no server's.
pub(super) fn total(rows_affected: &[u64]) -> u64 {
    rows_affected
        .iter()
        .fold(0, |sum, count| sum.saturating_add(*count))
}

async fn drain(
    client: &mut tiberius::Client<Socket>,
    sql: &str,
    received: &mut u64,
) -> Result<(), DriverError> {
    let mut items = caught(client.simple_query(sql)).await?;
    while let Some(item) = caught(items.try_next()).await? {
        *received += u64::from(matches!(item, QueryItem::Row(_)));
    }
    Ok(())
}

async fn first_result(
    client: &mut tiberius::Client<Socket>,
    watch: &Watch,
    sql: &str,
    params: &[ColumnData<'_>],
    received: &mut u64,
) -> Result<Vec<Row>, DriverError> {
    let params = borrowed(params);
    let mut items = caught(client.query(sql, &params)).await?;
    let mut rows = Vec::new();
    while let Some(item) = caught(items.try_next()).await? {
        if let QueryItem::Row(row) = item {
            *received += 1;
            if row.result_index() == 0 {
                watch.charge(weight(&row))?;
                rows.push(Row(row));
            }
        }
    }
    Ok(rows)
}

async fn first_names(
    client: &mut tiberius::Client<Socket>,
    sql: &str,
    params: &[ColumnData<'_>],
    received: &mut u64,
) -> Result<Option<Vec<String>>, DriverError> {
    let params = borrowed(params);
    let mut items = caught(client.query(sql, &params)).await?;
    let mut names = None;
    while let Some(item) = caught(items.try_next()).await? {
        match (item, &names) {
            (QueryItem::Metadata(meta), None) => {
                let columns = meta.columns().iter();
                names = Some(columns.map(|column| column.name().to_owned()).collect());
            }
            (QueryItem::Metadata(_), Some(_)) => {}
            (QueryItem::Row(_), _) => *received += 1,
        }
    }
    Ok(names)
}

/// The parts of a session that a stream reads by.
struct Wire<'a> {
    client: &'a mut tiberius::Client<Socket>,
    watch: &'a Watch,
    /// The rows that arrived, given out or not.
    received: &'a mut u64,
}

/// Gives rows to `each` until it stops the stream or the rows end. What has passed is known wherever this is dropped.
async fn pass_rows(
    wire: &mut Wire<'_>,
    sql: &str,
    params: &[ColumnData<'_>],
    passed: &mut Passed,
    each: &mut impl FnMut(RowReader<'_>) -> Result<Flow>,
) {
    let params = borrowed(params);
    let watch = wire.watch;
    let mut items = match caught(wire.client.query(sql, &params)).await {
        Ok(items) => items,
        Err(error) => {
            passed.rest = Err(error);
            return;
        }
    };
    let mut stopped_at = 0;
    loop {
        let item = match caught(items.try_next()).await {
            Ok(Some(item)) => item,
            Ok(None) => return,
            Err(error) => {
                passed.rest = Err(error);
                return;
            }
        };
        watch.expect_rows();
        if let QueryItem::Row(_) = item {
            *wire.received += 1;
            watch.renew();
        }
        let (_, received) = watch.bytes();
        if let End::All = passed.end {
            passed.take(item, each);
            stopped_at = received;
        } else if received - stopped_at > STOPPED_BYTES_MAX {
            passed.rest = Ok(Rest::Some);
            return;
        }
    }
}

impl Passed {
    fn take(&mut self, item: QueryItem, each: &mut impl FnMut(RowReader<'_>) -> Result<Flow>) {
        let flow = match item {
            QueryItem::Metadata(meta) if meta.result_index() > 0 && self.results == Results::One => Err(
                Error::malformed("The server answered with two results where one was asked for"),
            ),
            QueryItem::Metadata(meta) => {
                self.count.get_or_insert(0);
                check_columns(meta.columns()).map(|()| Flow::Continue)
            }
            QueryItem::Row(row) => {
                self.count = self.count.map(|count| count + 1);
                each(RowReader(&row))
            }
        };
        match flow {
            Ok(Flow::Continue) => {}
            Ok(Flow::Stop) => self.end = End::Stopped,
            Err(error) => self.end = End::Refused(error),
        }
    }
}
