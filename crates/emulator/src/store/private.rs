//! The data's directory and files are their owner's alone on Unix, whatever the umask. Elsewhere they take the access
//! list of the directory that they are in.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::Path;

/// Makes a directory and those that it is in, as far as they are missing.
pub(super) fn directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes an empty file, which SQLite takes for a new database. Its journals get the modes of the file.
///
/// # Errors
/// `AlreadyExists` if the name is in use, also by a link; those of the system.
pub(super) fn file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}

/// Takes a file that an older version left open to others from them. What belongs to another user stays as it is.
#[cfg(unix)]
pub(super) fn tighten(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = match path.symlink_metadata() {
        Ok(found) if found.is_file() => found.permissions().mode(),
        _ => return Ok(()),
    };
    if mode & 0o077 == 0 {
        return Ok(());
    }
    match std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o700)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        set => set,
    }
}

/// There are no permission bits.
#[cfg(not(unix))]
pub(super) fn tighten(_: &Path) -> io::Result<()> {
    Ok(())
}
