//! Text -> query.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::vec::IntoIter;

use super::super::State;
use super::super::answers::Fail;
use super::super::schema::Schema;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(String),
}

/// A condition over a lead's fields.
pub(super) enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    /// The field equals one of these texts (in lower case) or values.
    In {
        field: String,
        values: BTreeSet<String>,
        negated: bool,
    },
    Like {
        field: String,
        pattern: Vec<String>,
    },
}

pub(super) struct Query {
    /// FROM Contact, not Lead.
    pub(super) contacts: bool,
    pub(super) fields: Vec<String>,
    pub(super) condition: Option<Condition>,
    pub(super) order: Option<(String, bool)>,
    pub(super) limit: usize,
}

fn malformed(message: impl Into<String>) -> Fail {
    Fail::new(400, "MALFORMED_QUERY", message)
}

fn tokens(text: &str) -> Result<Vec<Token>, Fail> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '\'' => {
                let mut value = String::new();
                loop {
                    match chars.next() {
                        None => return Err(malformed("unterminated string literal")),
                        Some('\'') => break,
                        Some('\\') => value.push(match chars.next() {
                            Some('n' | 'N') => '\n',
                            Some('r' | 'R') => '\r',
                            Some('t' | 'T') => '\t',
                            Some(c @ ('\'' | '"' | '\\' | '%' | '_')) => c,
                            other => {
                                return Err(malformed(format!(
                                    "Illegal string literal: Invalid string escape {other:?}"
                                )));
                            }
                        }),
                        Some('\n' | '\r') => {
                            return Err(malformed("line breaks not allowed in string literals"));
                        }
                        Some(c) => value.push(c),
                    }
                }
                tokens.push(Token::Text(value));
            }
            '(' | ')' | ',' | '=' => tokens.push(Token::Sign(c.to_string())),
            '!' if chars.next_if_eq(&'=').is_some() => tokens.push(Token::Sign("!=".to_owned())),
            c if c.is_ascii_alphanumeric() || c == '_' => {
                let mut word = c.to_string();
                while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')) {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
            c => return Err(malformed(format!("unexpected token: '{c}'"))),
        }
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: Peekable<IntoIter<Token>>,
    schema: &'a Schema,
}

impl Parser<'_> {
    fn keyword(&mut self, wanted: &str) -> bool {
        self.tokens
            .next_if(|token| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(wanted)))
            .is_some()
    }

    fn sign(&mut self, wanted: &str) -> bool {
        self.tokens
            .next_if(|token| *token == Token::Sign(wanted.to_owned()))
            .is_some()
    }

    fn expect(&mut self, keyword: &str) -> Result<(), Fail> {
        if self.keyword(keyword) {
            Ok(())
        } else {
            Err(malformed(format!(
                "unexpected token, expected {keyword}: {:?}",
                self.tokens.peek()
            )))
        }
    }

    fn word(&mut self) -> Result<String, Fail> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            other => Err(malformed(format!("unexpected token: {other:?}"))),
        }
    }

    /// A field by its own name.
    fn field(&mut self) -> Result<String, Fail> {
        let word = self.word()?;
        let field = self.schema.get(&word);
        field.map(|field| field.name.clone()).ok_or_else(|| {
            let object = self.schema.object;
            let message = format!("\nSELECT {word} FROM {object}\n       ^\nERROR at Row:1:Column:8\nNo such column '{word}' on entity '{object}'.");
            Fail::new(400, "INVALID_FIELD", message)
        })
    }

    /// Conditions joined by AND or by OR: Salesforce refuses a mixture without brackets.
    fn either(&mut self) -> Result<Condition, Fail> {
        let mut left = self.one()?;
        let mut joined = None;
        loop {
            let and = self.keyword("AND");
            if !and && !self.keyword("OR") {
                return Ok(left);
            }
            if joined.is_some_and(|before| before != and) {
                let word = if and { "AND" } else { "OR" };
                return Err(malformed(format!("unexpected token: {word}")));
            }
            joined = Some(and);
            let both = (Box::new(left), Box::new(self.one()?));
            left = if and {
                Condition::And(both.0, both.1)
            } else {
                Condition::Or(both.0, both.1)
            };
        }
    }

    fn one(&mut self) -> Result<Condition, Fail> {
        if self.keyword("NOT") {
            return Ok(Condition::Not(Box::new(self.one()?)));
        }
        if self.sign("(") {
            let inner = self.either()?;
            return if self.sign(")") {
                Ok(inner)
            } else {
                Err(malformed("expecting a right parentheses"))
            };
        }
        let field = self.field()?;
        if self.keyword("LIKE") {
            let Some(Token::Text(pattern)) = self.tokens.next() else {
                return Err(malformed("LIKE needs a text"));
            };
            let pattern = pattern.to_lowercase().split('%').map(str::to_owned).collect();
            return Ok(Condition::Like { field, pattern });
        }
        let negated = self.keyword("NOT");
        if self.keyword("IN") {
            if !self.sign("(") {
                return Err(malformed("IN needs a list"));
            }
            let mut values = BTreeSet::new();
            loop {
                values.insert(self.value(&field)?);
                if !self.sign(",") {
                    break;
                }
            }
            return if self.sign(")") {
                Ok(Condition::In {
                    field,
                    values,
                    negated,
                })
            } else {
                Err(malformed("expecting a right parentheses"))
            };
        }
        let unequal = self.sign("!=");
        if !unequal && !self.sign("=") {
            return Err(malformed(format!("unexpected token: {:?}", self.tokens.peek())));
        }
        let values = BTreeSet::from([self.value(&field)?]);
        Ok(Condition::In {
            field,
            values,
            negated: unequal,
        })
    }

    fn value(&mut self, field: &str) -> Result<String, Fail> {
        let boolean = self
            .schema
            .get(field)
            .is_some_and(|field| field.kind == "boolean");
        match self.tokens.next() {
            Some(Token::Text(text)) if !boolean => Ok(text.to_lowercase()),
            Some(Token::Word(word)) if boolean && matches!(word.as_str(), "true" | "false") => Ok(word),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("null") => Ok(String::new()),
            other => Err(Fail::new(
                400,
                "INVALID_FIELD",
                format!("value of filter criterion for field '{field}' must be of another type: {other:?}"),
            )),
        }
    }
}

