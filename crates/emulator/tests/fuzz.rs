//! Broken and hostile messages: packets, logins, batches, calls and bulk loads, changed at random by a seed. The
//! emulator answers or closes the connection. No thread of it panics, it goes on to serve others, and it does not
//! grow.
//!
//! By default it sends a few hundred messages by one seed. `SYNC_FUZZ_SECONDS` sets how long it sends, and
//! `SYNC_FUZZ_SEED` which messages; a failure names the seed of the message.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use tds_emulator::{Emulator, EmulatorOptions, Limits};

/// Messages of a run without a time.
const MESSAGES: u64 = 400;
/// Messages between two looks at the server.
const MESSAGES_BETWEEN_LOOKS: u64 = 100;
/// A statement that a change made endless is given up then.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the process may grow by after a quarter of the time. The statement log has filled by then.
const GROWTH_BYTES_MAX: u64 = 96 * 1024 * 1024;

const SQL_BATCH: u8 = 1;
const RPC: u8 = 3;
const BULK_LOAD: u8 = 7;
const TRANSACTION_MANAGER: u8 = 14;
const LOGIN7: u8 = 16;
const PRELOGIN: u8 = 18;
const HEADERS: [u8; 22] = [22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];

/// What the changed statements are made of.
const STATEMENTS: [&str; 24] = [
    "SELECT TOP (3) a, b AS [x y], N'it''s', 0x0FAB, 1.50, -1e3, $2.5, NULL FROM dbo.t AS t WHERE a >= 1 AND NOT (b IS NULL) ORDER BY a DESC",
    "SELECT CASE WHEN a = 1 THEN 'x' ELSE b END, CAST(a AS decimal(19, 4)), CONVERT(varchar(20), GETDATE(), 121) FROM t",
    "SELECT a, COUNT_BIG(*), SUM(a), MAX(b) FROM t GROUP BY a HAVING COUNT(*) > 1",
    "SELECT * FROM t AS x JOIN t AS y ON x.a = y.a LEFT JOIN (SELECT 1 AS c) AS z ON z.c = y.a",
    "WITH c AS (SELECT a FROM t), d (e) AS (SELECT a FROM c) SELECT * FROM d WHERE e IN (SELECT a FROM t) UNION ALL SELECT 2",
    "SELECT 1 UNION SELECT 2 EXCEPT SELECT 3 INTERSECT SELECT 4 ORDER BY 1 OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY",
    "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) FROM t WHERE EXISTS (SELECT 1 FROM t AS u WHERE u.a = t.a)",
    "INSERT INTO t (a, b) VALUES (1, N'é'), (2, DEFAULT), (-3, REPLICATE('x', 10))",
    "INSERT INTO t SELECT a + 1, b COLLATE Latin1_General_CI_AS FROM t WHERE b LIKE N'%[a-z]_' ESCAPE '!'",
    "UPDATE t SET a += 1, b = UPPER(b) + SUBSTRING(b, 1, 2) FROM t WHERE a BETWEEN 1 AND 2",
    "DELETE TOP (1) FROM t WHERE a % 2 = 0 OR a IN (1, 2, 3)",
    "CREATE TABLE #x (a int NOT NULL PRIMARY KEY, b nvarchar(max) NULL DEFAULT (N'd'), c datetime2(3), CHECK (a > 0))",
    "ALTER TABLE t ADD c decimal(38, 10) NULL; ALTER TABLE t DROP COLUMN c",
    "CREATE UNIQUE INDEX ix ON t (a, b) WHERE a IS NOT NULL; DROP INDEX ix ON t",
    "BEGIN TRAN SAVE TRAN s UPDATE t SET a = 2 ROLLBACK TRAN s COMMIT",
    "BEGIN TRY SELECT 1 / 0 END TRY BEGIN CATCH SELECT ERROR_NUMBER(), ERROR_MESSAGE() END CATCH",
    "DECLARE @a int = 3, @b nvarchar(20) = N'SELECT 1'; IF @a > 2 EXEC (@b) ELSE PRINT @b; SET @a -= 1",
    "EXEC sp_executesql N'SELECT @p + 1', N'@p int', @p = 4",
    "SELECT DATEADD(day, 1, '2024-02-29'), DATEDIFF(month, '1753-01-01', GETDATE()), YEAR(SYSUTCDATETIME())",
    "SELECT name, object_id FROM sys.tables; SELECT * FROM INFORMATION_SCHEMA.COLUMNS; SELECT OBJECT_ID(N'dbo.t')",
    "SELECT POWER(2.0, 100), 79228162514264337593543950335 * 10, CAST('x' AS int), 2147483647 + 1",
    "RAISERROR (N'%s %d', 16, 1, N'a', 1); THROW 50001, N'x', 1",
    "GRANT SELECT ON SCHEMA::dbo TO someone; DENY INSERT ON t TO someone; REVOKE SELECT ON SCHEMA::dbo FROM someone",
    "SELECT a INTO #y FROM t; TRUNCATE TABLE #y; DROP TABLE IF EXISTS #y; SET XACT_ABORT ON; USE master",
];

