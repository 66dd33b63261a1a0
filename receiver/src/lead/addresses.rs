//! Where e-mail addresses stand in a text, whatever stands around them. Pure.

/// Characters of a local part, and of a domain, that are looked at.
const LONGEST_LOCAL: usize = 64;
const LONGEST_DOMAIN: usize = 255;

/// What else may be in a local part: first what most have, then what also stands around addresses.
const COMMON: &str = "._+-";
const ODD: &str = "!#$%'*^~";
const RARE: &str = "&/=?`{|}";

/// Every reading of an address around each `@`: with letters of any script and without, with what may belong to it and
/// without.
pub(super) fn addresses(text: &str) -> impl Iterator<Item = String> + '_ {
    text.char_indices()
        .filter(|(_, c)| is_at(*c))
        .flat_map(|(at, sign)| {
            let before = text.get(..at).unwrap_or_default();
            let behind = text.get(at + sign.len_utf8()..).unwrap_or_default();
            let (locals, domains) = (locals(before), domains(behind));
            let readings = locals.iter().flat_map(|local| {
                let with = domains.iter();
                with.map(move |domain| format!("{local}@{domain}"))
            });
            readings.collect::<Vec<_>>()
        })
}

fn is_at(c: char) -> bool {
    matches!(c, '@' | '\u{FF20}' | '\u{FE6B}')
}

fn locals(before: &str) -> Vec<&str> {
    let before = before.trim_end_matches(' ');
    let mut found = Vec::new();
    for (with, any_script) in [
        ([COMMON, "", ""], false),
        ([COMMON, ODD, ""], false),
        ([COMMON, ODD, ""], true),
        ([COMMON, ODD, RARE], true),
    ] {
        let belongs = |c: &char| {
            c.is_ascii_alphanumeric()
                || (any_script && c.is_alphanumeric())
                || with.iter().any(|part| part.contains(*c))
        };
        let run = before.chars().rev().take(LONGEST_LOCAL).take_while(belongs);
        let length: usize = run.map(char::len_utf8).sum();
        let run = before.get(before.len() - length..).unwrap_or_default();
        for local in [
            run.trim_start_matches(|c: char| !c.is_alphanumeric()),
            run.trim_start_matches('.'),
        ] {
            if !local.is_empty() && !found.contains(&local) {
                found.push(local);
            }
        }
    }
    found
}

fn domains(behind: &str) -> Vec<&str> {
    let behind = behind.trim_start_matches(' ');
    let mut found: Vec<&str> = Vec::new();
    for any_script in [false, true] {
        let belongs = |c: &char| {
            c.is_ascii_alphanumeric()
                || (any_script && (c.is_alphanumeric() || matches!(c, '\u{3002}' | '\u{FF61}' | '\u{FF0E}')))
                || matches!(c, '.' | '-')
        };
        let run = behind.chars().take(LONGEST_DOMAIN).take_while(belongs);
        let length: usize = run.map(char::len_utf8).sum();
        let run = behind.get(..length).unwrap_or_default();
        for domain in [Some(run), before_next_word(run)].into_iter().flatten() {
            let domain = domain.trim_end_matches(|c: char| !c.is_alphanumeric());
            if domain.contains(['.', '\u{3002}', '\u{FF61}', '\u{FF0E}']) && !found.contains(&domain) {
                found.push(domain);
            }
        }
    }
    found
}

/// What stands before a capital letter that begins the next word, as in `example.comTel`.
fn before_next_word(run: &str) -> Option<&str> {
    let mut last = 'A';
    for (at, c) in run.char_indices() {
        let begins = c.is_uppercase() && (last.is_lowercase() || last == '.');
        last = c;
        let before = run.get(..at).unwrap_or_default();
        if begins && before.trim_end_matches('.').contains('.') {
            return Some(before);
        }
    }
    None
}
