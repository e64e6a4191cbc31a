//! A disk that is full, as files meet it.

use std::error::Error as StdError;
use std::io;
use std::path::Path;

/// The way out for a file that cannot be written because its disk is full, or its user's quota is used up; `None` for any
/// other error.
pub fn full(path: &Path, error: &(dyn StdError + 'static)) -> Option<String> {
    let what = match kind(error)? {
        io::ErrorKind::StorageFull => "the disk that it is on is full: make room there",
        io::ErrorKind::QuotaExceeded => "the quota of its user is used up: make room, or raise it",
        io::ErrorKind::FileTooLarge => {
            "a file cannot be that large there: raise the limit, or use another disk"
        }
        _ => return None,
    };
    Some(format!("{} cannot be written, because {what}", path.display()))
}

/// The kind of the system's error that an error is or was caused by.
fn kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_with_its_path() {
        for (kind, says) in [
            (io::ErrorKind::StorageFull, "the disk that it is on is full"),
            (io::ErrorKind::QuotaExceeded, "quota"),
            (io::ErrorKind::FileTooLarge, "cannot be that large"),
        ] {
            let text = full(Path::new("a/b"), &io::Error::from(kind)).unwrap();
            assert!(
                text.starts_with("a/b cannot be written, because ") && text.contains(says),
                "{text}"
            );
        }
        assert_eq!(
            full(Path::new("a"), &io::Error::from(io::ErrorKind::PermissionDenied)),
            None
        );
    }

    /// The numbers that the systems give a full disk.
    #[test]
    fn the_systems_numbers_are_known() {
        let numbers: &[i32] = if cfg!(windows) { &[112, 39] } else { &[28] };
        for number in numbers {
            let error = io::Error::from_raw_os_error(*number);
            assert!(
                full(Path::new("a"), &error).is_some(),
                "{number}: {:?}",
                error.kind()
            );
        }
    }
}
