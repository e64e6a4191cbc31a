//! What protects a connection: how much of it is encrypted, and whether the server's certificate is verified.
//!
//! The configured endpoint alone decides both, wherever a redirect leads. A certificate is taken unverified only where
//! `trust_server_certificate = true` says so, and no password is sent in clear except within this machine.

use std::net::IpAddr;

use tiberius::EncryptionLevel;

use crate::base::error::{Error, ErrorKind, Result};
use crate::mssql::Endpoint;

/// What protects a connection, as the configuration asks for it. A server may insist on more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protection {
    /// How much is encrypted.
    pub encrypted: Encrypted,
    /// Whether the certificate is verified, wherever one is shown.
    pub verified: bool,
}

/// How much of a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encrypted {
    /// All of it.
    All,
    /// The login, and no row.
    Login,
    /// Nothing: both ends are this machine, where nobody listens in, and whose server may have no certificate.
    Nothing,
}

impl Endpoint {
    /// What protects a connection to the endpoint's own host.
    pub fn protection(&self) -> Protection {
        self.protection_at(&self.host)
    }

    /// The same of a connection that was redirected to `host`: never less.
    pub(super) fn protection_at(&self, host: &str) -> Protection {
        let encrypted = match self.encrypt {
            true => Encrypted::All,
            // The port that a browser names may be anybody's.
            false if self.instance.is_none() && is_this_machine(&self.host) && is_this_machine(host) => {
                Encrypted::Nothing
            }
            false => Encrypted::Login,
        };
        Protection {
            encrypted,
            verified: !self.trust_server_certificate,
        }
    }

    /// What protects the connection, for an operator; and whether somebody in between could read or change it.
    pub fn protected(&self) -> (String, bool) {
        let Protection { encrypted, verified } = self.protection();
        let certificate = match verified {
            true => "certificate verified",
            false => "certificate not checked (trust_server_certificate = true)",
        };
        let how = match encrypted {
            Encrypted::All => format!("encrypted, {certificate}"),
            Encrypted::Login => format!("rows unencrypted (encrypt = false), for the login {certificate}"),
            Encrypted::Nothing => "rows unencrypted (encrypt = false)".to_owned(),
        };
        let danger = match (is_this_machine(&self.host), encrypted, verified) {
            (true, ..) => ", within this machine",
            (_, Encrypted::All, true) => "",
            (_, Encrypted::All, false) => {
                ": whoever is in between can pose as the server, and get the password and all rows; set ca_file in its place"
            }
            (_, _, true) => ": whoever is in between can read and change them; set encrypt = true",
            (_, _, false) => {
                ": whoever is in between can get the password, and read and change all rows; set encrypt = true, and ca_file \
                 in place of trust_server_certificate"
            }
        };
        let text = format!(
            "The connection to the {} at {}: {how}{danger}",
            self.label,
            self.address()
        );
        (text, danger.starts_with(':'))
    }

    /// Has the driver protect a connection to `host`.
    ///
    /// # Errors
    /// `Config` if the certificate file cannot be read, or has no meaning beside `trust_server_certificate`.
    pub(super) fn protect(&self, host: &str, config: &mut tiberius::Config) -> Result<()> {
        let Protection { encrypted, verified } = self.protection_at(host);
        config.encryption(match encrypted {
            Encrypted::All => EncryptionLevel::Required,
            Encrypted::Login => EncryptionLevel::Off,
            Encrypted::Nothing => EncryptionLevel::NotSupported,
        });
        let Some(path) = &self.ca_file else {
            if !verified {
                config.trust_cert();
            }
            return Ok(());
        };
        if !verified {
            let text = format!(
                "The {} has both ca_file and trust_server_certificate; leave one of them out",
                self.label
            );
            return Err(Error::new(ErrorKind::Config, text));
        }
        let bundle = std::fs::read(path).map_err(|error| {
            let text = format!(
                "The {}'s ca_file {} cannot be read; correct its path",
                self.label,
                path.display()
            );
            Error::new(ErrorKind::Config, text).with_source(error)
        })?;
        config.trust_cert_ca_bundle(bundle);
        Ok(())
    }
}

/// Whether a host is surely this machine, by its name or address alone.
pub(super) fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;

    fn endpoint(host: &str, encrypt: bool, trust: bool) -> Endpoint {
        Endpoint {
            host: host.to_owned(),
            port: 1433,
            instance: None,
            database: "POS".to_owned(),
            user: "reader".to_owned(),
            password: Secret::new("correct horse"),
            encrypt,
            trust_server_certificate: trust,
            ca_file: None,
            redirect_hosts: Vec::new(),
            application: String::new(),
            read_only_intent: true,
            label: "source",
            receipt_key: None,
            profile: None,
            meter: None,
        }
    }

    #[test]
    fn a_certificate_is_unverified_only_where_it_is_said_and_a_password_in_clear_only_within_this_machine() {
        let (here, there) = (
            ["127.0.0.1", "::1", "LocalHost", "::ffff:127.0.0.1"],
            ["db", "10.0.0.1", "localhost.evil.example"],
        );
        for trust in [false, true] {
            for host in here.into_iter().chain(there) {
                let is_here = here.contains(&host);
                for (encrypt, encrypted) in [
                    (true, Encrypted::All),
                    (
                        false,
                        if is_here {
                            Encrypted::Nothing
                        } else {
                            Encrypted::Login
                        },
                    ),
                ] {
                    let endpoint = endpoint(host, encrypt, trust);
                    let expected = Protection {
                        encrypted,
                        verified: !trust,
                    };
                    assert_eq!(endpoint.protection(), expected, "{host} {encrypt} {trust}");
                    let (text, weak) = endpoint.protected();
                    assert_eq!(weak, !is_here && (trust || !encrypt), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_redirect_never_weakens() {
        let from_there = endpoint("db", false, false);
        assert_eq!(from_there.protection_at("127.0.0.1").encrypted, Encrypted::Login);
        let from_here = endpoint("127.0.0.1", false, false);
        assert_eq!(from_here.protection_at("db").encrypted, Encrypted::Login);
        assert_eq!(from_here.protection_at("::1").encrypted, Encrypted::Nothing);
        let encrypted = endpoint("db", true, false);
        assert_eq!(encrypted.protection_at("127.0.0.1").encrypted, Encrypted::All);
    }

    #[test]
    fn what_protects_a_connection_is_said() {
        let said = |host, encrypt, trust| endpoint(host, encrypt, trust).protected().0;
        assert_eq!(
            said("db", true, false),
            "The connection to the source at db:1433: encrypted, certificate verified"
        );
        for (text, part) in [
            (
                said("db", true, true),
                "certificate not checked (trust_server_certificate = true): whoever",
            ),
            (
                said("db", false, false),
                "rows unencrypted (encrypt = false), for the login certificate verified: whoever",
            ),
            (
                said("db", false, true),
                "for the login certificate not checked (trust_server_certificate = true): whoever",
            ),
            (
                said("127.0.0.1", false, true),
                "rows unencrypted (encrypt = false), within this machine",
            ),
            (
                said("127.0.0.1", true, true),
                "certificate not checked (trust_server_certificate = true), within this machine",
            ),
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
