//! A short cut for what most mappings are: a path into JSON, the first of several that is given, or a field of the
//! list element that has a label. It gives exactly what the interpreter gives, at a tenth of the cost, and hands
//! anything out of the ordinary back to it; a property test compares the two.

use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue, operators};
use serde_json::Value;

use super::{budget, find_field};
use crate::lead::Field;

/// An expression that needs no interpreter.
#[derive(Debug)]
pub(super) enum Fast {
    /// `payload.a.b`, or `payload.?a.?b`.
    Path(Path),
    /// `[payload.?a, payload.?b].firstNonEmpty()`.
    First(Vec<Path>),
    /// `findField(payload, 'email')`. In a box, so that it does not make every program larger.
    Field(Box<(Path, Field)>),
}

/// What a short cut gives.
pub(super) enum Answer {
    /// A value that is not null.
    Value(Value),
    /// Nothing is there.
    Absent,
    /// The short cut cannot tell.
    AskInterpreter,
}

/// A variable and the way from it.
#[derive(Debug)]
pub(super) struct Path {
    variable: String,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    /// `.name` or `['name']`.
    Field(String),
    /// `.?name` or `[?'name']`.
    OptionalField(String),
    /// `[0]`.
    Index(usize),
    /// `.find('path', 'text')`.
    Find(Vec<String>, String),
}

/// What a path leads to.
enum Found<'v> {
    Value(&'v Value),
    /// Nowhere: absent.
    Nothing,
    /// Something that the interpreter must judge.
    Unclear,
}

impl Fast {
    /// The short cut of an expression, if it has one.
    pub(super) fn of(expression: &IdedExpr) -> Option<Self> {
        if let Expr::Call(call) = &expression.expr
            && call.func_name == "firstNonEmpty"
            && call.args.is_empty()
            && let Some(target) = &call.target
            && let Expr::List(list) = &target.expr
            && list.optional_indices.is_empty()
        {
            let paths: Vec<Path> = list.elements.iter().map(Path::of).collect::<Option<_>>()?;
            // A plain path that leads nowhere makes the whole list fail; only optional ones may be skipped.
            return paths
                .iter()
                .all(Path::ends_optional)
                .then_some(Self::First(paths));
        }
        if let Expr::Call(call) = &expression.expr
            && call.func_name == "findField"
            && call.target.is_none()
            && let [form, name] = call.args.as_slice()
        {
            return Some(Self::Field(Box::new((
                Path::of(form)?,
                find_field::named(&text(name)?)?,
            ))));
        }
        Path::of(expression).map(Self::Path)
    }

    /// Evaluates.
    pub(super) fn evaluate(&self, variables: &[(&str, &Value)]) -> Answer {
        match self {
            Self::Path(path) => match path.walk(variables) {
                Found::Value(value) if value.is_null() => Answer::Absent,
                Found::Value(value) => Answer::Value(value.clone()),
                Found::Nothing => Answer::Absent,
                Found::Unclear => Answer::AskInterpreter,
            },
            Self::Field(form) => {
                let (path, field) = form.as_ref();
                match path.walk(variables) {
                    Found::Value(form) => {
                        find_field::find(form, *field).map_or(Answer::Absent, Answer::Value)
                    }
                    Found::Nothing => Answer::Absent,
                    Found::Unclear => Answer::AskInterpreter,
                }
            }
            Self::First(paths) => {
                for path in paths {
                    match path.walk(variables) {
                        Found::Value(value) if !is_empty(value) => return Answer::Value(value.clone()),
                        Found::Value(_) | Found::Nothing => {}
                        Found::Unclear => return Answer::AskInterpreter,
                    }
                }
                Answer::Absent
            }
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

impl Path {
    fn of(expression: &IdedExpr) -> Option<Self> {
        match &expression.expr {
            Expr::Ident(name) => Some(Self {
                variable: name.clone(),
                steps: Vec::new(),
            }),
            Expr::Select(select) if !select.test => {
                Self::of(&select.operand)?.then(Step::Field(select.field.clone()))
            }
            Expr::Call(call) => match (call.func_name.as_str(), &call.target, call.args.as_slice()) {
                (operators::OPT_SELECT | operators::OPT_INDEX, None, [operand, name]) => {
                    Self::of(operand)?.then(Step::OptionalField(text(name)?))
                }
                (operators::INDEX, None, [operand, index]) => {
                    let step = match &index.expr {
                        Expr::Literal(LiteralValue::Int(n)) => Step::Index(usize::try_from(*n.inner()).ok()?),
                        _ => Step::Field(text(index)?),
                    };
                    Self::of(operand)?.then(step)
                }
                ("find", Some(list), [path, wanted]) => {
                    let path = text(path)?.split('.').map(str::to_owned).collect();
                    Self::of(list)?.then(Step::Find(path, text(wanted)?))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Appends a step. After an optional one, only optional ones have the same meaning here as in CEL.
    fn then(mut self, step: Step) -> Option<Self> {
        if self.ends_optional() && !matches!(step, Step::OptionalField(_)) {
            return None;
        }
        self.steps.push(step);
        Some(self)
    }

    fn ends_optional(&self) -> bool {
        matches!(self.steps.last(), Some(Step::OptionalField(_)))
    }

    fn walk<'v>(&self, variables: &[(&str, &'v Value)]) -> Found<'v> {
        let Some(&(_, mut at)) = variables.iter().rev().find(|(name, _)| *name == self.variable) else {
            return Found::Unclear;
        };
        // Once something optional was missing, the rest is missing too; before that, nothing may be.
        for step in &self.steps {
            at = match (step, at) {
                (Step::Field(name) | Step::OptionalField(name), Value::Object(map)) => match map.get(name) {
                    Some(value) => value,
                    None if matches!(step, Step::Field(_)) && self.ends_optional() => return Found::Unclear,
                    None => return Found::Nothing,
                },
                (Step::OptionalField(_), _) => return Found::Nothing,
                (Step::Field(_) | Step::Index(_), Value::Null) if !self.ends_optional() => {
                    return Found::Nothing;
                }
                (Step::Index(n), Value::Array(items)) => match items.get(*n) {
                    Some(value) => value,
                    None if self.ends_optional() => return Found::Unclear,
                    None => return Found::Nothing,
                },
                (Step::Find(path, wanted), Value::Array(items)) => {
                    match items
                        .iter()
                        .find(|item| budget::spend() && has(item, path, wanted))
                    {
                        Some(item) => item,
                        None => &Value::Null,
                    }
                }
                _ => return Found::Unclear,
            };
        }
        Found::Value(at)
    }
}

/// Whether the text at a path is the wanted one.
fn has(item: &Value, path: &[String], wanted: &str) -> bool {
    let field = path
        .iter()
        .try_fold(item, |at, name| at.as_object().and_then(|map| map.get(name)));
    field.and_then(Value::as_str) == Some(wanted)
}

fn text(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
        _ => None,
    }
}