/// Words that make a statement another.
const WORDS: [&str; 30] = [
    "(",
    ")",
    ",",
    ";",
    "'",
    "\"",
    "[",
    "]",
    "--",
    "/*",
    "*/",
    "SELECT",
    "FROM",
    "(SELECT",
    "UNION",
    "CASE",
    "NOT",
    "-",
    "=",
    "IN (",
    "BEGIN",
    "END",
    "IF 1 = 1",
    "9223372036854775808",
    "N'\u{10FFFF}'",
    "0x",
    "@a",
    "#x",
    "sys.columns",
    "OVER ()",
];

/// Numbers by a seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn packet(kind: u8, status: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16 + 8).to_be_bytes();
    [&[kind, status, length[0], length[1], 0, 0, 1, 0], payload].concat()
}

/// A whole message, in packets of a size that the default allows.
fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
    let pieces: Vec<&[u8]> = payload.chunks(4088).collect();
    let Some((last, before)) = pieces.split_last() else {
        return packet(kind, 1, &[]);
    };
    let mut bytes: Vec<u8> = before.iter().flat_map(|piece| packet(kind, 0, piece)).collect();
    bytes.extend(packet(kind, 1, last));
    bytes
}

fn prelogin() -> Vec<u8> {
    vec![1, 0, 6, 0, 1, 0xFF, 2]
}

fn login(database: &str) -> Vec<u8> {
    let mut login = vec![0; 94];
    login[4..8].copy_from_slice(&0x7400_0004u32.to_le_bytes());
    for (at, text) in [(40, "sa"), (44, "pass"), (68, database)] {
        let start = (login.len() as u16).to_le_bytes();
        login[at..at + 2].copy_from_slice(&start);
        login[at + 2] = text.len() as u8;
        let secret = |byte: u8| {
            if at == 44 {
                byte.rotate_left(4) ^ 0xA5
            } else {
                byte
            }
        };
        login.extend(utf16(text).into_iter().map(secret));
    }
    login
}

fn batch(text: &str) -> Vec<u8> {
    [&HEADERS[..], &utf16(text)].concat()
}

fn text_parameter(text: &str) -> Vec<u8> {
    let bytes = utf16(text);
    let mut parameter = vec![0, 0, 0xE7, 0x40, 0x1F, 9, 4, 0xD0, 0, 0x34];
    parameter.extend((bytes.len() as u16).to_le_bytes());
    parameter.extend(bytes);
    parameter
}

/// A statement that may be another's, with words of others in it.
fn statement(random: &mut Random) -> String {
    let mut words: Vec<&str> = random.one(&STATEMENTS).split(' ').collect();
    for _ in 0..random.below(6) {
        let at = random.below(words.len() + 1);
        match random.below(5) {
            0 => words.insert(at, *random.one::<&str>(&WORDS)),
            1 => {
                let other: Vec<&str> = random.one(&STATEMENTS).split(' ').collect();
                let from = random.below(other.len());
                words.splice(at..at, other[from..].iter().take(4).copied());
            }
            2 if at < words.len() => drop(words.remove(at)),
            3 if at < words.len() => words.swap(at, 0),
            _ => {
                let (word, times) = (*random.one::<&str>(&WORDS), random.below(60));
                words.splice(at..at, std::iter::repeat_n(word, times));
            }
        }
        if words.is_empty() {
            words.push("SELECT");
        }
    }
    words.join(" ")
}

