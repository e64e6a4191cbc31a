//! Why a request reached no run, and what to do about it.

use std::path::Path;

use crate::base::error::{Error, ErrorKind};
use crate::base::text::{harmless_text, shown};
use crate::checkpoint::holder;
use crate::control::{Unheard, VERSION};

/// The error of a request to the run that has the state file at `path`.
pub(super) fn error(path: &Path, why: Unheard) -> Error {
    let state = path.display();
    let (kind, text) = match why {
        Unheard::Nobody => return nobody(path),
        Unheard::AnotherUser => (
            ErrorKind::Usage,
            format!("The run that has the state file {state} is another user's; say it as that user"),
        ),
        Unheard::Version(version) => (
            ErrorKind::Usage,
            format!(
                "The run that has the state file {state} is of version {}, and this program of {VERSION}; say it with \
                 the program that the run was begun with, or stop it by Ctrl-C where it was begun",
                shown(&version)
            ),
        ),
        Unheard::Refused(text) => (
            ErrorKind::Usage,
            format!(
                "The run that has the state file {state} refused the request: {}",
                shown(&text)
            ),
        ),
        Unheard::Ended => (
            ErrorKind::Usage,
            format!("The run that has the state file {state} ended meanwhile; `sync status` tells how"),
        ),
        Unheard::Silent => (
            ErrorKind::Timeout,
            format!(
                "The run that has the state file {state} does not answer; it may yet do what it was asked: look with \
                 `sync status`, then try again"
            ),
        ),
        Unheard::Garbage => (
            ErrorKind::Usage,
            format!(
                "What answers for the state file {state} is no run of this program; say it with the program that the \
                 run was begun with, or stop it by Ctrl-C where it was begun"
            ),
        ),
        Unheard::Unreachable(error) => {
            let text = format!(
                "The run that has the state file {state}, if there is one, cannot be reached; stop it by Ctrl-C where it \
                 was begun"
            );
            let why = Error::new(ErrorKind::Usage, harmless_text(&error.to_string()));
            return Error::new(ErrorKind::Usage, text).with_source(why);
        }
    };
    Error::new(kind, text)
}

/// The error where nobody serves a socket: nothing is going, or it takes no requests.
fn nobody(path: &Path) -> Error {
    let state = path.display();
    if !path.exists() {
        let text = format!(
            "There is no state file {state}, so no run is going there; name the run's own by --config or --state"
        );
        return Error::new(ErrorKind::Usage, text);
    }
    let text = match holder(path) {
        Ok(None) => format!(
            "No run is going: nobody has the state file {state} open; begin one with `sync run`, or name another \
             by --config or --state"
        ),
        Ok(Some(who)) => format!(
            "{who} has the state file {state} open and takes no requests: it is just beginning or ending, a command \
             such as `sync forget` or `sync rebuild`, a run of an earlier version, or one without a socket, which it said \
             at its start; try again, or stop it by Ctrl-C where it was begun"
        ),
        Err(error) => return error.of_kind(ErrorKind::Usage),
    };
    Error::new(ErrorKind::Usage, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::exit_code::ExitCode;

    #[test]
    fn what_may_yet_be_done_is_told_from_what_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let code = |why| error(&path, why).kind().exit_code();
        assert_eq!(code(Unheard::Silent), ExitCode::Incomplete);
        for why in [
            Unheard::Nobody,
            Unheard::AnotherUser,
            Unheard::Version("9".to_owned()),
            Unheard::Refused("no".to_owned()),
            Unheard::Ended,
            Unheard::Garbage,
            Unheard::Unreachable(std::io::Error::other("no way")),
        ] {
            assert_eq!(code(why), ExitCode::Usage);
        }
        assert!(!directory.path().join("store.lock").exists(), "nothing is made");
    }

    #[test]
    fn a_state_file_that_nobody_has_open_belongs_to_no_run() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let store = crate::checkpoint::Store::create_or_open(&path).unwrap();
        let text = error(&path, Unheard::Nobody).to_string();
        assert!(
            text.contains("takes no requests") && text.contains(&std::process::id().to_string()),
            "{text}"
        );
        drop(store);
        let text = error(&path, Unheard::Nobody).to_string();
        assert!(text.starts_with("No run is going"), "{text}");
    }

    #[test]
    fn what_another_program_says_controls_no_terminal() {
        let text = error(Path::new("s"), Unheard::Version("1\u{1b}[2J".to_owned())).to_string();
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
