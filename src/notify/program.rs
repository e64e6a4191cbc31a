//! Hands a notice to a program: without a shell, as JSON on its stdin, and for a bounded time.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::view::Notice;
use crate::base::error::{Error, ErrorKind, Result};
use crate::config::Notify;

/// The variable that says what happened.
const EVENT_VARIABLE: &str = "SYNC_NOTICE_EVENT";

/// A program that gets notices.
pub(super) struct Program {
    program: String,
    arguments: Vec<String>,
    /// Variables that have the secrets of the configuration.
    withheld: Vec<String>,
}

/// Whether the system would find a program that is called so.
pub(super) fn is_there(program: &str) -> bool {
    let path = Path::new(program);
    if path.components().count() > 1 {
        return runs(path);
    }
    let mut places: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|paths| std::env::split_paths(&paths).collect())
        .unwrap_or_default();
    if cfg!(windows) {
        // Windows looks beside this program and in its own directories, too.
        let here = std::env::current_exe().ok();
        places.extend(here.and_then(|path| path.parent().map(Path::to_owned)));
        let system = std::env::var_os("SystemRoot").map(PathBuf::from);
        places.extend(system.into_iter().flat_map(|root| [root.join("System32"), root]));
    }
    places.iter().any(|place| runs(&place.join(program)))
}

/// Whether there is a program, also under its name without the ending of programs.
fn runs(path: &Path) -> bool {
    let mut whole = path.as_os_str().to_owned();
    whole.push(std::env::consts::EXE_SUFFIX);
    [path, Path::new(&whole)].into_iter().any(|path| {
        let found = std::fs::metadata(path);
        #[cfg(unix)]
        let may_run =
            |of: &std::fs::Metadata| std::os::unix::fs::PermissionsExt::mode(&of.permissions()) & 0o111 != 0;
        #[cfg(not(unix))]
        let may_run = |_: &std::fs::Metadata| true;
        found.is_ok_and(|found| found.is_file() && may_run(&found))
    })
}

impl Program {
    pub(super) fn new(settings: &Notify) -> Option<Program> {
        let (program, arguments) = settings.command.as_deref()?.split_first()?;
        Some(Program {
            program: program.clone(),
            arguments: arguments.to_vec(),
            withheld: settings.variables.clone(),
        })
    }

    /// Starts the program and waits for its end. It is killed if this is dropped.
    ///
    /// # Errors
    /// `Config` if it cannot be started, or ends with another code than 0.
    pub(super) async fn run(&self, notice: &Notice) -> Result<()> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env(EVENT_VARIABLE, notice.event.as_str())
            .stdin(Stdio::piped())
            // What it writes may have a secret of its own, and is nobody's here.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        for name in &self.withheld {
            command.env_remove(name);
        }
        let failed = |text: &str| Error::new(ErrorKind::Config, format!("The command of [notify] {text}"));
        let mut child = command
            .spawn()
            .map_err(|error| failed("cannot be started").with_source(error))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read it is none the worse.
            let _ = stdin.write_all(notice.body.as_bytes()).await;
        }
        let ended = child
            .wait()
            .await
            .map_err(|error| failed("cannot be waited for").with_source(error))?;
        match ended.success() {
            true => Ok(()),
            false => Err(failed(&format!("ended with {ended}"))),
        }
    }
}
