//! `sync migrate` prepares the target's schema `[sync]`, or prints the SQL for that. It also prints the scripts by which
//! an administrator makes and repairs the logins.

use clap::{Args, ValueEnum};

use super::embedded::Embedded;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::cli::context::{Context, result, verbatim};
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
    let mut config = context.load()?;
    let embedded = Embedded::start(&mut config, &context.clock).await?;
    let text = if args.print {
        printed(&config).await
    } else {
        applied(&config).await
    };
    embedded.stop().await;
    let Some(text) = text? else {
        let nothing = format!(
            "Nothing to do: schema [sync] of {} is of version {}.",
            config.target.endpoint.database,
            newest()
        );
        if args.print {
            // stdout becomes a script, and this line is no SQL.
            context.voice.say(&nothing);
        } else {
            result(&format!("{nothing}\n"))?;
        }
        return Ok(ExitCode::Done);
    };
    if args.print {
        verbatim(&text)?;
    } else {
        result(&text)?;
    }
    Ok(ExitCode::Done)
}

async fn applied(config: &Config) -> Result<Option<String>> {
    let mut session = target(config).await?;
    let names = migrate(&mut session).await.map_err(|error| {
        if !error.number().is_some_and(|number| NO_RIGHT.contains(&number)) {
            return error;
        }
        let text = "The login may not create schema [sync] and its tables; have an administrator run what \
                    `sync migrate --admin etl-user` prints, which grants that, or what `sync migrate --print` prints";
        Error::new(ErrorKind::Preflight, text).with_source(error)
    })?;
    if names.is_empty() {
        return Ok(None);
    }
    let database = &config.target.endpoint.database;
    Ok(Some(format!(
        "Applied to schema [sync] of {database}: {}.\n",
        names.join(", ")
    )))
}

async fn printed(config: &Config) -> Result<Option<String>> {
    let mut session = target(config).await?;
    let scripts: Vec<String> = pending(&mut session)
        .await?
        .iter()
        .map(|migration| migration.by_hand())
        .collect();
    Ok((!scripts.is_empty()).then(|| scripts.join("\n")))
}

async fn target(config: &Config) -> Result<Session> {
    Session::open(&config.target.endpoint, None, &config.run.timeouts).await
}

#[cfg(test)]
mod tests {
    use super::*;

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
