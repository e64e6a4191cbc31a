//! `sync migrate` prepares the target's schema `[sync]`, or prints the SQL for that. It also prints the scripts by which
//! an administrator makes and repairs the logins.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::embedded::Embedded;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::cli::context::{Context, json, result, verbatim};
use crate::config::Config;
use crate::mssql::Session;
use crate::target::migrate::{migrate, newest, pending};

/// The server's error numbers for a CREATE without the right to it, in a database and in a schema.
const NO_RIGHT: [u32; 2] = [262, 2760];

/// Arguments of `sync migrate`.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    /// Print the missing SQL, for somebody else to run; write nothing
    #[arg(long)]
    print: bool,
    /// Print JSON
    #[arg(long, conflicts_with_all = ["print", "admin"])]
    json: bool,
    /// Print a script for an administrator, who makes or repairs a login with it; ask no server
    #[arg(long, value_name = "SCRIPT", value_enum, conflicts_with = "print")]
    admin: Option<Script>,
}

/// A script of `migrations/admin/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Script {
    Reader,
    ReaderAzure,
    EtlUser,
    EtlUserAzure,
    FixLogin,
}

impl Script {
    fn text(self) -> &'static str {
        match self {
            Script::Reader => include_str!("../../migrations/admin/setup_reader.sql"),
            Script::ReaderAzure => include_str!("../../migrations/admin/setup_reader_azure.sql"),
            Script::EtlUser => include_str!("../../migrations/admin/setup_etl_user.sql"),
            Script::EtlUserAzure => include_str!("../../migrations/admin/setup_etl_user_azure.sql"),
            Script::FixLogin => include_str!("../../migrations/admin/fix_login.sql"),
        }
    }
}

pub(super) async fn run(context: &Context, args: MigrateArgs) -> Result<ExitCode> {
    if let Some(script) = args.admin {
        verbatim(script.text())?;
        return Ok(ExitCode::Done);
    }
    let mut config = context.begin()?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let done = if args.print {
        printed(&config).await.map(Done::Printed)
    } else {
        applied(&config).await.map(Done::Applied)
    };
    embedded.stop().await;
    let database = &config.target.endpoint.database;
    let nothing = format!(
        "Nothing to do: schema [sync] of {database} is of version {}.",
        newest()
    );
    match done? {
        Done::Applied(names) if args.json => result(&json(&View::of(database, &names)))?,
        Done::Applied(names) if names.is_empty() => result(&format!("{nothing}\n"))?,
        Done::Applied(names) => {
            let names = names.join(", ");
            result(&format!("Applied to schema [sync] of {database}: {names}.\n"))?;
        }
        // stdout becomes a script, and this line is no SQL.
        Done::Printed(scripts) if scripts.is_empty() => context.voice.say(&nothing),
        Done::Printed(scripts) => verbatim(&scripts.join("\n"))?,
    }
    Ok(ExitCode::Done)
}

/// The outcome: the migrations that were applied, or the scripts of those that are missing.
enum Done {
    Applied(Vec<&'static str>),
    Printed(Vec<String>),
}

async fn applied(config: &Config) -> Result<Vec<&'static str>> {
    let mut session = target(config).await?;
    migrate(&mut session).await.map_err(|error| {
        if !error.number().is_some_and(|number| NO_RIGHT.contains(&number)) {
            return error;
        }
        let text = "The login may not create schema [sync] and its tables; have an administrator run what \
                    `sync migrate --admin etl-user` prints, which grants that, or what `sync migrate --print` prints";
        Error::new(ErrorKind::Preflight, text).with_source(error)
    })
}

async fn printed(config: &Config) -> Result<Vec<String>> {
    let mut session = target(config).await?;
    let pending = pending(&mut session).await?;
    Ok(pending.iter().map(|migration| migration.by_hand()).collect())
}

/// What was applied, as JSON.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct View<'a> {
    /// The names of the migrations that this command applied, in order; none if there was nothing to do.
    applied: &'a [&'static str],
    /// The target's database.
    database: &'a str,
    /// The version of schema [sync] now.
    version: i32,
}

impl View<'_> {
    fn of<'a>(database: &'a str, applied: &'a [&'static str]) -> View<'a> {
        View {
            applied,
            database,
            version: newest(),
        }
    }
}

async fn target(config: &Config) -> Result<Session> {
    Session::open(&config.target.endpoint, None, &config.run.timeouts).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_kept() {
        crate::cli::schema::assert_kept::<View<'_>>("migrate");
    }

    #[test]
    fn each_script_of_an_administrator_is_printed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/admin");
        let printed: Vec<&str> = Script::value_variants()
            .iter()
            .map(|script| script.text())
            .collect();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(printed.contains(&text.as_str()), "{}", path.display());
        }
        assert!(Script::FixLogin.text().contains("fix_login.sql"));
    }
}
