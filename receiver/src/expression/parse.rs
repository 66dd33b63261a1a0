//! Text to a tree, within bounds, and the parser's errors in words.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use cel::{Env, ParseErrors};

use super::names::Names;
use super::problem::Problem;

/// Longest expression in bytes.
const MAX_SOURCE: usize = 2048;
/// Deepest nesting of brackets in the source.
const MAX_BRACKETS: usize = 32;
/// Enough for the parser, which recurses, at [`MAX_SOURCE`]; in debug builds too.
const STACK_SIZE: usize = 64 << 20;

/// For its grammar and macros only: what functions mean, and what they may cost, is this module's own business.
static GRAMMAR: LazyLock<Env> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    let macros = cel::extensions::lists(&mut env).and_then(|()| cel::extensions::math(&mut env));
    // The set is fixed at compile time and covered by a test: a clash cannot depend on input.
    debug_assert!(macros.is_ok(), "{macros:?}");
    env
});

thread_local! {
    /// Whether this thread has the stack that the parser needs.
    static HAS_ROOM: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is one of [`with_room`].
pub(super) fn has_room() -> bool {
    HAS_ROOM.get()
}

/// Runs work on a thread with a large stack, so that all expressions that it compiles are parsed there: a thread for each
/// would cost more than what it does. `None`: there is no such thread, or it panicked.
pub fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    if has_room() {
        return catch_unwind(AssertUnwindSafe(work)).ok();
    }
    std::thread::scope(|threads| {
        let thread = std::thread::Builder::new().stack_size(STACK_SIZE);
        let run = || {
            HAS_ROOM.set(true);
            work()
        };
        thread.spawn_scoped(threads, run).ok()?.join().ok()
    })
}

/// Parses on a thread with a large stack, and hands the tree to `then`, on that thread too.
pub(super) fn parse<T: Send>(
    source: &str,
    then: impl FnOnce(&cel::Program) -> Result<T, Vec<Problem>> + Send,
) -> Result<T, Vec<Problem>> {
    if source.trim().is_empty() {
        return Err(vec![Problem::new(0, "it is empty")]);
    }
    if source.len() > MAX_SOURCE {
        return Err(vec![Problem::new(
            0,
            format!("it is longer than {MAX_SOURCE} bytes"),
        )]);
    }
    brackets(source)?;
    let parsed = with_room(|| match GRAMMAR.compile(source) {
        Ok(program) => then(&program),
        Err(errors) => Err(vec![in_words(source, &errors)]),
    });
    parsed.unwrap_or_else(|| Err(vec![Problem::new(0, "the parser cannot read it")]))
}

/// The parser's first error, as a person would say it.
fn in_words(source: &str, errors: &ParseErrors) -> Problem {
    let Some(error) = errors.errors.first() else {
        return Problem::new(0, "it is no expression");
    };
    let at = usize::try_from(error.pos.1).unwrap_or(1).saturating_sub(1);
    if looks_like_text(source) {
        return as_text(source);
    }
    let message = error.msg.trim_start_matches("Syntax error: ");
    let token = message
        .split_once("input '")
        .or_else(|| message.split_once("at: '"))
        .map(|(_, rest)| rest.split('\'').next().unwrap_or_default().trim())
        .unwrap_or_default();
    let whole = source.trim_end();
    let unfinished = message.contains("no viable alternative") && whole.ends_with(token);
    if token == "<EOF>" || unfinished {
        let last = source
            .trim_end()
            .rsplit(char::is_whitespace)
            .next()
            .unwrap_or_default();
        return Problem::new(
            source.trim_end().chars().count(),
            format!("it ends too early, after {last}"),
        );
    }
    if message.contains("token recognition error") {
        let quote = ["at: ''", "at: '\""].iter().any(|at| message.contains(at));
        let what = if quote {
            "a text begins here and does not end; close the quote".to_owned()
        } else {
            format!("{token} has no meaning here")
        };
        return Problem::new(at, what);
    }
    if !token.is_empty() {
        return Problem::new(at, format!("{token} does not belong here"));
    }
    Problem::new(
        at,
        message.lines().next().unwrap_or("it is no expression").to_owned(),
    )
}

/// Words without an operator, a bracket or a quote: somebody meant a text.
fn looks_like_text(source: &str) -> bool {
    let source = source.trim();
    let (several, point) = (source.contains(char::is_whitespace), source.ends_with('.'));
    // What begins as a path of something known is no text.
    let is_path = Names::ALL.variables.iter().any(|(name, _)| {
        source
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
    });
    !is_path
        && (several || !point)
        && source.contains(|c: char| c.is_alphanumeric())
        && source.chars().all(|c| {
            c.is_alphanumeric()
                || c.is_whitespace()
                || matches!(c, '_' | '-' | '&' | '.' | ',' | '/' | '@' | '#' | '\'')
        })
        && source.matches('\'').count() < 2
        && !source.contains("&&")
}

/// How to write a text.
pub(super) fn as_text(source: &str) -> Problem {
    let text = source.trim();
    let quoted = if text.contains('\'') {
        format!("'\"{text}\"'")
    } else {
        format!("\"'{text}'\"")
    };
    Problem::new(0, format!("nothing is named {text}; for the text write {quoted}"))
}

/// Brackets, outside of texts: not too deep, and each closed by its own kind.
fn brackets(source: &str) -> Result<(), Vec<Problem>> {
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut quote = None;
    let mut escaped = false;
    for (n, c) in source.chars().enumerate() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(end) if c == end => quote = None,
            Some(_) => {}
            None => match c {
                '\'' | '"' => quote = Some(c),
                '(' | '[' | '{' => {
                    open.push((c, n));
                    if open.len() > MAX_BRACKETS {
                        return Err(vec![Problem::new(
                            n,
                            format!("brackets are nested more than {MAX_BRACKETS} deep"),
                        )]);
                    }
                }
                ')' | ']' | '}' => {
                    let closes = matches!(
                        (open.pop(), c),
                        (Some(('(', _)), ')') | (Some(('[', _)), ']') | (Some(('{', _)), '}')
                    );
                    if !closes {
                        return Err(vec![Problem::new(n, format!("{c} closes nothing"))]);
                    }
                }
                _ => {}
            },
        }
    }
    // Raw and triple-quoted texts confuse the count of quotes: then the parser has the word.
    match open.last() {
        Some((c, n)) if quote.is_none() => Err(vec![Problem::new(*n, format!("{c} is not closed"))]),
        _ => Ok(()),
    }
}
