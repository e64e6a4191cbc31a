//! What is said: a request and an answer, each one line of JSON.
//!
//! Both begin with the version of their program, which is read before all else. So programs of two versions understand that
//! they differ, whatever else has changed.

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

use crate::config::{CEILING_MAX, CHUNK_ROWS_MAX, WORKERS_MAX};
use crate::model::pace::{Figures, Tuning};

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The longest request: ten times the longest that the program sends.
pub(super) const REQUEST_BYTES_MAX: u64 = 4 << 10;

/// The longest answer: figures with the text of a hold, which a server's message may be a part of.
pub(super) const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// What is asked of the work that is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// The state of its reads.
    Figures,
    /// To begin no further read.
    Pause,
    /// To begin reads again.
    Resume,
    /// To end after the chunks in flight.
    Stop,
    /// To work by other settings.
    Tune(Tuning),
}

/// The work that is going.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Its command: `run` or `reconcile`.
    pub command: String,
    /// Whether it reads rows of the source.
    pub reads_source: bool,
    /// Its id, as in its receipts and on each line of its log.
    pub run_id: u128,
    /// Its process.
    pub process_id: u32,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// What did it.
    pub work: Work,
    /// Whether anything is otherwise than before.
    pub changed: bool,
    /// Whether the work was asked to stop, now or before.
    pub is_stopping: bool,
    /// The state of the reads before.
    pub before: Figures,
    /// The state of the reads now.
    pub now: Figures,
}

/// The outcome of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It was carried out.
    Done(Box<Done>),
    /// It was not, and nothing has changed.
    Refused(String),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    version: String,
    ask: Ask,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    version: String,
    outcome: Outcome,
}

/// What every version of a request and of an answer has.
#[derive(Deserialize)]
struct Head {
    version: String,
}

/// Why a line is no answer of this version.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is of another version of the program.
    Version(String),
    /// It is no answer.
    Garbage,
}

/// The line of a request.
pub(super) fn request(ask: Ask) -> Vec<u8> {
    line(&Request {
        version: VERSION.to_owned(),
        ask,
    })
}

/// The line of an answer.
pub(super) fn answer(outcome: Outcome) -> Vec<u8> {
    line(&Answer {
        version: VERSION.to_owned(),
        outcome,
    })
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("plain fields can be written as JSON");
    line.push(b'\n');
    line
}

/// Reads a request.
///
/// # Errors
/// The text of the refusal, which repeats nothing of the line.
pub(super) fn parse(line: &[u8]) -> Result<Ask, String> {
    let head: Head = serde_json::from_slice(line).map_err(|_| not_one())?;
    if head.version != VERSION {
        return Err("It is of another version".to_owned());
    }
    let request: Request = serde_json::from_slice(line).map_err(|_| not_one())?;
    if let Ask::Tune(tuning) = request.ask {
        check(tuning)?;
    }
    Ok(request.ask)
}

fn not_one() -> String {
    "It is no request of this program".to_owned()
}

/// Refuses settings that the options of a run and its configuration do not take either.
fn check(tuning: Tuning) -> Result<(), String> {
    if tuning == Tuning::default() {
        return Err("It changes nothing".to_owned());
    }
    let within =
        |value: Option<u64>, least: u64, most: u64| value.is_none_or(|n| (least..=most).contains(&n));
    let number = |value: Option<usize>| value.map(|n| n as u64);
    if !within(number(tuning.max_workers), 1, WORKERS_MAX) {
        return Err(format!("max_workers is a number from 1 to {WORKERS_MAX}"));
    }
    if !within(number(tuning.chunk_rows), 1, CHUNK_ROWS_MAX) {
        return Err(format!("chunk_rows is a number from 1 to {CHUNK_ROWS_MAX}"));
    }
    if !within(tuning.rows_per_second, 0, CEILING_MAX) {
        return Err(format!("rows_per_second is a number from 0 to {CEILING_MAX}"));
    }
    Ok(())
}

/// Reads an answer.
///
/// # Errors
/// See [`Unread`].
pub(super) fn parse_answer(line: &[u8]) -> Result<Outcome, Unread> {
    let head: Head = serde_json::from_slice(line).map_err(|_| Unread::Garbage)?;
    if head.version != VERSION {
        return Err(Unread::Version(head.version));
    }
    let answer: Answer = serde_json::from_slice(line).map_err(|_| Unread::Garbage)?;
    Ok(answer.outcome)
}

