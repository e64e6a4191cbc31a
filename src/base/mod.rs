//! The foundation of every layer; it depends on no other module.

pub mod clock;
pub mod disk;
pub mod error;
pub mod exit_code;
pub mod failpoint;
pub mod private;
pub mod process;
pub mod program;
pub mod retry;
pub mod secret;
pub mod stop;
pub mod terminal;
pub mod text;
pub mod zone;
