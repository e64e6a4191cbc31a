//! The pipe on Windows, which its own user alone may open, from this machine alone.
//!
//! Its list of access has one entry, for the owner, so neither another user nor an administrator who has not taken it over
//! opens it. It must be the first of its name: a name that another program has taken is not used.
//!
//! Tokio takes an access list by an unsafe function only, and this workspace has none: interprocess makes the pipe.

use std::io;
use std::path::Path;
use std::time::Duration;

use interprocess::os::windows::named_pipe::tokio::{DuplexPipeStream, PipeListener};
use interprocess::os::windows::named_pipe::{PipeListenerOptions, pipe_mode};
use interprocess::os::windows::security_descriptor::SecurityDescriptor;
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient};
use widestring::U16CString;

/// The owner of an object has all rights of it, and nobody else any, whatever the place would hand down. `OW` stands for the
/// owner as he is: <https://learn.microsoft.com/en-us/windows/win32/secauthz/sid-strings>.
const OWNER_ONLY: &str = "D:P(A;;GA;;;OW)";

/// The system's error for a pipe none of whose instances is free.
const PIPE_BUSY: i32 = 231;

/// The pause before a busy pipe is tried again: it is free in a moment.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// The place of a pipe: its last handle takes it away.
pub(super) struct Place;

/// The pipe of this process.
pub(super) struct Listener {
    listener: PipeListener<pipe_mode::Bytes, pipe_mode::Bytes>,
}

pub(super) type Stream = DuplexPipeStream<pipe_mode::Bytes>;

impl Listener {
    /// Makes the pipe of the state file at `state`.
    pub(super) fn bind(state: &Path) -> io::Result<(Listener, Place)> {
        let access = U16CString::from_str(OWNER_ONLY).map_err(io::Error::other)?;
        // As it stands by default: no remote clients, and only as the first of its name.
        let listener = PipeListenerOptions::new()
            .path(name_of(state)?)
            .security_descriptor(Some(SecurityDescriptor::deserialize(&access)?))
            .create_tokio_duplex()?;
        Ok((Listener { listener }, Place))
    }

    pub(super) async fn accept(&self) -> io::Result<Stream> {
        self.listener.accept().await
    }
}

/// Connects to the pipe of the state file at `state`. A server there learns who asks, and cannot act in his name.
pub(super) async fn connect(state: &Path) -> io::Result<NamedPipeClient> {
    let name = name_of(state)?;
    loop {
        match ClientOptions::new().open(&name) {
            // Another client was just accepted, and the next instance is not there yet. Whoever asks has a limit.
            Err(error) if error.raw_os_error() == Some(PIPE_BUSY) => tokio::time::sleep(BUSY_PAUSE).await,
            opened => return opened,
        }
    }
}

/// The system lets nobody else in.
pub(super) fn may_ask(_: &Stream) -> bool {
    true
}

/// Its name is known to who may enter the state file's directory.
pub(super) fn is_believed(_: &NamedPipeClient) -> bool {
    true
}

/// The name of the pipe: a hash of the state file's path, as the system writes it.
fn name_of(state: &Path) -> io::Result<std::ffi::OsString> {
    let path = std::fs::canonicalize(state)?;
    let hash = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
    Ok(format!(r"\\.\pipe\mssql-sync-{}", &hash[..32]).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pipe_is_the_only_one_of_its_name_and_goes_with_its_listener() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("store");
        std::fs::write(&state, "").unwrap();
        let (listener, _place) = Listener::bind(&state).unwrap();
        assert!(Listener::bind(&state).is_err());
        let (client, server) = tokio::join!(connect(&state), listener.accept());
        drop((client.unwrap(), server.unwrap(), listener));
        assert_eq!(connect(&state).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
