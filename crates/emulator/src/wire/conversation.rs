//! One connection after its LOGIN7. It opens the session and then serves one request after another, on a thread of
//! its own.
//!
//! The thread ends when the network side is gone or a request ends the connection. The session is dropped first. So
//! a client that sees its connection close finds its transaction rolled back and its locks free.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::faults::{Action, At, Subject};
use crate::limits::Share;
use crate::log::Connection;
use crate::types::{Session, SessionOptions, SqlError};
use crate::value::collation;
use crate::wire::answer::{Answer, Stop, Wire};
use crate::wire::link::Link;
use crate::wire::load::{Load, LoadEnd};
use crate::wire::login::Login;
use crate::wire::packet::{
    ATTENTION, BULK_LOAD, Gone, PACKET_BYTES_DEFAULT, Packet, PacketWriter, RPC, SQL_BATCH, STATUS_IGNORE,
    STATUS_RESET, STATUS_RESET_KEEP_TRANSACTION, TRANSACTION_MANAGER,
};
use crate::wire::perform::{Peer, PendingBulk, PreparedStatements, Turn};
use crate::wire::protocol::protocol_error;
use crate::wire::quiet::Quiet;
use crate::wire::server::Server;
use crate::wire::{request, rpc, token};

/// The collation of the server, which the login's answer announces.
const SERVER_COLLATION: &str = "SQL_Latin1_General_CP1_CI_AS";
/// The login's default database.
const DEFAULT_DATABASE: &str = "master";

/// The two channels between the network side and the conversation.
pub(crate) struct Lines {
    pub(crate) incoming: mpsc::Receiver<Packet>,
    pub(crate) writer: PacketWriter,
    pub(crate) link: Arc<Link>,
}

/// Answers the login. If it is accepted, answers every request until the connection ends.
pub(crate) fn run(server: &Server, login: &Login, spid: i16, lines: Lines) {
    let database = if login.database.is_empty() {
        DEFAULT_DATABASE
    } else {
        &login.database
    };
    let mut wire = Wire {
        writer: lines.writer,
        link: lines.link,
        server_name: server.name.clone(),
        database: database.to_owned(),
        transaction: 0,
    };
    let mut refused = |errors: &[SqlError]| {
        for error in errors {
            token::message(&mut wire.writer.payload, error, &wire.server_name);
        }
        token::done(&mut wire.writer.payload, token::DONE, token::DONE_ERROR, 0, 0);
        // If nobody reads the answer, nobody is left to tell.
        let _ = wire.writer.finish();
    };
    let tds_version = match check(server, login) {
        Ok(tds_version) => tds_version,
        Err(error) => return refused(&[error]),
    };
    let options = SessionOptions {
        login: login.user.clone(),
        database: database.to_owned(),
        application: login.application.clone(),
        host: login.host.clone(),
        spid,
        cancel: wire.link.cancel.clone(),
    };
    let session = match server.backend.open(options) {
        Ok(session) => session,
        Err(error) => return refused(&[error, login_failed(&login.user)]),
    };
    server.log.connected(Connection {
        spid,
        login: login.user.clone(),
        application: login.application.clone(),
        database: database.to_owned(),
    });
    let mut conversation = Conversation {
        server,
        peer: Peer {
            spid,
            login: login.user.clone(),
            application: login.application.clone(),
        },
        login_database: database.to_owned(),
        incoming: lines.incoming,
        wire,
        session,
        prepared: PreparedStatements::default(),
        bulk: None,
    };
    if conversation.welcome(login, tds_version).is_ok() {
        while let Some(packet) = conversation.incoming.blocking_recv() {
            if conversation.serve(packet).is_err() {
                break;
            }
        }
    }
    let Conversation { session, wire, .. } = conversation;
    drop(session);
    drop(wire);
}

/// Whether a client is let in, before any database is opened.
fn check(server: &Server, login: &Login) -> Result<u32, SqlError> {
    let refuse = |number, message: String| SqlError {
        number,
        state: 1,
        class: 14,
        message,
        line: 1,
    };
    let Some(tds_version) = login.tds_version else {
        return Err(refuse(
            17828,
            "The emulator speaks TDS 7.3 and 7.4 only; the client asked for less.".into(),
        ));
    };
    if login.foreign_authentication {
        let message = "Login failed. The emulator has SQL Server authentication only.".into();
        return Err(refuse(18452, message));
    }
    if !server.knows(login) {
        return Err(login_failed(&login.user));
    }
    Ok(tds_version)
}

fn login_failed(user: &str) -> SqlError {
    SqlError {
        number: 18456,
        state: 1,
        class: 14,
        message: format!("Login failed for user '{user}'."),
        line: 1,
    }
}

/// The error for a request that finds the room for requests taken.
fn no_memory() -> SqlError {
    let message =
        "There is insufficient system memory in resource pool 'default' to run this query.".to_owned();
    SqlError {
        number: 701,
        state: 1,
        class: 17,
        message,
        line: 1,
    }
}

fn notice(number: i32, state: u8, message: String) -> SqlError {
    SqlError {
        number,
        state,
        class: 0,
        message,
        line: 1,
    }
}