/// Reads a line of at most so many bytes. What comes without the end of its line is none, and is `None`.
pub(super) async fn read_line(
    stream: impl AsyncRead + Unpin,
    bytes_max: u64,
) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    BufReader::new(stream.take(bytes_max))
        .read_until(b'\n', &mut line)
        .await?;
    Ok((line.last() == Some(&b'\n')).then_some(line))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::pace::{Cause, Hold, Signs};

    fn tuning() -> Tuning {
        Tuning {
            max_workers: Some(3),
            ..Tuning::default()
        }
    }

    fn done() -> Done {
        let hold = Hold {
            cause: Cause::Lag,
            since: chrono::DateTime::UNIX_EPOCH,
            until: None,
            detail: "the replica is 95 s behind \"its\" primary\n".to_owned(),
        };
        let now = Figures {
            table: "SALES".to_owned(),
            hold: Some(hold),
            rows_read_per_second: 0.1 + 0.2,
            rows_per_second: Some(u64::MAX),
            signs: Some(Signs {
                page_read_ms: Some(1.5),
                ..Signs::default()
            }),
            ..Figures::default()
        };
        Done {
            work: Work {
                command: "run".to_owned(),
                reads_source: true,
                run_id: u128::MAX,
                process_id: 4711,
            },
            changed: true,
            is_stopping: false,
            before: Figures::default(),
            now,
        }
    }

    #[test]
    fn what_is_said_is_understood() {
        for ask in [
            Ask::Figures,
            Ask::Pause,
            Ask::Resume,
            Ask::Stop,
            Ask::Tune(tuning()),
        ] {
            let line = request(ask);
            assert!(line.len() as u64 * 10 < REQUEST_BYTES_MAX);
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(parse(&line), Ok(ask));
        }
        for outcome in [Outcome::Done(Box::new(done())), Outcome::Refused("No".to_owned())] {
            let line = answer(outcome.clone());
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(parse_answer(&line), Ok(outcome));
        }
    }

    #[test]
    fn another_version_is_known_by_whatever_else_it_says() {
        let line = br#"{"version":"9.9.9","do":["what","nobody"],"knows":null}"#;
        assert_eq!(parse(line), Err("It is of another version".to_owned()));
        assert_eq!(parse_answer(line), Err(Unread::Version("9.9.9".to_owned())));
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let refused = |tuning: Tuning| parse(&request(Ask::Tune(tuning))).unwrap_err();
        let workers = |n| Tuning {
            max_workers: Some(n),
            ..Tuning::default()
        };
        let chunk_rows = |n| Tuning {
            chunk_rows: Some(n),
            ..Tuning::default()
        };
        assert!(refused(Tuning::default()).contains("nothing"));
        assert!(refused(workers(0)).contains("1 to 16"));
        assert!(refused(workers(17)).contains("1 to 16"));
        assert!(refused(chunk_rows(0)).contains("1 to 1000000"));
        assert!(refused(chunk_rows(1_000_001)).contains("1 to 1000000"));
        let paced = |n| Tuning {
            rows_per_second: Some(n),
            ..Tuning::default()
        };
        assert!(refused(paced(u64::MAX)).contains("rows_per_second"));
        assert!(
            parse(&request(Ask::Tune(paced(0)))).is_ok(),
            "0 lifts the ceiling"
        );
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let nested = "[".repeat(2_000);
        let deep = format!(r#"{{"version":"{VERSION}","ask":{}}}"#, "[".repeat(2_000));
        for line in [
            "",
            "\n",
            "null",
            "{}",
            "GET / HTTP/1.1",
            r#"{"version":1,"ask":"pause"}"#,
            &format!(r#"{{"version":"{VERSION}"}}"#),
            &format!(r#"{{"version":"{VERSION}","ask":"explode"}}"#),
            &format!(r#"{{"version":"{VERSION}","ask":"pause","more":1}}"#),
            &format!(r#"{{"version":"{VERSION}","ask":"pause"}} {{}}"#),
            &format!(r#"{{"version":"{VERSION}","ask":{{"tune":{{"max_workers":-1}}}}}}"#),
            &format!(r#"{{"version":"{VERSION}","ask":{{"tune":{{"max_worker":1}}}}}}"#),
            &format!(r#"{{"version":"{VERSION}","ask":{{"tune":{{"chunk_rows":1e99}}}}}}"#),
            &nested,
            &deep,
        ] {
            assert_eq!(parse(line.as_bytes()), Err(not_one()), "{line}");
            assert_eq!(parse_answer(line.as_bytes()), Err(Unread::Garbage), "{line}");
        }
    }

    #[tokio::test]
    async fn a_line_has_an_end_and_no_more_bytes_than_it_may() {
        assert_eq!(
            read_line(&b"one\ntwo\n"[..], 100).await.unwrap().unwrap(),
            b"one\n"
        );
        assert_eq!(read_line(&b"no end"[..], 100).await.unwrap(), None);
        assert_eq!(read_line(&b""[..], 100).await.unwrap(), None);
        assert_eq!(read_line(&b"too long\n"[..], 8).await.unwrap(), None);
        assert_eq!(read_line(tokio::io::repeat(b'x'), 100).await.unwrap(), None);
    }

    proptest! {
        #[test]
        fn no_bytes_break_a_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse(&bytes).is_err());
            prop_assert!(parse_answer(&bytes).is_err());
        }

        #[test]
        fn a_changed_line_is_refused_or_a_request_within_its_ranges(at in 0_usize..200, byte in any::<u8>()) {
            let mut line = request(Ask::Tune(tuning()));
            let at = at % line.len();
            line[at] = byte;
            if let Ok(ask) = parse(&line) {
                match ask {
                    Ask::Tune(tuning) => prop_assert!(check(tuning).is_ok()),
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }
}
