//! Texts.

use std::slice::from_ref;

use super::function::Form::{Either, Global, Member};
use super::function::{Function, misfit, wrong};
use super::written::{format, string, text};
use crate::crm::phone_forms;
use crate::expression::budget::Meter;
use crate::expression::env::Env;
use crate::expression::fault::Fault;
use crate::expression::kind::Kind;
use crate::expression::kind::Kind::{Any, Bool, Int, List as AList, Text as AText};
use crate::expression::plain::percent_encode;
use crate::expression::value::{Answer, Cel, ELEMENT, List, Text};
use crate::lead;

pub(super) const TABLE: &[Function] = &[
    Function::new("contains", Member, &[AText, AText], 2, Bool, contains),
    Function::new("startsWith", Member, &[AText, AText], 2, Bool, starts_with),
    Function::new("endsWith", Member, &[AText, AText], 2, Bool, ends_with),
    Function::remembering("matches", Either, &[AText, AText], 2, Bool, matches),
    Function::new("lower", Member, &[AText], 1, AText, lower),
    Function::new("upper", Member, &[AText], 1, AText, upper),
    Function::new("lowerAscii", Member, &[AText], 1, AText, lower_ascii),
    Function::new("upperAscii", Member, &[AText], 1, AText, upper_ascii),
    Function::new("trim", Member, &[AText], 1, AText, trim),
    Function::new("replace", Member, &[AText, AText, AText, Int], 3, AText, replace),
    Function::new("split", Member, &[AText, AText, Int], 2, AList, split),
    Function::new("join", Member, &[AList, AText], 1, AText, join),
    Function::new("substring", Member, &[AText, Int, Int], 2, AText, substring),
    Function::new("charAt", Member, &[AText, Int], 2, AText, char_at),
    Function::new("indexOf", Member, &[AText, AText, Int], 2, Int, index_of),
    Function::new("lastIndexOf", Member, &[AText, AText], 2, Int, last_index_of),
    Function::new("format", Member, &[AText, AList], 2, AText, format),
    Function::new("urlencode", Global, &[AText], 1, AText, urlencode),
    Function::new("unescapeHtml", Global, &[AText], 1, AText, unescape_html),
    Function::new("phoneForms", Global, &[AText], 1, AList, phone_forms),
    Function::new("samePhone", Global, &[AText, AText], 2, Bool, same_phone),
    Function::new("withDialCode", Global, &[Any, Any], 2, Any, with_dial_code),
    Function::new("string", Global, &[Any], 1, AText, string),
    Function::new("text", Global, &[Any], 1, Any, text),
];

fn contains<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Text(text), Cel::Text(part)] = args else {
        return misfit();
    };
    meter.look(text.len() + part.len())?;
    Ok(Cel::Bool(text.contains(&**part)))
}

fn starts_with<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Text(text), Cel::Text(part)] = args else {
        return misfit();
    };
    meter.look(part.len())?;
    Ok(Cel::Bool(text.starts_with(&**part)))
}

fn ends_with<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Text(text), Cel::Text(part)] = args else {
        return misfit();
    };
    meter.look(part.len())?;
    Ok(Cel::Bool(text.ends_with(&**part)))
}

fn matches<'v>(env: &Env<'_>, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Text(text), Cel::Text(pattern)] = args else {
        return misfit();
    };
    env.pattern.search(pattern, text, &env.meter).map(Cel::Bool)
}

/// A text of about the size of another, made by a function that reads it once.
fn made<'v>(meter: &Meter, args: &[Cel<'v>], of: impl FnOnce(&str) -> String) -> Answer<'v> {
    let [Cel::Text(text)] = args else { return misfit() };
    // Upper case, escapes and quotes make up to three bytes of one.
    meter.make(text.len() * 3)?;
    Cel::text(of(text), meter)
}

fn lower<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    made(meter, args, str::to_lowercase)
}

fn upper<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    made(meter, args, str::to_uppercase)
}

fn lower_ascii<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    made(meter, args, str::to_ascii_lowercase)
}

fn upper_ascii<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    made(meter, args, str::to_ascii_uppercase)
}

fn urlencode<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    made(meter, args, percent_encode)
}

fn unescape_html<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    made(meter, args, |text| {
        html_escape::decode_html_entities(text).into_owned()
    })
}

fn phone_forms<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Text(number)] = args else {
        return misfit();
    };
    // Bounded: what is longer than a number is not parsed.
    meter.look(number.len())?;
    let mut forms = Vec::new();
    for form in phone_forms::forms(number) {
        meter.make(ELEMENT * 2)?;
        forms.push(Cel::text(form, meter)?);
    }
    Cel::list(forms, meter)
}

fn same_phone<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Text(lead), Cel::Text(record)] = args else {
        return misfit();
    };
    meter.look(lead.len() + record.len())?;
    Ok(Cel::Bool(phone_forms::same(lead, record)))
}

/// The number as it is where nothing is to be joined to it.
fn with_dial_code<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [number, code] = args else { return misfit() };
    let (Cel::Text(typed), Cel::Text(code)) = (text(meter, from_ref(number))?, text(meter, from_ref(code))?)
    else {
        return Ok(number.clone());
    };
    meter.look(typed.len() + code.len())?;
    // A longer one is no number.
    if typed.len() > MAX_NUMBER {
        return Ok(number.clone());
    }
    lead::with_dial_code(&typed, &code).map_or_else(|| Ok(number.clone()), |joined| Cel::text(joined, meter))
}

/// The longest text that is looked at as a phone number, in bytes.
const MAX_NUMBER: usize = 100;

