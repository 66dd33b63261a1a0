//! A full name -> given and family name, where that can be told.
//!
//! | Typed | Given name | Family name |
//! |---|---|---|
//! | `Ada Lovelace` | Ada | Lovelace |
//! | `Lovelace, Ada` | Ada | Lovelace |
//! | `Dr. Ludwig van Beethoven` | Ludwig | van Beethoven |
//! | `Sammy Davis, Jr.` | Sammy | Davis Jr. |
//! | `Ada Lovelace, PhD` | Ada | Lovelace |
//! | `Mr. Smith` | | Smith |
//! | `山田 太郎` | 太郎 | 山田 |
//! | `Cher`, `山田太郎`, what else cannot be told | all of it | |
//!
//! Neither has a comma. Titles and degrees stand in the full name only.

/// Words that begin a family name, however they are written.
const PARTICLES: &[&str] = &[
    "van", "von", "vom", "de", "del", "della", "di", "da", "dos", "du", "la", "le", "el", "al", "bin", "ibn",
    "bint", "st", "st.", "بن",
];
/// Words that begin a family name when they are written small: capitals make them names of their own.
const SMALL_PARTICLES: &[&str] = &[
    "zu", "zum", "zur", "vander", "vanden", "der", "den", "ter", "ten", "te", "das", "do", "des", "dello",
    "dei", "degli", "dal", "las", "los", "lo", "ben", "abu", "af", "av", "ap",
];
/// Words that join two family names, or two people.
const JOINERS: &[&str] = &[
    "&", "+", "and", "und", "et", "y", "e", "i", "en", "og", "och", "и",
];
/// Titles before a name, in lower case and without full stops.
const TITLES: &[&str] = &[
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "dr",
    "prof",
    "professor",
    "herr",
    "frau",
    "hr",
    "fr",
    "monsieur",
    "madame",
    "mme",
    "mlle",
    "señor",
    "señora",
    "sr",
    "sra",
    "srta",
    "sig",
    "sigra",
    "dott",
    "dottssa",
    "dhr",
    "mevr",
    "ing",
    "mag",
    "dipl-ing",
    "rev",
    "hon",
];
/// Titles that are names as well: only with a full stop.
const DOTTED_TITLES: &[&str] = &["sr", "fr", "hr", "ing", "mag", "sig", "hon"];
/// What tells namesakes apart. It stays with the family name.
const GENERATIONS: &[&str] = &["jr", "sr", "ii", "iii", "iv", "2nd", "3rd", "4th"];
/// Degrees and offices after a name, in lower case and without full stops.
const DEGREES: &[&str] = &[
    "phd", "dphil", "edd", "psyd", "esq", "mba", "cpa", "dds", "dmd", "dvm", "pharmd", "llm", "llb", "bsc",
    "msc", "beng", "meng", "cfa", "pmp", "pe",
];
/// Degrees that may be names as well: only in capitals, behind a whole name.
const SHORT_DEGREES: &[&str] = &["md", "jd", "rn", "do", "ma", "ba", "bs", "ms", "mp"];
/// Of these, the ones that no person's name ends with.
const SURELY_ORGANISATIONS: &[&str] = &[
    "gmbh", "ltd", "llc", "inc", "corp", "srl", "plc", "ohg", "limited",
];
/// What only an organisation's name ends with.
const ORGANISATIONS: &[&str] = &[
    "gmbh", "ltd", "llc", "inc", "ag", "kg", "corp", "co", "sa", "srl", "bv", "plc", "ohg", "ug", "limited",
    "company",
];

/// Longer texts are no names, whatever a webhook allows; in bytes.
const MAX_NAME: usize = 400;

/// Given and family name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Name {
    pub(super) given: String,
    pub(super) family: String,
}

/// Splits a full name; what cannot be told is the given name whole.
pub(super) fn split(full: &str) -> Name {
    let certain = if full.len() > MAX_NAME || full.contains(['/', '|', ';', '@']) {
        None
    } else {
        read(full)
    };
    certain.unwrap_or_else(|| Name {
        given: whole(full),
        family: String::new(),
    })
}

fn whole(full: &str) -> String {
    let words = || full.split(is_comma).flat_map(str::split_whitespace);
    let mut plain: Vec<&str> = words().filter(|word| !is_ornament(word)).collect();
    if plain.is_empty() {
        plain.extend(words());
    }
    plain.join(" ")
}

