//! Answers in parts: a name, a phone number, an address.

use serde_json::{Map, Value};

use crate::expression::plain::plain_text;
use crate::lead::{Field, with_dial_code};

/// A text or number; of a list the first; of a choice its label, or what was typed instead.
pub(super) fn scalar(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(_) | Value::Number(_) => Some(value.clone()),
        Value::Array(items) => items.iter().find_map(scalar),
        Value::Object(map) => CHOICE.iter().find_map(|member| map.get(*member).and_then(scalar)),
        Value::Null | Value::Bool(_) => None,
    }
}

/// The members of an answer that was chosen (Typeform).
const CHOICE: [&str; 3] = ["label", "labels", "other"];

/// Whether an answer was chosen, and is none in parts.
pub(super) fn is_choice(parts: &Map<String, Value>) -> bool {
    CHOICE.iter().any(|member| parts.contains_key(*member))
}

/// The parts of an answer that is written in lines (Formstack, in a form): `first = Ada`, blank line, `last = Lovelace`. An answer of
/// one part has it as `value`.
pub(super) fn lines_of_parts(value: &Value) -> Option<Map<String, Value>> {
    let text = value.as_str().filter(|text| text.contains(" = "))?;
    let mut parts = Map::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (name, part) = line.split_once('=')?;
        let name = name.trim_end();
        let is_name = (1..=32).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !is_name || parts.len() == MAX_PARTS {
            return None;
        }
        parts.insert(name.to_owned(), Value::from(part.trim()));
    }
    (parts.len() > 1 || parts.contains_key("value")).then_some(parts)
}

/// More than any answer has.
const MAX_PARTS: usize = 16;

/// What an answer in parts is by its parts alone.
pub(super) fn shape(value: &Value) -> Option<Field> {
    let parts = value.as_object()?;
    let has = |name: &str| parts.contains_key(name);
    let is_number = |text: &str| {
        text.chars().filter(|c| c.is_numeric()).count() > 5 && !text.chars().any(char::is_alphabetic)
    };
    if has("first") && has("last") {
        Some(Field::FullName)
    } else if has("area") && has("phone") || parts.get("full").and_then(Value::as_str).is_some_and(is_number)
    {
        Some(Field::Phone)
    } else if has("addr_line1") {
        Some(Field::Address)
    } else {
        None
    }
}

/// Which question an answer in parts (a name, a phone number, an address) belongs to that this field is a part of.
pub(super) fn whole(field: Field) -> Option<Field> {
    Some(match field {
        Field::FirstName | Field::LastName | Field::FullName => Field::FullName,
        Field::Phone => Field::Phone,
        Field::Address | Field::City | Field::State | Field::PostalCode | Field::Country => Field::Address,
        _ => return None,
    })
}

/// A field that is a part of an answer in parts.
pub(super) fn part(field: Field, parts: &Map<String, Value>) -> Option<String> {
    let one = |names: &[&str]| {
        let mut texts = names.iter().filter_map(|name| parts.get(*name).and_then(scalar));
        texts.find_map(|value| plain_text(&value))
    };
    let all = |names: &[&[&str]]| {
        let texts: Vec<String> = names.iter().filter_map(|names| one(names)).collect();
        (!texts.is_empty()).then(|| texts.join(" "))
    };
    match field {
        Field::FirstName => one(&[
            "first",
            "firstName",
            "first_name",
            "firstname",
            "given",
            "given_name",
        ]),
        Field::LastName => one(&[
            "last",
            "lastName",
            "last_name",
            "lastname",
            "family",
            "family_name",
            "surname",
        ]),
        Field::FullName => one(&["full", "fullName", "full_name"]),
        Field::Phone => {
            let code = one(&[
                "country",
                "countryCode",
                "country_code",
                "dialCode",
                "dial_code",
                "callingCode",
                "prefix",
                "code",
            ]);
            let local = all(&[
                &["area"],
                &["phone", "number", "phoneNumber", "phone_number", "value"],
            ]);
            one(&["full"]).or_else(|| {
                let local = local?;
                let joined = code.and_then(|code| with_dial_code(&local, &code));
                Some(joined.unwrap_or(local))
            })
        }
        Field::Address => all(&[
            &[
                "addr_line1",
                "address_line1",
                "addressLine1",
                "address1",
                "line1",
                "street",
                "address",
            ],
            &["addr_line2", "address_line2", "addressLine2", "address2", "line2"],
        ]),
        Field::City => one(&["city", "town"]),
        Field::State => one(&["state", "region", "province"]),
        Field::PostalCode => one(&[
            "postal",
            "postalCode",
            "postal_code",
            "zip",
            "zipCode",
            "zip_code",
        ]),
        Field::Country => one(&["country"]),
        _ => None,
    }
}
