//! What a reader wants to see of the grid, as the query of an address.

use form_urlencoded::{Serializer, parse};

/// The conditions that are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Show {
    /// All.
    #[default]
    All,
    /// What is not complete.
    Incomplete,
    /// What is failed, mismatched or stale.
    Failed,
}

/// A selection of tables and conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) show: Show,
    /// The only table.
    pub(crate) table: Option<String>,
}

impl Show {
    /// All of them.
    pub(crate) const ALL: [Show; 3] = [Show::All, Show::Incomplete, Show::Failed];

    /// The one of this word in an address; all for another.
    pub(crate) fn named(word: &str) -> Show {
        let known = Show::ALL.into_iter().find(|show| show.as_str() == word);
        known.unwrap_or_default()
    }

    /// Its word in an address.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Show::All => "all",
            Show::Incomplete => "incomplete",
            Show::Failed => "failed",
        }
    }
}

impl Filter {
    /// Reads a query, `show=failed&table=SALES`. What it does not know says nothing.
    pub(crate) fn parse(query: &str) -> Filter {
        let mut filter = Filter::default();
        for (key, value) in parse(query.as_bytes()) {
            match key.as_ref() {
                "show" => filter.show = Show::named(&value),
                "table" => filter.table = Some(value.into_owned()).filter(|table| !table.is_empty()),
                _ => {}
            }
        }
        filter
    }

    /// The query with its question mark; empty if all is shown.
    pub(crate) fn query(&self) -> String {
        let mut query = Serializer::new(String::new());
        if self.show != Show::All {
            query.append_pair("show", self.show.as_str());
        }
        if let Some(table) = &self.table {
            query.append_pair("table", table);
        }
        let query = query.finish();
        match query.is_empty() {
            true => query,
            false => format!("?{query}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_as_it_is_written() {
        for show in Show::ALL {
            for table in [None, Some("SALES"), Some("A & B=<ü>?#+%")] {
                let filter = Filter {
                    show,
                    table: table.map(str::to_owned),
                };
                assert_eq!(Filter::parse(filter.query().trim_start_matches('?')), filter);
            }
        }
        assert_eq!(Filter::default().query(), "");
        assert_eq!(Filter::parse("show=nonsense&table=&else=1&&="), Filter::default());
    }
}
