//! Refused logins: the meaning of the server's number and state, and the fix.
//!
//! By default a server sends a client state 1 and nothing else; its error log has the state that explains the
//! refusal. So an error gives the meaning of the state that came, and for state 1 first what is likely (a wrong user or
//! password, and where both come from), then the states to look for in the log.

use tiberius::error::TokenError;

use crate::base::error::{Error, ErrorKind};
use crate::mssql::Endpoint;
use crate::mssql::fault::{from_token, kind_of};

/// The state that a client is sent in the place of the true one.
const HIDDEN_STATE: u8 = 1;

/// The states that the log of the server may have, and their meanings in short.
const STATES_IN_THE_LOG: &str = "look for this login's state in the server's ERRORLOG: 2 or 5 no such login, 7 disabled, \
                                 8 wrong password, 38 or 46 no such database, 58 Windows logins only, or not restarted \
                                 since that was changed";

/// The meaning of a state of error 18456, as Microsoft documents it, and the fix.
fn meaning(state: u8) -> (&'static str, &'static str) {
    match state {
        2 | 5 => (
            "there is no such login",
            "correct the user, or have an administrator make the login: `sync migrate --admin reader` or `etl-user` prints the script",
        ),
        6 => (
            "a Windows login cannot log in with a password here",
            "give a SQL Server login",
        ),
        7 => (
            "the login is disabled, and the password is wrong",
            "the script that `sync migrate --admin fix-login` prints enables it and sets the password",
        ),
        8 => (
            "the password is wrong",
            "correct it in .env, or set it by the script that `sync migrate --admin fix-login` prints",
        ),
        9 => (
            "the password is not a valid one",
            "set another by the script that `sync migrate --admin fix-login` prints",
        ),
        11 | 12 => (
            "the login is valid but may not connect to this server",
            "GRANT CONNECT SQL to it, as the script does that `sync migrate --admin fix-login` prints",
        ),
        13 => ("the server's service is paused", "resume the service"),
        18 => (
            "the password must be changed first",
            "set it by the script that `sync migrate --admin fix-login` prints",
        ),
        38 | 46 => (
            "the database was not found, or the login may not open it",
            "correct the database's name, or map the login to a user of it by the script that `sync migrate --admin fix-login` prints",
        ),
        40 => (
            "the login's default database cannot be opened",
            "the script that `sync migrate --admin fix-login` prints sets another",
        ),
        58 => (
            "the server takes Windows logins only: mixed mode is off, or its service was not restarted since it was \
             switched on",
            "switch mixed mode on (server properties, Security) and restart the SQL Server service",
        ),
        _ => (
            "the server does not say why; its error log does",
            STATES_IN_THE_LOG,
        ),
    }
}

/// What is likely when the server hides the state, where the user and the password of `[section]` come from, and what to do
/// if it is something else.
fn hidden(section: &str) -> String {
    format!(
        "most likely the user or the password is wrong: correct `user` in [{section}] of sync.toml, or the variable that \
         `password` there names, in .env or the environment. If both are right, {STATES_IN_THE_LOG}"
    )
}

/// The error for a refused login.
pub(super) fn login_refused(token: &TokenError, endpoint: &Endpoint) -> Error {
    let (place, user, database) = (endpoint.place(), &endpoint.user, &endpoint.database);
    let (kind, text) = match token.code() {
        18456 => {
            let why = match token.state() {
                HIDDEN_STATE => hidden(endpoint.label),
                state => {
                    let (what, fix) = meaning(state);
                    format!("{what}; {fix}")
                }
            };
            let text = format!(
                "The {place} refused the login {user} (error 18456, state {}): {why}",
                token.state()
            );
            (ErrorKind::Login, text)
        }
        number @ (18452 | 18470 | 18486 | 18487 | 18488) => {
            let (what, fix) = match number {
                18452 => (
                    "it is not one of a trusted domain",
                    "give a SQL Server login, and check that the server accepts them (mixed mode)",
                ),
                18470 => (
                    "it is disabled",
                    "the script that `sync migrate --admin fix-login` prints enables it",
                ),
                18486 => (
                    "it is locked, after too many wrong passwords",
                    "the script that `sync migrate --admin fix-login` prints unlocks it",
                ),
                18487 => (
                    "its password has expired",
                    "set a new one by the script that `sync migrate --admin fix-login` prints",
                ),
                _ => (
                    "its password must be changed first",
                    "set it by the script that `sync migrate --admin fix-login` prints",
                ),
            };
            let text = format!("The {place} refused the login {user} (error {number}): {what}; {fix}");
            (ErrorKind::Login, text)
        }
        4060 => {
            let text = format!(
                "The {} at {} has no database {database} that the login {user} may open (error 4060); check the \
                 database's name, its state and the login's user in it (the script that `sync migrate --admin fix-login` prints maps it)",
                endpoint.label,
                endpoint.address()
            );
            // Azure SQL also answers this while it moves a database.
            let kind = if is_azure(&endpoint.host) {
                ErrorKind::Connection
            } else {
                ErrorKind::Login
            };
            (kind, text)
        }
        number => return from_token(token, kind_of(number, token.class()), &place),
    };
    Error::new(kind, text)
        .with_number(token.code())
        .with_state(token.state())
}

/// Whether a host belongs to Azure SQL, in any of its clouds.
fn is_azure(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    [
        ".database.windows.net",
        ".database.azure.com",
        ".database.usgovcloudapi.net",
        ".database.chinacloudapi.cn",
    ]
    .iter()
    .any(|suffix| host.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn azure_is_known_by_its_name() {
        assert!(is_azure("shop.database.windows.net"));
        assert!(is_azure("SHOP.DATABASE.WINDOWS.NET."));
        assert!(!is_azure("database.windows.net.example"));
        assert!(!is_azure("10.0.1.194"));
    }

    #[test]
    fn every_state_that_is_documented_has_a_meaning_of_its_own() {
        let unknown = meaning(u8::MAX);
        for state in [2, 5, 6, 7, 8, 9, 11, 12, 13, 18, 38, 40, 46, 58] {
            assert_ne!(meaning(state), unknown, "state {state}");
        }
    }

    #[test]
    fn a_hidden_state_is_most_likely_a_wrong_user_or_password_and_the_log_comes_second() {
        let text = hidden("target");
        let likely = text.find("the user or the password is wrong").unwrap();
        let place = text.find("`user` in [target] of sync.toml").unwrap();
        let log = text.find("ERRORLOG").unwrap();
        assert!(likely < place && place < log, "{text}");
    }
}
