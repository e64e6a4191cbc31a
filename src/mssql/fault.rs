//! The driver's errors as the program's: the kind by number, the text without row values.
//!
//! A server quotes the values that it complains about. So its text is shown only as far as it names objects. For
//! numbers whose quoted parts are names the text stays; for all others every quoted part and every number is removed.

use tiberius::error::TokenError;

use crate::base::error::{Error, ErrorKind};
use crate::base::text;
use crate::mssql::socket::Stall;

/// The lowest severity at which the server ends the connection.
const FATAL_CLASS: u8 = 20;

/// Error numbers whose quoted parts are names of objects, types, databases or logins, or words of the statement.
const NAMES_ONLY: &[u32] = &[
    102, 105, 137, 156, 207, 208, 209, 213, 229, 230, 257, 262, 266, 297, 300, 447, 468, 515, 544, 547, 911,
    916, 927, 941, 952, 976, 978, 979, 982, 983, 988, 1101, 1105, 1204, 1205, 1222, 1801, 1911, 1913, 2601,
    2627, 2705, 2714, 2760, 2766, 2812, 3701, 3726, 3902, 3903, 3906, 3908, 3930, 3952, 3953, 3957, 3961,
    4060, 4104, 4221, 4816, 4902, 4922, 8114, 8134, 8152, 9002, 15023, 15151, 15248, 18452, 18456, 18470,
    18486, 18487, 18488, 40613,
];

/// The numbers of errors that a database raises itself, by THROW or RAISERROR. Nothing is known of their texts.
const OWN_FIRST: u32 = 50_000;
const OWN_LAST: u32 = i32::MAX.cast_unsigned();

/// The errors for a second row of a unique key: of a constraint, and of an index.
const DUPLICATE_KEY: [u32; 2] = [2627, 2601];

/// Whether a server refused a row because another one has its value of a unique index.
pub fn is_duplicate_key(error: &Error) -> bool {
    error
        .number()
        .is_some_and(|number| DUPLICATE_KEY.contains(&number))
}

/// The error for a row that a foreign key or a check refuses.
const CONFLICT: u32 = 547;

/// Whether a server refused a row because of a foreign key or a check.
pub fn is_conflict(error: &Error) -> bool {
    error.number() == Some(CONFLICT)
}

/// The error for a NULL in a column that takes none.
const NO_NULL: u32 = 515;

/// Whether a server refused a row because it leaves a column without a value that needs one.
pub fn is_without_value(error: &Error) -> bool {
    error.number() == Some(NO_NULL)
}

/// An error of the driver as the program's, and whether the connection is unusable from now on.
pub(super) fn from_driver(error: tiberius::error::Error, place: &str, stall: Option<Stall>) -> (Error, bool) {
    use tiberius::error::Error as Driver;

    if let Some(stall) = stall {
        return (stalled(stall, place), true);
    }
    match error {
        Driver::Server(token) => {
            let kind = kind_of(token.code(), token.class());
            (from_token(&token, kind, place), token.class() >= FATAL_CLASS)
        }
        Driver::Io { kind, message } => {
            let text = format!("The connection to the {place} broke; check the network and the server");
            let cause = broken_by(kind, &message);
            (Error::new(ErrorKind::Broken, text).with_source(cause), true)
        }
        Driver::Tls(why) => {
            let text = format!(
                "The {place} could not be spoken to by TLS ({}); its certificate must be valid for the name in `server`, \
                 whatever encrypt says, as the login is sent by TLS: give its issuer as ca_file, or, if nobody can be in \
                 between, set trust_server_certificate = true",
                untrusted(&why)
            );
            (Error::new(ErrorKind::Preflight, text), true)
        }
        Driver::Routing { host, port } => {
            let text = format!(
                "The {place} sent the connection on to {}:{port}, which is one time too many; check the \
                 routing list of its availability group",
                text::shown(&host)
            );
            (Error::new(ErrorKind::Connection, text), true)
        }
        // The driver identifies these errors only by their text.
        Driver::Protocol(text) if text.contains("encryption level") => {
            let text = format!(
                "The {place} does not speak TLS, and encrypt is set; check the address, and give the server a certificate \
                 (SQL Server makes one of its own if it has none)"
            );
            (Error::new(ErrorKind::Preflight, text), true)
        }
        Driver::Protocol(text) if !text.contains("UTF-16") => {
            let text = format!(
                "The {place} answered out of protocol ({}); check that it is a SQL Server",
                text::shown(&text)
            );
            (Error::new(ErrorKind::Broken, text), true)
        }
        Driver::Protocol(_) | Driver::Encoding(_) | Driver::Utf8 | Driver::Utf16 => {
            let text = format!(
                "The {place} holds a text that is not valid in its encoding, such as half a surrogate pair; correct \
                 it there, or leave its column out by exclude_columns"
            );
            (Error::new(ErrorKind::Statement, text), true)
        }
        // It compares the batch with the columns of the session table, which are the source's as they were at the run's
        // start: the same batch never fits them. The rest of the load is still to come, so the session is of no more use.
        Driver::BulkInput(_) => {
            let text = format!(
                "A value no longer fits its column, so that the driver refused it for the {place}; the column was probably \
                 altered at the source since the table was planned: run the same command again, which says what changed"
            );
            (Error::new(ErrorKind::Statement, text), true)
        }
        // The texts of the other errors can quote a value.
        _ => {
            let text = format!("The driver refused a value for the {place}: it could not be converted");
            (Error::new(ErrorKind::Broken, text), true)
        }
    }
}

