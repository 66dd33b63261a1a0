//! A parsed expression to one whose names are known: variables, their members, functions and what they take.

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, ListExpr, LiteralValue, MapExpr, SelectExpr, SourceInfo,
    operators,
};

use super::compare::Op;
use super::eval::{Literal, Loop, LoopKind, Node};
use super::find_field;
use super::functions::{self, Form, Function};
use super::kind::Kind;
use super::names::{Members, Names};
use super::parse::as_text;
use super::pattern::Pattern;
use super::problem::Problem;
use crate::nearest::nearest;

/// Deepest expression tree (a chain of operators or calls is a deep tree): the evaluator recurses, on a worker's stack.
const DEPTH: usize = 128;
/// Deepest nesting of loops (`map` in `exists`, …).
const LOOPS: usize = 2;
/// More problems of one expression are not told.
const MOST: usize = 8;

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

/// What other languages call functions, in lower case.
const ELSEWHERE: &[(&str, &str)] = &[
    ("tolower", "lower"),
    ("tolowercase", "lower"),
    ("lowercase", "lower"),
    ("toupper", "upper"),
    ("touppercase", "upper"),
    ("uppercase", "upper"),
    ("length", "size"),
    ("len", "size"),
    ("strip", "trim"),
    ("substr", "substring"),
    ("includes", "contains"),
    ("tostring", "string"),
];

