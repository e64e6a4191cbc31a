//! A wire that changes what a server answers: bits flipped, bytes cut and inserted, packets doubled, dropped and
//! swapped, in logins and statements, at either end.
//!
//! Whatever arrives, nothing panics and nothing is called an internal error; and a run either does not end well, or the
//! target has the source's rows. Both are compared where they are kept, past the proxy.
//!
//! TDS has no checksum of its own. So at the source's end a changed value can arrive as another value, and its row is
//! then copied as it arrived: only TLS protects a wire against that. What is held there instead is that a comparison
//! with the source over a sound wire finds each such row. At the target's end a run reads back what it loaded.
//!
//! `SYNC_FUZZ_SECONDS` is for how long, `SYNC_FUZZ_SEED` where to begin. A failure prints the seed of its round.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mssql_sync::base::error::ErrorKind;
use mssql_sync::mssql::{Endpoint, Flow, Session, StageColumn, Timeouts};
use testkit::project::T_MONTHLY;
use testkit::proxy::Meddler;
use testkit::tables::Table;
use testkit::{Project, Proxy, Server};

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"];
/// Where nobody says for how long: rounds of sessions and of runs, from a seed that is always the same.
const SESSIONS_DEFAULT: u64 = 150;
const RUNS_DEFAULT: u64 = 6;
const SEED_DEFAULT: u64 = 1;
/// Rounds of sessions between two runs where somebody does.
const SESSIONS_BETWEEN: u64 = 50;
/// What is silent for so long, and for so long after a change, waits for bytes that never come.
const PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE_CHANGED: Duration = Duration::from_millis(300);
/// The most memory of this process with the emulator in it, in KiB, after however many rounds.
const MEMORY_KIB_MAX: u64 = 2 << 20;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// SplitMix64: the same numbers from the same seed, on every machine.
#[derive(Clone, Copy)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("it was a usize")
    }
}

/// What all connections of a round share: which of the server's packets are changed.
struct Plan {
    seed: AtomicU64,
    passed: AtomicU64,
    /// The first packet that is changed, and how many are.
    first: AtomicU64,
    count: AtomicU64,
}

struct Mutator {
    plan: Arc<Plan>,
    /// A packet that is to come after the next one.
    held: Option<Vec<u8>>,
    /// Whether a packet of this connection was changed.
    changed: bool,
}

impl Meddler for Mutator {
    fn answer(&mut self, packet: Vec<u8>) -> Option<Vec<Vec<u8>>> {
        let number = self.plan.passed.fetch_add(1, Ordering::SeqCst);
        let first = self.plan.first.load(Ordering::SeqCst);
        let struck = number >= first && number - first < self.plan.count.load(Ordering::SeqCst);
        let mut packets = match struck {
            true => {
                let seed = self.plan.seed.load(Ordering::SeqCst) ^ number.rotate_left(32);
                self.changed = true;
                self.change(packet, &mut Random(seed))?
            }
            false => vec![packet],
        };
        if !struck {
            packets.extend(self.held.take());
        }
        Some(packets)
    }

    fn patience(&self) -> Duration {
        match self.changed {
            true => PATIENCE_CHANGED,
            false => PATIENCE,
        }
    }
}

impl Mutator {
    fn change(&mut self, mut packet: Vec<u8>, random: &mut Random) -> Option<Vec<Vec<u8>>> {
        let payload = packet.len() - 8;
        let inside = 8 + random.below(payload);
        match random.below(12) {
            // A bit of the payload, and of the whole packet.
            0..=2 if payload > 0 => packet[inside] ^= 1 << random.below(8),
            3 => {
                let at = random.below(packet.len());
                packet[at] ^= 1 << random.below(8);
            }
            // A byte, and a length.
            4 if payload > 0 => packet[inside] = [0, 0xff, random.next() as u8][random.below(3)],
            5 if payload >= 4 => {
                let at = 8 + random.below(payload - 3);
                let length = [u32::MAX, i32::MAX.cast_unsigned(), 0, 0x0001_0000][random.below(4)];
                packet[at..at + 4].copy_from_slice(&length.to_le_bytes());
            }
            // Bytes cut away and inserted, with a header that knows of it and one that does not.
            6 if payload > 0 => {
                packet.drain(inside..(inside + 1 + random.below(16)).min(packet.len()));
                if random.below(4) > 0 {
                    right_length(&mut packet);
                }
            }
            7 => {
                let more: Vec<u8> = (0..=random.below(16)).map(|_| random.next() as u8).collect();
                packet.splice(inside..inside, more);
                if random.below(4) > 0 {
                    right_length(&mut packet);
                }
            }
            8 => return Some(vec![packet.clone(), packet]),
            9 => return Some(Vec::new()),
            10 => {
                self.held = Some(packet);
                return Some(Vec::new());
            }
            // The end of the connection after a part of the packet, which the next call brings about.
            _ => return None,
        }
        Some(vec![packet])
    }
}