/// Why the driver did not trust a certificate, without its advice to programmers.
fn untrusted(why: &str) -> String {
    let why = why.split_once("handshake: ").map_or(why, |(_, why)| why);
    let why = why.split_once(" To connect anyway").map_or(why, |(why, _)| why);
    match why.trim_end_matches('.') {
        "UnknownIssuer" => "nobody whom this system trusts issued the certificate".to_owned(),
        why => text::shown(why),
    }
}

/// What broke a connection, in the system's words alone: the driver and its libraries put their own before and behind.
pub(super) fn broken_by(kind: std::io::ErrorKind, message: &str) -> std::io::Error {
    let (_, message) = message.rsplit_once("performing I/O: ").unwrap_or(("", message));
    let (message, _) = message.split_once(": https://").unwrap_or((message, ""));
    std::io::Error::new(kind, text::shown(message))
}

/// The error of a wait that timed out, or of an answer that passed its bound.
fn stalled(stall: Stall, place: &str) -> Error {
    let (kind, text) = match stall {
        Stall::Unanswered(waited) => (
            ErrorKind::Timeout,
            format!(
                "The {place} did not begin to answer within {} s; check its load and its locks, or raise \
                 answer_max_seconds in [run]",
                waited.as_secs_f32()
            ),
        ),
        Stall::Silent => (
            ErrorKind::Broken,
            format!("The {place} fell silent and is taken for dead; check the network and the server"),
        ),
        Stall::Endless(bytes) => (
            ErrorKind::Broken,
            format!(
                "The {place} sent more than {} MiB where a short answer was expected, and is not read on; check \
                 that it is a SQL Server",
                bytes >> 20
            ),
        ),
        Stall::LargeRow(bytes) => (
            ErrorKind::TooLarge,
            format!(
                "The {place} has a row of more than {} MiB, which is not read; leave its large column out by \
                 exclude_columns, or raise chunk_bytes_max in [run]",
                bytes >> 20
            ),
        ),
        Stall::Slow(waited) => (
            ErrorKind::Timeout,
            format!(
                "The {place} did not finish its answer within {} s; check its load and the network, or raise \
                 answer_max_seconds in [run]",
                waited.as_secs_f32()
            ),
        ),
    };
    Error::new(kind, text)
}

/// A server's error as the program's.
pub(super) fn from_token(token: &TokenError, kind: ErrorKind, place: &str) -> Error {
    let text = format!(
        "The {place} answered error {}, state {}: {}",
        token.code(),
        token.state(),
        shown(token.code(), token.message())
    );
    Error::new(kind, text)
        .with_number(token.code())
        .with_state(token.state())
}

/// The number -2 as the wire carries it: clients, and gateways in their name, report a timeout by it.
const TIMED_OUT: u32 = (-2_i32).cast_unsigned();

