//! A parsed expression to one whose names are known: variables, their members, functions and what they take.

mod calls;
mod constants;
mod loops;
mod members;

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, ListExpr, LiteralValue, MapExpr, SourceInfo, operators};

use super::compare::Op;
use super::kind::Kind;
use super::names::{Members, Names};
use super::node::{Literal, Node};
use super::parse::as_text;
use super::problem::Problem;
use crate::nearest::nearest;

/// Deepest expression tree (a chain of operators or calls is a deep tree): the evaluator recurses, on a worker's stack.
const MAX_DEPTH: usize = 128;
/// More problems of one expression are not told.
const MAX_PROBLEMS: usize = 8;

/// CEL's names of types, for comparisons with `type(x)`.
const TYPES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "duration",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "timestamp",
    "type",
    "uint",
];

/// What was found in an expression.
pub(super) struct Found {
    pub(super) node: Node,
    pub(super) variables: BTreeSet<String>,
    /// The names after `lead.custom.`.
    pub(super) custom: BTreeSet<String>,
    /// What is known of what it gives.
    pub(super) gives: Kind,
}

/// Resolves every name, or tells all that is wrong.
pub(super) fn resolve(program: &cel::Program, source: &str, names: &Names) -> Result<Found, Vec<Problem>> {
    let mut resolver = Resolver {
        names,
        source,
        info: program.source_info(),
        locals: Vec::new(),
        loops: 0,
        depth: 0,
        variables: BTreeSet::new(),
        custom: BTreeSet::new(),
        problems: Vec::new(),
    };
    let (node, gives) = resolver.node(program.expression());
    if resolver.problems.is_empty() {
        Ok(Found {
            node,
            variables: resolver.variables,
            custom: resolver.custom,
            gives,
        })
    } else {
        resolver.problems.truncate(MAX_PROBLEMS);
        Err(resolver.problems)
    }
}

struct Resolver<'s> {
    names: &'s Names,
    source: &'s str,
    info: &'s SourceInfo,
    locals: Vec<(String, Kind)>,
    loops: usize,
    depth: usize,
    variables: BTreeSet<String>,
    custom: BTreeSet<String>,
    problems: Vec<Problem>,
}

type Typed = (Node, Kind);

