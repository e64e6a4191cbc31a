//! CREATE, DROP and ALTER.

use sqlparser::ast::Ident;
use sqlparser::tokenizer::Token;

use super::reader::{Parsed, Reader};
use crate::sql::ast::{
    AlterTable, ColumnSpec, ConstraintKind, ConstraintSpec, CreateTable, DatabaseOption, IndexSpec, Stmt,
};
use crate::store::catalog::IndexOptions;

/// The kinds of table elements.
enum Element {
    Column(ColumnSpec),
    Constraint(ConstraintSpec),
}

impl Reader<'_> {
    pub(super) fn create(&mut self) -> Parsed<Stmt> {
        if self.take("TABLE") {
            return self.create_table();
        }
        if self.take("TYPE") {
            return self.create_type();
        }
        if self.take("SECURITY") {
            self.expect("POLICY")?;
            return self.create_policy();
        }
        if self.take("STATISTICS") {
            let name = self.ident()?;
            self.expect("ON")?;
            return Ok(Stmt::CreateStatistics {
                name,
                table: self.object_name()?,
                columns: self.parenthesized(Self::ident)?,
            });
        }
        if self.take("SCHEMA") {
            return self.create_schema();
        }
        if self.take("LOGIN") {
            return self.create_login();
        }
        if self.take("USER") {
            return self.create_user();
        }
        if self.take("DATABASE") {
            let name = self.ident()?;
            if self.take("COLLATE") {
                self.ident()?;
            }
            return Ok(Stmt::CreateDatabase(name));
        }
        let unique = self.take("UNIQUE");
        let clustered = self.clustered();
        self.expect("INDEX")?;
        let name = self.ident()?;
        self.expect("ON")?;
        let table = self.object_name()?;
        let keys = self.key_columns()?;
        let include = if self.take("INCLUDE") {
            self.parenthesized(Self::ident)?
        } else {
            Vec::new()
        };
        let filter = if self.take("WHERE") {
            Some(self.expr_text()?)
        } else {
            None
        };
        let options = self.index_options()?;
        let index = IndexSpec {
            options,
            name: Some(name),
            primary: false,
            constraint: false,
            unique,
            clustered,
            keys,
            include,
            filter,
        };
        Ok(Stmt::CreateIndex { table, index })
    }

    fn clustered(&mut self) -> Option<bool> {
        if self.take("CLUSTERED") {
            Some(true)
        } else if self.take("NONCLUSTERED") {
            Some(false)
        } else {
            None
        }
    }

    fn key_columns(&mut self) -> Parsed<Vec<(Ident, bool)>> {
        self.parenthesized(|r| {
            let column = r.ident()?;
            let descending = r.take("DESC");
            if !descending {
                r.take("ASC");
            }
            Ok((column, descending))
        })
    }

    /// `WITH (...)`, `ON filegroup`, `TEXTIMAGE_ON filegroup`. They place the storage, which SQLite decides.
    fn storage_options(&mut self) -> Parsed<()> {
        self.skip_hints()?;
        while self.take_one(&["ON", "TEXTIMAGE_ON"]) {
            self.ident()?;
        }
        Ok(())
    }

    /// `WITH (option = value, ...)` of an index, and its filegroup.
    fn index_options(&mut self) -> Parsed<IndexOptions> {
        let mut options = IndexOptions::default();
        if self.take("WITH") {
            self.parenthesized(|reader| reader.index_option(&mut options))?;
        }
        self.storage_options()?;
        Ok(options)
    }

    fn index_option(&mut self, options: &mut IndexOptions) -> Parsed<()> {
        let name = self.ident()?.value.to_uppercase();
        self.expect_token(&Token::Eq)?;
        match name.as_str() {
            "FILLFACTOR" => {
                let percent = self.integer()?;
                options.fill_factor = u8::try_from(percent).map_err(|_| self.near())?;
            }
            "MAXDOP" => {
                self.integer()?;
            }
            "DATA_COMPRESSION" => {
                options.compression = self.numbered(&["NONE", "ROW", "PAGE"])?;
            }
            _ => {
                let usual = name.starts_with("ALLOW_");
                if self.on_or_off()? != usual {
                    options.unusual.insert(name);
                }
            }
        }
        Ok(())
    }

    /// The next word's place among these words.
    fn numbered(&mut self, words: &[&str]) -> Parsed<u8> {
        let word = self.peek_word();
        let at = words.iter().position(|w| word.as_deref() == Some(*w));
        let number = at
            .and_then(|at| u8::try_from(at).ok())
            .ok_or_else(|| self.near())?;
        self.parser.next_token();
        Ok(number)
    }

    fn create_table(&mut self) -> Parsed<Stmt> {
        let name = self.object_name()?;
        let (columns, constraints) = {
            self.expect_token(&Token::LParen)?;
            let elements = self.elements()?;
            self.expect_token(&Token::RParen)?;
            elements
        };
        self.storage_options()?;
        Ok(Stmt::CreateTable(Box::new(CreateTable {
            name,
            columns,
            constraints,
        })))
    }

    fn elements(&mut self) -> Parsed<(Vec<ColumnSpec>, Vec<ConstraintSpec>)> {
        let (mut columns, mut constraints) = (Vec::new(), Vec::new());
        loop {
            match self.element()? {
                Element::Column(column) => columns.push(column),
                Element::Constraint(constraint) => constraints.push(constraint),
            }
            // A comma may stand after the last element.
            if !self.parser.consume_token(&Token::Comma) || self.peek_is(&Token::RParen) {
                return Ok((columns, constraints));
            }
        }
    }

    fn element(&mut self) -> Parsed<Element> {
        let named = self.take("CONSTRAINT");
        let name = if named { Some(self.ident()?) } else { None };
        if let Some(kind) = self.table_constraint()? {
            return Ok(Element::Constraint(ConstraintSpec { name, kind }));
        }
        if named {
            return Err(self.near());
        }
        Ok(Element::Column(self.column()?))
    }

    fn table_constraint(&mut self) -> Parsed<Option<ConstraintKind>> {
        if self.take("DEFAULT") {
            let sql = self.expr_text()?;
            self.expect("FOR")?;
            return Ok(Some(ConstraintKind::Default {
                column: self.ident()?,
                sql,
            }));
        }
        if self.take("CHECK") {
            return Ok(Some(ConstraintKind::Check {
                column: None,
                sql: self.condition()?,
            }));
        }
        if self.take("FOREIGN") {
            self.expect("KEY")?;
            let columns = self.parenthesized(Self::ident)?;
            self.expect("REFERENCES")?;
            return Ok(Some(self.references(columns)?));
        }
        let primary = self.peek_word().is_some_and(|w| w == "PRIMARY");
        if !primary && self.peek_word().is_none_or(|w| w != "UNIQUE") {
            return Ok(None);
        }
        let mut index = self.key(primary)?;
        index.keys = self.key_columns()?;
        index.options = self.index_options()?;
        Ok(Some(ConstraintKind::Key(index)))
    }

    /// `PRIMARY KEY` or `UNIQUE`, `[CLUSTERED | NONCLUSTERED]`, without its columns.
    fn key(&mut self, primary: bool) -> Parsed<IndexSpec> {
        self.parser.next_token();
        if primary {
            self.expect("KEY")?;
        }
        Ok(IndexSpec {
            name: None,
            primary,
            constraint: true,
            unique: true,
            clustered: self.clustered(),
            keys: Vec::new(),
            include: Vec::new(),
            filter: None,
            options: IndexOptions::default(),
        })
    }

    fn condition(&mut self) -> Parsed<String> {
        self.expect_token(&Token::LParen)?;
        let condition = self.expr_text()?;
        self.expect_token(&Token::RParen)?;
        Ok(condition)
    }

    /// The part after REFERENCES. Actions other than NO ACTION are refused.
    fn references(&mut self, columns: Vec<Ident>) -> Parsed<ConstraintKind> {
        let parent = self.object_name()?;
        let parent_columns = if self.peek_is(&Token::LParen) {
            self.parenthesized(Self::ident)?
        } else {
            Vec::new()
        };
        while self.take("ON") {
            if !self.take_one(&["DELETE", "UPDATE"]) {
                return Err(self.near());
            }
            self.expect("NO")?;
            self.expect("ACTION")?;
        }
        Ok(ConstraintKind::ForeignKey {
            columns,
            parent,
            parent_columns,
        })
    }

    fn column(&mut self) -> Parsed<ColumnSpec> {
        let name = self.ident()?;
        let ty = self.parser.parse_data_type()?;
        let mut column = ColumnSpec {
            name,
            ty,
            collation: None,
            nullable: None,
            identity: None,
            mask: None,
            encryption: None,
            constraints: Vec::new(),
        };
        loop {
            if self.take("COLLATE") {
                column.collation = Some(self.ident()?.value);
            } else if self.take("NOT") {
                self.expect("NULL")?;
                column.nullable = Some(false);
            } else if self.take("NULL") {
                column.nullable = Some(true);
            } else if self.take("IDENTITY") {
                column.identity = Some(self.identity()?);
            } else if self.take("MASKED") {
                column.mask = Some(self.masking_function()?);
            } else if self.take("ENCRYPTED") {
                column.encryption = Some(self.encryption()?);
            } else if self.take_one(&["ROWGUIDCOL", "SPARSE"]) {
                // Both are hints. The column reads and writes the same.
            } else if let Some(constraint) = self.column_constraint(&column.name)? {
                column.constraints.push(constraint);
            } else {
                return Ok(column);
            }
        }
    }

    fn identity(&mut self) -> Parsed<(i64, i64)> {
        if !self.parser.consume_token(&Token::LParen) {
            return Ok((1, 1));
        }
        let seed = self.integer()?;
        self.expect_token(&Token::Comma)?;
        let increment = self.integer()?;
        self.expect_token(&Token::RParen)?;
        Ok((seed, increment))
    }

    fn column_constraint(&mut self, column: &Ident) -> Parsed<Option<ConstraintSpec>> {
        let name = if self.take("CONSTRAINT") {
            Some(self.ident()?)
        } else {
            None
        };
        let kind = if self.peek_word().is_some_and(|w| w == "DEFAULT") {
            ConstraintKind::Default {
                column: column.clone(),
                sql: self.column_default()?,
            }
        } else if self.take("CHECK") {
            ConstraintKind::Check {
                column: Some(column.clone()),
                sql: self.condition()?,
            }
        } else if self.take("REFERENCES") {
            self.references(vec![column.clone()])?
        } else if let Some(word @ ("PRIMARY" | "UNIQUE")) = self.peek_word().as_deref() {
            let mut index = self.key(word == "PRIMARY")?;
            index.keys = vec![(column.clone(), false)];
            ConstraintKind::Key(index)
        } else if name.is_some() {
            return Err(self.near());
        } else {
            return Ok(None);
        };
        Ok(Some(ConstraintSpec { name, kind }))
    }

    pub(super) fn drop(&mut self) -> Parsed<Stmt> {
        let Some(what) = self.peek_word() else {
            return Err(self.near());
        };
        self.parser.next_token();
        if what == "SECURITY" {
            self.expect("POLICY")?;
        }
        let if_exists = self.if_exists()?;
        match what.as_str() {
            "TABLE" => Ok(Stmt::DropTable {
                names: self.list(Self::object_name)?,
                if_exists,
            }),
            "SCHEMA" => Ok(Stmt::DropSchema {
                name: self.ident()?,
                if_exists,
            }),
            "DATABASE" => Ok(Stmt::DropDatabase {
                names: self.list(Self::ident)?,
                if_exists,
            }),
            "TYPE" => Ok(Stmt::DropType {
                name: self.object_name()?,
                if_exists,
            }),
            "SECURITY" => Ok(Stmt::DropPolicy {
                name: self.object_name()?,
                if_exists,
            }),
            "INDEX" => {
                let name = self.ident()?;
                self.expect("ON")?;
                Ok(Stmt::DropIndex {
                    name,
                    table: self.object_name()?,
                    if_exists,
                })
            }
            _ => {
                self.parser.prev_token();
                Err(self.near())
            }
        }
    }

    fn if_exists(&mut self) -> Parsed<bool> {
        let there = self.take("IF");
        if there {
            self.expect("EXISTS")?;
        }
        Ok(there)
    }

    fn create_schema(&mut self) -> Parsed<Stmt> {
        let name = self.ident()?;
        let owner = if self.take("AUTHORIZATION") {
            Some(self.ident()?)
        } else {
            None
        };
        Ok(Stmt::CreateSchema(name, owner))
    }

    pub(super) fn alter(&mut self) -> Parsed<Stmt> {
        if self.take("DATABASE") {
            return self.alter_database();
        }
        if self.take("LOGIN") {
            return self.alter_login();
        }
        if self.take("USER") {
            return self.alter_user();
        }
        self.expect("TABLE")?;
        let table = self.object_name()?;
        if self.take("WITH") && !self.take_one(&["CHECK", "NOCHECK"]) {
            return Err(self.near());
        }
        let change = if self.take("ADD") {
            let (columns, constraints) = self.elements()?;
            AlterTable::Add { columns, constraints }
        } else if self.take("DROP") {
            if self.take("COLUMN") {
                let if_exists = self.if_exists()?;
                AlterTable::DropColumns {
                    names: self.list(Self::ident)?,
                    if_exists,
                }
            } else {
                self.take("CONSTRAINT");
                let if_exists = self.if_exists()?;
                AlterTable::DropConstraints {
                    names: self.list(Self::ident)?,
                    if_exists,
                }
            }
        } else if self.take("ALTER") {
            self.expect("COLUMN")?;
            self.alter_column()?
        } else if self.take("SET") {
            self.expect_token(&Token::LParen)?;
            self.expect("LOCK_ESCALATION")?;
            self.expect_token(&Token::Eq)?;
            let escalation = self.numbered(&["TABLE", "DISABLE", "AUTO"])?;
            self.expect_token(&Token::RParen)?;
            AlterTable::LockEscalation(escalation)
        } else {
            return Err(self.near());
        };
        Ok(Stmt::AlterTable {
            table,
            change: Box::new(change),
        })
    }

    /// `column ADD MASKED WITH (...)`, `column DROP MASKED` or a new definition.
    fn alter_column(&mut self) -> Parsed<AlterTable> {
        let change = self.peek_nth_word(1);
        if self.peek_nth_word(2).as_deref() != Some("MASKED") {
            return Ok(AlterTable::AlterColumn(self.column()?));
        }
        let column = self.ident()?;
        self.parser.next_token();
        self.parser.next_token();
        let function = match change.as_deref() {
            Some("ADD") => Some(self.masking_function()?),
            Some("DROP") => None,
            _ => return Err(self.near()),
        };
        Ok(AlterTable::Mask { column, function })
    }

    fn alter_database(&mut self) -> Parsed<Stmt> {
        let name = self.ident()?;
        let name = if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("CURRENT") {
            None
        } else {
            Some(name)
        };
        self.expect("SET")?;
        let option = match self.peek_word().as_deref() {
            Some("READ_ONLY") => DatabaseOption::ReadOnly(true),
            Some("READ_WRITE") => DatabaseOption::ReadOnly(false),
            Some("SINGLE_USER" | "RESTRICTED_USER") => DatabaseOption::SingleUser(true),
            Some("MULTI_USER") => DatabaseOption::SingleUser(false),
            Some("ALLOW_SNAPSHOT_ISOLATION") => DatabaseOption::AllowSnapshot(true),
            Some("READ_COMMITTED_SNAPSHOT") => DatabaseOption::ReadCommittedSnapshot(true),
            Some("RECOVERY") => DatabaseOption::RecoveryModel(0),
            Some("DELAYED_DURABILITY") => DatabaseOption::DelayedDurability(0),
            Some("AUTO_CLOSE") => DatabaseOption::Neutral,
            _ => return Err(self.near()),
        };
        self.parser.next_token();
        let option = match option {
            DatabaseOption::AllowSnapshot(_) => DatabaseOption::AllowSnapshot(self.on_or_off()?),
            DatabaseOption::ReadCommittedSnapshot(_) => {
                DatabaseOption::ReadCommittedSnapshot(self.on_or_off()?)
            }
            DatabaseOption::RecoveryModel(_) => {
                DatabaseOption::RecoveryModel(1 + self.numbered(&["FULL", "BULK_LOGGED", "SIMPLE"])?)
            }
            DatabaseOption::DelayedDurability(_) => {
                self.expect_token(&Token::Eq)?;
                DatabaseOption::DelayedDurability(self.numbered(&["DISABLED", "ALLOWED", "FORCED"])?)
            }
            DatabaseOption::Neutral => {
                self.on_or_off()?;
                DatabaseOption::Neutral
            }
            option => option,
        };
        if self.take("WITH") {
            if self.take("ROLLBACK") {
                if self.take("AFTER") {
                    self.integer()?;
                    self.take("SECONDS");
                } else {
                    self.expect("IMMEDIATE")?;
                }
            } else {
                self.expect("NO_WAIT")?;
            }
        }
        Ok(Stmt::AlterDatabase { name, option })
    }
}
