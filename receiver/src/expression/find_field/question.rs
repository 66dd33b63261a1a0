//! What the names and the type of a question say of which field it asks for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use foldhash::fast::RandomState;

use super::answers::Answer;
use super::form::MAX_LABEL;
use super::labels::{
    field_of, field_of_type, holds_label, is_other, is_other_type, is_small, is_unspaced, without_accent,
};
use crate::lead::Field;

/// So many names are remembered by each thread: a form asks the same questions each time.
const MAX_REMEMBERED: usize = 1000;

thread_local! {
    static MEANINGS: RefCell<HashMap<Box<str>, Rc<Meaning>, RandomState>> = RefCell::default();
}

/// What an answer's names and type say of which field it is.
pub(super) struct Question {
    names: Vec<Rc<Meaning>>,
    kind: Option<Field>,
    /// A name's words make it another question, unless a name is a label as it stands.
    is_other: bool,
}

impl Question {
    /// `None`: it asks for no field that is known, or is a consent, a file and the like.
    pub(super) fn of(answer: &Answer<'_>) -> Option<Self> {
        let kind = Meaning::of(answer.kind);
        if kind.is_other_type {
            return None;
        }
        let names: Vec<_> = answer.names.iter().map(|name| Meaning::of(name)).collect();
        let is_other = names.iter().any(|name| name.is_other);
        let kind = kind.field_of_type.filter(|_| !is_other);
        let is_label = |name: &Rc<Meaning>| name.labels.iter().any(Option::is_some);
        let is_known = |name| is_label(name) || !is_other && !name.within.is_empty();
        (kind.is_some() || names.iter().any(is_known)).then_some(Self {
            names,
            kind,
            is_other,
        })
    }

    /// How much says that it is this field, and how many words say something else.
    pub(super) fn class(&self, field: Field) -> Option<(u8, usize)> {
        if self.names.iter().any(|name| name.labels.contains(&Some(field))) {
            return Some((3, 0));
        }
        if self.kind == Some(field) {
            return Some((2, 0));
        }
        if self.is_other {
            return None;
        }
        let within = self.names.iter().flat_map(|name| &name.within);
        within
            .filter(|(of, _)| *of == field)
            .map(|(_, more)| (1, *more))
            .min()
    }
}

/// What a name or a type says by itself.
#[derive(Debug)]
struct Meaning {
    /// The fields whose label it is, as it stands and without small words.
    labels: [Option<Field>; 2],
    /// Labels that stand within it, with the number of words beside them.
    within: Vec<(Field, usize)>,
    is_other: bool,
    /// The field that questions of such a type ask for.
    field_of_type: Option<Field>,
    is_other_type: bool,
}

impl Meaning {
    fn of(name: &str) -> Rc<Self> {
        if name.len() > MAX_LABEL {
            return Rc::new(Self::read(name));
        }
        MEANINGS.with_borrow_mut(|known| {
            if let Some(meaning) = known.get(name) {
                return Rc::clone(meaning);
            }
            if known.len() == MAX_REMEMBERED {
                known.clear();
            }
            let meaning = Rc::new(Self::read(name));
            known.insert(name.into(), Rc::clone(&meaning));
            meaning
        })
    }

    fn read(name: &str) -> Self {
        let words = Words::of(name);
        Self {
            labels: labels(&words),
            within: labels_within(&words),
            is_other: words.iter().any(is_other),
            field_of_type: field_of_type(&words.text),
            is_other_type: is_other_type(&words.text),
        }
    }
}

/// The fields whose label these words are, as they stand and without small words.
fn labels(words: &Words) -> [Option<Field>; 2] {
    let whole = field_of(&words.text);
    if !words.iter().any(is_small) {
        return [whole, None];
    }
    let plain: String = words.iter().filter(|word| !is_small(word)).collect();
    [whole, field_of(&plain)]
}

/// The labels that stand within longer ones, of fields whose values show what they are.
fn labels_within(words: &Words) -> Vec<(Field, usize)> {
    const SHOWN: [Field; 4] = [Field::Email, Field::Phone, Field::FirstName, Field::LastName];
    let mut within = Vec::new();
    let unspaced = words.text.contains(is_unspaced);
    let starts = std::iter::once(0).chain(words.ends.iter().copied());
    for (from, start) in starts.enumerate() {
        for (taken, end) in words.ends.iter().skip(from).take(4).enumerate() {
            let text = words.text.get(start..*end).unwrap_or_default();
            let whole = field_of(text);
            let fits = |field: &Field| whole == Some(*field) || unspaced && holds_label(text, *field);
            let beside = words.ends.len() - taken - 1;
            within.extend(SHOWN.into_iter().filter(fits).map(|field| (field, beside)));
        }
    }
    within
}

/// A label in folded words, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) text: String,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Words {
    /// Numbers, and what form builders number their fields with (`q4_`, `email-2`), are left out.
    pub(super) fn of(label: &str) -> Self {
        let mut words = Self {
            text: String::with_capacity(label.len().min(MAX_LABEL)),
            ends: Vec::new(),
        };
        let mut after_small = false;
        for letter in label.chars().take(MAX_LABEL) {
            // Most letters of most labels.
            if letter.is_ascii_lowercase() {
                words.text.push(letter);
                after_small = true;
                continue;
            }
            let starts = letter.is_uppercase() && after_small;
            after_small = letter.is_lowercase();
            if (starts || !letter.is_alphanumeric()) && !matches!(letter, '\u{300}'..='\u{36F}') {
                words.end();
            }
            for small in letter.to_lowercase().filter(|small| small.is_alphanumeric()) {
                match without_accent(small) {
                    None => words.text.push(small),
                    Some(plain) => words.text.push_str(plain),
                }
            }
        }
        words.end();
        words
    }

    fn end(&mut self) {
        let start = self.ends.last().copied().unwrap_or(0);
        let word = self.text.get(start..).unwrap_or_default();
        let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let end = if word == "q" { start } else { start + word.len() };
        self.text.truncate(end);
        if end > start {
            self.ends.push(end);
        }
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let words = starts.zip(&self.ends);
        words.map(|(start, end)| self.text.get(start..*end).unwrap_or_default())
    }
}
