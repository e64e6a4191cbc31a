//! The kind of a statement in few words: its verbs and its tables, such as `DELETE dbo.t_SALES, #load`.
//!
//! A label never holds a value: only keywords from a fixed list and names of objects are taken from the text, and
//! literals and parameters are passed over. So all chunks of a table share their labels.

/// Verbs that a label names. A batch with more says how many it leaves out.
const VERBS_MAX: usize = 3;
/// Tables that a label names.
const TABLES_MAX: usize = 2;
/// Characters of a label. Names can have 128 each.
const LABEL_CHARS_MAX: usize = 120;

/// A part of a statement that a label depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A keyword, or a name without brackets.
    Word(&'a str),
    /// A name in brackets, with them.
    Quoted(&'a str),
    /// A punctuation mark or an operator.
    Mark(char),
    /// A literal, a number, a parameter or a variable.
    Value,
}

/// The verbs of a statement or a batch, and the tables and procedures that it names, each once, in their order.
pub fn verbs_and_tables(sql: &str) -> (Vec<&'static str>, Vec<String>) {
    let tokens: Vec<Token<'_>> = Tokens { rest: sql }.collect();
    (verbs(&tokens), tables(&tokens))
}

/// A statement with a remark in front of it, which the server's administrator sees. The text is made of names and dates of
/// this program, and ends no comment.
pub fn remarked(remark: &str, sql: &str) -> String {
    format!("/* {} */ {sql}", remark.replace("*/", ""))
}

/// The remark in front of a statement; `None` without one.
pub fn remark(sql: &str) -> Option<&str> {
    let (remark, _) = sql.strip_prefix("/* ")?.split_once(" */")?;
    Some(remark)
}

/// The label of a statement or a batch.
pub fn label(sql: &str) -> String {
    let (verbs, tables) = verbs_and_tables(sql);
    let mut text = verbs
        .iter()
        .take(VERBS_MAX)
        .copied()
        .collect::<Vec<_>>()
        .join(" + ");
    if verbs.is_empty() {
        text.push_str("other");
    }
    if let Some(more @ 1..) = verbs.len().checked_sub(VERBS_MAX) {
        text.push_str(&format!(" + {more} more"));
    }
    if !tables.is_empty() {
        let named = &tables[..tables.len().min(TABLES_MAX)];
        text.push_str(&format!(" {}", named.join(", ")));
    }
    if tables.len() > TABLES_MAX {
        text.push_str(", …");
    }
    if text.chars().count() > LABEL_CHARS_MAX {
        text = text.chars().take(LABEL_CHARS_MAX - 1).chain(['…']).collect();
    }
    text
}

/// The verbs of a batch's statements, each once, in their order.
fn verbs(tokens: &[Token<'_>]) -> Vec<&'static str> {
    let mut verbs = Vec::new();
    let mut depth = 0_usize;
    // The verb of the statement, which is followed by clauses of other verbs' names.
    let mut current = "";
    let mut begins = true;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark('(') => depth += 1,
            Token::Mark(')') => depth = depth.saturating_sub(1),
            Token::Mark(';') if depth == 0 => (current, begins) = ("", true),
            Token::Word(word) if depth == 0 => {
                if let Some(verb) = verb(word, &tokens[at + 1..])
                    && starts(verb, current, begins)
                {
                    current = verb;
                    if !verbs.contains(&verb) {
                        verbs.push(verb);
                    }
                }
                begins = false;
            }
            _ => {}
        }
    }
    verbs
}

/// Whether a verb begins a statement, and is no clause of the one before: INSERT … SELECT, UPDATE … SET, UNION … SELECT.
fn starts(verb: &str, current: &str, begins: bool) -> bool {
    match verb {
        "SET" => begins,
        "SELECT" | "SELECT COUNT" | "SELECT TOP (0)" => {
            !current.starts_with("INSERT") && !current.starts_with("SELECT")
        }
        _ => true,
    }
}

/// The verb that a word is, in view of what follows.
fn verb(word: &str, after: &[Token<'_>]) -> Option<&'static str> {
    let next_is = |keyword: &str| matches!(after.first(), Some(Token::Word(next)) if is(next, keyword));
    Some(match word.to_ascii_uppercase().as_str() {
        "SELECT" => select(after),
        "INSERT" if next_is("BULK") => "INSERT BULK",
        "INSERT" => "INSERT",
        "UPDATE" => "UPDATE",
        "DELETE" => "DELETE",
        "TRUNCATE" => "TRUNCATE",
        "CREATE" => "CREATE",
        "ALTER" => "ALTER",
        "DROP" => "DROP",
        "EXEC" => "EXEC",
        // A variable's value is no setting.
        "SET" if !matches!(after.first(), Some(Token::Value)) => "SET",
        "BEGIN" if next_is("TRANSACTION") || next_is("TRAN") => "BEGIN",
        "COMMIT" => "COMMIT",
        "ROLLBACK" => "ROLLBACK",
        _ => return None,
    })
}

/// Tells counts and questions about columns from reads of rows, by the list of the columns.
fn select(after: &[Token<'_>]) -> &'static str {
    let nothing = after.starts_with(&[
        Token::Word("TOP"),
        Token::Mark('('),
        Token::Word("0"),
        Token::Mark(')'),
    ]);
    if nothing {
        return "SELECT TOP (0)";
    }
    let mut depth = 0_usize;
    for token in after {
        match token {
            Token::Mark('(') => depth += 1,
            Token::Mark(')') if depth == 0 => break,
            Token::Mark(')') => depth -= 1,
            Token::Mark(';') => break,
            Token::Word(word) if depth == 0 && is(word, "FROM") => break,
            Token::Word(word) if depth == 0 && (is(word, "COUNT") || is(word, "COUNT_BIG")) => {
                return "SELECT COUNT";
            }
            _ => {}
        }
    }
    "SELECT"
}

/// The tables and procedures that a batch names, each once, without brackets.
fn tables(tokens: &[Token<'_>]) -> Vec<String> {
    let mut tables: Vec<String> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Token::Word(word) = token else {
            continue;
        };
        let mut rest = &tokens[at + 1..];
        let introduces = match word.to_ascii_uppercase().as_str() {
            "FROM" | "JOIN" | "INTO" | "TABLE" | "BULK" => true,
            // After UPDATE and ON, a name of one part is an alias or a column.
            "UPDATE" | "ON" => is_qualified(rest),
            "EXEC" => {
                if rest.starts_with(&[Token::Value, Token::Mark('=')]) {
                    rest = &rest[2..];
                }
                true
            }
            _ => false,
        };
        if matches!(rest, [Token::Word(one), Token::Word(two), ..] if is(one, "IF") && is(two, "EXISTS")) {
            rest = &rest[2..];
        }
        if let Some(table) = name(rest).filter(|_| introduces)
            && !tables.contains(&table)
        {
            tables.push(table);
        }
    }
    tables
}

/// Whether a name of several parts follows, each in brackets, and no comparison of columns.
fn is_qualified(tokens: &[Token<'_>]) -> bool {
    matches!(
        tokens,
        [Token::Quoted(_), Token::Mark('.'), Token::Quoted(_), rest @ ..] if rest.first() != Some(&Token::Mark('='))
    )
}

/// The name at the front, such as `dbo.t_SALES`.
fn name(tokens: &[Token<'_>]) -> Option<String> {
    let mut text = String::new();
    let mut tokens = tokens.iter();
    loop {
        match tokens.next()? {
            Token::Word(word) => text.push_str(word),
            Token::Quoted(name) => text.push_str(&name[1..name.len() - 1].replace("]]", "]")),
            Token::Mark(_) | Token::Value => return None,
        }
        match tokens.clone().next() {
            Some(Token::Mark('.')) => {
                tokens.next();
                text.push('.');
            }
            _ => return Some(text),
        }
    }
}

fn is(word: &str, keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword)
}

/// The tokens of a text.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    /// Takes so many bytes off the front.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    /// The bytes of a quoted text, whose closing mark is written twice where it is part of the text.
    fn quoted(&self, close: char) -> usize {
        let mut characters = self.rest.char_indices().skip(1).peekable();
        while let Some((at, character)) = characters.next() {
            if character == close && characters.next_if(|(_, next)| *next == close).is_none() {
                return at + close.len_utf8();
            }
        }
        self.rest.len()
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.rest = self.rest.trim_start();
        // What a remark says is no part of the statement.
        while self.rest.starts_with("/*") {
            let end = self.rest.find("*/").map_or(self.rest.len(), |at| at + 2);
            self.take(end);
            self.rest = self.rest.trim_start();
        }
        let first = self.rest.chars().next()?;
        let in_word = |character: char| character.is_alphanumeric() || "_#@$".contains(character);
        Some(match first {
            '\'' => {
                self.take(self.quoted('\''));
                Token::Value
            }
            'N' | 'n' if self.rest[1..].starts_with('\'') => {
                self.take(1);
                self.take(self.quoted('\''));
                Token::Value
            }
            '[' => {
                let name = self.take(self.quoted(']'));
                // A bracket that nothing closes is no name.
                if name.len() > 1 && name.ends_with(']') {
                    Token::Quoted(name)
                } else {
                    Token::Value
                }
            }
            _ if in_word(first) => {
                let end = self.rest.find(|character| !in_word(character));
                let word = self.take(end.unwrap_or(self.rest.len()));
                // The number of TOP (0) is the only one that tells a kind.
                if word != "0" && (first.is_ascii_digit() || first == '@') {
                    Token::Value
                } else {
                    Token::Word(word)
                }
            }
            _ => {
                self.take(first.len_utf8());
                Token::Mark(first)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_names_verb_and_tables() {
        for (sql, expected) in [
            (
                "IF 1 = 1 SELECT TOP (@P1) [A], CAST([B] AS nvarchar(max)) FROM [dbo].[SALES] WHERE [A] > @P2 \
                 ORDER BY [A] OPTION (MAXDOP 1)",
                "SELECT dbo.SALES",
            ),
            (
                "IF UPPER(CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(256))) IN (UPPER(@P1)) \
                 SELECT CAST([D] AS date), COUNT_BIG(*) FROM [dbo].[SALES] WHERE [D] >= @P2 GROUP BY CAST([D] AS date)",
                "SELECT COUNT dbo.SALES",
            ),
            (
                "/* 2025-10 FROM x */ IF 1 = 1 SELECT [A] FROM [dbo].[SALES] /* of y",
                "SELECT dbo.SALES",
            ),
            (
                "SELECT TOP (0) [A] FROM [dbo].[SALES]",
                "SELECT TOP (0) dbo.SALES",
            ),
            (
                "INSERT INTO [dbo].[t_SALES] ([A]) SELECT [c1] FROM #load",
                "INSERT dbo.t_SALES, #load",
            ),
            (
                "DELETE t FROM [dbo].[t_SALES] AS t WHERE EXISTS (SELECT 1 FROM #load AS l WHERE l.[c1] = t.[A])",
                "DELETE dbo.t_SALES, #load",
            ),
            (
                "UPDATE t SET [B] = l.[c2] FROM [dbo].[t_SALES] AS t JOIN #load AS l ON l.[c1] = t.[A]",
                "UPDATE dbo.t_SALES, #load",
            ),
            (
                "UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME() WHERE [table_name] = @P1",
                "UPDATE sync.lease",
            ),
            ("INSERT BULK #load", "INSERT BULK #load"),
            ("COMMIT TRANSACTION", "COMMIT"),
            ("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION", "ROLLBACK"),
            ("SET NOCOUNT OFF; SET XACT_ABORT ON", "SET"),
            (
                "DROP TABLE IF EXISTS #load; CREATE TABLE #load ([c1] int NULL)",
                "DROP + CREATE #load",
            ),
            (
                "DECLARE @r int; EXEC @r = sp_getapplock @Resource = @P1; SELECT @r AS [answer]",
                "EXEC + SELECT sp_getapplock",
            ),
            (
                "CREATE UNIQUE CLUSTERED INDEX [CI] ON [dbo].[t_SALES] ([A])",
                "CREATE dbo.t_SALES",
            ),
            ("IF 1 = 1 SELECT 1 AS [proven]", "SELECT"),
            ("", "other"),
        ] {
            assert_eq!(label(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_batch_of_many_statements_is_cut_short() {
        let sql = "BEGIN TRANSACTION; UPDATE [sync].[lease] SET [epoch] = @P1; DELETE FROM [dbo].[a]; \
                   INSERT INTO [dbo].[a] SELECT * FROM #load; SELECT [x] FROM [dbo].[a]; COMMIT TRANSACTION";
        assert_eq!(
            label(sql),
            "BEGIN + UPDATE + DELETE + 3 more sync.lease, dbo.a, …"
        );
    }

    #[test]
    fn no_value_is_ever_in_a_label() {
        for sql in [
            "SELECT [A] FROM [dbo].[T] WHERE [B] = N'secret''s FROM secret' AND [C] = 'FROM secret' AND [D] = 12345",
            "EXEC sp_rename @objname = N'secret', @newname = 'secret'",
            "UPDATE [dbo].[T] SET [A] = 'secret' WHERE [B] = 0x5EC2E7",
            "INSERT INTO [dbo].[T] VALUES ('INTO secret', N'secret",
        ] {
            let label = label(sql);
            assert!(!label.contains("secret") && !label.contains("12345"), "{label}");
        }
    }

    #[test]
    fn names_are_shown_without_their_brackets() {
        assert_eq!(
            label("SELECT 1 FROM [my schema].[odd ]] name]"),
            "SELECT my schema.odd ] name"
        );
        let long = format!("SELECT 1 FROM [dbo].[{}]", "x".repeat(128));
        assert_eq!(label(&long).chars().count(), LABEL_CHARS_MAX);
        assert_eq!(label("SELECT 1 FROM [dbo].[王]"), "SELECT dbo.王");
        assert_eq!(label("SELECT 1 FROM [never closed"), "SELECT");
    }

    #[test]
    fn a_remark_is_found_again_and_ends_nowhere_else() {
        assert_eq!(remarked("2025-10", "SELECT 1"), "/* 2025-10 */ SELECT 1");
        assert_eq!(remark("/* 2025-10 */ SELECT 1"), Some("2025-10"));
        assert_eq!(
            remark(&remarked("a */ DROP TABLE t; /*", "SELECT 1")),
            Some("a  DROP TABLE t; /*")
        );
        assert_eq!(remark("SELECT 1 /* not in front */"), None);
    }
}
