//! `sync emulator` serves the embedded endpoint for any TDS client until it is interrupted.
//!
//! Passwords come from the environment only. An address that other machines can reach needs a user and TLS.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use tds_emulator::{Emulator, EmulatorOptions, LockMode, Role, TlsMode};
use tds_emulator::{Rule, parse_role};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::cli::context::result;
use crate::cli::serving::Serving;
use crate::cli::signals::interrupted;

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
/// `Busy` if another server has the directory; else `Usage`, with the cause and the fix, if the endpoint cannot start.
pub(super) async fn run(args: EmulatorArgs) -> Result<ExitCode> {
    let data = args.data.clone();
    let login = Login {
        user: args.user.clone(),
        password_env: args.password_env.clone(),
        tls: args.tls,
    };
    let (emulator, serving) = start(args).await?;
    let addr = emulator.addr();
    serving.name(&data, &format!("process {} at {addr}", std::process::id()));
    result(&announcement(addr, &login, &emulator.databases()))?;
    interrupted().await;
    emulator.stop().await;
    Ok(ExitCode::Done)
}

/// Who is let in, and how.
struct Login {
    user: Option<String>,
    password_env: Option<String>,
    tls: Tls,
}

/// What is served, and a configuration that works with it.
fn announcement(addr: SocketAddr, login: &Login, databases: &[(String, Role)]) -> String {
    let mut text = format!("Listening on {addr}\n");
    match databases {
        [] => text.push_str("No databases: give --database NAME, or CREATE DATABASE there\n"),
        databases => {
            let told: Vec<String> = databases
                .iter()
                .map(|(name, role)| match role {
                    Role::Primary => format!("{name} (primary)"),
                    Role::ReadableSecondary => format!("{name} (readable secondary)"),
                })
                .collect();
            text.push_str(&format!("Databases: {}\n", told.join(", ")));
        }
    }
    match (&login.user, &login.password_env) {
        (Some(user), Some(variable)) => {
            text.push_str(&format!("Login: {user}, with the password in {variable}\n"));
        }
        _ => text.push_str("Login: any, with any password\n"),
    }
    let ends = Ends::of(databases);
    let condition = match ends.missing().as_slice() {
        [] => String::new(),
        missing => format!(
            " once it has what is missing (start it again with {} as well)",
            missing.join(" ")
        ),
    };
    text.push_str(&format!(
        "Interrupt it to end it. A sync.toml that works with it{condition}, but for its tables:\n\n{}",
        fragment(addr, login, &ends)
    ));
    text
}

/// The names of targets that are proposed where no database can be one.
const TARGETS_PROPOSED: [&str; 3] = ["WAREHOUSE", "TARGET", "COPY"];

/// The databases that a configuration copies from and to.
struct Ends<'a> {
    /// A secondary, if there is one; `None` if there is no database.
    source: Option<&'a (String, Role)>,
    /// A primary beside the source; `None` if there is none.
    target: Option<&'a str>,
    /// The name for it then, which no database has.
    target_proposed: &'static str,
}

impl<'a> Ends<'a> {
    fn of(databases: &'a [(String, Role)]) -> Self {
        let source = databases.iter().find(is_secondary).or(databases.first());
        let is_target = |(name, role): &&(String, Role)| {
            *role == Role::Primary && source.is_none_or(|(source, _)| source != name)
        };
        let is_free = |proposed: &&str| {
            databases
                .iter()
                .all(|(name, _)| !name.eq_ignore_ascii_case(proposed))
        };
        Ends {
            source,
            target: databases.iter().find(is_target).map(|(name, _)| name.as_str()),
            target_proposed: TARGETS_PROPOSED.into_iter().find(is_free).unwrap_or("WAREHOUSE"),
        }
    }

    fn source_name(&self) -> &str {
        self.source.map_or("SOURCE", |(name, _)| name)
    }

    fn target_name(&self) -> &str {
        self.target.unwrap_or(self.target_proposed)
    }

    /// The flags that make the databases that are not there.
    fn missing(&self) -> Vec<String> {
        let source = self.source.is_none().then(|| self.source_name());
        let target = self.target.is_none().then(|| self.target_name());
        let names = source.into_iter().chain(target);
        names.map(|name| format!("--database {name}")).collect()
    }
}

fn is_secondary((_, role): &&(String, Role)) -> bool {
    *role == Role::ReadableSecondary
}