fn read(full: &str) -> Option<Name> {
    if full.contains(['\n', '\r']) {
        return None;
    }
    let mut parts: Vec<Vec<&str>> = full
        .split(is_comma)
        .map(|part| {
            part.split_whitespace()
                .filter(|word| !is_ornament(word))
                .collect()
        })
        .filter(|part: &Vec<&str>| !part.is_empty())
        .collect();
    // `Lovelace, Prof.`
    if let [.., last] = parts.as_slice()
        && parts.len() > 1
        && last.iter().all(|word| is_title(word))
        && let Some(titles) = parts.pop()
        && let Some(first) = parts.first_mut()
    {
        first.splice(..0, titles);
    }
    let mut generation = None;
    // `Davis, Jr., Sammy` and `Lovelace, PhD, MD`: parts that are no name.
    let mut before = Vec::new();
    parts.retain(|part| {
        let suffix = !before.is_empty() && part.iter().all(|word| is_suffix(word, &before));
        if suffix {
            generation = generation.or(part.iter().copied().find(|word| is_generation(word)));
        } else {
            before.extend_from_slice(part);
        }
        !suffix
    });
    let mut name = match parts.as_mut_slice() {
        [only] => in_order(only, &mut generation),
        [family, given] if is_inverted(family, given) => inverted(family, given, &mut generation),
        _ => None,
    }?;
    if name.family.contains(['(', ')', '[', ']', '<', '>']) {
        return None;
    }
    if let Some(generation) = generation {
        name.family = format!("{} {generation}", name.family);
    }
    Some(name)
}

/// A name that the sender split, without the commas that its parts came with: `Davis, Jr.` is `Davis Jr.`.
pub(super) fn tidy(part: &str) -> String {
    let words: Vec<&str> = part
        .split(is_comma)
        .map(str::trim)
        .filter(|w| !w.is_empty())
        .collect();
    match words.as_slice() {
        [_, rest @ ..] if rest.iter().all(|word| is_generation(word)) => words.join(" "),
        _ => part
            .trim_matches(|c: char| is_comma(c) || c.is_whitespace())
            .to_owned(),
    }
}

/// Whether a text has a comma of any script.
pub(super) fn has_comma(text: &str) -> bool {
    text.contains(is_comma)
}

fn is_comma(c: char) -> bool {
    matches!(c, ',' | '，' | '、' | '،')
}

/// `Ada Lovelace`.
fn in_order<'a>(words: &mut Vec<&'a str>, generation: &mut Option<&'a str>) -> Option<Name> {
    let titled = drop_titles(words);
    drop_suffixes(words, generation);
    let is_doubtful =
        |word: &&str| word.chars().any(char::is_numeric) || !word.chars().any(char::is_alphabetic);
    let is_joiner = |word: &&str| JOINERS.contains(word);
    if words.iter().any(|word| is_doubtful(word) && !is_joiner(word))
        || words
            .last()
            .is_some_and(|word| SURELY_ORGANISATIONS.contains(&bare(word).as_str()))
    {
        return None;
    }
    if words.iter().all(|word| is_east_asian(word)) {
        // Written in these scripts, the family name comes first.
        return match words.as_slice() {
            [family, given] => Some(name(&[*given], &[*family])),
            [_] if titled => Some(name(&[], words)),
            _ => None,
        };
    }
    // A transcribed foreign name has its own order, a reading has the Japanese one.
    if words.iter().any(|word| word.chars().any(is_kana)) {
        return None;
    }
    match words.as_slice() {
        [_] if titled => Some(name(&[], words)),
        [] | [_] => None,
        [first, ..] if is_small(first) && is_particle(first) => Some(name(&[], words)),
        words => {
            let (given, family) = words.split_at_checked(family_start(words)?)?;
            Some(name(given, family))
        }
    }
}

/// `Lovelace, Ada`.
fn inverted<'a>(
    family: &mut Vec<&'a str>,
    given: &mut Vec<&'a str>,
    generation: &mut Option<&'a str>,
) -> Option<Name> {
    drop_titles(family);
    drop_titles(given);
    drop_suffixes(family, generation);
    drop_suffixes(given, generation);
    // `Beethoven, Ludwig van`
    let end = given
        .iter()
        .rposition(|word| !(is_small(word) && is_particle(word)))
        .map_or(0, |at| at + 1);
    let mut whole = given.split_off(end);
    whole.append(family);
    (!whole.is_empty()).then(|| name(given, &whole))
}

