//! What the terminal does by itself while a command works.

/// Whether the terminal of this process shows a typed Ctrl-C as `^C`. It does on Unix, unless somebody has switched it
/// off; a console of Windows does not.
pub fn shows_interrupts() -> bool {
    #[cfg(unix)]
    {
        use rustix::termios::{LocalModes, tcgetattr};
        let shown = LocalModes::ECHO | LocalModes::ECHOCTL;
        tcgetattr(std::io::stdin()).is_ok_and(|modes| modes.local_modes.contains(shown))
    }
    #[cfg(not(unix))]
    false
}
