//! GRANT, DENY and REVOKE.

use sqlparser::tokenizer::Token;

use super::reader::{Parsed, Reader};
use crate::sql::ast::{PermissionChange, PermissionVerb, Securable, Stmt};
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

    fn permission_change(&mut self, verb: PermissionVerb, revoked: bool) -> Parsed<PermissionChange> {
        let permissions = self.list(Self::permission)?;
        let on = self.securable()?;
        let of_database = permissions.iter().any(|p| p.is_of_database());
        if of_database && !matches!(on, Securable::Database) {
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
