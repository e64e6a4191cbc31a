//! Checks of the way to a server: its name, its addresses and its port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpStream;

use super::report::{Level, Lost, Report};
use crate::mssql::connect::port_of;
use crate::mssql::{Endpoint, Timeouts};

/// The answer of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Listens,
    /// The machine answers, but nobody listens.
    Refused,
    /// No answer in time.
    Silent,
    /// Anything else, in the system's words.
    Unreachable(String),
}

/// Checks that somebody listens at the endpoint's address.
pub(super) async fn examine(
    report: &mut Report,
    endpoint: &Endpoint,
    timeouts: &Timeouts,
) -> Result<(), Lost> {
    let place = endpoint.label;
    let port = match port_of(endpoint, timeouts).await {
        Ok(port) => port,
        Err(error) => {
            report.error(place, &error);
            return Err(Lost);
        }
    };
    let host = endpoint.host.as_str();
    let lookup = tokio::time::timeout(timeouts.connect, tokio::net::lookup_host((host, port))).await;
    let mut addresses: Vec<SocketAddr> = match lookup {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    addresses.dedup();
    if addresses.is_empty() {
        report.failure(
            place,
            format!("The name {host} has no address; correct `server`, or give the machine's address"),
        );
        return Err(Lost);
    }
    let mut answers = Vec::new();
    for address in addresses {
        let answer = ask(address, timeouts).await;
        let listens = answer == Answer::Listens;
        answers.push((address.ip(), answer));
        if listens {
            break;
        }
    }
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let at_local = answers.iter().all(|(ip, _)| ip.is_loopback() && *ip != local)
        && ask((local, port).into(), timeouts).await == Answer::Listens;
    let (level, text) = judge(host, port, &answers, at_local);
    report.add(level, place, text);
    if level == Level::Failure {
        Err(Lost)
    } else {
        Ok(())
    }
}

async fn ask(address: SocketAddr, timeouts: &Timeouts) -> Answer {
    match tokio::time::timeout(timeouts.connect, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Answer::Listens,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Answer::Refused,
        Ok(Err(error)) => Answer::Unreachable(error.to_string()),
        Err(_) => Answer::Silent,
    }
}

/// Judges the answers, which are in the order in which a connection tries the addresses. `at_local` says that
/// somebody listens at 127.0.0.1, which is none of the host's addresses.
fn judge(host: &str, port: u16, answers: &[(IpAddr, Answer)], at_local: bool) -> (Level, String) {
    let place = format!("{host}, port {port}");
    let in_vain: Vec<String> = answers
        .iter()
        .filter(|(_, answer)| *answer != Answer::Listens)
        .map(|(ip, _)| ip.to_string())
        .collect();
    let listening = answers.iter().find(|(_, answer)| *answer == Answer::Listens);
    match (listening, in_vain.as_slice()) {
        (Some((ip, _)), []) => {
            let at = if host == ip.to_string() {
                String::new()
            } else {
                format!(" ({ip})")
            };
            return (Level::Ok, format!("Port open: {place}{at}"));
        }
        (Some((ip, _)), _) if answers.iter().all(|(ip, _)| ip.is_loopback()) => {
            let text = format!(
                "{host} means {} first, where nobody listens at port {port}, and then {ip}, where somebody does: every \
                 connection tries in vain first; write server = \"{ip}\"",
                in_vain.join(", ")
            );
            return (Level::Warning, text);
        }
        (Some((ip, _)), _) => {
            // An availability group's listener has one address per subnet, so its name must stay.
            let text = format!(
                "Port open: {place} ({ip}), but every connection first waits in vain for {}; see which \
                 addresses the DNS has for {host}",
                in_vain.join(", ")
            );
            return (Level::Warning, text);
        }
        (None, _) if at_local => {
            let text = format!(
                "{host} means {}, where nobody listens at port {port}; somebody does at 127.0.0.1: write \
                 server = \"127.0.0.1\"",
                in_vain.join(", ")
            );
            return (Level::Failure, text);
        }
        (None, _) => {}
    }
    let text = match answers.first().map(|(_, answer)| answer) {
        Some(Answer::Silent) => format!(
            "{place} does not answer; check the address, and that the firewalls in between let TCP through to that port"
        ),
        Some(Answer::Unreachable(why)) => {
            format!("{place} cannot be reached ({why}); check the address and the network")
        }
        _ => format!(
            "Nobody listens at {place}: the SQL Server service is stopped, or TCP/IP is not enabled for it (SQL Server \
             Configuration Manager, network configuration; then restart the service), or it is a named instance, which \
             listens on another port or on named pipes only; correct that, or give server = \"HOST,PORT\""
        ),
    };
    (Level::Failure, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_that_means_the_wrong_address_first_is_told() {
        let answers = [(ip("::1"), Answer::Refused), (ip("127.0.0.1"), Answer::Listens)];
        let (level, text) = judge("localhost", 1433, &answers, false);
        assert_eq!(level, Level::Warning);
        assert!(text.ends_with("write server = \"127.0.0.1\""), "{text}");

        let (level, text) = judge("localhost", 1433, &answers[..1], true);
        assert_eq!(level, Level::Failure);
        assert!(text.ends_with("write server = \"127.0.0.1\""), "{text}");
    }

    #[test]
    fn a_name_of_several_machines_keeps_its_name() {
        let answers = [
            (ip("10.0.0.1"), Answer::Silent),
            (ip("10.1.0.1"), Answer::Listens),
        ];
        let (level, text) = judge("listener", 1433, &answers, false);
        assert_eq!(level, Level::Warning);
        assert!(text.ends_with("the DNS has for listener"), "{text}");
    }

    #[test]
    fn each_silence_has_its_cause() {
        let one = |answer| judge("db", 1433, &[(ip("10.0.0.1"), answer)], false);
        assert_eq!(one(Answer::Listens).0, Level::Ok);
        for (answer, cause) in [
            (Answer::Refused, "TCP/IP is not enabled"),
            (Answer::Silent, "firewall"),
            (Answer::Unreachable("no route".to_owned()), "(no route)"),
        ] {
            let (level, text) = one(answer);
            assert_eq!(level, Level::Failure);
            assert!(text.contains(cause), "{text}");
        }
    }
}