/// A part of a text: lent where the text is.
fn part<'v>(text: &Text<'v>, from: usize, to: usize, meter: &Meter) -> Answer<'v> {
    match text {
        Text::Lent(text) => Ok(Cel::Text(Text::Lent(text.get(from..to).unwrap_or_default()))),
        Text::Made(text) => Cel::text(text.get(from..to).unwrap_or_default(), meter),
    }
}

fn trim<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Text(text)] = args else { return misfit() };
    meter.look(text.len())?;
    let from = text.len() - text.trim_start().len();
    part(text, from, from + text.trim().len(), meter)
}

fn replace<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let (text, from, to, most) = match args {
        [Cel::Text(text), Cel::Text(from), Cel::Text(to)] => (text, from, to, -1),
        [Cel::Text(text), Cel::Text(from), Cel::Text(to), Cel::Int(most)] => (text, from, to, *most),
        _ => return misfit(),
    };
    meter.look(text.len() + from.len())?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let times = text.matches(&**from).take(most).count();
    meter.steps(times as u64)?;
    // While it grows, a text is in memory up to three times.
    let longest = text.len().saturating_add(times.saturating_mul(to.len()));
    meter.make(longest.saturating_mul(3))?;
    Cel::text(text.replacen(&**from, to, times), meter)
}

fn split<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let (text, separator, most) = match args {
        [Cel::Text(text), Cel::Text(separator)] => (text, separator, -1),
        [Cel::Text(text), Cel::Text(separator), Cel::Int(most)] => (text, separator, *most),
        _ => return misfit(),
    };
    meter.look(text.len() + separator.len())?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut from = 0;
    let mut add = |from: usize, to: usize| {
        meter.step()?;
        // A list that grows is in memory up to three times.
        meter.make(ELEMENT * 2)?;
        parts.push(part(text, from, to, meter)?);
        Ok::<_, Fault>(())
    };
    if most == 0 {
        return Cel::list(Vec::new(), meter);
    }
    let mut left = most.saturating_sub(1);
    if separator.is_empty() {
        // Between characters, and not at the ends.
        for (at, _) in text.char_indices().skip(1) {
            if left == 0 {
                break;
            }
            left -= 1;
            add(from, at)?;
            from = at;
        }
        if text.is_empty() {
            return Cel::list(Vec::new(), meter);
        }
    } else {
        for (at, found) in text.match_indices(&**separator) {
            if left == 0 {
                break;
            }
            left -= 1;
            add(from, at)?;
            from = at + found.len();
        }
    }
    add(from, text.len())?;
    Cel::list(parts, meter)
}

fn join<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let (list, separator): (&List<'v>, &str) = match args {
        [Cel::List(list)] => (list, ""),
        [Cel::List(list), Cel::Text(separator)] => (list, separator),
        _ => return misfit(),
    };
    let mut joined = String::new();
    for (n, item) in list.iter().enumerate() {
        meter.step()?;
        let Cel::Text(item) = item else {
            return Err(wrong(
                "join",
                Kind::of(&item),
                "a list of texts; map(x, string(x)) makes one",
            ));
        };
        let separator = if n == 0 { "" } else { separator };
        // A text that grows is in memory up to three times.
        meter.make((separator.len() + item.len()) * 3)?;
        joined.push_str(separator);
        joined.push_str(&item);
    }
    Cel::text(joined, meter)
}

/// Where a character begins, counted in characters; the end counts too.
fn place(text: &str, n: i64, meter: &Meter) -> Result<usize, Fault> {
    meter.look(text.len() * 2)?;
    usize::try_from(n)
        .ok()
        .and_then(|n| {
            let ends = std::iter::once(text.len());
            text.char_indices().map(|(at, _)| at).chain(ends).nth(n)
        })
        .ok_or_else(|| Fault::Value("a text is shorter than the expression expects".to_owned()))
}

fn substring<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let (text, from, to) = match args {
        [Cel::Text(text), Cel::Int(from)] => (text, *from, None),
        [Cel::Text(text), Cel::Int(from), Cel::Int(to)] => (text, *from, Some(*to)),
        _ => return misfit(),
    };
    let from = place(text, from, meter)?;
    let to = to.map_or(Ok(text.len()), |to| place(text, to, meter))?;
    if from > to {
        return Err(Fault::Type("substring() ends before it begins".to_owned()));
    }
    part(text, from, to, meter)
}

fn char_at<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Text(text), Cel::Int(n)] = args else {
        return misfit();
    };
    let from = place(text, *n, meter)?;
    let width = text
        .get(from..)
        .and_then(|rest| rest.chars().next())
        .map_or(0, char::len_utf8);
    part(text, from, from + width, meter)
}

/// A place in a text, counted in characters; -1 is none.
fn position<'v>(text: &str, at: Option<usize>) -> Answer<'v> {
    let count = at
        .and_then(|at| text.get(..at))
        .map(|before| before.chars().count());
    Ok(Cel::Int(count.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1)))
}

fn index_of<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let (text, part, from) = match args {
        [Cel::Text(text), Cel::Text(part)] => (text, part, 0),
        [Cel::Text(text), Cel::Text(part), Cel::Int(from)] => (text, part, *from),
        _ => return misfit(),
    };
    meter.look(text.len() * 2 + part.len())?;
    let from = place(text, from, meter)?;
    let rest = text.get(from..).unwrap_or_default();
    position(text, rest.find(&**part).map(|at| from + at))
}

fn last_index_of<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Text(text), Cel::Text(part)] = args else {
        return misfit();
    };
    meter.look(text.len() * 2 + part.len())?;
    position(text, text.rfind(&**part))
}
