//! `sync emulator` serves the embedded endpoint for any TDS client until it is interrupted.
//!
//! Passwords come from the environment only. An address that other machines can reach needs a user and TLS.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use tds_emulator::{Emulator, EmulatorOptions, LockMode, Role, TlsMode};
use tds_emulator::{Rule, parse_role};

/// Arguments of `sync emulator`.
#[derive(Debug, Args)]
pub struct EmulatorArgs {
    /// Directory of the database files; created if it does not exist
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:14330")]
    listen: SocketAddr,
    /// Name of the only login; without it every login is admitted
    #[arg(long, value_name = "NAME", requires = "password_env")]
    user: Option<String>,
    /// Environment variable that holds the login's password
    #[arg(long, value_name = "VAR", requires = "user")]
    password_env: Option<String>,
    /// Database to create if it does not exist; repeatable
    #[arg(long, value_name = "NAME")]
    database: Vec<String>,
    /// Use of TLS
    #[arg(long, value_enum, default_value_t = Tls::Offered)]
    tls: Tls,
    /// Whether readers wait for writers of the same table
    #[arg(long, value_enum, default_value_t = Locks::Versioned)]
    locks: Locks,
    /// Role of a database, primary or secondary; repeatable
    #[arg(long, value_name = "DB=ROLE", value_parser = database_role)]
    role: Vec<(String, Role)>,
    /// Fault to inject, such as 'do=drop;at=after;statement=COMMIT'; repeatable
    #[arg(long, value_name = "SPEC")]
    fault: Vec<Rule>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Tls {
    Off,
    Offered,
    Required,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Locks {
    Versioned,
    Strict,
}

fn database_role(text: &str) -> Result<(String, Role), String> {
    let (database, role) = text.split_once('=').ok_or("Expected DB=ROLE")?;
    Ok((database.to_owned(), parse_role(role)?))
}

/// Serves until the process is interrupted.
///
/// # Errors
/// A text with the cause and the fix, if the endpoint cannot start.
pub async fn run(args: EmulatorArgs) -> Result<(), String> {
    let emulator = start(args).await?;
    println!("Listening on {}", emulator.addr());
    tokio::signal::ctrl_c()
        .await
        .map_err(|error| format!("Waiting for an interrupt failed: {error}"))?;
    emulator.stop().await;
    Ok(())
}

async fn start(args: EmulatorArgs) -> Result<Emulator, String> {
    let users = match (args.user, args.password_env) {
        (Some(user), Some(variable)) => {
            let password = std::env::var(&variable)
                .map_err(|_| format!("Environment variable {variable} with the password is not set"))?;
            vec![(user, password)]
        }
        _ => Vec::new(),
    };
    let options = EmulatorOptions {
        listen: args.listen,
        users,
        tls: match args.tls {
            Tls::Off => TlsMode::Off,
            Tls::Offered => TlsMode::Offered,
            Tls::Required => TlsMode::Required,
        },
        locks: match args.locks {
            Locks::Versioned => LockMode::Versioned,
            Locks::Strict => LockMode::Strict,
        },
        ..EmulatorOptions::new(args.data)
    };
    let emulator = Emulator::start(options).await.map_err(describe)?;
    for database in &args.database {
        emulator.create_database(database).map_err(describe)?;
    }
    for (database, role) in &args.role {
        emulator.set_role(database, *role);
    }
    for rule in args.fault {
        emulator.faults().add(rule);
    }
    Ok(emulator)
}

fn describe(error: tds_emulator::Error) -> String {
    if matches!(error, tds_emulator::Error::Exposed { .. }) {
        return format!(
            "{error}: give --user, --password-env with a password, and --tls required; or listen on 127.0.0.1"
        );
    }
    match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        emulator: EmulatorArgs,
    }

    fn parse(args: &[&str]) -> Result<EmulatorArgs, String> {
        let args = ["emulator", "--data"].iter().chain(args);
        Cli::try_parse_from(args)
            .map(|cli| cli.emulator)
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn every_flag_reaches_the_endpoint() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().to_str().unwrap();
        let args = parse(&[
            data,
            "--listen",
            "127.0.0.1:0",
            "--user",
            "sa",
            "--password-env",
            "PATH",
            "--database",
            "a",
            "--database",
            "b",
            "--tls",
            "required",
            "--locks",
            "strict",
            "--role",
            "b=secondary",
            "--fault",
            "do=drop;at=after",
        ]);
        let args = args.unwrap();
        assert_eq!(args.role, [("b".to_owned(), Role::ReadableSecondary)]);
        assert_eq!(args.fault, ["do=drop;at=after".parse().unwrap()]);
        let emulator = start(args).await.unwrap();
        assert!(emulator.addr().port() != 0);
        emulator.stop().await;
    }

    #[tokio::test]
    async fn an_open_endpoint_stays_on_loopback() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().to_str().unwrap();
        let user = ["--user", "sa", "--password-env", "PATH"];
        for (listen, flags) in [
            ("0.0.0.0:0", &[][..]),
            ("0.0.0.0:0", &["--tls", "required"]),
            ("[::]:0", &user),
            ("0.0.0.0:0", &[&user[..], &["--tls", "offered"]].concat()),
        ] {
            let args = [&[data, "--listen", listen], flags].concat();
            let error = start(parse(&args).unwrap()).await.err();
            let error = error.unwrap_or_else(|| panic!("{args:?} was served"));
            assert!(
                error.contains("--user") && error.contains("--tls required"),
                "{error}"
            );
        }
        let args = [
            &[data, "--listen", "0.0.0.0:0"],
            &user[..],
            &["--tls", "required"],
        ]
        .concat();
        start(parse(&args).unwrap()).await.unwrap().stop().await;
        let args = parse(&["x", "--user", "sa", "--password-env", "NO_SUCH_VARIABLE_AT_ALL"]).unwrap();
        let error = start(args).await.err().unwrap();
        assert_eq!(
            error,
            "Environment variable NO_SUCH_VARIABLE_AT_ALL with the password is not set"
        );
    }

    #[test]
    fn flags_that_say_nothing_are_refused() {
        for args in [
            &["x", "--user", "sa"][..],
            &["x", "--role", "b"],
            &["x", "--role", "b=king"],
            &["x", "--fault", "do"],
        ] {
            assert!(parse(args).is_err(), "{args:?}");
        }
    }
}
