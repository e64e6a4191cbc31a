//! The context that all tables of one command share: configuration, options, connections to both servers,
//! clocks, and the retrier.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::NaiveDateTime;

use crate::base::error::Result;
use crate::base::text::harmless_text;
use crate::checkpoint::{Change, End, Waiting};
use crate::config::{Config, Source, TableConfig};
use crate::governor::{ClosedUntil, Parts, Throttle};
use crate::model::brake::Brake;
use crate::model::hours::{Hours, State};
use crate::model::plan::TablePlan;
use crate::model::table::{Identifier, TableName};
use crate::model::window::DateRange;
use crate::mssql::{Endpoint, Limit, ServerClock, Session, application, catalog};
use crate::pipeline::pool::{Pool, Pools};
use crate::pipeline::resume::doubt::epoch_seen;
use crate::pipeline::resume::read_cutoff;
use crate::pipeline::retrier::Retrier;
use crate::preflight::clocks::{ClockReading, Clocks};
use crate::progress::Event;
use crate::target::lease::{self, Holder, Lease};

/// The options of a run on the command line, which add to or replace the configuration's.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The dates.
    pub range: DateRange,
    /// The run works only on these tables.
    pub tables: Option<Vec<Identifier>>,
    /// The number of parallel windows, instead of the configuration's.
    pub max_workers: Option<usize>,
    /// The number of rows a chunk, instead of the configuration's.
    pub chunk_rows: Option<u32>,
    /// Whether reference tables are loaded again even if the source's rows equal the target's.
    pub force: bool,
    /// Tables whose brake is off: any number of rows may leave them.
    pub allow_deletes: Vec<Identifier>,
    /// Whether the source may be a different database from the one that earlier runs loaded.
    pub accept_source: bool,
    /// Whether the rows of each window are counted at the target, even if the table's own number is as expected.
    pub recount: bool,
    /// Whether the source is read outside of its hours, too.
    pub ignore_hours: bool,
}

impl RunOptions {
    /// Those of a run that is asked for nothing but its dates.
    pub fn of(range: DateRange) -> Self {
        RunOptions {
            range,
            tables: None,
            max_workers: None,
            chunk_rows: None,
            force: false,
            allow_deletes: Vec::new(),
            accept_source: false,
            recount: false,
            ignore_hours: false,
        }
    }
}

/// The identity of a run, for its record and its leases.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its id, as in its receipts and on each line of its log.
    pub run_id: u128,
    /// The machine.
    pub host: String,
    /// The process.
    pub process_id: u32,
}

/// The context that all tables of one command share.
pub(crate) struct RunContext<'a> {
    pub(crate) config: &'a Config,
    pub(crate) options: RunOptions,
    pub(crate) pools: Pools,
    pub(crate) retrier: Retrier,
    pub(crate) run_id: u128,
    /// What is told once, although several tables or attempts come to it.
    told: Mutex<BTreeSet<String>>,
    identity: Identity,
    /// The clocks, once they were compared.
    clocks: Mutex<Option<ClockWatch>>,
}

/// The clocks over the time of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockWatch {
    /// As last compared.
    latest: Clocks,
    /// The target's clock, as last read.
    target: ClockReading,
    /// Whether they have disagreed at any time.
    disagreed: bool,
}

/// Until when the source may not be read, by its hours.
fn closed_until(hours: Hours) -> ClosedUntil {
    Arc::new(move |at| match hours.state(at) {
        State::Open { .. } => None,
        State::Closed { until } => Some(until),
    })
}

/// Tells how the source is read, before anything is read of it.
fn tell_pace(source: &Source, options: &RunOptions, retrier: &Retrier) {
    let progress = &retrier.progress;
    progress.event(Event::Wall(source.wall));
    progress.event(Event::Paced {
        rows_per_second: source.ceilings.rows_per_second,
    });
    let is_closed = |hours: &Hours| matches!(hours.state(retrier.clock.now()), State::Closed { .. });
    if options.ignore_hours && source.hours.as_ref().is_some_and(is_closed) {
        progress.event(Event::Note(
            "--ignore-hours: the source is read outside of its hours",
        ));
    }
}

