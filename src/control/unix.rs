//! The socket on Unix: a file beside the state file, which its owner alone may connect to.
//!
//! The file has the mode 0600 before anybody can find it, and the kernel tells the user of each client, who is refused
//! unless he is the run's own or root. So neither an open directory nor a file that was handed on lets another user in.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

/// What stands behind the name of the state file.
const SUFFIX: &str = ".sock";

/// The longest path of a socket's address. Linux takes 107 bytes, and other systems 103.
const ADDRESS_BYTES_MAX: usize = 103;

/// Clients that wait to be accepted. Others wait for these.
const BACKLOG: i32 = 16;

pub(super) type Stream = UnixStream;

/// The socket of this process.
pub(super) struct Listener {
    listener: UnixListener,
}

/// The place of a socket, which goes with the value.
pub(super) struct Place {
    path: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        // A file that stays is taken for that of a killed run.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Listener {
    /// Makes the socket of the state file at `state`, of which this process is the only writer: what is in its place is of a
    /// run that was killed.
    pub(super) fn bind(state: &Path) -> io::Result<(Listener, Place)> {
        let path = path_of(state);
        clear(&path)?;
        let address = Address::of(&path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // On Linux, a socket's mode becomes that of its file. Elsewhere the file gets it below, and until then the look at
        // the client's user keeps others out.
        let _ = rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR);
        socket.bind(&SockAddr::unix(&address.path)?)?;
        let place = Place { path };
        if std::fs::symlink_metadata(&place.path)?.permissions().mode() & 0o777 != 0o600 {
            std::fs::set_permissions(&place.path, std::fs::Permissions::from_mode(0o600))?;
        }
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let listener = UnixListener::from_std(OwnedFd::from(socket).into())?;
        Ok((Listener { listener }, place))
    }

    pub(super) async fn accept(&self) -> io::Result<Stream> {
        Ok(self.listener.accept().await?.0)
    }
}

/// Connects to the socket of the state file at `state`.
pub(super) async fn connect(state: &Path) -> io::Result<Stream> {
    let path = path_of(state);
    let address = Address::of(&path)?;
    UnixStream::connect(&address.path).await
}

/// Whether a client's user may control this process.
pub(super) fn may_ask(stream: &Stream) -> bool {
    user_of(stream).is_some_and(|client| is_let(client, own_user()))
}

/// Whether what is heard from a server's user is believed: from one's own, and root believes anybody.
pub(super) fn is_believed(stream: &Stream) -> bool {
    user_of(stream).is_some_and(|server| is_let(own_user(), server) || is_let(server, own_user()))
}

/// Whether a user may control a process of `owner`: the same user, or root.
fn is_let(user: u32, owner: u32) -> bool {
    user == owner || user == 0
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The user of the process at the other end, as the kernel tells it.
fn user_of(stream: &Stream) -> Option<u32> {
    stream.peer_cred().ok().map(|credentials| credentials.uid())
}

/// The path of the socket of a state file.
fn path_of(state: &Path) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(SUFFIX);
    PathBuf::from(name)
}

/// Takes the socket of a run that was killed away. Nothing else is removed.
fn clear(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(io::Error::other(format!(
            "{} is something else; move it away",
            path.display()
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A path that an address can hold, and what it goes through.
struct Address {
    path: PathBuf,
    /// The directory, held open as long as the path is used.
    _directory: Option<OwnedFd>,
}

impl Address {
    /// A path as it is if it is short enough; else, on Linux, one through the directory's own descriptor.
    fn of(path: &Path) -> io::Result<Address> {
        if path.as_os_str().len() <= ADDRESS_BYTES_MAX {
            return Ok(Address {
                path: path.to_owned(),
                _directory: None,
            });
        }
        Address::through_its_directory(path)
    }

    #[cfg(target_os = "linux")]
    fn through_its_directory(path: &Path) -> io::Result<Address> {
        use rustix::fs::OFlags;
        use std::os::fd::AsRawFd as _;
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(too_long(path));
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = match directory.as_os_str().is_empty() {
            true => Path::new("."),
            false => directory,
        };
        let directory = rustix::fs::open(directory, flags, Mode::empty())?;
        let short = Path::new("/proc/self/fd")
            .join(directory.as_raw_fd().to_string())
            .join(name);
        if short.as_os_str().len() > ADDRESS_BYTES_MAX {
            return Err(too_long(path));
        }
        Ok(Address {
            path: short,
            _directory: Some(directory),
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn through_its_directory(path: &Path) -> io::Result<Address> {
        Err(too_long(path))
    }
}

fn too_long(path: &Path) -> io::Error {
    let text = format!(
        "the path {} is too long for a socket; give the state file a shorter one with --state",
        path.display()
    );
    io::Error::new(io::ErrorKind::InvalidFilename, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_controls_his_own_runs_and_root_all() {
        assert!(is_let(1000, 1000) && is_let(0, 1000) && is_let(0, 0));
        assert!(!is_let(1001, 1000) && !is_let(1000, 0) && !is_let(65534, 1000));
    }

    #[tokio::test]
    async fn the_file_is_its_owners_alone_and_goes_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("store");
        let (listener, place) = Listener::bind(&state).unwrap();
        let path = directory.path().join("store.sock");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (client, server) = tokio::join!(connect(&state), listener.accept());
        let (client, server) = (client.unwrap(), server.unwrap());
        assert_eq!(user_of(&server), Some(own_user()));
        assert!(may_ask(&server) && is_believed(&client));
        drop(place);
        assert!(!path.exists());
        assert_eq!(connect(&state).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn what_a_killed_run_left_is_replaced_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("store");
        let (listener, place) = Listener::bind(&state).unwrap();
        drop(listener);
        // A kill removes no file.
        std::mem::forget(place);
        assert_eq!(
            connect(&state).await.unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        let (_listener, place) = Listener::bind(&state).unwrap();
        connect(&state).await.unwrap();
        drop(place);

        let path = directory.path().join("store.sock");
        std::fs::write(&path, "precious").unwrap();
        assert!(Listener::bind(&state).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(directory.path().join("elsewhere"), &path).unwrap();
        assert!(Listener::bind(&state).is_err());
        assert!(path.is_symlink());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_long_path_is_reached_and_a_long_name_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(100)).join("e".repeat(100));
        std::fs::create_dir_all(&deep).unwrap();
        let state = deep.join("store");
        let (_listener, place) = Listener::bind(&state).unwrap();
        connect(&state).await.unwrap();
        drop(place);
        assert!(!deep.join("store.sock").exists());
        let refused = Listener::bind(&deep.join("n".repeat(120))).err().unwrap();
        assert!(refused.to_string().contains("too long"), "{refused}");
    }
}
