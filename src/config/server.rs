//! The forms of `server`: `HOST`, `HOST\INSTANCE`, `HOST,PORT`, `tcp:HOST,PORT`, `embedded`.

/// A parsed `server`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Server {
    /// The server inside the program.
    Embedded,
    /// A server at an address.
    Address {
        host: String,
        instance: Option<String>,
        port: Option<u16>,
    },
}

/// Parses `text`; the error, a predicate of `server`, names the fault and the fix.
pub(super) fn parse(text: &str) -> Result<Server, &'static str> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("embedded") {
        return Ok(Server::Embedded);
    }
    let lower = text.to_ascii_lowercase();
    if ["np:", "lpc:", "admin:"]
        .iter()
        .any(|prefix| lower.starts_with(prefix))
        || text.starts_with(r"\\")
    {
        return Err("names a protocol other than TCP; write \"HOST\" or \"tcp:HOST,PORT\"");
    }
    let address = if lower.starts_with("tcp:") {
        &text[4..]
    } else {
        text
    };
    let (address, port) = match address.split_once(',') {
        Some((address, port)) => {
            let port = port.trim().parse::<u16>().ok().filter(|port| *port != 0);
            (
                address.trim(),
                Some(port.ok_or("must have a port from 1 to 65535 after its comma")?),
            )
        }
        None => (address.trim(), None),
    };
    let (host, instance) = match address.split_once('\\') {
        Some((host, instance)) => (host, Some(instance.trim())),
        None => (address, None),
    };
    // Other programs connect to this machine by these names.
    let host = match host.trim() {
        "." | "(local)" => "127.0.0.1",
        host => host.trim_start_matches('[').trim_end_matches(']'),
    };
    if host.is_empty() || host.contains(char::is_whitespace) || host.contains(['\\', '/']) {
        return Err(
            "must be \"HOST\", \"HOST\\\\INSTANCE\", \"HOST,PORT\", \"tcp:HOST,PORT\" or \"embedded\"",
        );
    }
    if host.parse::<std::net::Ipv6Addr>().is_err() && host.contains(':') {
        return Err("has a colon before its port; write \"HOST,PORT\"");
    }
    match (instance, port) {
        (Some(""), _) => Err("has no instance after its backslash"),
        (Some(_), Some(_)) => Err("names an instance and a port; give one of the two"),
        (instance, port) => Ok(Server::Address {
            host: host.to_owned(),
            instance: instance.map(str::to_owned),
            port,
        }),
    }
}

/// Whether `text` can be the name or the address of a host, without a port.
pub(super) fn is_host(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    text.parse::<std::net::IpAddr>().is_ok() || text.chars().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, instance: Option<&str>, port: Option<u16>) -> Result<Server, &'static str> {
        Ok(Server::Address {
            host: host.to_owned(),
            instance: instance.map(str::to_owned),
            port,
        })
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(parse("embedded"), Ok(Server::Embedded));
        assert_eq!(parse("db.example"), address("db.example", None, None));
        assert_eq!(parse(r"db\SQL1"), address("db", Some("SQL1"), None));
        assert_eq!(parse("10.0.1.194,1433"), address("10.0.1.194", None, Some(1433)));
        assert_eq!(
            parse("tcp:db.example, 1434"),
            address("db.example", None, Some(1434))
        );
        assert_eq!(parse("TCP:db"), address("db", None, None));
        assert_eq!(parse("tcp:[::1],1433"), address("::1", None, Some(1433)));
        assert_eq!(parse("(local)"), address("127.0.0.1", None, None));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "tcp:",
            "np:db",
            r"\\db\pipe\sql",
            "db,",
            "db,0",
            "db,99999",
            "db:1433",
            r"db\",
            r"db\I,1",
            "a b",
        ] {
            assert!(parse(text).is_err(), "{text} was read");
        }
    }
}