impl<'a> RunContext<'a> {
    /// The context of a command. No connection is opened yet.
    pub(crate) fn new(config: &'a Config, options: RunOptions, identity: Identity, retrier: Retrier) -> Self {
        let timeouts = config.run.timeouts;
        let guard = config.source.guard.clone();
        let meter = Arc::clone(&retrier.meter);
        let name = application(Some(identity.run_id), "");
        let source = Endpoint {
            meter: Some(Arc::clone(&meter)),
            application: name.clone(),
            ..config.source.endpoint.clone()
        };
        let target = Endpoint {
            application: name,
            ..config.target.endpoint.clone()
        };
        let throttle = Throttle::new(Parts {
            clock: Arc::clone(&retrier.clock),
            stop: retrier.stop.clone(),
            store: Arc::clone(&retrier.store),
            progress: Arc::clone(&retrier.progress),
            meter,
            ceilings: config.source.ceilings,
            closed_until: config.source.hours.clone().map(closed_until),
            ignores_hours: options.ignore_hours,
            max_workers: options.max_workers.unwrap_or(config.run.max_workers),
            chunk_rows: options.chunk_rows.unwrap_or(config.run.chunk_rows) as usize,
        });
        tell_pace(&config.source, &options, &retrier);
        let pools = Pools {
            throttle: Arc::new(throttle),
            prober: Arc::default(),
            source: Arc::new(Pool::new(source, guard, timeouts, &retrier.clock)),
            target: Arc::new(Pool::new(target, (), timeouts, &retrier.clock)),
        };
        RunContext {
            config,
            options,
            pools,
            retrier,
            run_id: identity.run_id,
            told: Mutex::default(),
            identity,
            clocks: Mutex::default(),
        }
    }

    /// If an earlier run has worked with this very end, server, database and login, this one waits for it from its start.
    ///
    /// # Errors
    /// `State` when the store cannot be read.
    pub(crate) fn assume_known(&self) -> Result<()> {
        let view = self.retrier.store.view()?;
        // What a program before kept of both ends.
        let (old_source, old_target) = view.reached_addresses()?.unzip();
        let is_known = |end, endpoint: &Endpoint, old: Option<String>| -> Result<bool> {
            Ok(match view.reached(end)? {
                Some(reached) => reached == endpoint.fingerprint(),
                None => old.is_some_and(|old| old == endpoint.address()),
            })
        };
        if is_known(End::Source, &self.config.source.endpoint, old_source)? {
            self.pools.source.assume_known();
        }
        if is_known(End::Target, &self.config.target.endpoint, old_target)? {
            self.pools.target.assume_known();
        }
        Ok(())
    }

    /// Records the ends that this run has worked with, so that a later one waits for them.
    ///
    /// # Errors
    /// `State` when the store cannot be read or written.
    pub(crate) fn record_reached(&self) -> Result<()> {
        let (source, target) = (&self.pools.source, &self.pools.target);
        let ends = [
            (End::Source, source.is_known(), source.fingerprint()),
            (End::Target, target.is_known(), target.fingerprint()),
        ];
        let view = self.retrier.store.view()?;
        let mut changes = Vec::new();
        for (end, is_known, fingerprint) in ends {
            if is_known && view.reached(end)? != Some(fingerprint) {
                changes.push(Change::Reached { end, fingerprint });
            }
        }
        drop(view);
        match changes.is_empty() {
            true => Ok(()),
            false => self.retrier.store.commit(&changes),
        }
    }

    /// Work on a table begins: what is counted and opened from now on is for it.
    pub(crate) fn begin_table(&self, table: &str) {
        self.retrier.meter.begin(table);
        self.pools.throttle.begin_table(table);
        self.name_source(table);
    }

    /// Names the sessions of the source that are opened from now on after the table that they are for.
    pub(crate) fn name_source(&self, table: &str) {
        self.pools.source.name(application(Some(self.run_id), table));
    }