/// Parses, with the fields checked against the schema.
pub(super) fn parse(text: &str, state: &State) -> Result<Query, Fail> {
    if text.len() > 100_000 {
        return Err(Fail::new(
            400,
            "QUERY_TOO_COMPLICATED",
            "Query is either selecting too many fields or the filter conditions are too complicated.",
        ));
    }
    let tokens = tokens(text)?;
    let from = |pair: &[Token]| match pair {
        [Token::Word(from), Token::Word(object)] if from.eq_ignore_ascii_case("FROM") => {
            Some(object.eq_ignore_ascii_case("Contact"))
        }
        _ => None,
    };
    let contacts = tokens.windows(2).find_map(from).unwrap_or(false);
    let schema = if contacts { &state.contacts } else { &state.schema };
    let mut parser = Parser {
        tokens: tokens.into_iter().peekable(),
        schema,
    };
    parser.expect("SELECT")?;
    let mut fields = vec![parser.field()?];
    while parser.sign(",") {
        let field = parser.field()?;
        if fields.contains(&field) {
            return Err(Fail::new(
                400,
                "INVALID_FIELD",
                format!("duplicate field selected: {field}"),
            ));
        }
        fields.push(field);
    }
    parser.expect("FROM")?;
    let object = parser.word()?;
    if !object.eq_ignore_ascii_case(schema.object) {
        return Err(Fail::new(
            400,
            "INVALID_TYPE",
            format!("sObject type '{object}' is not supported."),
        ));
    }
    let condition = if parser.keyword("WHERE") {
        Some(parser.either()?)
    } else {
        None
    };
    let mut order = None;
    if parser.keyword("ORDER") {
        parser.expect("BY")?;
        let field = parser.field()?;
        let down = parser.keyword("DESC");
        let _ = !down && parser.keyword("ASC");
        order = Some((field, down));
    }
    let mut limit = usize::MAX;
    if parser.keyword("LIMIT") {
        limit = parser
            .word()?
            .parse()
            .map_err(|_| malformed("LIMIT needs a number"))?;
    }
    match parser.tokens.next() {
        None => Ok(Query {
            contacts,
            fields,
            condition,
            order,
            limit,
        }),
        Some(more) => Err(malformed(format!("unexpected token: {more:?}"))),
    }
}