/// A request with its kind, before its bytes are changed.
fn request(random: &mut Random) -> (u8, Vec<u8>) {
    match random.below(10) {
        0..5 => (SQL_BATCH, batch(&statement(random))),
        5..8 => {
            let mut call = HEADERS.to_vec();
            call.extend([0xFF, 0xFF, random.below(16) as u8, 0, 0, 0]);
            call.extend(text_parameter(&statement(random)));
            call.extend(text_parameter("@p int, @q nvarchar(20)"));
            call.extend([0, 0, 0x26, 4, 4, random.next() as u8, 0, 0, 0]);
            call.extend(text_parameter("x"));
            (RPC, call)
        }
        8 => {
            let mut begin = HEADERS.to_vec();
            begin.extend([*random.one(&[5, 7, 8, 9, 0]), 0, random.below(7) as u8, 0, 0]);
            (TRANSACTION_MANAGER, begin)
        }
        _ => {
            let mut load = vec![0x81, 2, 0];
            load.extend([0, 0, 0, 0, 0x09, 0, 0x26, 4, 1, b'a', 0]);
            load.extend([0, 0, 0, 0, 0x09, 0, 0xE7, 20, 0, 9, 4, 0xD0, 0, 0x34, 1, b'b', 0]);
            load.extend([
                0xD1, 4, 7, 0, 0, 0, 4, 0, b'a', 0, b'b', 0, 0xD2, 1, 2, 0, b'c', 0,
            ]);
            load.extend([0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            (BULK_LOAD, load)
        }
    }
}

fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 if !bytes.is_empty() => bytes[at] = random.next() as u8,
            1 if !bytes.is_empty() => bytes[at] = *random.one(&[0, 1, 0x7F, 0x80, 0xFF]),
            2 => bytes.truncate(at),
            3 => {
                let piece = bytes[at..]
                    .iter()
                    .copied()
                    .take(random.below(64))
                    .collect::<Vec<u8>>();
                bytes.splice(at..at, piece);
            }
            4 => drop(bytes.drain(at..(at + random.below(8)).min(bytes.len()))),
            _ => {
                let noise: Vec<u8> = (0..random.below(16)).map(|_| random.next() as u8).collect();
                bytes.splice(at..at, noise);
            }
        }
    }
}

/// What a client sends after its login, and whether its packets are those of TDS.
fn requests(random: &mut Random) -> (Vec<u8>, bool) {
    let whole = !random.one_in(4);
    let mut bytes = Vec::new();
    for _ in 0..=random.below(4) {
        let (kind, mut payload) = request(random);
        if kind == BULK_LOAD {
            let load = "INSERT BULK t ([a] int, [b] nvarchar(10))";
            bytes.extend(message(SQL_BATCH, &batch(load)));
        }
        if random.one_in(4) {
            change(&mut payload, random);
        }
        bytes.extend(message(kind, &payload));
    }
    if !whole {
        change(&mut bytes, random);
    }
    (bytes, whole)
}

/// A login, or the part of one that is left of it.
fn log_in(server: SocketAddr, database: &str, random: &mut Random, broken: bool) -> Option<TcpStream> {
    let mut tcp = TcpStream::connect(server).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let break_first = broken && random.one_in(2);
    for (last, message) in [
        (false, message(PRELOGIN, &prelogin())),
        (true, message(LOGIN7, &login(database))),
    ] {
        let mut bytes = message;
        if broken && last != break_first {
            change(&mut bytes, random);
            let _ = tcp.write_all(&bytes);
            let _ = tcp.shutdown(Shutdown::Write);
            let _ = tcp.read_to_end(&mut Vec::new());
            return None;
        }
        tcp.write_all(&bytes).ok()?;
        read_message(&mut tcp).ok()?;
    }
    Some(tcp)
}

/// Reads the packets of one answer.
fn read_message(tcp: &mut TcpStream) -> std::io::Result<()> {
    loop {
        let mut header = [0; 8];
        tcp.read_exact(&mut header)?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        tcp.read_exact(&mut vec![0; length.saturating_sub(8)])?;
        if header[1] & 1 != 0 {
            return Ok(());
        }
    }
}

/// Sends a conversation and reads what the server says, until it has closed or said all, which is returned.
fn converse(server: SocketAddr, seed: u64) -> bool {
    let mut random = Random(seed);
    let broken = random.one_in(8);
    let Some(mut tcp) = log_in(server, "fuzz", &mut random, broken) else {
        return false;
    };
    let (mut bytes, whole) = requests(&mut random);
    let mark = format!("mark {seed}");
    if whole {
        bytes.extend(message(SQL_BATCH, &batch(&format!("SELECT N'{mark}'"))));
    }
    // A server that has had enough closes while it is still sent to.
    if tcp.write_all(&bytes).is_err() {
        return false;
    }
    if !whole {
        let _ = tcp.shutdown(Shutdown::Write);
    }
    says(&mut tcp, &mark)
}