/// What was found in an expression.
pub(super) struct Found {
    pub(super) node: Node,
    pub(super) variables: BTreeSet<String>,
    /// The names after `lead.custom.`.
    pub(super) custom: BTreeSet<String>,
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
    let (node, _) = resolver.node(program.expression());
    if resolver.problems.is_empty() {
        Ok(Found {
            node,
            variables: resolver.variables,
            custom: resolver.custom,
        })
    } else {
        resolver.problems.truncate(MOST);
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
        if self.depth == DEPTH {
            let message = format!("it is a chain of more than {DEPTH} operators or calls; split it up");
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
            let kind = match members {
                Members::Free | Members::Single => Kind::Any,
                Members::Lead | Members::Only(_) => Kind::Map,
            };
            return (Node::Variable(name.into()), kind);
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
    fn member(&mut self, id: u64, of: &IdedExpr, name: &str) -> Kind {
        if let Some((lead, "custom")) = step(of)
            && matches!(self.closed(lead), Some((_, Members::Lead)))
        {
            self.custom.insert(name.to_owned());
            return Kind::Any;
        }
        let Some((variable, members)) = self.closed(of) else {
            return Kind::Any;
        };
        let Some(names) = members.names() else {
            return Kind::Any;
        };
        if names.contains(&name) {
            return if name == "custom" { Kind::Map } else { Kind::Text };
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

    fn select(&mut self, id: u64, select: &SelectExpr) -> Typed {
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
    fn index(&mut self, id: u64, of: &IdedExpr, at: &IdedExpr, optional: bool) -> Typed {
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
        let (sides, left, right) = self.pair(left, right);
        if let Some(kind) = op.gives(left, right) {
            return (Node::Binary(op, sides), kind);
        }
        let hint = if [left, right].contains(&Kind::Optional) {
            "say what stands for it when it is absent, as in x.orValue('')"
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

    fn function(&mut self, id: u64, call: &CallExpr) -> Typed {
        // `math.abs(x)`: a name with a dot, unless `math` is a variable.
        let qualified = call.target.as_ref().and_then(|target| match &target.expr {
            Expr::Ident(space) if self.local(space).is_none() && self.known(space).is_none() => {
                let name = format!("{space}.{}", call.func_name);
                let spaces = functions::all()
                    .any(|f| f.name.split('.').next() == Some(space.as_str()) && f.name.contains('.'));
                spaces.then_some(name)
            }
            _ => None,
        });
        let (name, target) = match &qualified {
            Some(name) => (name.as_str(), None),
            None => (call.func_name.as_str(), call.target.as_deref()),
        };
        let (args, kinds): (Vec<Node>, Vec<Kind>) = target
            .into_iter()
            .chain(&call.args)
            .map(|arg| self.node(arg))
            .unzip();
        let member = target.is_some();
        let function = match self.choose(name, member, args.len()) {
            Ok(function) => function,
            Err((message, close)) => return self.problem(id, message, close),
        };
        for (kind, takes) in kinds.iter().zip(function.takes) {
            let fits = matches!(kind, Kind::Any | Kind::Null) || *takes == Kind::Any || kind == takes;
            if !fits {
                let hint = match kind {
                    Kind::Optional => "; say what stands for it when it is absent, as in x.orValue('')",
                    _ if *takes == Kind::Text && kind.is_number() => "; string(x) makes one",
                    _ => "",
                };
                let message = format!(
                    "{}() takes {}, not {}{hint}",
                    function.name,
                    takes.words(),
                    kind.words()
                );
                return self.problem(id, message, None);
            }
        }
        self.made(id, function, args)
    }

    fn made(&mut self, id: u64, function: &'static Function, mut args: Vec<Node>) -> Typed {
        if function.name == "findField"
            && let Some(Node::Literal(Literal::Text(name))) = args.last()
            && find_field::named(name).is_none()
        {
            let close = nearest(name, find_field::names()).map(|name| format!("findField(x, '{name}')"));
            return self.problem(id, format!("findField() knows no field {name}"), close);
        }
        if function.name == "firstNonEmpty"
            && let Some(Node::List(items)) = args.pop_if(|list| matches!(list, Node::List(_)))
        {
            return (Node::FirstNonEmpty(items), function.gives);
        }
        let pattern = match args.last() {
            Some(Node::Literal(Literal::Text(pattern))) if function.name == "matches" => {
                Pattern::new(pattern)
            }
            _ => return (Node::Call(function, args.into()), function.gives),
        };
        match pattern {
            Ok(pattern) => (Node::Matches(Box::new(args.swap_remove(0)), pattern), Kind::Bool),
            Err(reason) => self.problem(
                id,
                format!("the pattern of matches() is not valid: {reason}"),
                None,
            ),
        }
    }

    /// The function of a name, or why there is none, and a name that was meant perhaps.
    fn choose(
        &self,
        name: &str,
        member: bool,
        given: usize,
    ) -> Result<&'static Function, (String, Option<String>)> {
        let fits = |function: &&Function| match function.form {
            Form::Either => true,
            Form::Member => member,
            Form::Global => !member,
        };
        let allowed = |function: &&'static Function| function.name != "clear" || self.names.clears;
        let Some(function) = functions::named(name).find(allowed) else {
            if name == "clear" {
                return Err(("clear() is for the properties of a CrmSink".to_owned(), None));
            }
            if ["map", "filter", "exists", "all", "exists_one", "sortBy", "has"].contains(&name) {
                return Err((
                    format!("{name} takes other arguments; see docs/expressions.md"),
                    None,
                ));
            }
            let known = functions::all()
                .filter(fits)
                .map(|function| function.name)
                .filter(|name| !name.contains('@'));
            let loops = ["map", "filter", "exists", "all"].into_iter().filter(|_| member);
            let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == name.to_lowercase());
            let close = elsewhere
                .map(|(_, ours)| *ours)
                .or_else(|| nearest(name, known.chain(loops)))
                .map(|name| format!("{name}()"));
            return Err((format!("there is no function {name}"), close));
        };
        if !fits(&function) {
            let shown = if member {
                format!("{name}(x)")
            } else {
                format!("x.{name}()")
            };
            return Err((format!("{name} is called as {shown}"), None));
        }
        let receiver = usize::from(member);
        let (least, most) = (
            function.least - receiver.min(function.least),
            function.takes.len() - receiver.min(function.takes.len()),
        );
        let given = given - receiver.min(given);
        if given < least || given > most {
            let wanted = if least == most {
                format!("{least}")
            } else {
                format!("{least} to {most}")
            };
            let noun = if wanted == "1" { "argument" } else { "arguments" };
            return Err((format!("{name} takes {wanted} {noun}, not {given}"), None));
        }
        Ok(function)
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

    /// What the macros make: a value bound to a name, or one of the loops.
    fn comprehension(&mut self, id: u64, own: &ComprehensionExpr) -> Typed {
        if own.iter_var == "#unused" {
            let (value, kind) = self.node(&own.accu_init);
            self.locals.push((own.accu_var.clone(), kind));
            let (result, result_kind) = self.node(&own.result);
            self.locals.pop();
            return (Node::Bind(Box::new([value, result])), result_kind);
        }
        let Some((kind, only, body)) = shape(own) else {
            return self.problem(id, "this loop is not known", None);
        };
        if self.loops == LOOPS {
            let message = format!("loops (map, filter, exists, all) are nested more than {LOOPS} deep");
            return self.problem(id, message, None);
        }
        let (over, over_kind) = self.node(&own.iter_range);
        if !matches!(over_kind, Kind::Any | Kind::Null | Kind::List | Kind::Map) {
            let message = format!("a loop goes over a list, not over {}", over_kind.words());
            self.problem(id, message, None);
        }
        self.loops += 1;
        self.locals.push((own.iter_var.clone(), Kind::Any));
        let only = only.map(|only| self.condition(only));
        let body = if kind == LoopKind::Map {
            self.node(body).0
        } else {
            self.condition(body)
        };
        self.locals.pop();
        self.loops -= 1;
        let gives = if kind == LoopKind::Map {
            Kind::List
        } else {
            Kind::Bool
        };
        (
            Node::Loop(Box::new(Loop {
                kind,
                over,
                only,
                body,
            })),
            gives,
        )
    }

    fn condition(&mut self, expression: &IdedExpr) -> Node {
        let (node, kind) = self.node(expression);
        self.truth(expression.id, kind, "the condition of a loop");
        node
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

/// Which loop a macro made, its filter, and what it does with each element.
fn shape(own: &ComprehensionExpr) -> Option<(LoopKind, Option<&IdedExpr>, &IdedExpr)> {
    let Expr::Call(step) = &own.loop_step.expr else {
        return None;
    };
    match (&own.accu_init.expr, step.args.as_slice()) {
        (Expr::Literal(LiteralValue::Boolean(b)), [_, body]) => {
            let kind = if *b.inner() {
                LoopKind::All
            } else {
                LoopKind::Exists
            };
            Some((kind, None, body))
        }
        (Expr::Literal(LiteralValue::Int(_)), [body, _, _]) => Some((LoopKind::ExistsOne, None, body)),
        (Expr::List(_), [only, append, _]) if step.func_name == operators::CONDITIONAL => {
            let Expr::Call(append) = &append.expr else {
                return None;
            };
            Some((LoopKind::Map, Some(only), appended(append)?))
        }
        (Expr::List(_), _) => Some((LoopKind::Map, None, appended(step)?)),
        _ => None,
    }
}

/// The element of `@result + [element]`.
fn appended(append: &CallExpr) -> Option<&IdedExpr> {
    let [_, list] = append.args.as_slice() else {
        return None;
    };
    let Expr::List(list) = &list.expr else { return None };
    list.elements.first()
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
