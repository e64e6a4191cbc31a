//! The section of a configuration about the source: its address, its proof, and whom it may send a login on to.

use std::time::Duration;

use super::endpoint::{endpoint, identifier, section};
use super::hours::hours;
use super::section::{File, Section};
use super::server;
use super::values::Source;
use crate::base::error::Result;
use crate::model::pace::{Ceilings, QUERY_TARGET};
use crate::mssql::{Guard, Proof};

/// A shorter query costs the source more to compile than to read; a longer one than a minute is no short one.
const QUERY_MS: std::ops::RangeInclusive<u64> = 50..=60_000;

/// More than any server delivers.
pub const CEILING_MAX: u64 = 1 << 40;

/// A week: a replica that is further behind is not one that is kept.
const LAG_SECONDS_MAX: u64 = 7 * 24 * 60 * 60;

const SOURCE_KEYS: &[&str] = &[
    "server",
    "port",
    "database",
    "user",
    "password",
    "schema",
    "encrypt",
    "trust_server_certificate",
    "ca_file",
    "require_replica",
    "replica_proof",
    "replica_names",
    "refuse_names",
    "redirect_hosts",
    "rows_per_second",
    "mib_per_second",
    "queries_per_second",
    "query_ms_target",
    "replica_lag_max_seconds",
    "hours",
];

pub(super) fn source<'a>(file: &'a File<'a>, root: &Section<'a>) -> Result<Source> {
    let section = section(file, root, "source", "[source]", SOURCE_KEYS)?;
    let (mut endpoint, embedded) = endpoint(file, &section, "source")?;
    endpoint.redirect_hosts = redirect_hosts(file, &section)?;
    let require_replica = section.boolean("require_replica")?.unwrap_or(true);
    let names = section.strings("replica_names")?;
    let by_name = match section.optional("replica_proof")? {
        None => false,
        Some(proof) => match proof.value.as_str() {
            "read_only" => false,
            "named" => true,
            _ => return Err(file.error(proof.at, "`replica_proof` must be \"read_only\" or \"named\"")),
        },
    };
    let names = match (by_name, names) {
        (false, None) => Vec::new(),
        (false, Some(list)) => {
            let text =
                "`replica_names` counts only with replica_proof = \"named\"; set that, or remove the names";
            return Err(file.error(list.at, text));
        }
        (true, Some(list)) if !list.value.is_empty() => list.value,
        (true, _) => {
            let text = "replica_proof = \"named\" needs the names: add replica_names = [\"SERVER/DATABASE\"]";
            return Err(section.error(text));
        }
    };
    if let Some(name) = names.iter().find(|name| !is_server_and_database(&name.value)) {
        return Err(file.error(
            name.at,
            "A name in `replica_names` must be SERVER/DATABASE, as in \"POSREPL01/POS\"",
        ));
    }
    let proof = if !require_replica {
        Proof::None
    } else if by_name {
        Proof::Named(names.into_iter().map(|name| name.value).collect())
    } else {
        Proof::ReadOnly
    };
    let refuse_names = section
        .strings("refuse_names")?
        .map_or_else(Vec::new, |list| list.value);
    let (hours, wall) = hours(file, &section)?;
    Ok(Source {
        endpoint,
        schema: identifier(file, section.required("schema", "dbo")?)?,
        require_replica,
        guard: Guard {
            proof,
            refuse_names: refuse_names.into_iter().map(|name| name.value).collect(),
        },
        ceilings: ceilings(&section)?,
        hours,
        wall,
        embedded,
    })
}

/// The ceilings of the reads.
fn ceilings(section: &Section<'_>) -> Result<Ceilings> {
    let number = |key: &str, range| -> Result<Option<u64>> {
        Ok(section.integer(key, range)?.map(|found| found.value))
    };
    let query_ms = number("query_ms_target", QUERY_MS)?;
    let lag_seconds = number("replica_lag_max_seconds", 1..=LAG_SECONDS_MAX)?;
    Ok(Ceilings {
        rows_per_second: number("rows_per_second", 1..=CEILING_MAX)?,
        bytes_per_second: number("mib_per_second", 1..=CEILING_MAX >> 20)?.map(|mib| mib << 20),
        queries_per_second: number("queries_per_second", 1..=CEILING_MAX)?,
        query_target: query_ms.map_or(QUERY_TARGET, Duration::from_millis),
        lag_max: lag_seconds.map(Duration::from_secs),
    })
}

/// The hosts that the source may send a login on to.
fn redirect_hosts(file: &File<'_>, section: &Section<'_>) -> Result<Vec<String>> {
    let listed = section.strings("redirect_hosts")?;
    let hosts = listed.map_or_else(Vec::new, |list| list.value);
    match hosts.iter().find(|host| !server::is_host(&host.value)) {
        None => Ok(hosts.into_iter().map(|host| host.value).collect()),
        Some(host) => Err(file.error(
            host.at,
            "A host in `redirect_hosts` must be a name or an address without a port, as in \"node2.example.com\"",
        )),
    }
}

fn is_server_and_database(name: &str) -> bool {
    name.split_once('/')
        .is_some_and(|(server, database)| !server.trim().is_empty() && !database.trim().is_empty())
}