fn right_length(packet: &mut [u8]) {
    let length = u16::try_from(packet.len()).unwrap_or(u16::MAX).to_be_bytes();
    packet[2..4].copy_from_slice(&length);
}

/// A proxy that changes packets as it is told for each round.
struct Wire {
    proxy: Proxy,
    plan: Arc<Plan>,
}

impl Wire {
    async fn to(server: &Server) -> Wire {
        let address: SocketAddr = format!("{}:{}", server.host, server.port)
            .parse()
            .expect("an address");
        let plan = Arc::new(Plan {
            seed: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            first: AtomicU64::new(0),
            count: AtomicU64::new(0),
        });
        let meddlers = plan.clone();
        let proxy = Proxy::start(address, move || {
            Box::new(Mutator {
                plan: meddlers.clone(),
                held: None,
                changed: false,
            })
        })
        .await;
        Wire { proxy, plan }
    }

    /// Begins a round of about so many packets, in which `count` are changed.
    fn begin(&self, seed: u64, packets: u64, count: u64) {
        self.plan.seed.store(seed, Ordering::SeqCst);
        self.plan.passed.store(0, Ordering::SeqCst);
        let first = Random(seed).next() % packets.max(1);
        self.plan.first.store(first, Ordering::SeqCst);
        self.plan.count.store(count, Ordering::SeqCst);
    }

    fn passed(&self) -> u64 {
        self.plan.passed.load(Ordering::SeqCst)
    }
}

/// A source with a table of many types, and wires to it.
struct Bench {
    server: Server,
    wire: Wire,
}

impl Bench {
    async fn start(test: &str) -> Option<Bench> {
        let server = Server::start_emulator(test).await?;
        let columns = "ID int NOT NULL, D datetime NOT NULL, NOTE nvarchar(40) NULL, LONG_NOTE nvarchar(max) NULL, \
                       AMOUNT decimal(12,2) NULL, PRICE money NULL, RAW varbinary(20) NULL, AT_TIME datetime2(3) NULL, \
                       SMALL tinyint NULL, YES bit NULL, RATIO float NULL, ROW_ID uniqueidentifier NULL";
        let rows = (0..30).map(|n| {
            format!(
                "({n}, '2025-10-{:02}T01:02:03', N'note {n}', N'long 王 {n}', {n}.25, {n}.5, 0x0102{n:02}, \
                 '2025-10-05T10:00:00.123', {n}, {}, {n}.125, '6F9619FF-8B86-D011-B42D-00C04FC964{n:02}')",
                1 + n % 28,
                n % 2
            )
        });
        Table::new("T", columns)
            .indexed("D")
            .rows(rows)
            .at_source(&server)
            .await;
        let wire = Wire::to(&server).await;
        Some(Bench { server, wire })
    }

    /// What a session does: its login, small and large answers, a transaction, a bulk load.
    async fn session(&self) -> mssql_sync::base::error::Result<()> {
        let endpoint = Endpoint {
            port: self.wire.proxy.port,
            ..self.server.endpoint(&self.server.source)
        };
        let short = Timeouts {
            handshake: PATIENCE,
            statement: PATIENCE,
            liveness: PATIENCE,
            ..Timeouts::default()
        };
        let mut session = Session::open(&endpoint, None, &short).await?;
        for row in session.rows("SELECT * FROM dbo.T", &[]).await? {
            for column in 0..row.column_count() {
                row.value(column)?;
            }
        }
        let sql = "SELECT ID, D, NOTE, LONG_NOTE, AMOUNT, RAW, AT_TIME, SMALL, YES, RATIO, ROW_ID FROM dbo.T";
        let mut bytes = Vec::new();
        session
            .stream(sql, &[], |row| row.encode(&mut bytes).map(|()| Flow::Continue))
            .await?;
        let columns = [StageColumn {
            name: mssql_sync::model::table::Identifier::new("c1")?,
            data_type: mssql_sync::model::table::DataType::Int,
        }];
        session.empty_stage("#load", &columns).await?;
        let mut batch = mssql_sync::model::row::Batch::default();
        batch.push(|out| mssql_sync::model::row::encode(mssql_sync::model::row::Value::Integer(7), out))?;
        session.bulk_load("#load", 0, &batch, &columns).await?;
        session.begin().await?;
        session.execute("UPDATE dbo.T SET SMALL = SMALL", &[]).await?;
        session.rollback().await
    }

    /// One session over a wire that changes some packets; whether it failed.
    async fn session_round(&self, seed: u64, packets: u64) -> bool {
        self.wire.begin(seed, packets, 1 + seed % 3);
        let Err(error) = self.session().await else {
            return false;
        };
        let text = error.chain();
        assert_ne!(error.kind(), ErrorKind::Internal, "round {seed}: {text}");
        true
    }