struct Conversation<'a> {
    server: &'a Server,
    peer: Peer,
    /// The database that a reset returns to.
    login_database: String,
    incoming: mpsc::Receiver<Packet>,
    wire: Wire,
    session: Box<dyn Session>,
    prepared: PreparedStatements,
    bulk: Option<PendingBulk>,
}

impl Conversation<'_> {
    /// Fires the faults of a login and answers it.
    fn welcome(&mut self, login: &Login, tds_version: u32) -> Result<(), Gone> {
        let database = self.wire.database.clone();
        let subject = Subject {
            statement: None,
            database: &database,
            application: &login.application,
        };
        let armed = self.server.faults.arm(&subject);
        if let Some(refusal) = armed.iter().find(|armed| armed.action == Action::RefuseLogin) {
            self.server.faults.count(refusal.id);
            return self.turn(0, |turn| {
                turn.answer.start(Vec::new(), false);
                turn.answer.put_error(&login_failed(&login.user));
                turn.answer.end_batch();
                turn.answer.stop = Some(Stop::Failed {
                    fatal: true,
                    rolls_back: false,
                });
            });
        }
        self.turn(0, |turn| {
            turn.answer.start(armed, false);
            turn.answer.fire(|at| at == At::AtLogin);
            turn.run_deferred();
            match turn.answer.stop {
                None => greet(turn.answer.wire, login, tds_version),
                // A login that failed is over, whatever the class of its error.
                Some(Stop::Failed { rolls_back, .. }) => {
                    turn.answer.stop = Some(Stop::Failed {
                        fatal: true,
                        rolls_back,
                    });
                }
                Some(_) => {}
            }
            turn.answer.end_batch();
        })?;
        self.wire.writer.set_packet_bytes(login.packet_bytes);
        Ok(())
    }

    /// Serves one message. An error ends the connection.
    fn serve(&mut self, first: Packet) -> Result<(), Gone> {
        match first.kind {
            ATTENTION => self.attend(),
            BULK_LOAD => self.bulk_load(first),
            SQL_BATCH | RPC | TRANSACTION_MANAGER => {
                let (kind, status) = (first.kind, first.status);
                let server = self.server;
                let mut share = server.held.share();
                let Some((message, packets)) = self.assemble(first, &mut share)? else {
                    return Ok(());
                };
                self.bulk = None;
                self.request(kind, status, &message, packets)
            }
            other => {
                let error = protocol_error(format_args!("packet of type {other}"));
                self.turn(1, |turn| turn.refuse(&error))
            }
        }
    }

    /// Joins the packets of a message. `None` if the client took it back.
    fn assemble(&mut self, first: Packet, share: &mut Share<'_>) -> Result<Option<(Bytes, u64)>, Gone> {
        if first.ends() && first.status & STATUS_IGNORE == 0 {
            return Ok(Some((first.data, 1)));
        }
        let kind = first.kind;
        let mut message = BytesMut::new();
        let mut packets = 0;
        let mut packet = first;
        loop {
            packets += 1;
            if packet.kind == ATTENTION {
                self.attend()?;
                return Ok(None);
            }
            let bytes = message.len() + packet.data.len();
            let wrong = if packet.kind != kind || bytes > request::MESSAGE_BYTES_MAX {
                Some(protocol_error("a message that is too long, or of two kinds"))
            } else {
                (!share.hold(bytes)).then(no_memory)
            };
            if let Some(error) = wrong {
                self.turn(packets, |turn| turn.refuse(&error))?;
                return Err(Gone);
            }
            message.extend_from_slice(&packet.data);
            if packet.ends() {
                let ignored = packet.status & STATUS_IGNORE != 0;
                return Ok((!ignored).then(|| (message.freeze(), packets)));
            }
            packet = self.incoming.blocking_recv().ok_or(Gone)?;
        }
    }

    /// Answers an attention that found nothing to cancel.
    fn attend(&mut self) -> Result<(), Gone> {
        self.wire.link.attended();
        token::done(
            &mut self.wire.writer.payload,
            token::DONE,
            token::DONE_ATTENTION,
            0,
            0,
        );
        self.wire.writer.finish()
    }

    fn request(&mut self, kind: u8, status: u8, message: &[u8], packets: u64) -> Result<(), Gone> {
        let keeps_transaction = status & STATUS_RESET_KEEP_TRANSACTION != 0 && self.wire.transaction != 0;
        if status & (STATUS_RESET | STATUS_RESET_KEEP_TRANSACTION) != 0 && !keeps_transaction {
            self.reset();
        }
        self.turn(packets, |turn| match kind {
            SQL_BATCH => match request::batch_text(message) {
                Ok(sql) => turn.batch(&sql),
                Err(error) => turn.refuse(&error),
            },
            RPC => match rpc::calls(message) {
                Ok(calls) => turn.calls(calls),
                Err(error) => turn.refuse(&error),
            },
            _ => match request::transaction_actions(message) {
                Ok(actions) => turn.transaction(&actions),
                Err(error) => turn.refuse(&error),
            },
        })
    }

    /// Resets the session to its state after the login, and tells the client so ahead of the answer.
    fn reset(&mut self) {
        self.session.reset();
        self.prepared.clear();
        self.wire.transaction = 0;
        if self.wire.database != self.login_database {
            let back = format!("USE [{}]", self.login_database.replace(']', "]]"));
            let mut answer = Answer::new(&mut self.wire, &self.server.faults, &|_, _| {});
            let mut quiet = Quiet {
                answer: &mut answer,
                error: None,
            };
            // If that database is gone by now, the session stays in its current one, and the client is told that
            // one.
            let _ = self.session.batch(&back, &mut quiet);
        }
        token::reset(&mut self.wire.writer.payload);
    }

    /// Performs one request and sends its answer.
    fn turn(&mut self, packets_in: u64, work: impl FnOnce(&mut Turn<'_>)) -> Result<(), Gone> {
        let server = self.server;
        let roles = |database: &str, role| server.backend.set_role(database, role);
        let mut turn = Turn {
            server,
            peer: &self.peer,
            session: &mut *self.session,
            answer: Answer::new(&mut self.wire, &server.faults, &roles),
            prepared: &mut self.prepared,
            packets_in,
            pending_bulk: None,
        };
        work(&mut turn);
        self.bulk = turn.pending_bulk.take();
        finish(&mut self.incoming, turn.answer, false)
    }

    /// Takes the rows of the preceding `INSERT BULK`.
    fn bulk_load(&mut self, first: Packet) -> Result<(), Gone> {
        let server = self.server;
        let roles = |database: &str, role| server.backend.set_role(database, role);
        let pending = self.bulk.take();
        let sequence = pending.as_ref().map(|pending| pending.sequence);
        let mut load = Load::default();
        let mut share = server.held.share();
        if pending.is_none() {
            load.refuse(protocol_error("a bulk load without INSERT BULK"));
        }
        let mut answer = Answer::new(&mut self.wire, &server.faults, &roles);
        answer.start(pending.map(|pending| pending.armed).unwrap_or_default(), false);
        let mut packet = first;
        let mut packets = 0;
        let end = loop {
            if packet.kind == ATTENTION {
                answer.wire.link.attended();
                break LoadEnd::Cancelled;
            }
            if packet.kind != BULK_LOAD {
                return Err(Gone);
            }
            packets += 1;
            load.feed(&packet.data, &mut *self.session, &mut answer);
            if !share.hold(load.held_bytes()) {
                load.refuse(no_memory());
                share.hold(0);
            }
            answer.fire(|at| at == At::AfterPacketsIn(packets));
            if answer.stop == Some(Stop::Ended) {
                return Err(Gone);
            }
            if packet.ends() {
                let ignored = packet.status & STATUS_IGNORE != 0;
                break if ignored {
                    LoadEnd::TakenBack
                } else {
                    LoadEnd::Whole
                };
            }
            packet = self.incoming.blocking_recv().ok_or(Gone)?;
        };
        load.end(end, &mut *self.session, &mut answer);
        let mut turn = Turn {
            server,
            peer: &self.peer,
            session: &mut *self.session,
            answer,
            prepared: &mut self.prepared,
            packets_in: packets,
            pending_bulk: None,
        };
        if let Some(sequence) = sequence {
            turn.end(sequence);
        }
        turn.answer.end_batch();
        if end == LoadEnd::TakenBack {
            // It gets no answer. The attention that follows it does.
            return Ok(());
        }
        finish(&mut self.incoming, turn.answer, end == LoadEnd::Cancelled)
    }
}

