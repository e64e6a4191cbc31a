//! Tables of tests: the statements that make and fill them.

use crate::{Client, Server};

/// Rows of one INSERT; a server takes 1,000 at most.
const ROWS_AT_ONCE: usize = 500;

/// A table and its rows. Its key is its column ID, unless it is said otherwise.
#[derive(Debug, Clone)]
pub struct Table {
    schema: String,
    name: String,
    columns: String,
    key: Option<String>,
    indexes: Vec<String>,
    rows: Vec<String>,
}

/// A table with a number and a date that every row has, and an index on the date.
pub fn dated(name: &str) -> Table {
    walked(name).indexed("D")
}

/// The same without the index, so that its key is walked.
pub fn walked(name: &str) -> Table {
    Table::new(name, "ID int NOT NULL, D datetime NOT NULL")
}

/// Sales by their numbers and dates, with further columns and an index on the date.
pub fn sales(more: &str) -> Table {
    Table::new(
        "SALES",
        &format!("ID int NOT NULL, SOLD_AT datetime NOT NULL, {more}"),
    )
    .indexed("SOLD_AT")
}

/// Payments, whose key has two columns and whose date no index.
pub fn payment() -> Table {
    let columns = "STORE varchar(10) NOT NULL, NO int NOT NULL, PAID_AT datetime2(3) NOT NULL, AMOUNT decimal(12,2) NULL";
    Table::new("PAYMENT", columns).keyed("STORE, NO")
}

/// Items by their codes, with prices and further columns, as a reference table has them.
pub fn items(columns: &str) -> Table {
    Table::new("ITEM", &format!("CODE nvarchar(20) NOT NULL, {columns}")).keyed("CODE")
}

/// Numbers from 0, each with a day of October 2025.
pub fn october(count: u32) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("({n}, '2025-10-{:02}T00:00:00')", 1 + n % 28))
}

/// An INSERT for as many rows as one takes, and so on.
pub fn inserts(into: &str, rows: &[String]) -> Vec<String> {
    let insert = |rows: &[String]| format!("INSERT INTO {into} VALUES {}", rows.join(", "));
    rows.chunks(ROWS_AT_ONCE).map(insert).collect()
}

impl Table {
    /// A table of schema `dbo` with these columns.
    pub fn new(name: &str, columns: &str) -> Table {
        Table {
            schema: "dbo".to_owned(),
            name: name.to_owned(),
            columns: columns.to_owned(),
            key: Some("ID".to_owned()),
            indexes: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// In another schema.
    pub fn in_schema(mut self, schema: &str) -> Table {
        self.schema = schema.to_owned();
        self
    }

    /// Under another name.
    pub fn named(mut self, name: &str) -> Table {
        self.name = name.to_owned();
        self
    }

    /// With these columns as its key.
    pub fn keyed(mut self, columns: &str) -> Table {
        self.key = Some(columns.to_owned());
        self
    }

    /// Without a key.
    pub fn keyless(mut self) -> Table {
        self.key = None;
        self
    }

    /// With an index on these columns.
    pub fn indexed(mut self, columns: &str) -> Table {
        self.indexes.push(columns.to_owned());
        self
    }

    /// With these rows, each a list of values in parentheses.
    pub fn rows<R: ToString>(mut self, rows: impl IntoIterator<Item = R>) -> Table {
        self.rows.extend(rows.into_iter().map(|row| row.to_string()));
        self
    }

    /// The statement that makes it, with its indexes.
    pub fn create(&self) -> String {
        let Table {
            schema,
            name,
            columns,
            ..
        } = self;
        let key = self.key.iter();
        let key: String = key
            .map(|key| format!(", CONSTRAINT PK_{name} PRIMARY KEY CLUSTERED ({key})"))
            .collect();
        let indexes = self.indexes.iter().enumerate();
        let indexes: String = indexes
            .map(|(number, columns)| {
                format!("; CREATE INDEX IX_{name}_{number} ON {schema}.{name} ({columns})")
            })
            .collect();
        format!("CREATE TABLE {schema}.{name} ({columns}{key}){indexes}")
    }

    /// The statements that make and fill it.
    pub fn statements(&self) -> Vec<String> {
        let inserts = inserts(&format!("{}.{}", self.schema, self.name), &self.rows);
        [vec![self.create()], inserts].concat()
    }

    /// Makes and fills it where a client is.
    pub async fn make(&self, client: &mut Client) {
        for sql in self.statements() {
            client.run(&sql).await;
        }
    }

    /// Makes and fills it in the source database.
    pub async fn at_source(&self, server: &Server) {
        self.make(&mut server.connect(&server.source).await).await;
    }

    /// Makes and fills it in the target database.
    pub async fn at_target(&self, server: &Server) {
        self.make(&mut server.connect(&server.target).await).await;
    }
}