impl Resolver<'_> {
    /// Notes a problem; what it concerns is null from here on, and of any type.
    fn problem(&mut self, id: u64, message: impl Into<String>, suggestion: Option<String>) -> Typed {
        let at = self
            .info
            .offset_for(id)
            .map_or(0, |(start, _)| self.name_at(start as usize));
        let mut problem = Problem::new(at, message);
        problem.suggestion = suggestion;
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
        (Node::Literal(Literal::Null), Kind::Any)
    }

    /// Where the name stands that a place in the text is about: behind a dot, before a bracket.
    fn name_at(&self, at: usize) -> usize {
        let text: Vec<char> = self.source.chars().collect();
        match text.get(at) {
            Some('.' | '?') => self.name_at(at + 1),
            Some('(') => {
                let before = text.get(..at).unwrap_or_default().iter().rev();
                at - before.take_while(|c| c.is_alphanumeric() || **c == '_').count()
            }
            _ => at,
        }
    }

    fn node(&mut self, expression: &IdedExpr) -> Typed {
        if self.depth == MAX_DEPTH {
            let message = format!("it is a chain of more than {MAX_DEPTH} operators or calls; split it up");
            return self.problem(0, message, None);
        }
        self.depth += 1;
        let result = match &expression.expr {
            Expr::Unspecified => self.problem(expression.id, "something is missing here", None),
            Expr::Literal(value) => literal(value),
            Expr::Ident(name) => self.variable(expression.id, name),
            Expr::Select(select) => self.select(expression.id, select),
            Expr::Call(call) => self.call(expression.id, call),
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(map),
            Expr::Struct(own) => {
                let message = format!(
                    "there is no type {}; an object is written {{'name': value}}",
                    own.type_name
                );
                self.problem(expression.id, message, None)
            }
            Expr::Comprehension(own) => self.comprehension(expression.id, own),
        };
        self.depth -= 1;
        result
    }

    fn boxed(&mut self, expression: &IdedExpr) -> Box<Node> {
        Box::new(self.node(expression).0)
    }

    fn local(&self, name: &str) -> Option<(usize, Kind)> {
        let found = self
            .locals
            .iter()
            .enumerate()
            .rev()
            .find(|(_, (known, _))| known == name);
        found.map(|(n, (_, kind))| (n, *kind))
    }

    fn known(&self, name: &str) -> Option<Members> {
        let mut variables = self.names.variables.iter();
        variables
            .find(|(known, _)| *known == name)
            .map(|(_, members)| *members)
    }

    fn variable(&mut self, id: u64, name: &str) -> Typed {
        if let Some((n, kind)) = self.local(name) {
            return (Node::Local(n), kind);
        }
        if let Some(members) = self.known(name) {
            self.variables.insert(name.to_owned());
            return (Node::Variable(name.into()), members.kind());
        }
        if let Some(name) = TYPES.iter().copied().find(|known| *known == name) {
            return (Node::Literal(Literal::Type(name)), Kind::Type);
        }
        let known: Vec<&str> = self.names.variables.iter().map(|(name, _)| *name).collect();
        if self.source.trim() == name && nearest(name, known.iter().copied()).is_none() {
            let text = as_text(name);
            return self.problem(id, text.message, None);
        }
        let close = nearest(name, known.iter().copied()).map(str::to_owned);
        let message = match &close {
            Some(_) => format!("nothing is named {name}"),
            None => format!("nothing is named {name} here; there are {}", known.join(", ")),
        };
        self.problem(id, message, close)
    }

    fn pair(&mut self, left: &IdedExpr, right: &IdedExpr) -> (Box<[Node; 2]>, Kind, Kind) {
        let (left, left_kind) = self.node(left);
        let (right, right_kind) = self.node(right);
        (Box::new([left, right]), left_kind, right_kind)
    }

    /// Says so if something that must be true or false is known to be something else.
    fn truth(&mut self, id: u64, kind: Kind, sign: &str) {
        if !matches!(kind, Kind::Bool | Kind::Any | Kind::Null) {
            let message = format!("{sign} needs true or false, not {}", kind.words());
            self.problem(id, message, None);
        }
    }

    fn call(&mut self, id: u64, call: &CallExpr) -> Typed {
        if call.target.is_none() {
            match (call.func_name.as_str(), call.args.as_slice()) {
                (operators::CONDITIONAL, [condition, then, other]) => {
                    let (condition, kind) = self.node(condition);
                    self.truth(id, kind, "?:");
                    let (sides, then, other) = self.pair(then, other);
                    let [left, right] = *sides;
                    let kind = if then == other { then } else { Kind::Any };
                    return (Node::If(Box::new([condition, left, right])), kind);
                }
                (sign @ (operators::LOGICAL_AND | operators::LOGICAL_OR), [left, right]) => {
                    let (sides, left, right) = self.pair(left, right);
                    let and = sign == operators::LOGICAL_AND;
                    let sign = if and { "&&" } else { "||" };
                    self.truth(id, left, sign);
                    self.truth(id, right, sign);
                    let node = if and { Node::And(sides) } else { Node::Or(sides) };
                    return (node, Kind::Bool);
                }
                (operators::LOGICAL_NOT, [inner]) => {
                    let (inner, kind) = self.node(inner);
                    self.truth(id, kind, "!");
                    return (Node::Not(Box::new(inner)), Kind::Bool);
                }
                (operators::NEGATE, [inner]) => {
                    let (inner, kind) = self.node(inner);
                    if !(kind.is_number() || matches!(kind, Kind::Any | Kind::Null | Kind::Duration)) {
                        let message = format!("- does not work on {}", kind.words());
                        return self.problem(id, message, None);
                    }
                    return (Node::Negate(Box::new(inner)), kind);
                }
                (operators::INDEX, [of, at]) => return self.index(id, of, at, false),
                (operators::OPT_INDEX | operators::OPT_SELECT, [of, at]) => {
                    return self.index(id, of, at, true);
                }
                (sign, [left, right]) => {
                    if let Some(op) = operator(sign) {
                        return self.binary(id, op, left, right);
                    }
                }
                _ => {}
            }
        }
        self.function(id, call)
    }

    fn binary(&mut self, id: u64, op: Op, left: &IdedExpr, right: &IdedExpr) -> Typed {
        if let (Op::In, Expr::Literal(LiteralValue::String(name))) = (op, &left.expr) {
            self.member(left.id, right, name.inner());
        }
        let (sides, left, right) = self.pair(left, right);
        if let Some(kind) = op.gives(left, right) {
            return (Node::Binary(op, sides), kind);
        }
        let hint = if [left, right].contains(&Kind::Optional) {
            "say what stands for it when it is absent, as in x.orValue('')"
        } else if matches!(op, Op::Equal | Op::Unequal) {
            "they are never equal; convert one, as in string(x) or int(x)"
        } else {
            "convert one, as in string(x) or int(x)"
        };
        let message = format!(
            "{} does not work on {} and {}; {hint}",
            op.sign(),
            left.words(),
            right.words()
        );
        self.problem(id, message, None)
    }

    fn list(&mut self, list: &ListExpr) -> Typed {
        let items = list.elements.iter().enumerate();
        let items: Vec<(Node, bool)> = items
            .map(|(n, item)| (self.node(item).0, list.optional_indices.contains(&n)))
            .collect();
        (Node::List(items.into()), Kind::List)
    }

    fn map(&mut self, map: &MapExpr) -> Typed {
        let mut entries = Vec::with_capacity(map.entries.len());
        for entry in &map.entries {
            let EntryExpr::MapEntry(own) = &entry.expr else {
                return self.problem(entry.id, "an object is written {'name': value}", None);
            };
            let (key, kind) = self.node(&own.key);
            if !matches!(kind, Kind::Text | Kind::Any) {
                self.problem(entry.id, "the keys of an object are texts", None);
            }
            entries.push((key, self.node(&own.value).0, own.optional));
        }
        (Node::Map(entries.into()), Kind::Map)
    }
}