/// The kind of a server's error. `retry.rs` has the policy for each kind.
///
/// The numbers of Azure SQL are those of
/// <https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues>.
pub(super) fn kind_of(number: u32, class: u8) -> ErrorKind {
    match number {
        // Deadlock victim, lock timeout, no lock memory, no memory, no memory grant in time.
        1205 | 1222 | 1204 | 701 | 8645 | 8651 => ErrorKind::Transient,
        // The optimizer had to wait for too long; the lock manager lost count, and asks for a retry.
        8628 | 1203 | 1221 => ErrorKind::Transient,
        // A secondary had to end the statement, because its redo waits for it or its configuration changed.
        3947 | 3948 => ErrorKind::Transient,
        // Row versions: an update conflict, a table altered meanwhile, a database that began to keep versions
        // meanwhile, a scan that took too long, versions dropped for want of room in tempdb.
        3960 | 3961 | 3957 | 3950 | 3966 => ErrorKind::Transient,
        // Azure SQL: at the limit of workers or sessions, throttled, too many operations at once.
        10928 | 10929 | 40501 | 49918 | 49919 | 49920 => ErrorKind::Transient,
        TIMED_OUT => ErrorKind::Timeout,
        // Transport numbers that a proxy or a gateway reports in a server's name.
        233 | 10053 | 10054 | 10060 => ErrorKind::Connection,
        // Azure SQL: the database moves to another node, or is unavailable.
        40197 | 40613 => ErrorKind::Connection,
        // The server shuts down, pauses or upgrades itself; the database starts, or its replica changes roles.
        6005 | 17142 | 18401 | 921 | 922 | 976 | 983 => ErrorKind::Connection,
        // The database is in transition, in a restore, not started, or was not recovered when the statement began.
        952 | 927 | 941 | 3953 => ErrorKind::Connection,
        // Availability groups: the secondary still waits for row versions, none may be read, or there is no quorum.
        4221 | 979 | 982 | 988 => ErrorKind::Connection,
        4060 | 18452 | 18456 | 18470 | 18486 | 18487 | 18488 => ErrorKind::Login,
        // The last one is Azure SQL's quota.
        9002 | 1105 | 1101 | 40544 => ErrorKind::TargetFull,
        // Missing columns, tables, schemas, permissions, a database that this login may not enter, nobody may write, or
        // that keeps no row versions for a snapshot.
        3952 | 3906 | 2760 | 207 | 208 | 229 | 230 | 262 | 297 | 300 | 916 | 978 => ErrorKind::Preflight,
        _ if class >= FATAL_CLASS => ErrorKind::Broken,
        _ => ErrorKind::Statement,
    }
}

