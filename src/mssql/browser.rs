//! The port of a named instance, from the SQL Server Browser of its machine (MC-SQLR, UDP 1434).

use std::time::Duration;

use tokio::net::UdpSocket;

use crate::base::error::{Error, ErrorKind, Result};

const BROWSER_PORT: u16 = 1434;
/// CLNT_UCAST_INST: the request for one instance.
const ASK_INSTANCE: u8 = 0x04;
const ANSWER: u8 = 0x05;
/// The length of the longest answer.
const ANSWER_BYTES_MAX: usize = 1024 + 3;
/// The request is sent this many times within the time limit, because a datagram can get lost.
const ATTEMPTS: u32 = 3;

/// Asks the browser at `host` for the TCP port of `instance`.
///
/// # Errors
/// `Connection` if the browser does not answer, or the instance does not listen on TCP.
pub(super) async fn port_of(host: &str, instance: &str, label: &str, within: Duration) -> Result<u16> {
    let mut question = vec![ASK_INSTANCE];
    question.extend_from_slice(instance.as_bytes());
    question.push(0);
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match tokio::time::timeout(within / ATTEMPTS, ask(host, &question)).await {
            Ok(Ok(answer)) => {
                return tcp_port(&answer).ok_or_else(|| {
                    Error::new(
                        ErrorKind::Connection,
                        format!(
                            "The {label}'s instance {instance} on {host} does not listen on TCP; enable TCP/IP \
                             for it, or give its port"
                        ),
                    )
                });
            }
            Ok(Err(error)) => last = Some(error),
            Err(_) => {}
        }
    }
    let error = Error::new(
        ErrorKind::Connection,
        format!(
            "The SQL Server Browser on {host} did not say where the {label}'s instance {instance} listens; give \
             the port (HOST,PORT), or start the browser and open UDP {BROWSER_PORT}"
        ),
    );
    Err(match last {
        Some(cause) => error.with_source(cause),
        None => error,
    })
}

async fn ask(host: &str, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for address in tokio::net::lookup_host((host, BROWSER_PORT)).await? {
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(address).await?;
        socket.send(question).await?;
        let mut answer = vec![0; ANSWER_BYTES_MAX];
        match socket.recv(&mut answer).await {
            Ok(length) => {
                answer.truncate(length);
                return Ok(answer);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The port in `05 LL LL ServerName;X;InstanceName;Y;…;tcp;1433;;`.
fn tcp_port(answer: &[u8]) -> Option<u16> {
    let (&tag, rest) = answer.split_first()?;
    let (length, text) = rest.split_first_chunk::<2>()?;
    let text = text.get(..usize::from(u16::from_le_bytes(*length)))?;
    if tag != ANSWER {
        return None;
    }
    let text = String::from_utf8_lossy(text);
    let mut words = text.split(';');
    while let Some(name) = words.next() {
        let value = words.next()?;
        if name.eq_ignore_ascii_case("tcp") {
            return value.parse().ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Vec<u8> {
        let mut bytes = vec![ANSWER];
        bytes.extend_from_slice(&u16::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    #[test]
    fn the_port_is_found_among_the_words() {
        let text =
            "ServerName;POS01;InstanceName;TCP;IsClustered;No;Version;15.0.2000.5;tcp;51433;np;\\\\x\\sql;;";
        assert_eq!(tcp_port(&answer(text)), Some(51_433));
        assert_eq!(tcp_port(&answer("ServerName;POS01;InstanceName;X;;")), None);
    }

    #[test]
    fn a_short_or_foreign_answer_is_none() {
        assert_eq!(tcp_port(&[]), None);
        assert_eq!(tcp_port(&[ANSWER, 200, 0, b't']), None);
        let mut foreign = answer("tcp;1433;;");
        foreign[0] = 4;
        assert_eq!(tcp_port(&foreign), None);
    }
}