fn literal(value: &LiteralValue) -> Typed {
    let (literal, kind) = match value {
        LiteralValue::Boolean(b) => (Literal::Bool(*b.inner()), Kind::Bool),
        LiteralValue::Bytes(bytes) => (Literal::Bytes(bytes.inner().into()), Kind::Bytes),
        LiteralValue::Double(d) => (Literal::Double(*d.inner()), Kind::Double),
        LiteralValue::Int(i) => (Literal::Int(*i.inner()), Kind::Int),
        LiteralValue::Null => (Literal::Null, Kind::Null),
        LiteralValue::String(text) => (Literal::Text(text.inner().into()), Kind::Text),
        LiteralValue::UInt(u) => (Literal::UInt(*u.inner()), Kind::UInt),
    };
    (Node::Literal(literal), kind)
}

fn operator(sign: &str) -> Option<Op> {
    Some(match sign {
        operators::ADD => Op::Add,
        operators::SUBSTRACT => Op::Subtract,
        operators::MULTIPLY => Op::Multiply,
        operators::DIVIDE => Op::Divide,
        operators::MODULO => Op::Remainder,
        operators::EQUALS => Op::Equal,
        operators::NOT_EQUALS => Op::Unequal,
        operators::LESS => Op::Less,
        operators::LESS_EQUALS => Op::LessOrEqual,
        operators::GREATER => Op::Greater,
        operators::GREATER_EQUALS => Op::GreaterOrEqual,
        operators::IN => Op::In,
        _ => return None,
    })
}
