//! The section `[serve]` by itself: the rest of the file may be missing or wrong, which the page tells.

use std::path::Path;

use super::parse::{opened, read};
use super::serve::serve;
use super::values::Serve;
use crate::base::error::Result;

impl Serve {
    /// Reads `[serve]` of the file at `path`, whatever else is wrong there. Without a file all settings have their defaults.
    ///
    /// # Errors
    /// As [`super::Config::load`].
    #[expect(
        clippy::redundant_closure,
        reason = "the function itself is not general enough in its lifetimes"
    )]
    pub fn load(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Serve> {
        if !path.exists() {
            return Ok(Serve::default());
        }
        opened(path, &read(path)?, environment, |file, root| serve(file, root))
    }
}