/// A server's text without the values of rows, in one line and without a full stop.
pub(super) fn shown(number: u32, message: &str) -> String {
    let message = message.trim();
    let text = match number {
        // The duplicate key's values stand between the first and the last parenthesis.
        2601 | 2627 => match (message.find('('), message.rfind(')')) {
            (Some(open), Some(close)) if open < close => {
                format!("{}(…){}", &message[..open], &message[close + 1..])
            }
            _ => message.to_owned(),
        },
        // The value comes last, after the names of table and column.
        2628 => match message.find("Truncated value") {
            Some(value) => message[..value].to_owned(),
            None => without_values(message),
        },
        OWN_FIRST..=OWN_LAST => {
            "a trigger or a procedure of the database raised it; its text may hold values and is not shown"
                .to_owned()
        }
        _ if NAMES_ONLY.contains(&number) => message.to_owned(),
        _ => without_values(message),
    };
    let mut line: String = text::shown(&text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    if line.ends_with('.') {
        line.pop();
    }
    line
}

/// Every quoted part and every run of digits replaced.
fn without_values(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(open) = rest.find(['\'', '"']) {
        let quote = &rest[open..=open];
        text.push_str(&rest[..open]);
        text.push_str("'…'");
        // Skip to the last such quote of the message, because a value can itself hold quotes.
        rest = match rest[open + 1..].rfind(quote) {
            Some(close) => &rest[open + 1 + close + 1..],
            None => "",
        };
    }
    text.push_str(rest);
    let mut shown = String::with_capacity(text.len());
    let mut in_number = false;
    for c in text.chars() {
        if c.is_ascii_digit() || (in_number && matches!(c, '.' | ',' | '-' | ':' | 'e' | 'E' | '+')) {
            if !in_number {
                shown.push('…');
            }
            in_number = true;
        } else {
            in_number = false;
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_values_are_not_shown() {
        let cases = [
            (
                2627,
                "Violation of PRIMARY KEY constraint 'PK_t'. Cannot insert duplicate key in object 'dbo.t'. The \
                 duplicate key value is (17, Smith (Jr.)).",
                "Violation of PRIMARY KEY constraint 'PK_t'. Cannot insert duplicate key in object 'dbo.t'. The \
                 duplicate key value is (…)",
            ),
            (
                245,
                "Conversion failed when converting the varchar value 'it's 12' to data type int.",
                "Conversion failed when converting the varchar value '…' to data type int",
            ),
            (
                2628,
                "String or binary data would be truncated in table 'W.dbo.t', column 'note'. Truncated value: 'ab'.",
                "String or binary data would be truncated in table 'W.dbo.t', column 'note'",
            ),
            (
                220,
                "Arithmetic overflow error for data type tinyint, value = 300.25.",
                "Arithmetic overflow error for data type tinyint, value = …",
            ),
            (
                50_000,
                "Customer Ann owes money",
                "a trigger or a procedure of the database raised it; its text may hold values and is not shown",
            ),
            (
                99_999,
                "Ann",
                "a trigger or a procedure of the database raised it; its text may hold values and is not shown",
            ),
            (TIMED_OUT, "Timeout expired", "Timeout expired"),
            (208, "Invalid object name 'dbo.t'.", "Invalid object name 'dbo.t'"),
        ];
        for (number, text, expected) in cases {
            assert_eq!(shown(number, text), expected, "error {number}");
        }
    }

    #[test]
    fn kinds_by_number() {
        let kinds = [
            (
                ErrorKind::Transient,
                &[1205, 1222, 1204, 701, 8645, 8651, 8628, 1203, 1221][..],
            ),
            (ErrorKind::Transient, &[3947, 3948, 3950, 3957, 3960, 3961, 3966]),
            (ErrorKind::Transient, &[10928, 10929, 40501, 49918, 49919, 49920]),
            (ErrorKind::Timeout, &[TIMED_OUT]),
            (ErrorKind::Connection, &[233, 10053, 10054, 10060, 40197, 40613]),
            (ErrorKind::Connection, &[6005, 17142, 18401, 921, 922, 976, 983]),
            (ErrorKind::Connection, &[952, 927, 941, 3953, 4221, 979, 982, 988]),
            (
                ErrorKind::Login,
                &[4060, 18452, 18456, 18470, 18486, 18487, 18488],
            ),
            (ErrorKind::TargetFull, &[9002, 1105, 1101, 40544]),
            (
                ErrorKind::Preflight,
                &[207, 208, 229, 230, 262, 297, 300, 916, 978, 2760, 3906, 3952],
            ),
            (ErrorKind::Statement, &[2627, 245, 547]),
        ];
        for (kind, numbers) in kinds {
            for number in numbers {
                assert_eq!(kind_of(*number, 16), kind, "error {number}");
            }
        }
        assert_eq!(kind_of(596, 21), ErrorKind::Broken, "the session was killed");
        assert_eq!(kind_of(823, 24), ErrorKind::Broken, "a page is damaged");
    }

    #[test]
    fn what_breaks_the_stream_breaks_the_connection() {
        let io = tiberius::error::Error::Io {
            kind: std::io::ErrorKind::ConnectionReset,
            message: "reset".to_owned(),
        };
        let (error, broken) = from_driver(io, "source at a:1, database POS", None);
        assert_eq!((error.kind(), broken), (ErrorKind::Broken, true));
        let (error, broken) = from_driver(tiberius::error::Error::Utf16, "source", None);
        assert_eq!((error.kind(), broken), (ErrorKind::Statement, true));
        let surrogate = tiberius::error::Error::Protocol("nvarchar: invalid UTF-16 sequence".into());
        let (error, _) = from_driver(surrogate, "source", None);
        assert_eq!(
            error.kind(),
            ErrorKind::Statement,
            "it would be no better the next time"
        );
        let refused = tiberius::error::Error::BulkInput("Encoded string length 23 exceed the limit".into());
        let (error, broken) = from_driver(refused, "target", None);
        assert_eq!((error.kind(), broken), (ErrorKind::Statement, true));
        assert!(!error.to_string().contains("23"), "{error}");
        let garbage = tiberius::error::Error::Protocol("invalid token type 0".into());
        let (error, broken) = from_driver(garbage, "source", None);
        assert_eq!((error.kind(), broken), (ErrorKind::Broken, true));
        let (error, _) = from_driver(tiberius::error::Error::Utf16, "source", Some(Stall::Silent));
        assert_eq!(
            error.kind(),
            ErrorKind::Broken,
            "a stall is the cause, the rest follows"
        );
    }
}