    /// Work on a table is over, and its account is told.
    pub(crate) fn end_table(&self) {
        let (_, account) = self.retrier.meter.current();
        self.retrier.meter.begin("");
        self.pools.throttle.begin_table("");
        // A comparison of receipts with the target asks the source nothing.
        if account.queries > 0 {
            self.retrier
                .progress
                .event(Event::Accounted { account: &account });
        }
    }

    /// What the store keeps of what was asked of the source so far.
    pub(crate) fn accounts(&self) -> Vec<Change> {
        self.accounts_of(self.run_id)
    }

    /// The same, kept under this identity.
    pub(crate) fn accounts_of(&self, run_id: u128) -> Vec<Change> {
        let numbered = (0..).zip(self.retrier.meter.accounts());
        let change = |(number, account)| Change::Account {
            run_id,
            number,
            account,
        };
        numbered.map(change).collect()
    }

    /// The limit of what a run may read, once it was reached.
    pub(crate) fn limit_reached(&self) -> Option<Limit> {
        self.retrier.meter.reached()
    }

    /// Tells the user something. Statements that a text suggests hold names as the server has them.
    pub(crate) fn note(&self, text: &str) {
        self.retrier.progress.event(Event::Note(&harmless_text(text)));
    }

    /// The same, once a command.
    pub(crate) fn note_once(&self, text: &str) {
        if self.is_news(text) {
            self.note(text);
        }
    }

    /// Whether this was not asked of this text before.
    pub(crate) fn is_news(&self, text: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(text.to_owned())
    }

    /// Tells the user something to look into, once a command.
    pub(crate) fn warn_once(&self, text: &str) {
        if self.is_news(text) {
            self.warn(text);
        }
    }

    /// Tells the user something to look into.
    pub(crate) fn warn(&self, text: &str) {
        self.retrier.progress.event(Event::Warning(&harmless_text(text)));
    }

    /// Whether nothing new is begun: the user has asked to stop, or the run has read as much as it may.
    pub(crate) fn is_stopped(&self) -> bool {
        self.retrier.stop.is_stopped() || self.limit_reached().is_some()
    }

    /// Whether another chunk of a reference table may be read, once a chunk.
    pub(crate) fn may_read(&self) -> bool {
        !self.is_stopped() && self.retrier.meter.lets_read()
    }

