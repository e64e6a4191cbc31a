//! What the statement log of the emulator proves; elsewhere there is none, and nothing is asserted.

use tds_emulator::{Emulator, Statement};

use crate::Server;
use crate::client::APPLICATION as TEST;

impl Server {
    /// Whether there is one.
    pub fn has_log(&self) -> bool {
        self.running().is_some()
    }

    /// A place in the statement log.
    pub fn mark(&self) -> u64 {
        self.running().map_or(0, |emulator| emulator.log().mark())
    }

    /// The statements since `mark`, but for the test's own.
    fn since(&self, mark: u64) -> Vec<Statement> {
        let of = |emulator: &Emulator| emulator.log().since(mark);
        let mut statements = self.running().map_or_else(Vec::new, of);
        statements.retain(|statement| statement.application != TEST);
        statements
    }

    /// The statements since `mark` that read a source table of schema `dbo`, but for the test's own.
    pub fn source_reads(&self, mark: u64, table: &str) -> Vec<Statement> {
        self.source_reads_of(mark, &format!("[dbo].{table}"))
    }

    /// The same, for a table with its schema.
    pub fn source_reads_of(&self, mark: u64, table: &str) -> Vec<Statement> {
        let mut statements = self.source_statements(mark, table);
        // Counting is no reading of rows, and neither is asking for the columns.
        statements.retain(|statement| {
            !statement.text.contains("COUNT_BIG(*)") && !statement.text.contains("SELECT TOP (0)")
        });
        statements
    }

    /// All statements since `mark` that are about a source table with its schema, but for the test's own.
    pub fn source_statements(&self, mark: u64, table: &str) -> Vec<Statement> {
        let source = format!("FROM {table}");
        let mut statements = self.since(mark);
        statements.retain(|statement| statement.database == self.source && statement.text.contains(&source));
        statements
    }

    /// The statements that `sync` sent to a database since `mark`.
    pub fn statements_in(&self, mark: u64, database: &str) -> Vec<Statement> {
        let mut statements = self.since(mark);
        statements.retain(|statement| statement.database == database);
        statements
    }

    /// The texts of the statements that `sync` sent to a database since `mark`.
    pub fn texts_in(&self, mark: u64, database: &str) -> Vec<String> {
        let mut statements = self.since(mark);
        statements.retain(|statement| statement.database == database);
        statements.into_iter().map(|statement| statement.text).collect()
    }

    /// Number of reads of a source table's rows since `mark`, where there is a log.
    pub fn table_reads(&self, mark: u64, table: &str) -> Option<usize> {
        self.has_log().then(|| self.source_reads(mark, table).len())
    }

    /// Number of rows that were read of source tables since `mark`.
    pub fn rows_read(&self, mark: u64, tables: &[&str]) -> u64 {
        let reads = tables.iter().flat_map(|table| self.source_reads(mark, table));
        reads.map(|statement| statement.rows_sent).sum()
    }

    /// Asserts that of a source table `rows` rows were read since `mark`, in `chunks` chunks: each may ask for one
    /// row more, which tells whether there is another chunk.
    #[track_caller]
    pub fn assert_rows_read(&self, mark: u64, table: &str, rows: u32, chunks: u32) {
        if !self.has_log() {
            return;
        }
        let read = self.rows_read(mark, &[table]);
        let (least, most) = (u64::from(rows), u64::from(rows + chunks));
        assert!(
            (least..=most).contains(&read),
            "{read} rows of {table} were read, not {least} to {most}"
        );
    }

    /// Number of statements that `sync` sent since `mark`, to either end; 0 where there is no log.
    pub fn statements(&self, mark: u64) -> usize {
        self.since(mark).len()
    }

    /// Number of statements since `mark` that begin so, but for the test's own.
    pub fn statements_of(&self, mark: u64, text: &str) -> usize {
        let statements = self.since(mark);
        statements
            .iter()
            .filter(|statement| statement.text.starts_with(text))
            .count()
    }

    /// Asserts that no row of these source tables was read since `mark`.
    pub fn assert_no_table_read(&self, mark: u64, tables: &[&str]) {
        for table in tables {
            assert_eq!(self.table_reads(mark, table).unwrap_or(0), 0, "reads of {table}");
        }
    }
}
