//! What the source is, for who sets it up: its role, the kind of its database, what it shows of its state, and the proofs that
//! would hold for it.

use super::facts::SourceFacts;
use super::report::{Lost, Report};
use crate::base::error::Result;
use crate::config::Config;
use crate::model::pace::Signs;
use crate::mssql::{Guard, Proof, ServerInfo, Timeouts};
use crate::source::SourceSession;
use crate::source::signs::Prober;
use crate::source::standing::{Replica, Standing, standing};

const PLACE: &str = "source";

/// Reports where a source stands that has proven itself, or needs no proof.
pub(super) async fn examine(
    report: &mut Report,
    config: &Config,
    session: &mut SourceSession,
    server: &ServerInfo,
) -> Result<(), Lost> {
    let prober = Prober::default();
    let found = async {
        let standing = standing(session).await?;
        let signs = prober.look(session).await?.unwrap_or_default();
        Ok((standing, signs))
    };
    let (standing, signs) = match found.await {
        Ok(found) => found,
        Err(error) => {
            return report.unchecked(session.is_broken(), PLACE, "What kind of replica it is", &error);
        }
    };
    for text in kinds(&standing) {
        report.ok(PLACE, text);
    }
    report.ok(PLACE, state(&signs, prober.may_see()));
    if config.source.ceilings.lag_max.is_some()
        && let Some(text) = prober.without_lag(&signs)
    {
        report.warning(PLACE, text);
    }
    let facts = SourceFacts::of(server, standing, &signs, prober.may_see());
    if config.source.guard.proof == Proof::None {
        report.ok(PLACE, proofs(&facts));
    }
    report.source = Some(facts);
    Ok(())
}

/// Reports which proof would hold for a server that was refused. Its catalog is read, and no table.
pub(super) async fn examine_refused(report: &mut Report, config: &Config, timeouts: &Timeouts) {
    let anywhere = Guard {
        proof: Proof::None,
        refuse_names: Vec::new(),
    };
    let found = async {
        let mut session = SourceSession::open(&config.source.endpoint, &anywhere, timeouts).await?;
        let server = session.server().await?;
        let standing = standing(&mut session).await?;
        let prober = Prober::default();
        let signs = prober.look(&mut session).await?.unwrap_or_default();
        Ok::<_, crate::base::error::Error>(SourceFacts::of(&server, standing, &signs, prober.may_see()))
    };
    // That it was refused is told already, and is what counts.
    if let Ok(facts) = found.await {
        report.ok(PLACE, proofs(&facts));
        report.source = Some(facts);
    }
}

/// What kind of database it is.
fn kinds(standing: &Standing) -> Vec<String> {
    let mut texts = Vec::new();
    if let Some(replica) = &standing.replica {
        texts.push(of_group(replica));
    }
    if standing.standby == Some(true) {
        texts.push(
            "Its database is a standby of log shipping: a restore of a log backup ends the connections to it, and a run waits \
             that out"
                .to_owned(),
        );
    }
    if standing.snapshot == Some(true) {
        texts.push("Its database is a snapshot: its rows stay as they were when it was made".to_owned());
    }
    let state = |on: Option<bool>| match on {
        Some(true) => "on",
        Some(false) => "off",
        None => "not told",
    };
    texts.push(format!(
        "Row versions: READ_COMMITTED_SNAPSHOT is {}, ALLOW_SNAPSHOT_ISOLATION is {}",
        state(standing.read_committed_snapshot),
        state(standing.snapshot_isolation)
    ));
    texts
}

/// Its place in its availability group.
fn of_group(replica: &Replica) -> String {
    let group = replica.group.as_deref().map_or_else(
        || "an availability group (VIEW ANY DEFINITION shows more)".to_owned(),
        |name| format!("availability group {name}"),
    );
    let mut more: Vec<String> = Vec::new();
    more.extend(replica.synchronous.map(|synchronous| match synchronous {
        true => "synchronous commit".to_owned(),
        false => "asynchronous commit".to_owned(),
    }));
    more.extend(
        replica
            .readable
            .as_ref()
            .map(|who| format!("readable as a secondary: {who}")),
    );
    more.extend(replica.synchronization.clone());
    more.extend((replica.suspended == Some(true)).then(|| "its data movement is suspended".to_owned()));
    let more = match more.is_empty() {
        true => String::new(),
        false => format!(" ({})", more.join(", ")),
    };
    let role = replica
        .role
        .as_deref()
        .unwrap_or("replica of a role that it does not tell");
    format!("It is the {role} of {group}{more}")
}

/// What the login sees of the server's state.
fn state(signs: &Signs, may_see: Option<bool>) -> String {
    if may_see != Some(true) {
        return "This login may not see the server's state (VIEW SERVER STATE), or the server has none to show: a run paces itself \
                by its own queries alone"
            .to_owned();
    }
    let lag = match (signs.lag, signs.redo_queue_kib) {
        (Some(lag), Some(queue)) => format!(
            "it is {} s behind its primary, with {queue} KiB to redo",
            lag.as_secs()
        ),
        (Some(lag), None) => format!("it is {} s behind its primary", lag.as_secs()),
        (None, _) => "it tells no lag".to_owned(),
    };
    format!("This login sees the server's waits and who waits for whom; {lag}")
}

/// The proof that would hold, as it is to be written.
fn proofs(facts: &SourceFacts) -> String {
    let SourceFacts {
        named_proof,
        updateability,
        ..
    } = facts;
    if facts.replica_role.as_deref() == Some("PRIMARY") {
        return format!(
            "{named_proof} is the PRIMARY of its availability group: write no proof for it, and point the connection at a secondary"
        );
    }
    if facts.read_only_proof {
        return "replica_proof = \"read_only\" would hold: its database is READ_ONLY; set require_replica = true".to_owned();
    }
    format!(
        "replica_proof = \"read_only\" does not hold: its database is {updateability}. If it is a replica that replication keeps, \
         and not the server that is sold on, replica_proof = \"named\" with replica_names = [\"{named_proof}\"] holds"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_in_words() {
        let replica = Replica {
            group: Some("AG1".to_owned()),
            role: Some("SECONDARY".to_owned()),
            synchronous: Some(false),
            readable: Some("READ_ONLY".to_owned()),
            synchronization: Some("NOT SYNCHRONIZING".to_owned()),
            suspended: Some(true),
        };
        assert_eq!(
            of_group(&replica),
            "It is the SECONDARY of availability group AG1 (asynchronous commit, readable as a secondary: READ_ONLY, \
             NOT SYNCHRONIZING, its data movement is suspended)"
        );
        let hidden = Replica {
            role: Some("PRIMARY".to_owned()),
            ..Replica::default()
        };
        assert_eq!(
            of_group(&hidden),
            "It is the PRIMARY of an availability group (VIEW ANY DEFINITION shows more)"
        );
    }
}
