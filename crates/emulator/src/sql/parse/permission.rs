//! GRANT, DENY and REVOKE; logins and users.

use sqlparser::tokenizer::Token;

use super::reader::{Parsed, Reader};
use crate::sql::ast::{PermissionChange, PermissionVerb, PrincipalChange, Securable, Stmt};
use crate::store::access::Permission;

impl Reader<'_> {
    pub(super) fn grant(&mut self) -> Parsed<Stmt> {
        let mut change = self.permission_change(PermissionVerb::Grant, false)?;
        if self.take("WITH") {
            self.expect("GRANT")?;
            self.expect("OPTION")?;
            change.verb = PermissionVerb::GrantWithOption;
        }
        Ok(Stmt::Permission(Box::new(change)))
    }

    pub(super) fn deny(&mut self) -> Parsed<Stmt> {
        let change = self.permission_change(PermissionVerb::Deny, false)?;
        self.take("CASCADE");
        Ok(Stmt::Permission(Box::new(change)))
    }

    /// REVOKE. With GRANT OPTION FOR the permission itself stays granted.
    pub(super) fn revoke(&mut self) -> Parsed<Stmt> {
        let option = self.take("GRANT");
        if option {
            self.expect("OPTION")?;
            self.expect("FOR")?;
        }
        let verb = if option {
            PermissionVerb::Grant
        } else {
            PermissionVerb::Revoke
        };
        let change = self.permission_change(verb, true)?;
        self.take("CASCADE");
        Ok(Stmt::Permission(Box::new(change)))
    }

    /// CREATE LOGIN name WITH PASSWORD = 'text', and options that change nothing here.
    pub(super) fn create_login(&mut self) -> Parsed<Stmt> {
        let name = self.ident()?.value;
        self.expect("WITH")?;
        let password = self.password()?;
        self.login_options()?;
        Ok(Stmt::Principal(Box::new(PrincipalChange::CreateLogin {
            name,
            password,
        })))
    }

    /// ALTER LOGIN name ENABLE, or WITH its password and options.
    pub(super) fn alter_login(&mut self) -> Parsed<Stmt> {
        let name = self.ident()?.value;
        let mut password = None;
        if !self.take("ENABLE") {
            self.expect("WITH")?;
            if self.peek_word().is_some_and(|w| w == "PASSWORD") {
                password = Some(self.password()?);
                self.take("UNLOCK");
                self.login_options()?;
            } else {
                self.login_option()?;
                self.login_options()?;
            }
        }
        Ok(Stmt::Principal(Box::new(PrincipalChange::AlterLogin {
            name,
            password,
        })))
    }

    /// CREATE USER name FOR LOGIN of the same name, WITHOUT LOGIN, or WITH PASSWORD.
    pub(super) fn create_user(&mut self) -> Parsed<Stmt> {
        let name = self.ident()?.value;
        let mut password = None;
        if self.take_one(&["FOR", "FROM"]) {
            self.expect("LOGIN")?;
            self.same_login(&name)?;
        } else if self.take("WITHOUT") {
            self.expect("LOGIN")?;
        } else if self.take("WITH") {
            password = Some(self.password()?);
        }
        Ok(Stmt::Principal(Box::new(PrincipalChange::CreateUser {
            name,
            password,
        })))
    }

    /// ALTER USER name WITH LOGIN = the login of the same name.
    pub(super) fn alter_user(&mut self) -> Parsed<Stmt> {
        let name = self.ident()?.value;
        self.expect("WITH")?;
        self.expect("LOGIN")?;
        self.expect_token(&Token::Eq)?;
        self.same_login(&name)?;
        Ok(Stmt::Principal(Box::new(PrincipalChange::AlterUser { name })))
    }

    /// A login is known in a database by its own name here.
    fn same_login(&mut self, user: &str) -> Parsed<()> {
        match self.ident()?.value.to_lowercase() == user.to_lowercase() {
            true => Ok(()),
            false => Err(self.near()),
        }
    }

    fn password(&mut self) -> Parsed<String> {
        self.expect("PASSWORD")?;
        self.expect_token(&Token::Eq)?;
        match self.parser.peek_token().token {
            Token::SingleQuotedString(text) | Token::NationalStringLiteral(text) => {
                self.parser.next_token();
                Ok(text)
            }
            _ => Err(self.near()),
        }
    }

    fn login_options(&mut self) -> Parsed<()> {
        while self.parser.consume_token(&Token::Comma) {
            self.login_option()?;
        }
        Ok(())
    }

    fn login_option(&mut self) -> Parsed<()> {
        if !self.take_one(&["DEFAULT_DATABASE", "CHECK_POLICY", "CHECK_EXPIRATION"]) {
            return Err(self.near());
        }
        self.expect_token(&Token::Eq)?;
        self.ident().map(drop)
    }

    fn permission_change(&mut self, verb: PermissionVerb, revoked: bool) -> Parsed<PermissionChange> {
        let permissions = self.list(Self::permission)?;
        let on = self.securable()?;
        let of_whole = permissions.iter().any(|p| p.is_of_database() || p.is_of_server());
        let of_server = permissions.iter().filter(|p| p.is_of_server()).count();
        if of_server > 0 && of_server < permissions.len() {
            return Err(self.near());
        }
        if of_whole && !matches!(on, Securable::Database) {
            return Err(self.near());
        }
        if !(self.take("TO") || revoked && self.take("FROM")) {
            return Err(self.near());
        }
        Ok(PermissionChange {
            verb,
            permissions,
            on,
            principals: self.list(Self::ident)?,
        })
    }

    /// One permission, which may have several words.
    fn permission(&mut self) -> Parsed<Permission> {
        let mut name = String::new();
        while !self.peek_is(&Token::Comma)
            && self
                .peek_word()
                .is_some_and(|w| !matches!(w.as_str(), "ON" | "TO" | "FROM"))
        {
            if !name.is_empty() {
                name.push(' ');
            }
            name.push_str(&self.ident()?.value);
        }
        Permission::named(&name).ok_or_else(|| self.near())
    }

    fn securable(&mut self) -> Parsed<Securable> {
        if !self.take("ON") {
            return Ok(Securable::Database);
        }
        let class = if self.parser.peek_nth_token(1).token == Token::DoubleColon {
            let class = self.peek_word();
            self.parser.next_token();
            self.parser.next_token();
            class
        } else {
            Some("OBJECT".into())
        };
        match class.as_deref() {
            Some("OBJECT") => Ok(Securable::Object(self.object_name()?)),
            Some("TYPE") => Ok(Securable::Type(self.object_name()?)),
            Some("SCHEMA") => Ok(Securable::Schema(self.ident()?)),
            Some("DATABASE") => {
                self.ident()?;
                Ok(Securable::Database)
            }
            _ => Err(self.near()),
        }
    }
}
