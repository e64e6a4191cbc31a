//! What the system is asked about processes: that none of the program's memory is dumped, and whether another lives.

/// Keeps the memory of this process, which holds passwords, out of core files. On Linux, no other process of the same
/// user may read it or the environment either. A system that refuses leaves things as they are: the program does its
/// work all the same.
///
/// Windows Error Reporting is not told: its functions need code that this workspace forbids.
pub fn keep_out_of_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        if let Err(error) = setrlimit(Resource::Core, none) {
            tracing::debug!(%error, "core files could not be switched off");
        }
    }
    // A limit does not hold for a system that pipes core files to a program.
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::debug!(%error, "the process could not be made undumpable");
        }
    }
}

/// Whether a process of this machine lives; `None` where the system is not asked.
pub fn is_alive(pid: u32) -> Option<bool> {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        use rustix::process::{Pid, test_kill_process};
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return Some(false);
        };
        // A process of another user lives as well.
        Some(!matches!(test_kill_process(pid), Err(Errno::SRCH)))
    }
    #[cfg(not(unix))]
    {
        let _ = pid;
        None
    }
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    #[test]
    fn this_process_lives_and_leaves_no_core_file() {
        use super::*;

        assert_eq!(is_alive(std::process::id()), Some(true));
        assert_eq!(is_alive(u32::MAX), Some(false));
        keep_out_of_dumps();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
        #[cfg(target_os = "linux")]
        assert_eq!(
            rustix::process::dumpable_behavior().unwrap(),
            rustix::process::DumpableBehavior::NotDumpable
        );
    }
}
