//! Expressions that a load has met already: many webhooks have the same ones, of a preset or of a team. They are parsed
//! once, and are in memory once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::Loaded;
use super::names::Names;
use super::parse;

/// What tells two sets of names apart: they are constants.
type Key = (usize, usize, bool, bool);

type Known = HashMap<Key, HashMap<Box<str>, Arc<Loaded>>>;

thread_local! {
    /// For as long as this thread lasts, which is a load.
    static KNOWN: RefCell<Known> = RefCell::default();
}

fn key(names: &Names) -> Key {
    let Names {
        variables,
        clears,
        is_schema,
    } = names;
    (variables.as_ptr().addr(), variables.len(), *clears, *is_schema)
}

/// The same expression over the same names, if it was loaded before.
pub(super) fn find(source: &str, names: &Names) -> Option<Arc<Loaded>> {
    KNOWN.with_borrow(|known| known.get(&key(names))?.get(source).cloned())
}

/// Keeps an expression for others that are the same, on a thread that has room for them.
pub(super) fn keep(loaded: &Arc<Loaded>, names: &Names) {
    if parse::has_room() {
        KNOWN.with_borrow_mut(|known| {
            let same_names = known.entry(key(names)).or_default();
            same_names.insert(loaded.source.clone(), Arc::clone(loaded));
        });
    }
}