/// Whether the server answers a client that does nothing wrong. It runs the statements in the database.
fn serves(server: SocketAddr, database: &str, statements: &[&str]) -> bool {
    let Some(mut tcp) = log_in(server, database, &mut Random(0), false) else {
        return false;
    };
    let mut bytes = Vec::new();
    for statement in statements {
        bytes.extend(message(SQL_BATCH, &batch(statement)));
    }
    bytes.extend(message(SQL_BATCH, &batch("SELECT N'alive'")));
    tcp.write_all(&bytes).unwrap();
    says(&mut tcp, "alive")
}

/// Reads until the server has said a text, or has closed, or says nothing more.
fn says(tcp: &mut TcpStream, mark: &str) -> bool {
    let (mark, mut said, mut piece) = (utf16(mark), Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = tcp.read(&mut piece) {
        let unseen = said.len().saturating_sub(mark.len());
        said.extend_from_slice(&piece[..length]);
        if said[unseen..].windows(mark.len()).any(|bytes| bytes == mark) {
            return true;
        }
    }
    false
}

/// The memory of this process, where the system tells it.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Panics of any thread, with the seed whose messages the server had.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Puts a new database in place of the one that the messages have filled.
fn renew(emulator: &Emulator) -> bool {
    let drop = "ALTER DATABASE fuzz SET SINGLE_USER WITH ROLLBACK IMMEDIATE; DROP DATABASE fuzz";
    let dropped = serves(emulator.addr(), "", &[drop]);
    emulator.create_database("fuzz").unwrap();
    let make = "CREATE TABLE t (a int, b nvarchar(20) DEFAULT N'd')";
    dropped && serves(emulator.addr(), "fuzz", &[make])
}

#[tokio::test]
async fn whatever_it_is_sent_the_server_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let emulator = Emulator::start(EmulatorOptions {
        users: vec![("sa".into(), "pass".into())],
        limits: Limits {
            wrong_password: Duration::ZERO,
            ..Limits::default()
        },
        ..EmulatorOptions::new(directory.path())
    })
    .await
    .unwrap();
    let server = emulator.addr();
    let tells = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.lock().unwrap().push(panic.to_string());
        tells(panic);
    }));
    let seconds = number("SYNC_FUZZ_SECONDS");
    let first = number("SYNC_FUZZ_SEED").unwrap_or(1);
    let clock = tokio::time::Instant::now();
    let (mut sent, mut answered, mut before) = (0, 0, None);
    loop {
        let done = match seconds {
            Some(seconds) => clock.elapsed().as_secs() as f64 / seconds as f64,
            None => sent as f64 / MESSAGES as f64,
        };
        if done >= 1.0 {
            break;
        }
        if sent % MESSAGES_BETWEEN_LOOKS == 0 {
            assert!(
                renew(&emulator),
                "The server no longer answers, after seed {}",
                first + sent
            );
            if done >= 0.25 {
                before.get_or_insert_with(resident_bytes);
            }
        }
        answered += u64::from(converse(server, first + sent));
        sent += 1;
        let panics = std::mem::take(&mut *PANICS.lock().unwrap());
        assert!(
            panics.is_empty(),
            "SYNC_FUZZ_SEED={} made a thread panic: {panics:?}",
            first + sent - 1
        );
    }
    assert!(serves(server, "fuzz", &[]));
    let after = resident_bytes();
    let before = before.unwrap_or(after);
    println!(
        "{sent} conversations, {answered} to their end; {} MiB, then {} MiB",
        before >> 20,
        after >> 20
    );
    assert!(
        answered > sent / 4,
        "Only {answered} of {sent} conversations came to their end"
    );
    // All sessions end, and nothing that they left behind panics.
    emulator.stop().await;
    let panics = std::mem::take(&mut *PANICS.lock().unwrap());
    assert!(panics.is_empty(), "{panics:?}");
    assert!(
        after < before + GROWTH_BYTES_MAX,
        "It grew from {before} to {after} bytes"
    );
}
