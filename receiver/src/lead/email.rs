//! E-mail addresses: one spelling for one mailbox.

use icu_normalizer::ComposingNormalizerBorrowed;

use super::text;

/// An e-mail address as it is compared and sent: in lower case, its domain in ASCII (`xn--…`), which is the form that
/// CRMs take. What people and programs put around an address goes: invisible characters, `mailto:`, a display name
/// before `<…>`, quotes, a full stop at the end. What is no address stays as it was typed.
pub fn email(typed: &str) -> String {
    let typed = text::trim(typed);
    let plain = typed.bytes().all(|b| b.is_ascii_graphic());
    let folded = if plain {
        typed.to_ascii_lowercase()
    } else {
        fold(typed)
    };
    let address = bare(&folded);
    let Some((local, domain)) = address.rsplit_once('@') else {
        return folded;
    };
    if domain.is_ascii() {
        return address.to_owned();
    }
    match idna::domain_to_ascii(domain) {
        Ok(domain) if !domain.is_empty() => format!("{local}@{domain}"),
        _ => address.to_owned(),
    }
}

/// Composed, narrow and in lower case, without what nobody sees.
fn fold(typed: &str) -> String {
    let seen: String = typed
        .chars()
        .filter(|c| !text::is_invisible(*c) && (c.is_whitespace() || !c.is_control()))
        .map(|c| match c {
            // Its lower case has a combining dot, which no address has: it is the i of a Turkish keyboard.
            '\u{130}' => 'i',
            '\u{3002}' | '\u{FF61}' => '.',
            '\u{FE6B}' => '@',
            c if c.is_whitespace() => ' ',
            c => text::narrow(c),
        })
        .collect();
    let lower = seen.to_lowercase();
    ComposingNormalizerBorrowed::new_nfc()
        .normalize(&lower)
        .into_owned()
}

/// The address in what people paste: `mailto:`, `Ada <…>`, quotes, punctuation of the sentence around it.
fn bare(folded: &str) -> &str {
    let mut address = folded;
    loop {
        let before = address;
        // A link, as HTML and Markdown write it, too.
        if let Some((_, rest)) = address.split_once("mailto:") {
            let end = rest
                .find(['?', '"', '\'', '>', ')', ']', ' '])
                .unwrap_or(rest.len());
            address = rest.get(..end).unwrap_or(rest);
        }
        // Of several the first.
        if let Some((first, rest)) = address.split_once([',', ';', ' '])
            && is_one(first)
            && rest
                .split([',', ';', ' '])
                .map(str::trim)
                .all(|other| other.is_empty() || is_one(other))
        {
            address = first;
        }
        if let Some((_, rest)) = address.rsplit_once('<')
            && let Some(inner) = rest.strip_suffix('>')
            && inner.contains('@')
        {
            address = inner;
        }
        for (open, close) in QUOTES {
            if let Some(inner) = address.strip_prefix(open).and_then(|a| a.strip_suffix(close))
                && !inner.contains([open, close])
            {
                address = inner;
            }
        }
        address = address
            .trim()
            .trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']'])
            .trim_start_matches(['(', '[']);
        // `E-Mail: ada@example.com (work)`. Other words around it may be parts of a mistyped address.
        if let Some((label, rest)) = address.split_once(": ")
            && !label.contains('@')
        {
            address = rest;
        }
        if let Some((before, note)) = address.split_once(" (")
            && before.contains('@')
            && !note.contains('@')
        {
            address = before;
        }
        if address == before {
            return address;
        }
    }
}

/// Whether a text is one address, as far as that can be seen.
fn is_one(text: &str) -> bool {
    let text = text.trim();
    text.split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.') && !domain.contains('@'))
}

/// What people and their word processors put around an address.
const QUOTES: [(char, char); 9] = [
    ('"', '"'),
    ('\'', '\''),
    ('(', ')'),
    ('[', ']'),
    ('\u{201C}', '\u{201D}'),
    ('\u{201E}', '\u{201C}'),
    ('\u{2018}', '\u{2019}'),
    ('\u{AB}', '\u{BB}'),
    ('\u{2039}', '\u{203A}'),
];
