//! What may be compiled at all: the parser and the interpreter recurse, so length and depth are bounded.

use std::cell::Cell;

use cel::common::ast::{EntryExpr, Expr};
use cel::{Env, IdedExpr, Program};

/// Longest expression in bytes.
const LONGEST: usize = 2048;
/// Deepest nesting of brackets in the source.
const BRACKETS: usize = 32;
/// Deepest expression tree (a chain of operators or calls is a deep tree).
const DEPTH: usize = 256;
/// A tree up to this depth is evaluated where it is asked for. The interpreter needs up to 45 KiB of stack a level (see
/// the test); a worker thread has 2 MiB, half of which must do.
pub(super) const SHALLOW: usize = 16;
/// Deepest nesting of comprehensions (`map` in `exists`, …).
const COMPREHENSIONS: usize = 2;
/// Enough for the parser at [`LONGEST`] and the interpreter at [`DEPTH`], in debug builds too.
const STACK: usize = 64 << 20;

/// Compiles on a thread with a large stack, within the bounds.
/// Gives the depth of its tree too.
pub(super) fn compile(env: &Env, source: &str) -> Result<(Program, usize), String> {
    if source.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    if source.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    if bracket_depth(source) > BRACKETS {
        return Err(format!("brackets are nested more than {BRACKETS} deep"));
    }
    let compiled = with_stack(|| {
        let program = env
            .compile(source)
            .map_err(|errors| first_line(&errors.to_string()))?;
        let deepest = Cell::new(0);
        check(program.expression(), 0, 0, &deepest)?;
        Ok((program, deepest.get()))
    });
    compiled.unwrap_or_else(|| Err("the parser cannot read it".to_owned()))
}

/// Runs it on a thread with a large stack. `None`: there is no such thread, or it panicked.
pub(super) fn with_stack<T: Send>(run: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|threads| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        thread.spawn_scoped(threads, run).ok()?.join().ok()
    })
}

fn first_line(text: &str) -> String {
    text.lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("syntax error")
        .trim()
        .to_owned()
}

fn bracket_depth(source: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn check(
    expression: &IdedExpr,
    depth: usize,
    comprehensions: usize,
    deepest: &Cell<usize>,
) -> Result<(), String> {
    deepest.set(deepest.get().max(depth));
    if depth > DEPTH {
        return Err(format!(
            "it is a chain of more than {DEPTH} operators or calls; split it up"
        ));
    }
    let below = |e: &IdedExpr| check(e, depth + 1, comprehensions, deepest);
    match &expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Ok(()),
        Expr::Call(call) => {
            call.target.iter().try_for_each(|target| below(target))?;
            call.args.iter().try_for_each(below)
        }
        Expr::Select(select) => below(&select.operand),
        Expr::List(list) => list.elements.iter().try_for_each(below),
        Expr::Map(map) => map
            .entries
            .iter()
            .try_for_each(|entry| entry_parts(&entry.expr, &below)),
        Expr::Struct(message) => message
            .entries
            .iter()
            .try_for_each(|entry| entry_parts(&entry.expr, &below)),
        Expr::Comprehension(comprehension) => {
            if comprehensions == COMPREHENSIONS {
                return Err(format!(
                    "loops (map, filter, exists, all) are nested more than {COMPREHENSIONS} deep"
                ));
            }
            below(&comprehension.iter_range)?;
            [
                &comprehension.accu_init,
                &comprehension.loop_cond,
                &comprehension.loop_step,
                &comprehension.result,
            ]
            .into_iter()
            .try_for_each(|e| check(e, depth + 1, comprehensions + 1, deepest))
        }
    }
}

fn entry_parts(entry: &EntryExpr, below: &impl Fn(&IdedExpr) -> Result<(), String>) -> Result<(), String> {
    match entry {
        EntryExpr::StructField(field) => below(&field.value),
        EntryExpr::MapEntry(entry) => below(&entry.key).and_then(|()| below(&entry.value)),
    }
}
