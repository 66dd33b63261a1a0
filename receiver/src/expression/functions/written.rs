//! Values, written as text.

use super::function::{misfit, unreadable, wrong};
use crate::expression::budget::Meter;
use crate::expression::fault::Fault;
use crate::expression::kind::Kind;
use crate::expression::value::{Answer, Cel, seconds};

pub(super) fn string<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [value] = args else { return misfit() };
    match value {
        Cel::Text(_) => Ok(value.clone()),
        Cel::Null => Err(Fault::Absent),
        Cel::Bytes(bytes) => {
            meter.make(bytes.len())?;
            let text = std::str::from_utf8(bytes).map_err(|_| unreadable("text (UTF-8)"))?;
            Cel::text(text, meter)
        }
        other => match written(other) {
            Some(text) => Cel::text(text, meter),
            None => Err(wrong("string", Kind::of(other), "a single value")),
        },
    }
}

/// A value that is neither a list, a map nor a text, in words.
fn written(value: &Cel<'_>) -> Option<String> {
    Some(match value {
        Cel::Null => "null".to_owned(),
        Cel::Bool(b) => b.to_string(),
        Cel::Int(i) => i.to_string(),
        Cel::UInt(u) => u.to_string(),
        Cel::Double(d) => d.to_string(),
        Cel::Time(time) => time.to_string(),
        Cel::Duration(duration) => seconds(*duration),
        Cel::Type(name) => (*name).to_owned(),
        _ => return None,
    })
}

pub(super) fn text<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [value] = args else { return misfit() };
    let value = match value.clone().plain() {
        Cel::List(list) => list.get(0).map_or(Cel::Null, Cel::plain),
        other => other,
    };
    match value {
        text @ Cel::Text(_) => Ok(text),
        // As JSON writes it: 1.0 stays 1.0.
        Cel::Double(d) => {
            serde_json::Number::from_f64(d).map_or(Ok(Cel::Null), |n| Cel::text(n.to_string(), meter))
        }
        Cel::Null => Ok(Cel::Null),
        other => written(&other).map_or(Ok(Cel::Null), |text| Cel::text(text, meter)),
    }
}

/// What stands behind a `%`, as in `.2f euros`: the precision, the letter, and the text after them.
fn place(piece: &str) -> Result<(usize, char, &str), &'static str> {
    let (precision, rest) = match piece.strip_prefix('.') {
        None => (6, piece),
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (digits, rest) = rest.split_at(end);
            let digits = digits.parse().ok().filter(|n| *n <= 100);
            (digits.ok_or("takes a precision of at most 100")?, rest)
        }
    };
    let mut letters = rest.chars();
    match letters.next() {
        Some(letter @ ('s' | 'd' | 'f' | 'e' | 'x' | 'X' | 'o' | 'b')) => {
            Ok((precision, letter, letters.as_str()))
        }
        _ => Err("knows the places %s, %d, %f, %e, %x, %X, %o and %b; a percent sign is %%"),
    }
}

/// How many values a form of [`format`] takes, or what is wrong with it.
pub(in crate::expression) fn places(form: &str) -> Result<usize, &'static str> {
    let mut pieces = form.split('%').skip(1);
    let mut places = 0;
    while let Some(piece) = pieces.next() {
        if piece.is_empty() {
            pieces.next();
        } else {
            place(piece)?;
            places += 1;
        }
    }
    Ok(places)
}

/// `'%s has %d'.format([name, n])`: `%s`, `%d`, `%f`, `%e`, `%x`, `%X`, `%o`, `%b`, `%%`, with a precision as in `%.2f`.
pub(super) fn format<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Text(form), Cel::List(values)] = args else {
        return misfit();
    };
    let wrong = |why: &str| Fault::Type(format!("format() {why}"));
    let mut out = String::new();
    let mut pieces = form.split('%');
    let first = pieces.next().unwrap_or_default();
    meter.make(form.len() * 3)?;
    out.push_str(first);
    let mut values = values.iter();
    while let Some(piece) = pieces.next() {
        meter.step()?;
        if piece.is_empty() {
            out.push('%');
            out.push_str(pieces.next().unwrap_or_default());
            continue;
        }
        let (precision, letter, rest) = place(piece).map_err(wrong)?;
        let value = values
            .next()
            .ok_or_else(|| wrong("has more places than values"))?;
        // The longest number has 309 digits before its point; a text is counted before it is copied.
        meter.make(match &value {
            Cel::Text(text) => text.len(),
            _ => 512,
        })?;
        let piece = match (letter, &value) {
            ('s', Cel::Text(text)) => (**text).to_owned(),
            ('s', Cel::List(_) | Cel::Dict(_)) => value.clone().into_json(meter)?.to_string(),
            ('s', other) => written(other).ok_or_else(|| wrong("has no form for such a value"))?,
            ('d', Cel::Int(_) | Cel::UInt(_) | Cel::Double(_)) => written(&value).unwrap_or_default(),
            ('x', Cel::Int(n)) => format!("{n:x}"),
            ('X', Cel::Int(n)) => format!("{n:X}"),
            ('o', Cel::Int(n)) => format!("{n:o}"),
            ('b', Cel::Int(n)) => format!("{n:b}"),
            ('f' | 'e', number) => {
                let n = number
                    .as_double()
                    .ok_or_else(|| wrong("needs a number for %f and %e"))?;
                if letter == 'f' {
                    format!("{n:.precision$}")
                } else {
                    format!("{n:.precision$e}")
                }
            }
            _ => return Err(wrong("has a place that it cannot fill with this value")),
        };
        // What is made grows, and is in memory up to three times.
        meter.make(piece.len() * 3)?;
        out.push_str(&piece);
        out.push_str(rest);
    }
    Cel::text(out, meter)
}
