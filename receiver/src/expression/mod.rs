//! CEL: how a payload becomes a lead, and a lead a CRM record.
//!
//! * [`Program`]: compiled once, evaluated over borrowed JSON in a [`Scope`].
//! * `json`: the zero-copy view of JSON; `functions`: what CEL lacks; `find_field`: fields by any label; `fast`: plain paths without the
//!   interpreter; `budget`: what an evaluation may cost.
//!
//! No expression and no payload may hang or crash a receiver: source length, nesting and the number of visited
//! elements are bounded. Errors never quote the payload.

mod budget;
mod fast;
mod find_field;
mod functions;
mod guard;
mod json;

use std::cell::OnceCell;
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, ExecutionError};
use serde_json::Value;

use fast::{Answer, Fast};
pub use functions::{percent_encode, plain_text};

/// Why an expression cannot be used, or gave no result. Never quotes the payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// It does not parse, or is too large.
    #[error("`{}` is not a valid CEL expression: {reason}", shown(.source_text))]
    Invalid {
        /// The expression.
        source_text: String,
        /// The parser's reason.
        reason: String,
    },
    /// It failed on this payload.
    #[error("`{}` failed: {reason}", shown(.source_text))]
    Failed {
        /// The expression.
        source_text: String,
        /// In words, without values.
        reason: String,
    },
}

fn shown(source: &str) -> String {
    match source.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", source.get(..end).unwrap_or_default()),
        None => source.to_owned(),
    }
}

/// A compiled expression.
#[derive(Debug)]
pub struct Program {
    source: Box<str>,
    compiled: cel::Program,
    /// How deep its tree is.
    depth: usize,
    fast: Option<Fast>,
}

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    let registered = cel::extensions::strings(&mut env)
        .and_then(|()| cel::extensions::lists(&mut env))
        .and_then(|()| cel::extensions::math(&mut env))
        .and_then(|()| cel::extensions::encoders(&mut env))
        .and_then(|()| functions::register(&mut env));
    // The set is fixed at compile time and covered by a test: a clash cannot depend on input.
    debug_assert!(registered.is_ok(), "{registered:?}");
    Arc::new(env)
});

impl Program {
    /// Compiles an expression, or says what is wrong with it.
    pub fn compile(source: &str) -> Result<Self, ExpressionError> {
        let invalid = |reason: String| ExpressionError::Invalid {
            source_text: source.to_owned(),
            reason,
        };
        let (program, depth) = guard::compile(&ENVIRONMENT, source).map_err(invalid)?;
        let fast = Fast::of(program.expression());
        Ok(Self {
            source: source.into(),
            compiled: program,
            depth,
            fast,
        })
    }

    /// The expression as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Evaluates. `None`: the value is absent (null, an empty optional, a missing key or index, or a field of
    /// null), which mapping treats as "not given".
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Option<Value>, ExpressionError> {
        budget::reset();
        let answer = self
            .fast
            .as_ref()
            .map_or(Answer::AskInterpreter, |fast| fast.evaluate(&scope.variables));
        if budget::exhausted() {
            return Err(self.exhausted());
        }
        match answer {
            Answer::Value(value) => Ok(Some(value)),
            Answer::Absent => Ok(None),
            Answer::AskInterpreter => self.interpret(scope),
        }
    }

    /// [`Self::evaluate`] without the short cut.
    fn interpret(&self, scope: &Scope<'_>) -> Result<Option<Value>, ExpressionError> {
        if self.depth <= guard::SHALLOW {
            return self.interpret_here(scope.context());
        }
        // The budget is counted a thread, and a context stays on its own.
        let variables = scope.variables.as_slice();
        guard::with_stack(|| self.interpret_here(&context(variables))).unwrap_or_else(|| {
            Err(self.failed("there is no thread with a stack large enough for it".to_owned()))
        })
    }

