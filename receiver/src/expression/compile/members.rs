//! Members: `x.name`, `x.?name`, `x['name']`, `x[n]`, and whether there is such a one.

use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue, SelectExpr, operators};
use http::HeaderName;

use super::{Resolver, Typed};
use crate::expression::kind::Kind;
use crate::expression::names::Members;
use crate::expression::node::Node;
use crate::nearest::nearest;

impl Resolver<'_> {
    /// The variable with closed members that an expression is, if it is one.
    fn closed(&self, of: &IdedExpr) -> Option<(&'static str, Members)> {
        let Expr::Ident(name) = &of.expr else { return None };
        if self.local(name).is_some() {
            return None;
        }
        let mut variables = self.names.variables.iter();
        variables.find(|(known, _)| known == name).copied()
    }

    /// What a member is, after a look whether there is one.
    pub(super) fn member(&mut self, id: u64, of: &IdedExpr, name: &str) -> Kind {
        if let Some((lead, "custom")) = step(of)
            && matches!(self.closed(lead), Some((_, Members::Lead)))
        {
            self.custom.insert(name.to_owned());
            return Kind::Any;
        }
        let Some((variable, members)) = self.closed(of) else {
            return Kind::Any;
        };
        if let Members::Headers(hidden) = members {
            self.header(id, name, hidden);
        }
        let Some(names) = members.names() else {
            return members.of_members();
        };
        if names.contains(&name) {
            return if name == "custom" {
                Kind::Map
            } else {
                members.of_members()
            };
        }
        let close = nearest(name, names.iter().copied()).map(|name| format!("{variable}.{name}"));
        let message = match (&close, members) {
            (None, Members::Lead) => {
                format!("{variable} has no field {name}; a field of your own is lead.custom.{name}")
            }
            (None, _) => format!("{variable} has no member {name}; there are {}", names.join(", ")),
            (Some(_), _) => format!("{variable} has no field {name}"),
        };
        self.problem(id, message, close);
        Kind::Any
    }

    /// Says so if no header can have this name.
    fn header(&mut self, id: u64, name: &str, hidden: &[&str]) {
        match HeaderName::from_bytes(name.as_bytes()) {
            Err(_) => {
                self.problem(id, format!("no header can be named {name}"), None);
            }
            Ok(header) if header.as_str() != name => {
                let close = format!("headers['{header}']");
                self.problem(id, "the names of headers are in lower case", Some(close));
            }
            Ok(_) if hidden.contains(&name) => {
                let message = format!(
                    "headers never has {name}, which carries credentials; spec.auth says who may post"
                );
                self.problem(id, message, None);
            }
            Ok(_) => {}
        }
    }

    /// Says so if something of this kind has no members.
    fn has_members(&mut self, id: u64, kind: Kind, name: &str) {
        let none = kind.is_number()
            || matches!(
                kind,
                Kind::Text | Kind::Bool | Kind::Bytes | Kind::Time | Kind::Duration | Kind::List
            );
        if none {
            let message = format!("{} has no member {name}", kind.words());
            self.problem(id, message, None);
        }
    }

    pub(super) fn select(&mut self, id: u64, select: &SelectExpr) -> Typed {
        let kind = self.member(id, &select.operand, &select.field);
        let (of, of_kind) = self.node(&select.operand);
        self.has_members(id, of_kind, &select.field);
        let name = select.field.as_str().into();
        if select.test {
            let of = Box::new(of);
            return (Node::Has { of, name }, Kind::Bool);
        }
        let kind = if of_kind == Kind::Optional {
            Kind::Optional
        } else {
            kind
        };
        (Node::field(of, name, false), kind)
    }

    /// `x.?name`, `x[?n]`, `x[n]`.
    pub(super) fn index(&mut self, id: u64, of: &IdedExpr, at: &IdedExpr, optional: bool) -> Typed {
        let name = match &at.expr {
            Expr::Literal(LiteralValue::String(name)) => Some(name.inner().to_owned()),
            _ => None,
        };
        let kind = match &name {
            Some(name) => self.member(id, of, name),
            None => Kind::Any,
        };
        let (of, of_kind) = self.node(of);
        let optional_now = optional || of_kind == Kind::Optional;
        let kind = if optional_now { Kind::Optional } else { kind };
        match name {
            Some(name) => {
                if !optional {
                    self.has_members(id, of_kind, "of that name");
                }
                (Node::field(of, name.into(), optional), kind)
            }
            None => (
                Node::Index {
                    of: Box::new(of),
                    at: self.boxed(at),
                    optional,
                },
                kind,
            ),
        }
    }
}

/// The way to a member, however it is written: `x.name`, `x.?name`, `x['name']`.
fn step(expression: &IdedExpr) -> Option<(&IdedExpr, &str)> {
    match &expression.expr {
        Expr::Select(select) if !select.test => Some((&select.operand, &select.field)),
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT, [of, name]) => match &name.expr
            {
                Expr::Literal(LiteralValue::String(name)) => Some((of, name.inner())),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}
