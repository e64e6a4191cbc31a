//! Redirects: where a server may send a connection on to.
//!
//! A login's password follows only to the host that was configured, to a host of its DNS domain, or to one that
//! `redirect_hosts` lists. Otherwise who poses as the server, or took it over, could send the password anywhere.

use std::net::IpAddr;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::shown;
use crate::mssql::Endpoint;
use crate::mssql::protection::is_this_machine;

/// The labels of a DNS domain that somebody owns: `example.com`, and never `com`.
const DOMAIN_LABELS_MIN: usize = 2;

impl Endpoint {
    /// The host of a redirect to `to`, which may name an instance behind a backslash.
    ///
    /// # Errors
    /// `WrongServer` if the login's password may not go there, which no wait changes.
    pub(super) fn redirected(&self, to: &str, port: u16) -> Result<String> {
        // The port suffices without an instance's name after the host.
        let host = to.split('\\').next().unwrap_or_default();
        if is_near(&self.host, host) || self.redirect_hosts.iter().any(|listed| is_same(listed, host)) {
            return Ok(host.to_owned());
        }
        let (label, shown) = (self.label, shown(host));
        let fix = match self.label {
            "source" => format!("add redirect_hosts = [\"{shown}\"] to [source]"),
            _ => format!("give it as the server of [{label}]"),
        };
        Err(Error::new(
            ErrorKind::WrongServer,
            format!(
                "The {} sent the connection on to {shown}:{port}, which is neither its own host nor one of its DNS domain, \
                 so no login was sent there; if that is the right server, {fix}",
                self.place()
            ),
        )
        .given_up())
    }
}

/// Whether a host is the configured one, or one of its domain.
fn is_near(configured: &str, host: &str) -> bool {
    if is_same(configured, host) || (is_this_machine(configured) && is_this_machine(host)) {
        return true;
    }
    let (configured, host) = (plain(configured), plain(host));
    let is_address = |host: &str| host.parse::<IpAddr>().is_ok();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if is_address(&configured) || is_address(&host) || !host.chars().all(is_name) {
        return false;
    }
    let domain = configured.split_once('.').map_or("", |(_, domain)| domain);
    [domain, &configured].into_iter().any(|domain| {
        domain.split('.').filter(|label| !label.is_empty()).count() >= DOMAIN_LABELS_MIN
            && host
                .strip_suffix(domain)
                .is_some_and(|before| before.ends_with('.'))
    })
}

fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (plain(one), plain(other));
    let addresses = one.parse::<IpAddr>().ok().zip(other.parse::<IpAddr>().ok());
    match addresses {
        Some((one, other)) => one.to_canonical() == other.to_canonical(),
        None => one == other && !one.is_empty(),
    }
}

/// A host as the DNS compares it.
fn plain(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_follows_within_the_domain_and_no_further() {
        for (configured, host) in [
            ("db.shop.example.com", "db.shop.example.com"),
            ("db.shop.example.com", "DB2.Shop.Example.COM."),
            ("ag.example.com", "node1.example.com"),
            ("ag.example.com", "node1.dc2.example.com"),
            ("example.com", "node1.example.com"),
            (
                "shop.database.windows.net",
                "a1b2.tr7.westeurope1-a.worker.database.windows.net",
            ),
            ("listener", "LISTENER"),
            ("10.0.0.7", "10.0.0.7"),
            ("::1", "0:0:0:0:0:0:0:1"),
            ("localhost", "127.0.0.1"),
        ] {
            assert!(is_near(configured, host), "{configured} to {host}");
        }
        for (configured, host) in [
            ("ag.example.com", "evil-example.com"),
            ("ag.example.com", "node1.evil-example.com"),
            ("ag.example.com", "example.com.evil.org"),
            ("ag.example.com", "evil.com"),
            ("ag.example.com", "x@.example.com"),
            ("ag.example.com", ".example.com\u{0}.evil.org"),
            ("ag.example.com", ""),
            ("example.com", "evil.com"),
            ("listener", "node1.example.com"),
            ("listener.", "node1.listener"),
            ("listener", "node1"),
            ("db..com", "evil.com"),
            ("10.0.0.7", "9.0.0.7"),
            ("10.0.0.7", "10.0.0.8"),
            ("10.0.0.7", "x.0.0.7"),
            ("ag.example.com", "10.0.0.7"),
            ("ag.example.com", "127.0.0.1"),
            ("127.0.0.1", "10.0.0.7"),
        ] {
            assert!(!is_near(configured, host), "{configured} to {host}");
        }
    }
}
