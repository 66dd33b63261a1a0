//! What a loaded expression gives. Every node that is evaluated is a step of the budget.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::access::{field, has, index, no_member};
use super::env::Env;
use super::fault::Fault;
use super::functions::Function;
use super::kind::Kind;
use super::node::{Literal, Loop, LoopKind, Node, Path};
use super::pattern::Pattern;
use super::scope::Variable;
use super::value::{Answer, Cel, ELEMENT, List, MAP, Text};

/// Where a path leads.
enum Place<'v> {
    Value(&'v Value),
    /// A value that might have been missing.
    Optional(&'v Value),
    /// Nowhere, as an optional step allows.
    Nowhere,
}

/// One evaluation.
pub(super) struct Evaluation<'m, 'v> {
    env: &'m Env<'m>,
    variables: &'m [Variable<'v>],
    locals: Vec<Cel<'v>>,
}

impl<'m, 'v> Evaluation<'m, 'v> {
    pub(super) fn new(env: &'m Env<'m>, variables: &'m [Variable<'v>]) -> Self {
        Self {
            env,
            variables,
            locals: Vec::new(),
        }
    }

    pub(super) fn of(&mut self, node: &'v Node) -> Answer<'v> {
        self.env.meter.step()?;
        match node {
            Node::Literal(literal) => self.literal(literal),
            Node::Variable(name) => self.variable(name).map(|known| Cel::of(known.value)),
            Node::Path(path) => Ok(match self.walk(path)? {
                Place::Value(value) => Cel::of(value),
                Place::Optional(value) => Cel::Optional(Some(Rc::new(Cel::of(value)))),
                Place::Nowhere => Cel::Optional(None),
            }),
            Node::Local(n) => self.locals.get(*n).cloned().ok_or(Fault::Absent),
            Node::Field { of, name, optional } => {
                let value = self.of(of)?;
                field(&value, name, *optional)
            }
            Node::Has { of, name } => {
                let value = self.of(of)?;
                has(&value, name)
            }
            Node::Index { of, at, optional } => {
                let value = self.of(of)?;
                let at = self.of(at)?;
                index(&value, &at, *optional)
            }
            Node::Not(inner) => {
                let value = self.of(inner)?;
                truth(&value, "!").map(|b| Cel::Bool(!b))
            }
            Node::Negate(inner) => {
                let value = self.of(inner)?;
                negated(&value)
            }
            Node::And(sides) => self.either(sides, false),
            Node::Or(sides) => self.either(sides, true),
            Node::If(parts) => {
                let [condition, then, other] = &**parts;
                let holds = truth(&self.of(condition)?, "?:")?;
                self.of(if holds { then } else { other })
            }
            Node::Binary(op, sides) => {
                let [left, right] = &**sides;
                let (left, right) = (self.of(left)?, self.of(right)?);
                op.apply(&self.env.meter, &left, &right)
            }
            Node::Matches(text, pattern) => self.matches(text, pattern),
            Node::Call(function, args) => self.call(function, args),
            Node::List(items) => self.list(items),
            Node::FirstNonEmpty(items) => self.first_non_empty(items),
            Node::Map(entries) => self.map(entries),
            Node::Loop(own) => self.loops(own),
            Node::Bind(parts) => {
                let [value, body] = &**parts;
                let value = self.of(value)?;
                self.with(value, body)
            }
        }
    }

    /// The value without the optional around it; null where there is none.
    pub(super) fn plain(&mut self, node: &'v Node) -> Answer<'v> {
        let Node::Path(path) = node else {
            return self.of(node).map(Cel::plain);
        };
        Ok(match self.walk(path)? {
            Place::Value(value) | Place::Optional(value) => Cel::of(value),
            Place::Nowhere => Cel::Null,
        })
    }

    fn variable(&self, name: &str) -> Result<&'m Variable<'v>, Fault> {
        let mut variables = self.variables.iter().rev();
        variables.find(|known| known.name == name).ok_or(Fault::Absent)
    }

    /// As [`field`] goes, step by step.
    fn walk(&self, path: &'v Path) -> Result<Place<'v>, Fault> {
        self.env.meter.steps(path.steps.len() as u64)?;
        let variable = self.variable(&path.variable)?;
        let mut value = variable.value;
        let mut may_miss = false;
        for (n, (name, optional)) in path.steps.iter().enumerate() {
            let found = match value {
                Value::Object(_) if n == 0 && variable.lacks(path.first) => None,
                Value::Object(map) => map.get(&**name),
                _ if *optional => None,
                Value::Null => return Err(Fault::Absent),
                _ if may_miss => return Err(Fault::Absent),
                other => return Err(no_member(name, &Cel::of(other))),
            };
            may_miss |= *optional;
            match found {
                Some(found) => value = found,
                None if may_miss => return Ok(Place::Nowhere),
                None => return Err(Fault::Absent),
            }
        }
        Ok(if may_miss {
            Place::Optional(value)
        } else {
            Place::Value(value)
        })
    }

    fn first_non_empty(&mut self, items: &'v [(Node, bool)]) -> Answer<'v> {
        for (item, _) in items {
            let value = self.plain(item)?;
            if let Cel::Text(text) = &value {
                self.env.meter.look(text.len())?;
            }
            if !value.is_blank() {
                return Ok(value);
            }
        }
        Ok(Cel::Null)
    }

    fn literal(&self, literal: &'v Literal) -> Answer<'v> {
        Ok(match literal {
            Literal::Null => Cel::Null,
            Literal::Bool(b) => Cel::Bool(*b),
            Literal::Int(i) => Cel::Int(*i),
            Literal::UInt(u) => Cel::UInt(*u),
            Literal::Double(d) => Cel::Double(*d),
            Literal::Text(text) => Cel::Text(Text::Lent(text)),
            Literal::Bytes(bytes) => {
                self.env.meter.make(bytes.len() + ELEMENT)?;
                Cel::Bytes(Rc::from(&**bytes))
            }
            Literal::Type(name) => Cel::Type(name),
        })
    }

    fn with(&mut self, value: Cel<'v>, body: &'v Node) -> Answer<'v> {
        self.locals.push(value);
        let result = self.of(body);
        self.locals.pop();
        result
    }

    /// `&&` and `||`: one side that decides makes the other one's fault no fault, as CEL has it.
    fn either(&mut self, sides: &'v [Node; 2], decides: bool) -> Answer<'v> {
        let sign = if decides { "||" } else { "&&" };
        let mut pending = None;
        for side in sides {
            match self.of(side).and_then(|value| truth(&value, sign)) {
                Ok(b) if b == decides => return Ok(Cel::Bool(decides)),
                Ok(_) => {}
                Err(spent @ Fault::Spent(_)) => return Err(spent),
                Err(fault) => {
                    pending.get_or_insert(fault);
                }
            }
        }
        pending.map_or(Ok(Cel::Bool(!decides)), Err)
    }

    fn matches(&mut self, text: &'v Node, pattern: &'v Pattern) -> Answer<'v> {
        match self.of(text)? {
            Cel::Text(text) => pattern.is_match(&text, &self.env.meter).map(Cel::Bool),
            Cel::Null => Err(Fault::Absent),
            other => Err(Fault::Type(format!(
                "matches() takes a text, not {}",
                Kind::of(&other).words()
            ))),
        }
    }

    fn call(&mut self, function: &'static Function, args: &'v [Node]) -> Answer<'v> {
        // Most take one or two; none takes more than four.
        let mut values: [Cel<'v>; 4] = [Cel::Null, Cel::Null, Cel::Null, Cel::Null];
        for (value, arg) in values.iter_mut().zip(args) {
            *value = self.of(arg)?;
        }
        let given = values.get(..args.len()).unwrap_or_default();
        function.call(self.env, given)
    }

    fn list(&mut self, items: &'v [(Node, bool)]) -> Answer<'v> {
        let mut list = Vec::with_capacity(items.len());
        for (item, optional) in items {
            match (self.of(item)?, optional) {
                (Cel::Optional(None), true) => {}
                (Cel::Optional(Some(inner)), true) => list.push(Rc::unwrap_or_clone(inner)),
                (value, _) => list.push(value),
            }
        }
        self.env.meter.make(list.len() * ELEMENT)?;
        Cel::list(list, &self.env.meter)
    }

    fn map(&mut self, entries: &'v [(Node, Node, bool)]) -> Answer<'v> {
        self.env.meter.make(MAP + entries.len() * ELEMENT)?;
        let mut map: BTreeMap<Rc<str>, Cel<'v>> = BTreeMap::new();
        for (key, value, optional) in entries {
            let key = match self.of(key)? {
                Cel::Text(Text::Made(key)) => key,
                Cel::Text(key) => {
                    self.env.meter.make(key.len())?;
                    Rc::from(&*key)
                }
                Cel::Null => return Err(Fault::Absent),
                _ => return Err(Fault::Type("the keys of an object are texts".to_owned())),
            };
            let value = match (self.of(value)?, optional) {
                (Cel::Optional(None), true) => continue,
                (Cel::Optional(Some(inner)), true) => Rc::unwrap_or_clone(inner),
                (value, _) => value,
            };
            if map.insert(key, value).is_some() {
                return Err(Fault::Type("an object has the same key twice".to_owned()));
            }
        }
        Ok(Cel::Dict(super::value::Dict::Made(Rc::new(map))))
    }

    fn loops(&mut self, own: &'v Loop) -> Answer<'v> {
        let list = match self.of(&own.over)? {
            Cel::List(list) => list,
            Cel::Dict(map) => map.keys(&self.env.meter)?,
            Cel::Null => return Err(Fault::Absent),
            other => {
                return Err(Fault::Value(format!(
                    "a loop goes over a list, not over {}",
                    Kind::of(&other).words()
                )));
            }
        };
        match own.kind {
            LoopKind::Map => self.collect(own, &list),
            LoopKind::All => self.fold(own, &list, false),
            LoopKind::Exists => self.fold(own, &list, true),
            LoopKind::ExistsOne => {
                let mut found = 0;
                for item in list.iter() {
                    found += u32::from(truth(&self.with(item, &own.body)?, "exists_one")?);
                }
                Ok(Cel::Bool(found == 1))
            }
        }
    }

    /// `filter` and `map`: an element that lacks what is asked of it is left out, and the others stay.
    fn collect(&mut self, own: &'v Loop, list: &List<'v>) -> Answer<'v> {
        let mut collected = Vec::new();
        for item in list.iter() {
            self.env.meter.step()?;
            if let Some(only) = &own.only {
                let chosen = self.with(item.clone(), only);
                match chosen.and_then(|value| truth(&value, "filter")) {
                    Ok(true) => {}
                    Ok(false) | Err(Fault::Absent) => continue,
                    Err(fault) => return Err(fault),
                }
            }
            // A list that grows is in memory up to three times.
            self.env.meter.make(ELEMENT * 2)?;
            match self.with(item, &own.body) {
                Ok(made) => collected.push(made),
                Err(Fault::Absent) => {}
                Err(fault) => return Err(fault),
            }
        }
        Cel::list(collected, &self.env.meter)
    }

    /// `all` and `exists`: an element that decides makes the fault of another one no fault, as CEL has it.
    fn fold(&mut self, own: &'v Loop, list: &List<'v>, decides: bool) -> Answer<'v> {
        let name = if decides { "exists" } else { "all" };
        let mut pending = None;
        for item in list.iter() {
            match self.with(item, &own.body).and_then(|value| truth(&value, name)) {
                Ok(b) if b == decides => return Ok(Cel::Bool(decides)),
                Ok(_) => {}
                Err(spent @ Fault::Spent(_)) => return Err(spent),
                Err(fault) => pending = Some(fault),
            }
        }
        pending.map_or(Ok(Cel::Bool(!decides)), Err)
    }
}

fn truth(value: &Cel<'_>, what: &str) -> Result<bool, Fault> {
    match value {
        Cel::Bool(b) => Ok(*b),
        Cel::Null => Err(Fault::Absent),
        other => Err(Fault::Type(format!(
            "{what} needs true or false, not {}",
            Kind::of(other).words()
        ))),
    }
}

fn negated<'v>(value: &Cel<'v>) -> Answer<'v> {
    match value {
        Cel::Int(i) => i
            .checked_neg()
            .map(Cel::Int)
            .ok_or_else(|| Fault::Value("a number is too large".to_owned())),
        Cel::Double(d) => Ok(Cel::Double(-d)),
        Cel::Duration(d) => d
            .checked_neg()
            .map(Cel::Duration)
            .ok_or_else(|| Fault::Value("a duration is too long".to_owned())),
        Cel::Null => Err(Fault::Absent),
        other => Err(Fault::Type(format!(
            "- does not work on {}",
            Kind::of(other).words()
        ))),
    }
}