/// The beginning of a `sync.toml`: the source is a secondary, if there is one.
fn fragment(addr: SocketAddr, login: &Login, ends: &Ends<'_>) -> String {
    let host = match addr.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        ip => ip.to_string(),
    };
    let user = login.user.as_deref().unwrap_or("sync");
    let password = login
        .password_env
        .as_ref()
        .map_or_else(|| "any".to_owned(), |variable| format!("${{{variable}}}"));
    let protection = match login.tls {
        Tls::Required => "trust_server_certificate = true",
        Tls::Off | Tls::Offered => "encrypt = false",
    };
    let end = |name: &str, database: &str| {
        let database = toml::Value::from(database);
        let (user, password) = (toml::Value::from(user), toml::Value::from(password.as_str()));
        format!(
            "[{name}]\nserver = \"{host}\"\nport = {}\ndatabase = {database}\nuser = {user}\npassword = {password}\n\
             {protection}\nschema = \"dbo\"\n",
            addr.port()
        )
    };
    let proof = match ends.source.is_some_and(|source| is_secondary(&source)) {
        true => "",
        false => "require_replica = false    # or start it with --role DATABASE=secondary\n",
    };
    format!(
        "{}{proof}\n{}table_prefix = \"copy_\"\n\n[[table]]\nname = \"T\"\ndate_column = \"DAY\"\n",
        end("source", ends.source_name()),
        end("target", ends.target_name())
    )
}

async fn start(args: EmulatorArgs) -> Result<(Emulator, Serving)> {
    let users = match (args.user, args.password_env) {
        (Some(user), Some(variable)) => {
            let password = std::env::var(&variable).map_err(|_| {
                usage(format!(
                    "Environment variable {variable} with the password is not set"
                ))
            })?;
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
    options.check().map_err(describe)?;
    let serving = Serving::alone(&options.data)?;
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
    Ok((emulator, serving))
}

fn usage(text: String) -> Error {
    Error::new(ErrorKind::Usage, text)
}

fn describe(error: tds_emulator::Error) -> Error {
    if matches!(error, tds_emulator::Error::Exposed { .. }) {
        return usage(format!(
            "{error}: give --user, --password-env with a password, and --tls required; or listen on 127.0.0.1"
        ));
    }
    usage(match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
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

    fn parse(args: &[&str]) -> std::result::Result<EmulatorArgs, String> {
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
        let (emulator, _serving) = start(args).await.unwrap();
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
            let error = error.unwrap_or_else(|| panic!("{args:?} was served")).to_string();
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
        start(parse(&args).unwrap()).await.unwrap().0.stop().await;
        let args = parse(&["x", "--user", "sa", "--password-env", "NO_SUCH_VARIABLE_AT_ALL"]).unwrap();
        let error = start(args).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "Environment variable NO_SUCH_VARIABLE_AT_ALL with the password is not set"
        );
    }

    #[test]
    fn what_is_served_is_told() {
        let databases = [
            ("POS".to_owned(), Role::ReadableSecondary),
            ("Ware\"house".to_owned(), Role::Primary),
        ];
        let login = Login {
            user: Some("sa".to_owned()),
            password_env: Some("PASSWORD".to_owned()),
            tls: Tls::Required,
        };
        let addr: SocketAddr = "0.0.0.0:14330".parse().unwrap();
        insta::assert_snapshot!(announcement(addr, &login, &databases), @r#"
        Listening on 0.0.0.0:14330
        Databases: POS (readable secondary), Ware"house (primary)
        Login: sa, with the password in PASSWORD
        Interrupt it to end it. A sync.toml that works with it, but for its tables:

        [source]
        server = "127.0.0.1"
        port = 14330
        database = "POS"
        user = "sa"
        password = "${PASSWORD}"
        trust_server_certificate = true
        schema = "dbo"

        [target]
        server = "127.0.0.1"
        port = 14330
        database = 'Ware"house'
        user = "sa"
        password = "${PASSWORD}"
        trust_server_certificate = true
        schema = "dbo"
        table_prefix = "copy_"

        [[table]]
        name = "T"
        date_column = "DAY"
        "#);
        let open = Login {
            user: None,
            password_env: None,
            tls: Tls::Offered,
        };
        let text = announcement(addr, &open, &[]);
        for says in [
            "No databases",
            "Login: any",
            "encrypt = false",
            "require_replica = false",
            "(start it again with --database SOURCE --database WAREHOUSE as well)",
        ] {
            assert!(text.contains(says), "{text}");
        }
    }

    #[test]
    fn a_target_that_is_missing_has_a_name_of_its_own() {
        let flags = |databases: &[(&str, Role)]| {
            let databases: Vec<_> = databases
                .iter()
                .map(|(name, role)| ((*name).to_owned(), *role))
                .collect();
            Ends::of(&databases).missing().join(" ")
        };
        let (primary, secondary) = (Role::Primary, Role::ReadableSecondary);
        assert_eq!(flags(&[("POS", primary), ("W", primary)]), "");
        assert_eq!(flags(&[("POS", primary), ("W", secondary)]), "");
        assert_eq!(flags(&[("POS", primary)]), "--database WAREHOUSE");
        assert_eq!(flags(&[("Warehouse", primary)]), "--database TARGET");
        assert_eq!(
            flags(&[("POS", secondary), ("WAREHOUSE", secondary)]),
            "--database TARGET"
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
