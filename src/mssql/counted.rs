//! What a session counts: each of its statements once, when its answer has ended, has failed, or was left unread.
//!
//! There is one count for the account and for `--profile`. A session without either asks no clock.

use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::SharedClock;
use crate::model::account::Isolation;
use crate::mssql::Endpoint;
use crate::mssql::meter::{Meter, Open};
use crate::mssql::profile::{LOGIN, Profile, Spent};
use crate::mssql::socket::Watch;
use crate::tsql::label::label;

/// What a session counts, and for whom.
#[derive(Debug)]
pub(super) struct Counted {
    /// The end that it is counted for.
    end: &'static str,
    profile: Option<Arc<Profile>>,
    meter: Option<Arc<Meter>>,
    watch: Arc<Watch>,
    /// The connection, once there is one.
    open: Option<Open>,
    under_way: Option<Exchange>,
    /// The text of the last statement. Values are its parameters, so it has none.
    pub(super) statement: String,
    /// Rows of the answer so far.
    pub(super) rows: u64,
    /// How the session reads, once that is known.
    pub(super) isolation: Option<Isolation>,
}

/// A statement or a login under way.
#[derive(Debug)]
struct Exchange {
    is_login: bool,
    started: Duration,
    /// Bytes of the connection before it, sent and received.
    before: (u64, u64),
}

impl Counted {
    /// Of a session that is about to connect and log in.
    pub(super) fn new(endpoint: &Endpoint, watch: &Arc<Watch>) -> Counted {
        let mut counted = Counted {
            end: endpoint.label,
            profile: endpoint.profile.clone(),
            meter: endpoint.meter.clone(),
            watch: Arc::clone(watch),
            open: None,
            under_way: None,
            statement: String::new(),
            rows: 0,
            isolation: None,
        };
        counted.begin(true);
        counted
    }

    /// The connection is there.
    pub(super) fn connected(&mut self) {
        self.open = self.meter.as_ref().map(Open::new);
    }

    /// The end that it is counted for.
    pub(super) fn end(&self) -> &'static str {
        self.end
    }

    /// A statement is sent.
    pub(super) fn start(&mut self, sql: &str) {
        sql.clone_into(&mut self.statement);
        self.rows = 0;
        self.begin(false);
    }

    fn begin(&mut self, is_login: bool) {
        let clock = self.clock();
        self.under_way = clock.map(|clock| Exchange {
            is_login,
            started: clock.monotonic(),
            before: self.watch.bytes(),
        });
    }

    fn clock(&self) -> Option<&SharedClock> {
        let of_profile = self.profile.as_deref().map(Profile::clock);
        self.meter.as_deref().map(Meter::clock).or(of_profile)
    }

    /// The answer has ended, or failed.
    pub(super) fn finish(&mut self) {
        let Some((exchange, clock)) = self.under_way.take().zip(self.clock()) else {
            return;
        };
        let (sent, received) = self.watch.bytes();
        let spent = Spent {
            count: 1,
            elapsed: clock.monotonic().saturating_sub(exchange.started),
            sent_bytes: sent.saturating_sub(exchange.before.0),
            received_bytes: received.saturating_sub(exchange.before.1),
        };
        let sql = &self.statement;
        if let Some(profile) = &self.profile {
            let label = if exchange.is_login {
                LOGIN.to_owned()
            } else {
                label(sql)
            };
            profile.add(self.end, label, &spent);
        }
        match &self.meter {
            Some(meter) if exchange.is_login => meter.add_login(&spent),
            Some(meter) => meter.add(sql, self.rows, &spent, self.isolation),
            None => {}
        }
    }
}

impl Drop for Counted {
    /// A statement whose answer nobody reads any more was sent all the same.
    fn drop(&mut self) {
        let never_connected = self.watch.bytes() == (0, 0);
        if !never_connected {
            self.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;
    use crate::base::secret::Secret;
    use crate::mssql::bound::Bound;

    fn endpoint(label: &'static str, profile: &Arc<Profile>, meter: &Arc<Meter>) -> Endpoint {
        Endpoint {
            host: "db".to_owned(),
            port: 1433,
            instance: None,
            database: "POS".to_owned(),
            user: "reader".to_owned(),
            password: Secret::new("correct horse"),
            encrypt: true,
            trust_server_certificate: false,
            ca_file: None,
            redirect_hosts: Vec::new(),
            application: String::new(),
            read_only_intent: true,
            label,
            receipt_key: None,
            profile: Some(Arc::clone(profile)),
            meter: (label == "source").then(|| Arc::clone(meter)),
        }
    }

    #[test]
    fn a_statement_counts_once_for_the_profile_and_for_the_account() {
        let clock = SystemClock::shared();
        let (profile, meter) = (
            Arc::new(Profile::new(Arc::clone(&clock))),
            Arc::new(Meter::new(&clock)),
        );
        let bound = Bound {
            bytes: 1 << 20,
            whole: Duration::from_secs(1),
        };
        let watch = || Watch::new(Duration::ZERO, Duration::ZERO, bound);
        let session = |end| {
            let watch = watch();
            let mut counted = Counted::new(&endpoint(end, &profile, &meter), &watch);
            counted.connected();
            watch.add_bytes(30, 300);
            counted.finish();
            (counted, watch)
        };
        let (mut source, watch_source) = session("source");
        let (mut target, watch_target) = session("target");
        let send = |counted: &mut Counted, watch: &Watch, sql| {
            counted.start(sql);
            watch.add_bytes(10, 100);
            counted.rows += 5;
            counted.finish();
            // An answer ends once.
            counted.finish();
        };
        send(
            &mut source,
            &watch_source,
            "SELECT [A] FROM [dbo].[T] WHERE [A] > 1",
        );
        send(
            &mut source,
            &watch_source,
            "SELECT [A] FROM [dbo].[T] WHERE [A] > 2",
        );
        send(&mut target, &watch_target, "SELECT [A] FROM [dbo].[T]");
        // One that is left in the middle of an answer.
        source.start("SELECT [A] FROM [dbo].[T]");
        watch_source.add_bytes(10, 100);
        source.rows += 1;
        drop(source);

        let mut kinds: Vec<_> = profile
            .kinds()
            .into_iter()
            .map(|kind| {
                let spent = kind.spent;
                (
                    kind.end,
                    kind.statement,
                    spent.count,
                    spent.sent_bytes,
                    spent.received_bytes,
                )
            })
            .collect();
        kinds.sort_unstable();
        assert_eq!(
            kinds,
            [
                ("source", "SELECT dbo.T".to_owned(), 3, 30, 300),
                ("source", LOGIN.to_owned(), 1, 30, 300),
                ("target", "SELECT dbo.T".to_owned(), 1, 10, 100),
                ("target", LOGIN.to_owned(), 1, 30, 300),
            ]
        );
        let (_, account) = meter.current();
        assert_eq!((account.queries, account.rows), (3, 11));
        assert_eq!((account.sent_bytes, account.received_bytes), (60, 600));
        assert_eq!((account.connections_opened, meter.connections()), (1, 0));
    }
}