/// Whether two parts with a comma between them are a family and a given name, and no company or place.
fn is_inverted(family: &[&str], given: &[&str]) -> bool {
    let mut words = family.iter().chain(given);
    let named = words.all(|word| {
        let plain = bare(word);
        !word.contains(|c: char| c.is_numeric() || matches!(c, '@' | '/' | '&'))
            && !ORGANISATIONS.contains(&plain.as_str())
    });
    // `Ada Lovelace, CEO`
    let shouted = given
        .iter()
        .all(|word| word.chars().count() > 1 && is_capitals(word))
        && !family.iter().all(|word| is_capitals(word));
    named && !shouted && given.len() <= 4 && family.len() <= 4
}

/// Where the family name begins: at its first particle, at the name before `y`, else at the last word. `None`: it ends
/// with two people.
fn family_start(words: &[&str]) -> Option<usize> {
    let last = words.len().checked_sub(1)?;
    let mut inner = words.iter().enumerate().take(last).skip(1);
    if let Some((at, _)) = inner.find(|(_, word)| is_particle(word)) {
        return Some(at);
    }
    match words {
        // `José Ortega y Gasset`
        [_, .., _, "y" | "e" | "i", _] if last > 2 => Some(last - 2),
        [.., joiner, _] if JOINERS.contains(&joiner.to_lowercase().as_str()) => None,
        _ => Some(last),
    }
}

/// `Dr.`, `Frau Prof. Dr. med.`, `Mr and Mrs`.
fn drop_titles(words: &mut Vec<&str>) -> bool {
    let more = |word: &str| is_small(word) && word.ends_with('.') || JOINERS.contains(&word);
    let count = words
        .iter()
        .enumerate()
        .take_while(|(at, word)| is_title(word) || *at > 0 && more(word))
        .count();
    words.drain(..count);
    count > 0
}

fn drop_suffixes<'a>(words: &mut Vec<&'a str>, generation: &mut Option<&'a str>) {
    while let [rest @ .., last] = words.as_slice()
        && !rest.is_empty()
        && is_suffix(last, rest)
    {
        if is_generation(last) {
            *generation = generation.or(Some(*last));
        }
        words.pop();
    }
}

/// Whether a word with these words of a name before it is none of the name.
fn is_suffix(word: &str, before: &[&str]) -> bool {
    let plain = bare(word);
    let capitals = before.len() > 1 && is_capitals(word) && !before.iter().all(|word| is_capitals(word));
    is_generation(word)
        || DEGREES.contains(&plain.as_str())
        || SHORT_DEGREES.contains(&plain.as_str()) && capitals
}

fn is_generation(word: &str) -> bool {
    let roman = word.chars().all(|c| matches!(c, 'I' | 'V'));
    let plain = bare(word);
    GENERATIONS.contains(&plain.as_str()) && (roman || !matches!(plain.as_str(), "ii" | "iii" | "iv"))
}

fn is_title(word: &str) -> bool {
    let plain = bare(word);
    TITLES.contains(&plain.as_str()) && (word.ends_with('.') || !DOTTED_TITLES.contains(&plain.as_str()))
}

fn is_particle(word: &str) -> bool {
    SMALL_PARTICLES.contains(&word) || PARTICLES.contains(&word.to_lowercase().as_str())
}

/// In lower case, without full stops.
fn bare(word: &str) -> String {
    word.chars()
        .filter(|c| *c != '.')
        .flat_map(char::to_lowercase)
        .collect()
}

/// What decorates a name: emoji, signs, what was lost in a conversion.
fn is_ornament(word: &str) -> bool {
    !word
        .chars()
        .any(|c| c.is_alphanumeric() || matches!(c, '-' | '\u{2013}' | '\u{2014}' | '&' | '+' | '/' | '|'))
}

fn is_small(word: &str) -> bool {
    word.chars()
        .next()
        .is_some_and(|c| c.is_lowercase() || !c.is_uppercase() && c.is_alphabetic())
}

fn is_capitals(word: &str) -> bool {
    word.chars().any(char::is_uppercase) && !word.chars().any(char::is_lowercase)
}

/// Han, Hangul, and hiragana, in which given names are written too.
fn is_east_asian(word: &str) -> bool {
    word.chars().all(|c| {
        matches!(c, '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{309F}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}'
            | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
    })
}

fn is_kana(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' | '\u{FF66}'..='\u{FF9F}')
}

fn name(given: &[&str], family: &[&str]) -> Name {
    Name {
        given: given.join(" "),
        family: family.join(" "),
    }
}
