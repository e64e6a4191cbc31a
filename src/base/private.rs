//! Files and directories of the program's own, which nobody but their owner may read, unless it is said otherwise.
//!
//! On Unix a new directory has the mode 0700 and a new file 0600, whatever the umask. Elsewhere they take the access
//! list of the directory that they are made in: an owner-only list needs code that this workspace forbids. A new file
//! takes no name that is in use, so no link is followed; a file that is replaced gets a new one in its place, so nothing
//! is written through a link.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Who may read a file or write to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Its owner alone.
    Owner,
    /// Its group or others as well; the permission bits.
    Others(u32),
    /// The system has no permission bits to tell.
    Unknown,
}

/// Makes a directory and those that it is in, as far as they are missing. A directory that is there stays as it is.
///
/// # Errors
/// Those of the system.
pub fn directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    // The empty path is the current directory.
    if path == Path::new("") {
        return Ok(());
    }
    builder.create(path)
}

/// Makes a file for reading and writing.
///
/// # Errors
/// `AlreadyExists` if the name is in use, also by a link that leads nowhere; those of the system.
pub fn create_new(path: &Path) -> io::Result<File> {
    options().create_new(true).open(path)
}

/// Opens a file for reading and writing, or makes it. It does not follow a link.
///
/// # Errors
/// Those of the system, which has one for a link.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = options();
    options.create(true).truncate(false);
    opened(options, path)
}

fn opened(mut options: OpenOptions, path: &Path) -> io::Result<File> {
    unfollowed(&mut options);
    let file = options.open(path)?;
    // Where the system opens the link itself.
    if file.metadata()?.file_type().is_symlink() {
        return Err(io::Error::other("it is a link"));
    }
    Ok(file)
}

/// Opens a file to append to it and to read it, or makes it. It does not follow a link. Each write goes to its end, also
/// beside those of another process.
///
/// # Errors
/// As [`open`].
pub fn append(path: &Path) -> io::Result<File> {
    let mut options = options();
    options.create(true).append(true);
    opened(options, path)
}

/// Writes a file, in the place of the one that is there, if any. A kill leaves the whole file or what was there.
///
/// # Errors
/// Those of the system; the old file is then still there.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    written(path, content)?.persist(path)?;
    Ok(())
}

/// Writes a file that every user of the machine may read, in the place of the one that is there, if any. A kill leaves the
/// whole file or what was there.
///
/// # Errors
/// Those of the system; the old file is then still there.
pub fn write_shared(path: &Path, content: &[u8]) -> io::Result<()> {
    let file = written(path, content)?;
    #[cfg(unix)]
    file.as_file()
        .set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.persist(path)?;
    Ok(())
}

/// Writes a file unless its name is in use; returns whether it was written. A kill leaves the whole file or none.
///
/// # Errors
/// Those of the system.
pub fn write_new(path: &Path, content: &[u8]) -> io::Result<bool> {
    // A link that leads nowhere is in use, too.
    if path.symlink_metadata().is_ok() {
        return Ok(false);
    }
    match written(path, content)?.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}

/// The directory that a file of this path is in.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A file of a random name beside `path`, with this content. It goes with the value.
fn written(path: &Path, content: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let directory = directory_of(path);
    // Without the name of the file, which may be as long as the system allows.
    let mut file = tempfile::Builder::new()
        .prefix(".sync-")
        .suffix(".new")
        .tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Writes a file of a random name into a directory, as far as to the disk, and removes it.
///
/// # Errors
/// Those of the system: no permission, no room.
pub fn probe(directory: &Path, bytes: usize) -> io::Result<()> {
    written(&directory.join("probe"), &vec![0; bytes])?.close()
}

/// Takes a file or directory from all but its owner; returns whether they had it. A link, and what belongs to another
/// user, stays as it is, and so does everything where the system has no permission bits.
///
/// # Errors
/// Those of the system.
pub fn tighten(path: &Path) -> io::Result<bool> {
    if !cfg!(unix) || path.is_symlink() {
        return Ok(false);
    }
    let mut options = OpenOptions::new();
    options.read(true);
    unfollowed(&mut options);
    match options.open(path).and_then(|file| owner_only(&file)) {
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied].contains(&error.kind()) => {
            Ok(false)
        }
        tightened => tightened,
    }
}

/// Who may read the file at `path`, or the one that a link there leads to.
///
/// # Errors
/// Those of the system.
pub fn access(path: &Path) -> io::Result<Access> {
    Ok(access_of(&std::fs::metadata(path)?))
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn unfollowed(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    // The flag's bits are the same in both of the types that they have.
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
}

#[cfg(windows)]
fn unfollowed(options: &mut OpenOptions) {
    use std::os::windows::fs::OpenOptionsExt as _;
    /// Opens a link, and not what it leads to.
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
}

#[cfg(not(any(unix, windows)))]
fn unfollowed(_: &mut OpenOptions) {}

#[cfg(unix)]
fn access_of(metadata: &std::fs::Metadata) -> Access {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        Access::Owner
    } else {
        Access::Others(mode)
    }
}

#[cfg(not(unix))]
fn access_of(_: &std::fs::Metadata) -> Access {
    Access::Unknown
}

#[cfg(unix)]
fn owner_only(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    let Access::Others(mode) = access_of(&file.metadata()?) else {
        return Ok(false);
    };
    file.set_permissions(std::fs::Permissions::from_mode(mode & 0o7700))?;
    Ok(true)
}

#[cfg(not(unix))]
fn owner_only(_: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_in_use_is_not_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert!(write_new(&path, b"one").unwrap());
        assert!(!write_new(&path, b"two").unwrap());
        assert_eq!(
            create_new(&path).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write(&path, b"three").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            1,
            "nothing is left behind"
        );
    }

    #[cfg(unix)]
    #[test]
    fn no_link_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("victim"), "precious").unwrap();
        for (link, to) in [("link", "victim"), ("dangling", "nothing")] {
            std::os::unix::fs::symlink(at(to), at(link)).unwrap();
            assert!(open(&at(link)).is_err(), "{link}");
            assert!(create_new(&at(link)).is_err(), "{link}");
            assert!(!tighten(&at(link)).unwrap(), "{link}");
            assert!(!write_new(&at(link), b"mine").unwrap(), "{link}");
            write(&at(link), b"mine").unwrap();
            assert!(!at(link).is_symlink(), "{link} is a file now");
        }
        assert_eq!(std::fs::read(at("victim")).unwrap(), b"precious");
        assert!(!at("nothing").exists());
    }

    #[cfg(unix)]
    #[test]
    fn what_others_may_read_is_taken_from_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o664)).unwrap();
        assert_eq!(access(&path).unwrap(), Access::Others(0o664));
        assert!(tighten(&path).unwrap());
        assert_eq!(access(&path).unwrap(), Access::Owner);
        assert!(!tighten(&path).unwrap(), "it is already");
        assert!(!tighten(&directory.path().join("nothing")).unwrap());
    }
}
