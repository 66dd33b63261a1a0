//! What the names and the type of a question say of which field it asks for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use foldhash::fast::RandomState;

use super::answers::Answer;
use super::form::MAX_LABEL;
use super::labels::{field_of, field_of_type, holds_label, is_other_type};
use super::parts::shape;
use super::words::{
    is_account_name, is_of_mail, is_other, is_small, is_unspaced, is_way, is_weak, without_accent,
};
use crate::lead::Field;

/// So many names are remembered by each thread: a form asks the same questions each time.
const MAX_REMEMBERED: usize = 1000;

thread_local! {
    static MEANINGS: RefCell<HashMap<Box<str>, Rc<Meaning>, RandomState>> = RefCell::default();
}

/// What says which field a question asks for; the greater, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// It is called so, but the answer is none.
    Implausible,
    /// So called, but of somebody who may be another.
    Weak,
    /// A part of a name.
    Part,
    /// The type, or the form of the answer.
    Type,
    /// A name without its small words.
    Label,
    /// A name as it stands.
    Exact,
}

/// What an answer's names and type say of which field it is.
pub(super) struct Question {
    names: Vec<Rc<Meaning>>,
    kind: Option<Field>,
    /// A name's words make it another question, unless a name is a label as it stands.
    is_other: bool,
    is_weak: bool,
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
        let kind = kind.field_of_type.or_else(|| shape(answer.value));
        let kind = kind.filter(|_| !is_other);
        let is_known = |name: &Rc<Meaning>| name.is_label() || !is_other && !name.within.is_empty();
        (kind.is_some() || names.iter().any(is_known)).then(|| Self {
            is_weak: names.iter().any(|name| name.is_weak),
            names,
            kind,
            is_other,
        })
    }

    /// Whether it is a question to the person who fills in the form, whatever it asks for.
    pub(super) fn is_own(answer: &Answer<'_>) -> bool {
        let is_own = |name: &&str| {
            let meaning = Meaning::of(name);
            !meaning.is_other && !meaning.is_of_mail
        };
        !Meaning::of(answer.kind).is_other_type && answer.names.iter().all(is_own)
    }

    /// How much says that it is this field, and how many words say something else.
    pub(super) fn class(&self, field: Field) -> Option<(Class, usize)> {
        let any = |of: fn(&Meaning) -> Option<Field>| self.names.iter().any(|name| of(name) == Some(field));
        if any(|name| name.exact) {
            return Some((Class::Exact, 0));
        }
        if any(|name| name.plain) {
            return Some((Class::Label, 0));
        }
        let is_contact = matches!(field, Field::Email | Field::Phone) && self.kind.is_none();
        if is_contact && self.names.iter().any(|name| name.is_way) {
            return Some((Class::Part, 1));
        }
        if self.is_other {
            return None;
        }
        let within = self.names.iter().flat_map(|name| &name.within);
        let beside = within.filter(|(of, _)| *of == field).map(|(_, more)| *more).min();
        if self.kind == Some(field) {
            return Some((if self.is_weak { Class::Weak } else { Class::Type }, 0));
        }
        if self.is_weak && any(|name| name.weak) {
            return Some((Class::Weak, 1));
        }
        let class = if self.is_weak { Class::Weak } else { Class::Part };
        beside.map(|more| (class, more))
    }
}

