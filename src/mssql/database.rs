//! Whether two sessions are in one database, by whatever names they reached it.
//!
//! An alias, a listener and an address are names of one server. A copy that was restored has the identity of its
//! original, but another server's name, another name or another time of creation. Each of these keeps them apart, so
//! that a warehouse that began as a copy of its source is not taken for the source.

use chrono::NaiveDateTime;

use crate::base::error::Result;
use crate::mssql::{Session, catalog};

/// What a server tells of a database to distinguish it from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// `SERVERPROPERTY('ServerName')`; empty if the server does not report it.
    pub server: String,
    /// `DB_NAME()`.
    pub name: String,
    /// As [`catalog::identity`].
    pub identity: String,
    /// As [`catalog::created`].
    pub created: Option<NaiveDateTime>,
}

impl Database {
    /// Asks the server for the session's own database.
    ///
    /// # Errors
    /// Those of [`catalog::server`] and [`catalog::identity`].
    pub async fn of(session: &mut Session) -> Result<Database> {
        let server = catalog::server(session).await?;
        Ok(Database {
            server: server.server_name,
            name: server.database,
            identity: catalog::identity(session).await?,
            created: catalog::created(session).await?,
        })
    }

    /// How it is named to a person, beside `other`: by more than its names if these are the other's.
    pub fn named_beside(&self, other: &Database) -> String {
        let mut text = format!("database {} on server {}", self.name, self.server);
        if (&self.server, &self.name) == (&other.server, &other.name) {
            let created = self
                .created
                .map_or_else(|| "at an unknown time".to_owned(), |at| at.to_string());
            text.push_str(&format!(" (identity {}, created {created})", self.identity));
        }
        text
    }

    /// Whether both are one database: no property that both tell differs, and the servers tell their names or the
    /// databases their identity.
    pub fn is(&self, other: &Database) -> bool {
        let same = |one: &str, two: &str| one.to_lowercase() == two.to_lowercase();
        let told = |one: &str, two: &str| !one.is_empty() && !two.is_empty();
        let identity = told(&self.identity, &other.identity);
        let created = self.created.zip(other.created);
        (told(&self.server, &other.server) || identity)
            && same(&self.server, &other.server)
            && same(&self.name, &other.name)
            && (!identity || self.identity == other.identity)
            && created.is_none_or(|(one, two)| one == two)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(change: impl FnOnce(&mut Database)) -> Database {
        let mut database = Database {
            server: "POS01".to_owned(),
            name: "POS".to_owned(),
            identity: "a5f3".to_owned(),
            created: "2024-02-03T04:05:06".parse().ok(),
        };
        change(&mut database);
        database
    }

    #[test]
    fn one_database_is_found_whatever_its_login_sees() {
        let one = database(|_| {});
        assert!(one.is(&one));
        assert!(one.is(&database(|other| other.name = "pos".to_owned())));
        assert!(one.is(&database(|other| other.identity.clear())));
        assert!(one.is(&database(|other| other.created = None)));
        let untold = database(|database| {
            database.identity.clear();
            database.created = None;
        });
        assert!(untold.is(&untold));
    }

    #[test]
    fn a_copy_of_the_same_names_is_named_by_more() {
        let one = database(|_| {});
        let elsewhere = database(|other| other.name = "BI".to_owned());
        assert_eq!(elsewhere.named_beside(&one), "database BI on server POS01");
        let restored = database(|copy| copy.created = None);
        assert_eq!(
            restored.named_beside(&one),
            "database POS on server POS01 (identity a5f3, created at an unknown time)"
        );
    }

    #[test]
    fn a_copy_is_another_database() {
        let one = database(|_| {});
        for copy in [
            database(|copy| copy.server = "BI01".to_owned()),
            database(|copy| copy.name = "POS_COPY".to_owned()),
            database(|copy| copy.created = "2025-02-03T04:05:06".parse().ok()),
            database(|copy| copy.identity = "b7".to_owned()),
        ] {
            assert!(!one.is(&copy), "{copy:?}");
        }
        let nameless = |change: fn(&mut Database)| {
            database(|database| {
                database.server.clear();
                change(database);
            })
        };
        assert!(nameless(|_| {}).is(&nameless(|_| {})));
        let unknown = nameless(|database| database.identity.clear());
        assert!(!unknown.is(&unknown), "nothing but a name is known");
    }
}