    /// The configured tables that the command works on, in the configuration's order.
    pub(crate) fn chosen(&self) -> Result<Vec<&'a TableConfig>> {
        self.config.chosen(self.options.tables.as_deref())
    }

    /// The number of parallel windows.
    pub(crate) fn max_workers(&self) -> usize {
        self.pools.throttle.max_workers()
    }

    /// The number of rows a chunk.
    pub(crate) fn chunk_rows(&self) -> usize {
        self.pools.throttle.chunk_rows()
    }

    /// The holder of the leases that this run takes.
    pub(crate) fn holder(&self) -> Holder {
        Holder {
            run_id: self.run_id,
            host: self.identity.host.clone(),
            process_id: self.identity.process_id,
        }
    }

    /// Takes the lease of a shadow table, whose epochs no state file keeps. The session holds its applock.
    pub(crate) async fn take_lease(&self, session: &mut Session, target: &TableName) -> Result<Lease> {
        self.wait_turn(session, target).await?;
        lease::raise(session, &target.exact(), &self.holder(), 0).await
    }

    /// Waits for the applock of a target table, which the session then holds.
    pub(crate) async fn wait_turn(&self, session: &mut Session, target: &TableName) -> Result<()> {
        let retrier = &self.retrier;
        let since = retrier.clock.now();
        let told = AtomicBool::new(false);
        let tell = |text: &str| {
            self.note(text);
            told.store(true, Ordering::Relaxed);
            let waiting = Waiting {
                since,
                next_try_at: retrier.clock.now() + lease::APPLOCK_TRY,
                error: harmless_text(text),
            };
            // It is for `sync status` alone, and the next write to the store tells what is wrong with it.
            let _ = retrier.store.commit(&[Change::Waiting(Some(waiting))]);
        };
        let turn = lease::wait_turn(session, &target.exact(), &retrier.clock, &retrier.stop, &tell).await;
        if told.load(Ordering::Relaxed) {
            retrier.store.commit(&[Change::Waiting(None)])?;
        }
        turn
    }

    /// Raises the epoch of the lease of a table's target, whose applock the session holds, above all that the state file
    /// has seen.
    pub(crate) async fn raise_lease(
        &self,
        session: &mut Session,
        table: &str,
        target: &TableName,
    ) -> Result<Lease> {
        let seen = epoch_seen(&self.retrier.store, table)?;
        lease::raise(session, &target.exact(), &self.holder(), seen).await
    }

    /// The brake: the share of a window's rows that may leave a table.
    pub(crate) fn brake(&self, plan: &TablePlan) -> Brake {
        let mut allowed = self.options.allow_deletes.iter();
        Brake {
            percent: if allowed.any(|table| plan.name.same_as(table.as_str())) {
                100
            } else {
                self.config.run.leaving_rows_max_percent
            },
        }
    }

    /// The clocks of source, target and this machine, as last compared.
    ///
    /// # Errors
    /// Those of the sessions, if they were not compared before.
    pub(crate) async fn clocks(&self) -> Result<Clocks> {
        self.compared().await.map(|watch| watch.latest)
    }

    async fn compared(&self) -> Result<ClockWatch> {
        if let Some(watch) = *self.watch() {
            return Ok(watch);
        }
        let mut source = self.pools.source.take().await?;
        let mut target = self.pools.target.take().await?;
        let there = self.reading(source.clock().await?);
        let here = self.reading(catalog::clock(&mut target).await?);
        self.pools.source.put(source);
        self.pools.target.put(target);
        Ok(self.compare_clocks(there, here))
    }

    /// Whether the clocks have disagreed at any time since they were first compared.
    pub(crate) fn clocks_disagreed(&self) -> bool {
        self.watch().is_some_and(|watch| watch.disagreed)
    }

    /// Compares what the clocks have shown with each other. The user is warned when they begin to disagree.
    pub(crate) fn compare_clocks(&self, source: ClockReading, target: ClockReading) -> ClockWatch {
        let mut watch = self.watch();
        let latest = Clocks::new(source, target);
        let agreed = watch.is_none_or(|watch| watch.latest.agree());
        if let Some(text) = latest.warning().filter(|_| agreed) {
            self.warn(&text);
        }
        let disagreed = !latest.agree() || watch.is_some_and(|watch| watch.disagreed);
        *watch.insert(ClockWatch {
            latest,
            target,
            disagreed,
        })
    }

    /// No code under the lock panics half-way.
    fn watch(&self) -> MutexGuard<'_, Option<ClockWatch>> {
        self.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a server's clock has just shown.
    pub(crate) fn reading(&self, clock: ServerClock) -> ClockReading {
        ClockReading {
            server: clock.now_utc,
            own: self.retrier.clock.now(),
            at: self.retrier.clock.monotonic(),
        }
    }

    /// The source's clock in the time zone of a plan's dates, and no later than the other clocks allow. A clock may jump in
    /// the middle of a command, or another server may take over whose clock is wrong: each reading is compared anew.
    pub(crate) async fn source_now(&self, plan: &TablePlan) -> Result<NaiveDateTime> {
        // Reading the clocks takes connections of its own.
        let ClockWatch { mut target, .. } = self.compared().await?;
        let mut source = self.pools.source.take().await?;
        let clock = source.clock().await?;
        let reading = self.reading(clock);
        self.pools.source.put(source);
        let now = clock.for_dates(plan.date().map(|date| date.data_type));
        if !Clocks::new(reading, target).agree() {
            // The target's was read a while ago.
            let mut session = self.pools.target.take().await?;
            target = self.reading(catalog::clock(&mut session).await?);
            self.pools.target.put(session);
        }
        Ok(self.compare_clocks(reading, target).latest.of_source(now))
    }

    /// The time before which the source's rows are old enough to be read.
    pub(crate) async fn read_cutoff(&self, plan: &TablePlan) -> Result<NaiveDateTime> {
        let now = self.source_now(plan).await?;
        Ok(read_cutoff(now, self.config.run.settle_minutes))
    }
}
