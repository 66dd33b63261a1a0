//! Calls of functions: which is meant, and whether it takes what it is given.

use cel::common::ast::{CallExpr, Expr};

use super::{Resolver, Typed, constants};
use crate::expression::functions::{self, Form, Function};
use crate::expression::kind::Kind;
use crate::expression::node::{Literal, Node};
use crate::expression::pattern::Pattern;
use crate::nearest::nearest;

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

impl Resolver<'_> {
    pub(super) fn function(&mut self, id: u64, call: &CallExpr) -> Typed {
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
        if let Some((message, close)) = constants::mistake(function, &args) {
            return self.problem(id, message, close);
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
            _ => {
                let call = Node::Call(function, args.into());
                return match constants::failure(&call) {
                    Some(reason) => self.problem(id, format!("{}() fails: {reason}", function.name), None),
                    None => (call, function.gives),
                };
            }
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
        let of_schemas = functions::of_schemas(name).filter(|_| self.names.is_schema);
        let Some(function) = functions::named(name).find(allowed).or(of_schemas.last()) else {
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
}
