//! Faults of the emulator, described from the statement that they strike.

use tds_emulator::{Action, At, Match, Rule, RuleId};

use crate::{APPLICATION, Server};

/// Where a fault strikes: before the first request that matches, unless it is said otherwise.
#[derive(Debug, Clone)]
pub struct Place {
    when: Match,
    at: At,
}

/// Requests whose text contains this.
pub fn at(statement: impl Into<String>) -> Place {
    Place {
        when: Match::statement(statement),
        at: At::Before,
    }
}

/// Any request.
pub fn anywhere() -> Place {
    Place {
        when: Match::default(),
        at: At::Before,
    }
}

/// Logins.
pub fn at_login() -> Place {
    anywhere().point(At::AtLogin)
}

/// An error of the server with this number and severity.
pub fn error(number: i32, class: u8) -> Action {
    Action::Error {
        number,
        state: 1,
        class,
        message: format!("Error {number} of a test"),
    }
}

impl Place {
    /// From the one with this number on, counted from 1 among those that match.
    pub fn nth(mut self, nth: u64) -> Place {
        self.when.nth = nth;
        self
    }

    /// So many times in a row.
    pub fn times(mut self, times: u64) -> Place {
        self.when.times = times;
        self
    }

    /// Every time from then on.
    pub fn always(self) -> Place {
        self.times(u64::MAX)
    }

    /// Requests of the program alone, and none of the test's own.
    pub fn of_the_program(mut self) -> Place {
        self.when.application = Some(APPLICATION.to_owned());
        self
    }

    /// Requests to this database alone.
    pub fn in_database(mut self, database: &str) -> Place {
        self.when.database = Some(database.to_owned());
        self
    }

    /// After the request ran, and before it is answered.
    pub fn after(self) -> Place {
        self.point(At::After)
    }

    /// At this point of the request.
    pub fn point(mut self, at: At) -> Place {
        self.at = at;
        self
    }

    /// This happens there.
    pub fn does(self, server: &Server, action: Action) -> RuleId {
        server.faults().add(Rule {
            when: self.when,
            at: self.at,
            action,
        })
    }

    /// The request waits until the rule is removed or released.
    pub fn stalls(self, server: &Server) -> RuleId {
        self.does(server, Action::Stall)
    }

    /// The connection is lost.
    pub fn drops(self, server: &Server) -> RuleId {
        self.does(server, Action::Drop)
    }

    /// The server answers an error with this number, of a statement's usual severity.
    pub fn fails(self, server: &Server, number: i32) -> RuleId {
        self.does(server, error(number, 16))
    }

    /// The session runs this as well.
    pub fn runs(self, server: &Server, sql: &str) -> RuleId {
        self.does(server, Action::Run(sql.to_owned()))
    }

    /// Nothing happens, but that it came to it is known.
    pub fn notices(self, server: &Server) -> RuleId {
        self.runs(server, "SELECT 1")
    }
}