/// The answer to an accepted login.
fn greet(wire: &mut Wire, login: &Login, tds_version: u32) {
    let Wire {
        writer,
        server_name,
        database,
        ..
    } = wire;
    let out = &mut writer.payload;
    token::database_changed(out, database, DEFAULT_DATABASE);
    token::message(
        out,
        &notice(5701, 2, format!("Changed database context to '{database}'.")),
        server_name,
    );
    token::collation(out, collation::wire_bytes(SERVER_COLLATION));
    token::language(out, "us_english");
    token::message(
        out,
        &notice(5703, 1, "Changed language setting to us_english.".into()),
        server_name,
    );
    token::login_ack(out, tds_version);
    token::packet_size(out, login.packet_bytes, PACKET_BYTES_DEFAULT);
    if login.asks_utf8 {
        token::utf8_support(out);
    }
}

/// Sends the end of an answer. A client that has cancelled learns that in the same message.
fn finish(incoming: &mut mpsc::Receiver<Packet>, mut answer: Answer<'_>, attended: bool) -> Result<(), Gone> {
    if answer.stop == Some(Stop::Ended) {
        return Err(Gone);
    }
    let attention = answer.wire.link.has_attention();
    if attention {
        // Its packet is in the channel, or about to be: the network side sets the flag first.
        while incoming.blocking_recv().ok_or(Gone)?.kind != ATTENTION {}
        answer.wire.link.attended();
    }
    answer.finish(attention || attended)
}