/// What a name or a type says by itself.
#[derive(Debug)]
struct Meaning {
    /// The field whose label it is as it stands,
    exact: Option<Field>,
    /// without small words,
    plain: Option<Field>,
    /// and without those that may mean somebody else.
    weak: Option<Field>,
    /// Labels that stand within it, with the number of words beside them.
    within: Vec<(Field, usize)>,
    is_way: bool,
    is_weak: bool,
    is_other: bool,
    /// A mail's sender or recipient.
    is_of_mail: bool,
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
        let without = |left_out: &dyn Fn(&str) -> bool| {
            let some = words.iter().any(left_out);
            some.then(|| words.iter().filter(|word| !left_out(word)).collect::<String>())
        };
        let plain = without(&is_small);
        let weak = without(&|word| is_small(word) || is_weak(word));
        let label = |text: &Option<String>| text.as_deref().and_then(field_of);
        // Links carry these, in small letters, and mean where a visitor came from.
        let exact = field_of(&words.text).filter(|_| !matches!(name, "via" | "cap" | "url"));
        let named =
            label(&plain).or_else(|| (exact.is_none() && asks_for_both(&words)).then_some(Field::FullName));
        let mut within = labels_within(&words);
        if exact.or(named).is_some() {
            // What is a label as a whole asks for no part of a name.
            within.retain(|(field, _)| !is_part(*field));
        }
        Self {
            exact,
            plain: named,
            weak: label(&weak),
            within,
            is_way: is_way(&words.text) || plain.is_some_and(|text| is_way(&text)),
            is_weak: words.iter().any(is_weak),
            is_other: words.iter().any(is_other) || is_account_name(&words.text),
            is_of_mail: is_of_mail(&words.text),
            field_of_type: field_of_type(&words.text),
            is_other_type: is_other_type(&words.text),
        }
    }

    /// Whether the whole of it says something.
    fn is_label(&self) -> bool {
        self.exact.is_some() || self.plain.is_some() || self.weak.is_some() || self.is_way
    }
}

/// Whether what stands under a name is somebody else's: of a mail, of the sender's own people, of a friend.
pub(super) fn is_of_another(name: &str) -> bool {
    let meaning = Meaning::of(name);
    let words = || Words::of(name);
    let of_staff = |word: &str| {
        matches!(
            word,
            "assignee"
                | "owner"
                | "staff"
                | "support"
                | "teammate"
                | "team"
                | "store"
                | "shop"
                | "merchant"
                | "vendor"
                | "host"
                | "organizer"
                | "organiser"
                | "created"
                | "updated"
                | "by"
        )
    };
    meaning.is_other || meaning.is_of_mail || words().iter().any(of_staff)
}

fn is_part(field: Field) -> bool {
    matches!(field, Field::FirstName | Field::LastName)
}

/// Whether a label asks for both parts of a name, or for one and the name: "First name / last name", "Name and surname".
fn asks_for_both(words: &Words) -> bool {
    let starts = || std::iter::once(0).chain(words.ends.iter().copied());
    let has = |word: &str| words.iter().any(|own| own == word);
    let (mut names, by_order) = (Vec::new(), has("first") && has("last"));
    for (from, start) in starts().enumerate() {
        for (taken, end) in words.ends.iter().skip(from).take(3).enumerate() {
            let text = words.text.get(start..*end).unwrap_or_default();
            // "First" and "last" are names beside each other only.
            let field = field_of(text).filter(|_| by_order || !matches!(text, "first" | "last"));
            if let Some(field) = field.filter(|field| is_part(*field) || *field == Field::FullName) {
                names.push((field, from..=from + taken));
            }
        }
    }
    names.iter().any(|(part, own)| {
        is_part(*part)
            && names.iter().any(|(field, place)| {
                field != part && (place.end() < own.start() || place.start() > own.end())
            })
    })
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
            // What one first heard of is no name.
            if matches!(text, "first" | "last") {
                continue;
            }
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
            if (starts || !letter.is_alphanumeric()) && !is_mark(letter) {
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
        let is_number = word.is_empty() && self.text.len() > start;
        self.text.truncate(end);
        // `question_1`, `Frage 2`: it numbers the question, and does not ask for one.
        if is_number && let Some(last) = self.iter().last() {
            let numbered = matches!(
                last,
                "question"
                    | "frage"
                    | "pregunta"
                    | "pergunta"
                    | "domanda"
                    | "vraag"
                    | "pytanie"
                    | "fraga"
                    | "soru"
                    | "вопрос"
            );
            if numbered {
                self.ends.pop();
                self.text.truncate(self.ends.last().copied().unwrap_or(0));
            }
            return;
        }
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

/// What is written above or below the letter before it.
fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36F}' | '\u{5B0}'..='\u{5C7}' | '\u{93C}' | '\u{94D}' | '\u{E47}'..='\u{E4E}')
}