    /// A project whose ends the wire leads to, one of them or both.
    fn project(&self, at_source: bool, at_target: bool) -> Project {
        let run = "silence_max_seconds = 5\nanswer_max_seconds = 5\nchunk_rows = 10\nmax_workers = 1";
        let project = Project::tuned(&self.server, run, T_MONTHLY);
        let own = format!("{},{}", self.server.host, self.server.port);
        let changed = format!("127.0.0.1,{}", self.wire.proxy.port);
        let config = project.home.read("sync.toml");
        let parts: Vec<&str> = config.splitn(3, own.as_str()).collect();
        let [before, between, after] = parts.as_slice() else {
            panic!("two ends: {config}");
        };
        let of = |led: bool| if led { &changed } else { &own };
        let config = format!("{before}{}{between}{}{after}", of(at_source), of(at_target));
        project.home.write("sync.toml", config);
        project
    }

    /// One run over a wire that changes some packets at one end; whether it ended well in spite of it.
    async fn run_round(&mut self, seed: u64, packets: u64) -> bool {
        let at_source = seed.is_multiple_of(2);
        self.server.renew_target().await;
        let project = self.project(at_source, !at_source);
        self.wire.begin(seed, packets, 1 + seed % 3);
        let ended = project.sync(&RUN).await;
        let said = ended.said();
        let place = format!("round {seed}, code {}: {said}", ended.code());
        assert!(
            [0, 3, 4, 5, 6, 7].contains(&ended.code()),
            "an end of its own: {place}"
        );
        for word in ["panicked", "internal error", "RUST_BACKTRACE"] {
            assert!(!said.contains(word), "{word}: {place}");
        }
        if ended.code() != 0 || self.is_equal().await {
            return ended.code() == 0;
        }
        assert!(at_source, "rows were lost without a word: {place}");
        // The wire has let another value through for a row of the source; a sound one tells.
        self.wire.begin(seed, 1, 0);
        project.sync(&["reconcile", "--source"]).await.expect(3);
        true
    }

    async fn is_equal(&self) -> bool {
        let dump = async |database: &str, table: &str| self.server.connect(database).await.dump(table).await;
        dump(&self.server.source, "dbo.T").await == dump(&self.server.target, "dbo.t_T").await
    }
}

/// The peak of this process's memory, where the system tells it.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_on_the_wire_makes_it_panic_or_lose_a_row() {
    let test = "nothing_on_the_wire_makes_it_panic_or_lose_a_row";
    let Some(mut bench) = Bench::start(test).await else {
        return;
    };
    let seed = number("SYNC_FUZZ_SEED").unwrap_or(SEED_DEFAULT);
    let seconds = number("SYNC_FUZZ_SECONDS").map(Duration::from_secs);
    println!("SYNC_FUZZ_SEED={seed}");
    // Undisturbed, to know how many packets there are; and all of it works.
    bench.wire.begin(seed, 1, 0);
    bench.session().await.expect("a session over a sound wire");
    let in_session = bench.wire.passed();
    let mut in_run = [0, 0];
    for (at, ends) in [(0, (true, false)), (1, (false, true))] {
        bench.server.renew_target().await;
        bench.wire.begin(seed, 1, 0);
        bench.project(ends.0, ends.1).sync(&RUN).await.expect(0);
        assert!(bench.is_equal().await, "a sound wire loses nothing");
        in_run[at] = bench.wire.passed();
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the budget is real time, and decides nothing else"
    )]
    let start = Instant::now();
    let (sessions, runs) = match seconds {
        Some(_) => (SESSIONS_BETWEEN, u64::MAX),
        None => (SESSIONS_DEFAULT / RUNS_DEFAULT, RUNS_DEFAULT),
    };
    let mut random = Random(seed);
    let (mut sessions_done, mut sessions_failed, mut runs_done, mut runs_well) = (0, 0, 0, 0);
    while runs_done < runs && seconds.is_none_or(|seconds| start.elapsed() < seconds) {
        for _ in 0..sessions {
            sessions_failed += u64::from(bench.session_round(random.next(), in_session).await);
            sessions_done += 1;
        }
        let round = random.next();
        let end = usize::from(!round.is_multiple_of(2));
        runs_well += u64::from(bench.run_round(round, in_run[end]).await);
        runs_done += 1;
        if let Some(peak) = peak_kib() {
            assert!(peak < MEMORY_KIB_MAX, "{peak} KiB after {runs_done} rounds");
        }
    }
    println!(
        "{sessions_done} sessions, {sessions_failed} of them broken; {runs_done} runs, {runs_well} of them to their \
         end; {:?} KiB at most",
        peak_kib()
    );
}
