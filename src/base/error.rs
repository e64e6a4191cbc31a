//! The one error type of the program.
//!
//! An error has a kind, which decides retry and exit code; a place (table, window, chunk, file); and a source. It
//! never holds a row's values or a secret. Its text starts with a capital, names the object and the fix, and does not
//! repeat its source.

use std::fmt;

use crate::base::exit_code::ExitCode;

/// `Result` with the program's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an error. [`crate::base::retry`] has the policy for each kind, in one exhaustive match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The command line is wrong.
    Usage,
    /// The configuration is wrong or incomplete.
    Config,
    /// The server cannot be reached, or the connection broke before the work could have taken effect.
    Connection,
    /// The connection broke in the middle of a statement, or the server ended it, because of the network or the
    /// statement; or the server's answer was malformed, or had no end.
    Broken,
    /// The connection broke, or time ran out, while a COMMIT was under way: it may or may not have happened.
    OutcomeUnknown,
    /// The server ended the statement for a passing reason: deadlock victim, lock timeout, out of memory, throttled.
    Transient,
    /// The server did not begin to answer a statement in time.
    Timeout,
    /// The server was out of reach for longer than a run waits.
    Outage,
    /// The login was refused.
    Login,
    /// A login that worked before was refused: the server is starting, or the password was changed.
    LoginAgain,
    /// The server, database or role is not the one that is required (G5).
    WrongServer,
    /// The source has proven itself in this command, and does not any more: it failed over.
    FailedOver,
    /// A table, column, index or permission that the work needs is missing or unfit.
    Preflight,
    /// The target cannot take more: disk or log full.
    TargetFull,
    /// The server refused a statement for a lasting reason.
    Statement,
    /// A row is larger than a run may hold in memory.
    TooLarge,
    /// The rows that were read back differ from the source's rows.
    Mismatch,
    /// More rows would leave the target than may without an operator's consent.
    Held,
    /// Another run holds the state file, or the lease of the target table.
    Busy,
    /// The checkpoint store is damaged, or cannot be written.
    State,
    /// The checkpoints were made under another plan, or by another version.
    Plan,
    /// The run was asked to stop.
    Stopped,
    /// The program broke its own rules.
    Internal,
}

impl ErrorKind {
    /// Whether an error of this kind makes all further windows and tables pointless or wrong.
    pub fn ends_the_run(self) -> bool {
        match self {
            Self::WrongServer
            | Self::FailedOver
            | Self::Login
            | Self::LoginAgain
            | Self::Outage
            | Self::TargetFull
            | Self::Busy
            | Self::State
            | Self::Internal => true,
            Self::Usage
            | Self::Config
            | Self::Connection
            | Self::Broken
            | Self::OutcomeUnknown
            | Self::Transient
            | Self::Timeout
            | Self::Preflight
            | Self::Plan
            | Self::Statement
            | Self::TooLarge
            | Self::Mismatch
            | Self::Held
            | Self::Stopped => false,
        }
    }

    /// Whether the same command, run again, may pass where it ended with this error, though nobody has changed anything.
    pub fn may_pass(self) -> bool {
        match self {
            Self::Connection
            | Self::Broken
            | Self::OutcomeUnknown
            | Self::Transient
            | Self::Timeout
            | Self::Outage
            | Self::FailedOver
            | Self::LoginAgain
            | Self::Busy
            | Self::Stopped => true,
            Self::Usage
            | Self::Config
            | Self::Login
            | Self::WrongServer
            | Self::Preflight
            | Self::TargetFull
            | Self::Statement
            | Self::TooLarge
            | Self::Mismatch
            | Self::Held
            | Self::State
            | Self::Plan
            | Self::Internal => false,
        }
    }

    /// Whether a server refused the statement itself, for a lasting reason: it lacks what the statement names, or hides it.
    pub fn is_of_the_statement(self) -> bool {
        matches!(self, ErrorKind::Statement | ErrorKind::Preflight)
    }

    /// Whether an error is about the table alone and lasting, so that other tables are worked on all the same.
    pub fn is_of_the_table(self) -> bool {
        self.is_of_the_statement() || matches!(self, ErrorKind::Usage | ErrorKind::Config)
    }

    /// The exit code of a command that ends with this error.
    pub fn exit_code(self) -> ExitCode {
        match self {
            ErrorKind::Usage | ErrorKind::Config => ExitCode::Usage,
            ErrorKind::Connection
            | ErrorKind::Broken
            | ErrorKind::Login
            | ErrorKind::LoginAgain
            | ErrorKind::WrongServer
            | ErrorKind::FailedOver
            | ErrorKind::Preflight
            | ErrorKind::TooLarge => ExitCode::Preflight,
            ErrorKind::OutcomeUnknown
            | ErrorKind::Transient
            | ErrorKind::Timeout
            | ErrorKind::Outage
            | ErrorKind::TargetFull
            | ErrorKind::Statement
            | ErrorKind::Stopped => ExitCode::Incomplete,
            ErrorKind::Mismatch | ErrorKind::Held => ExitCode::Mismatch,
            ErrorKind::Busy => ExitCode::Busy,
            ErrorKind::State | ErrorKind::Plan => ExitCode::State,
            ErrorKind::Internal => ExitCode::Internal,
        }
    }
}

/// An error with its kind, its place and its cause.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    context: String,
    number: Option<u32>,
    state: Option<u8>,
    given_up: bool,
    end: Option<&'static str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error whose text is `context`: a capital first, no full stop last, the object and the fix named.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Error {
            kind,
            context: context.into(),
            number: None,
            state: None,
            given_up: false,
            end: None,
            source: None,
        }
    }

    /// The error for an answer that no server gives to the statement that was sent.
    pub fn malformed(found: impl fmt::Display) -> Self {
        let text = format!("{found}; check that it is a SQL Server");
        Error::new(ErrorKind::Broken, text)
    }

    /// Adds the error that caused it.
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds the server's error number.
    pub fn with_number(mut self, number: u32) -> Self {
        self.number = Some(number);
        self
    }

    /// Adds the state of the server's error.
    pub fn with_state(mut self, state: u8) -> Self {
        self.state = Some(state);
        self
    }

    /// Puts the place in front of the text, as in `Table X, window 2025-10, chunk 3: …`.
    pub fn within(mut self, place: impl fmt::Display) -> Self {
        self.context = format!("{place}: {}", self.context);
        self
    }

    /// The same, unless the text begins with the place already.
    pub fn within_once(self, place: impl fmt::Display) -> Self {
        let place = place.to_string();
        match self.context.strip_prefix(&place) {
            Some(rest) if rest.starts_with([':', ',', ' ']) => self,
            _ => self.within(place),
        }
    }

    /// Changes the kind and keeps everything else.
    pub fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Adds the end, `source` or `target`, whose server could not be worked with.
    pub fn at_end(mut self, end: &'static str) -> Self {
        self.end = Some(end);
        self
    }

    /// The end whose server could not be worked with; `None` if that is not known.
    pub fn end(&self) -> Option<&'static str> {
        self.end
    }

    /// Marks that its work was tried as often as may be, so that nobody retries it on the way out.
    pub fn given_up(mut self) -> Self {
        self.given_up = true;
        self
    }

    /// Whether its work was tried as often as may be.
    pub fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Its kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The server's error number; `None` if no server sent the error.
    pub fn number(&self) -> Option<u32> {
        self.number
    }

    /// The state of the server's error, which explains a refused login.
    pub fn state(&self) -> Option<u8> {
        self.state
    }

    /// The text and the texts of all causes, in one line, separated by `: `.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}