    fn interpret_here(&self, context: &Context<'_, '_>) -> Result<Option<Value>, ExpressionError> {
        budget::reset();
        let result = cel::Value::resolve_val(self.compiled.expression(), context)
            .and_then(|value| json::unwrap(value.as_ref()));
        if budget::exhausted() {
            return Err(self.exhausted());
        }
        match result {
            Ok(Value::Null) => Ok(None),
            Ok(value) => Ok(Some(value)),
            Err(error) if means_absent(&error) => Ok(None),
            Err(error) => Err(self.failed(describe(&error))),
        }
    }

    /// Evaluates a condition; absent counts as false.
    pub fn test(&self, scope: &Scope<'_>) -> Result<bool, ExpressionError> {
        match self.evaluate(scope)? {
            Some(Value::Bool(answer)) => Ok(answer),
            None => Ok(false),
            Some(_) => Err(self.failed("a condition must give true or false".to_owned())),
        }
    }

    fn exhausted(&self) -> ExpressionError {
        self.failed("it looks at more than 100,000 elements of the payload".to_owned())
    }

    /// Whether it looks at a variable.
    pub fn refers_to(&self, variable: &str) -> bool {
        self.compiled.references().has_variable(variable)
    }

    fn failed(&self, reason: String) -> ExpressionError {
        ExpressionError::Failed {
            source_text: self.source.to_string(),
            reason,
        }
    }
}

/// The variables an expression sees, borrowed.
pub struct Scope<'v> {
    variables: Vec<(&'v str, &'v Value)>,
    /// Made for the first expression that needs the interpreter.
    context: OnceCell<Context<'v, 'v>>,
}

static NULL: Value = Value::Null;

impl<'v> Scope<'v> {
    /// No variables.
    pub fn new() -> Self {
        Self {
            variables: Vec::with_capacity(6),
            context: OnceCell::new(),
        }
    }

    /// Binds a variable; a later one of the same name hides it.
    #[must_use]
    pub fn with(mut self, name: &'v str, value: &'v Value) -> Self {
        self.variables.push((name, value));
        if let Some(context) = self.context.get_mut() {
            context.add_variable_as_val(name, json::wrap(value));
        }
        self
    }

    /// Binds a variable to null.
    #[must_use]
    pub fn with_null(self, name: &'v str) -> Self {
        self.with(name, &NULL)
    }

    fn context(&self) -> &Context<'v, 'v> {
        self.context.get_or_init(|| context(&self.variables))
    }
}

fn context<'v>(variables: &[(&'v str, &'v Value)]) -> Context<'v, 'v> {
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    for (name, value) in variables {
        context.add_variable_as_val(*name, json::wrap(value));
    }
    context
}

impl Default for Scope<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// A path that leads nowhere in this payload.
fn means_absent(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_) => true,
        // Selecting a field of null.
        ExecutionError::NoSuchOverload(overload) => {
            matches!(overload.function(), "_[_]" | "_._" | "select" | "_.?_" | "_[?_]")
                && overload
                    .argument_types()
                    .first()
                    .is_some_and(|t| t == "null_type" || t == "null")
        }
        _ => false,
    }
}

/// An error in words that quote no value: expressions run over personal data.
fn describe(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchOverload(overload) => overload.to_string(),
        ExecutionError::UnexpectedType { got, want } => format!("a {got} stands where a {want} is needed"),
        ExecutionError::UndeclaredReference(name) => format!("nothing is named '{name}' here"),
        ExecutionError::FunctionError { function, .. } => {
            format!("function {function} does not accept this value")
        }
        ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
            format!(
                "'{operator}' does not work on values of these types; convert one, as in string(x) or int(x)"
            )
        }
        ExecutionError::ValuesNotComparable(..) => "the values cannot be compared".to_owned(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "the number is too large".to_owned(),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} arguments, not {actual}")
        }
        _ => "a value has the wrong type".to_owned(),
    }
}

#[cfg(test)]
mod tests;
