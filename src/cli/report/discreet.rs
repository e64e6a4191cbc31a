//! Errors without the logins that they name: a report leaves the house.

use crate::base::text::shown;
use crate::config::Config;
use crate::status::Status;

/// Takes the logins of a configuration out of texts.
pub(super) struct Discreet {
    /// What an error says of a login, by its name.
    named: Vec<String>,
}

impl Discreet {
    pub(super) fn of(config: &Config) -> Discreet {
        let ends = [&config.source.endpoint, &config.target.endpoint];
        let users = ends.map(|endpoint| endpoint.user.as_str());
        let users = users.into_iter().filter(|user| !user.is_empty());
        Discreet {
            named: users.map(|user| format!("the login {user}")).collect(),
        }
    }

    /// The text, on one line, in which no login has a name.
    pub(super) fn text(&self, text: &str) -> String {
        let text = shown(text);
        self.named
            .iter()
            .fold(text, |text, named| text.replace(named, "the login"))
    }

    /// The same of all errors of a status.
    pub(super) fn clean(&self, status: &mut Status) {
        for table in &mut status.tables {
            if let Some(refused) = &mut table.refused {
                refused.error = self.text(&refused.error);
            }
            for note in &mut table.notes {
                *note = self.text(note);
            }
            for error in table
                .windows
                .iter_mut()
                .filter_map(|window| window.error.as_mut())
            {
                *error = self.text(error);
            }
        }
    }
}
