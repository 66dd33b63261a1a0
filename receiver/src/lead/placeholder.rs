//! Answers that say nothing: what people and programs put into a field that they have nothing for.

use std::collections::HashSet;
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use super::Field;

/// In any field that such a text can be no answer of, in lower case, in the languages that most forms come in.
const WORDS: &[&str] = &[
    // English, and what programs write.
    "n/a",
    "n.a.",
    "n.a",
    "na",
    "none",
    "nil",
    "null",
    "undefined",
    "nan",
    "nothing",
    "no",
    "unknown",
    "not applicable",
    "not available",
    "not provided",
    // Eventbrite, until the buyer names the attendee.
    "info requested",
    "information requested",
    "to be announced",
    "to be confirmed",
    "tba",
    "tbc",
    "tbd",
    "unassigned",
    "(none)",
    "(null)",
    "<none>",
    "<null>",
    "[none]",
    "#n/a",
    // German
    "keine",
    "keiner",
    "kein",
    "keins",
    "keine angabe",
    "keine angaben",
    "k.a.",
    "k. a.",
    "k.a",
    "nein",
    "nichts",
    "entfällt",
    "unbekannt",
    "ohne",
    // French
    "aucun",
    "aucune",
    "non",
    "néant",
    "neant",
    "rien",
    "sans",
    "inconnu",
    "sans objet",
    "s.o.",
    "non renseigné",
    // Spanish
    "ninguno",
    "ninguna",
    "ningún",
    "nada",
    "sin",
    "no aplica",
    "no tengo",
    "desconocido",
    // Portuguese
    "nenhum",
    "nenhuma",
    "não",
    "nao",
    "não tenho",
    "não se aplica",
    "n/d",
    "desconhecido",
    // Italian
    "nessuno",
    "nessuna",
    "niente",
    "n.d.",
    "sconosciuto",
    "non applicabile",
    // Dutch
    "geen",
    "nee",
    "onbekend",
    "n.v.t.",
    "nvt",
    "n.v.t",
    // Polish
    "brak",
    "nie",
    "nie dotyczy",
    "nie mam",
    "nie posiadam",
    // Turkish
    "yok",
    "hayır",
    "bilinmiyor",
    // Russian
    "нет",
    "отсутствует",
    "н/д",
    "неизвестно",
    "не указано",
    // Arabic, Hindi
    "لا يوجد",
    "لا",
    "नहीं",
    "कोई नहीं",
    // Chinese, Japanese, Korean
    "无",
    "無",
    "没有",
    "沒有",
    "暂无",
    "不详",
    "なし",
    "無し",
    "ない",
    "特になし",
    "該当なし",
    "없음",
];
/// The same in fields of names, places and free text: there `Na`, `Null` and `No` are names.
const CERTAIN: &[&str] = &[
    "info requested",
    "information requested",
    "to be announced",
    "to be confirmed",
    "n/a",
    "#n/a",
    "n.a.",
    "(none)",
    "(null)",
    "<none>",
    "<null>",
    "[none]",
    "not applicable",
    "not available",
    "not provided",
    "keine angabe",
    "keine angaben",
    "k.a.",
    "k. a.",
    "non renseigné",
    "sans objet",
    "no aplica",
    "não se aplica",
    "n/d",
    "n.d.",
    "non applicabile",
    "n.v.t.",
    "nie dotyczy",
    "н/д",
    "не указано",
    "特になし",
    "該当なし",
];
/// What programs write, and people do not, for no name.
const BY_PROGRAMS: &[&str] = &["null", "undefined", "none", "nan"];

/// Nobody says anything with these alone.
const STROKES: &str = "-–—―－_.…。・,:;/\\|*~=#'\"";

/// The longest text that may be one of the words, in bytes; the longest word has some 30.
const LONGEST: usize = 40;

static KNOWN_WORDS: LazyLock<HashSet<&str, FixedState>> = LazyLock::new(|| WORDS.iter().copied().collect());
static KNOWN_CERTAIN: LazyLock<HashSet<&str, FixedState>> =
    LazyLock::new(|| CERTAIN.iter().copied().collect());

/// Whether a field's text says nothing.
pub(super) fn says_nothing(field: Field, text: &str) -> bool {
    if text.len() > LONGEST {
        return is_name(field) && is_no_name(text);
    }
    let crossed_out = text.len() > 1 && text.bytes().all(|b| matches!(b, b'x' | b'X'));
    let begins = |is: fn(&u8) -> bool| text.as_bytes().first().is_some_and(is);
    let stroked = || !begins(u8::is_ascii_alphanumeric) && text.chars().all(|c| STROKES.contains(c));
    if stroked() || crossed_out && field != Field::Message {
        return true;
    }
    let (mut room, made);
    let word = if text.is_ascii() {
        // Most are, and need no memory to be written small.
        room = [0; LONGEST];
        let small = room.get_mut(..text.len()).unwrap_or_default();
        small.copy_from_slice(text.as_bytes());
        small.make_ascii_lowercase();
        std::str::from_utf8(small).unwrap_or(text)
    } else {
        made = text.to_lowercase();
        &made
    };
    match field {
        Field::Phone | Field::PhoneExtension => KNOWN_WORDS.contains(word) || is_zeros(text),
        Field::Email | Field::Website | Field::CapturedAt | Field::JobTitle | Field::Message => {
            KNOWN_WORDS.contains(word)
        }
        field if is_name(field) && is_no_name(text) => true,
        Field::Company => KNOWN_WORDS.contains(word) && word != "na" && word != "no",
        _ => KNOWN_CERTAIN.contains(word) || BY_PROGRAMS.contains(&text),
    }
}

fn is_name(field: Field) -> bool {
    matches!(field, Field::FirstName | Field::LastName | Field::FullName)
}

/// What senders put in the place of a name that they do not know: the address, the number, a page.
fn is_no_name(text: &str) -> bool {
    let is_address = || {
        text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && domain.contains('.') && !text.contains(char::is_whitespace)
        })
    };
    let is_page = || text.starts_with("http://") || text.starts_with("https://") || text.starts_with("www.");
    let is_number = || {
        text.chars().filter(char::is_ascii_digit).count() >= 6
            && text.chars().all(|c| c.is_ascii_digit() || "+-()./ ".contains(c))
    };
    is_address() || is_page() || is_number()
}

/// `000-000-0000`
fn is_zeros(text: &str) -> bool {
    text.bytes()
        .all(|b| matches!(b, b'0' | b' ' | b'-' | b'+' | b'(' | b')' | b'.' | b'/'))
}
