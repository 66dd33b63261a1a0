//! A function of the table, and how it refuses what it gets.

use crate::expression::budget::Meter;
use crate::expression::env::Env;
use crate::expression::fault::Fault;
use crate::expression::kind::Kind;
use crate::expression::value::{Answer, Cel};

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expression) enum Form {
    /// `f(x)`.
    Global,
    /// `x.f()`.
    Member,
    /// Both.
    Either,
}

type Metered = for<'v> fn(&Meter, &[Cel<'v>]) -> Answer<'v>;
type Remembering = for<'v> fn(&Env<'_>, &[Cel<'v>]) -> Answer<'v>;

/// What is run.
#[derive(Debug, Clone, Copy)]
enum Run {
    /// Most need no more than the budget.
    Metered(Metered),
    /// The few that cost much and are called again and again.
    Remembering(Remembering),
}

/// A function.
#[derive(Debug)]
pub(in crate::expression) struct Function {
    pub(in crate::expression) name: &'static str,
    pub(in crate::expression) form: Form,
    /// What it takes, what it is called on first.
    pub(in crate::expression) takes: &'static [Kind],
    /// How many of these must be given.
    pub(in crate::expression) least: usize,
    pub(in crate::expression) gives: Kind,
    run: Run,
}

impl Function {
    pub(super) const fn new(
        name: &'static str,
        form: Form,
        takes: &'static [Kind],
        least: usize,
        gives: Kind,
        run: Metered,
    ) -> Self {
        Self {
            name,
            form,
            takes,
            least,
            gives,
            run: Run::Metered(run),
        }
    }

    /// One that remembers what it found out, for as long as the evaluation lasts.
    pub(super) const fn remembering(
        name: &'static str,
        form: Form,
        takes: &'static [Kind],
        least: usize,
        gives: Kind,
        run: Remembering,
    ) -> Self {
        Self {
            name,
            form,
            takes,
            least,
            gives,
            run: Run::Remembering(run),
        }
    }

    /// Calls it. An argument that is null where something else is needed makes the result absent, as a missing one does.
    pub(in crate::expression) fn call<'v>(&self, env: &Env<'_>, args: &[Cel<'v>]) -> Answer<'v> {
        for (arg, takes) in args.iter().zip(self.takes) {
            let kind = Kind::of(arg);
            if *takes == Kind::Any || *takes == kind {
                continue;
            }
            return Err(match kind {
                Kind::Null => Fault::Absent,
                _ => wrong(self.name, kind, takes.words()),
            });
        }
        match self.run {
            Run::Metered(run) => run(&env.meter, args),
            Run::Remembering(run) => run(env, args),
        }
    }
}

/// A function got what it does not take.
pub(super) fn wrong(name: &str, got: Kind, wants: &str) -> Fault {
    Fault::Type(format!("{name}() takes {wants}, not {}", got.words()))
}

/// A value that a conversion cannot read.
pub(super) fn unreadable(what: &str) -> Fault {
    Fault::Value(format!("a value cannot be read as {what}"))
}

/// The arguments do not fit the table, which [`Function::call`] has checked.
pub(super) fn misfit<'v>() -> Answer<'v> {
    Err(Fault::Type(
        "a function got a value that it does not take".to_owned(),
    ))
}
