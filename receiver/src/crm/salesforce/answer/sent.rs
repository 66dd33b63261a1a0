//! What a refusal means in sight of what was sent: which property it is about where it names none, and what of a value would
//! be taken. Pure.

use leadgate_crds::reason::FailureReason;
use serde_json::{Map, Value};

use super::meaning::{Answer, Error, errors, record_id, word};
use crate::crm::{Failure, RefusedProperty};
use crate::expression::plain_text;

/// The same answer, if what was sent tells no more. `creates`: whether a new record may come of the write.
pub(in super::super) fn in_sight_of(answer: Answer, fields: &Map<String, Value>, creates: bool) -> Answer {
    let (Answer::Reject(why) | Answer::NotFound(why) | Answer::Refused(why, _)) = &answer else {
        return answer;
    };
    let body: Value = serde_json::from_str(&why.answer).unwrap_or_default();
    let errors = errors(&body);
    if let Answer::Refused(why, properties) = answer {
        let properties = properties
            .into_iter()
            .map(|refused| shortened(refused, &errors, fields));
        return Answer::Refused(why, properties.collect());
    }
    let [error] = errors.as_slice() else { return answer };
    let named: Vec<&str> = match error.code {
        "JSON_PARSER_ERROR" => unparsed(error.message, fields).into_iter().collect(),
        "INACTIVE_OWNER_OR_USER" => users(error, fields),
        "INVALID_CROSS_REFERENCE_KEY" | "MALFORMED_ID" if creates && error.fields.is_empty() => {
            references(fields)
        }
        _ => return answer,
    };
    match answer {
        Answer::Reject(why) | Answer::NotFound(why) if !named.is_empty() => without(why, error.code, &named),
        Answer::Reject(why) if error.code == "INACTIVE_OWNER_OR_USER" => inactive(why, creates),
        answer => answer,
    }
}

/// The fields whose values look like the ids of records.
pub(in super::super) fn references(fields: &Map<String, Value>) -> Vec<&str> {
    let is_id = |value: &Value| {
        let id = value.as_str().and_then(record_id);
        // A word of 15 letters is possible; an id has digits.
        id.is_some_and(|id| id.bytes().any(|b| b.is_ascii_digit()))
    };
    let names = fields.iter().filter(|(_, value)| is_id(value));
    names.map(|(name, _)| name.as_str()).collect()
}

/// Acceptable without the fields that are `named`.
pub(in super::super) fn without(why: Failure, code: &str, named: &[&str]) -> Answer {
    let listed: Vec<String> = named
        .iter()
        .map(|name| format!("{name} ({})", word(code)))
        .collect();
    let refused = named
        .iter()
        .map(|name| RefusedProperty::whole(name, FailureReason::InvalidProperty));
    let properties = refused.collect();
    Answer::Refused(
        Failure {
            message: format!("Salesforce did not accept these fields: {}", listed.join(", ")),
            ..why
        },
        properties,
    )
}

/// Of the fields sent, those that name the user who has left.
fn users<'f>(error: &Error<'_>, fields: &'f Map<String, Value>) -> Vec<&'f str> {
    let sent = |name: &str| fields.keys().find(|sent| sent.eq_ignore_ascii_case(name));
    let named: Vec<&str> = error
        .fields
        .iter()
        .filter_map(|name| sent(name))
        .map(String::as_str)
        .collect();
    if named.is_empty() {
        sent("OwnerId").map(String::as_str).into_iter().collect()
    } else {
        named
    }
}

/// The lead names no user: whoever was to get it has left.
fn inactive(why: Failure, creates: bool) -> Answer {
    if creates {
        return Answer::Suspect {
            why: Failure {
                reason: FailureReason::CallRefused,
                message: "Salesforce would give the lead to a user who is not active; correct the organisation's assignment rule or default lead owner, or set salesforce.assignmentRule: false".to_owned(),
                ..why
            },
            own: true,
        };
    }
    Answer::Reject(Failure {
        reason: FailureReason::RecordReadOnly,
        message: "Salesforce does not change the record, because its owner is not an active user; give the record to another user and replay the lead".to_owned(),
        ..why
    })
}

/// "Cannot deserialize instance of date from VALUE_STRING value 21.09.2026 or request may be missing a required field at
/// [line:1, column:77]": the field with this value, else the one at this place of the body.
fn unparsed<'f>(message: &str, fields: &'f Map<String, Value>) -> Option<&'f str> {
    let by_value: Vec<&str> = match quoted_value(message) {
        None => Vec::new(),
        Some(value) => fields
            .iter()
            .filter(|(_, sent)| plain_text(sent).is_some_and(|sent| sent == value))
            .map(|(name, _)| name.as_str())
            .collect(),
    };
    match by_value.as_slice() {
        [one] => Some(*one),
        several => at_column(message, fields).filter(|name| several.is_empty() || several.contains(name)),
    }
}

fn quoted_value(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once(" from VALUE_")?;
    let (_, value) = rest.split_once(" value ")?;
    let end = value
        .rfind(" or request may be missing")
        .or_else(|| value.rfind(" at [line:"))
        .unwrap_or(value.len());
    value.get(..end)
}

/// Whether the column counts bytes or characters, and is that of the value's start or of its end, nobody has written down: it
/// counts where all readings name one field.
fn at_column<'f>(message: &str, fields: &'f Map<String, Value>) -> Option<&'f str> {
    let (_, place) = message.rsplit_once("[line:1, column:")?;
    let column: usize = place.split_once(']')?.0.trim().parse().ok()?;
    let find = |length: fn(&str) -> usize| {
        let mut end = 1;
        fields.iter().find_map(|(name, value)| {
            end += length(&Value::from(name.as_str()).to_string()) + length(&value.to_string()) + ":,".len();
            // The comma behind it is still this field's.
            (column <= end).then_some(name.as_str())
        })
    };
    let by_bytes = find(str::len)?;
    (find(|text| text.encode_utf16().count()) == Some(by_bytes)).then_some(by_bytes)
}

/// "Last Name: data value too large: … (max length=80)": so much of a text is better than nothing of it. A part of an address
/// or a number would be another one.
fn shortened(refused: RefusedProperty, errors: &[Error<'_>], fields: &Map<String, Value>) -> RefusedProperty {
    let instead = || {
        let is_about = |error: &&Error<'_>| {
            error.code == "STRING_TOO_LONG" && error.fields.iter().any(|field| refused.property == *field)
        };
        let (_, length) = errors
            .iter()
            .find(is_about)?
            .message
            .rsplit_once("(max length=")?;
        let most: usize = length.split_once(')')?.0.trim().parse().ok()?;
        let (_, value) = fields
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&refused.property))?;
        let text = value.as_str().filter(|text| is_prose(text))?;
        let mut length = 0;
        let within = |c: &char| {
            length += c.len_utf16();
            length <= most
        };
        let start: String = text.chars().take_while(within).collect();
        let start = start.trim_end();
        (!start.is_empty() && start.len() < text.len()).then(|| start.to_owned())
    };
    RefusedProperty {
        instead: instead(),
        ..refused
    }
}

/// Whether it is a name or a sentence, not a number, an address or an id of another kind.
fn is_prose(text: &str) -> bool {
    let is_one_word = !text.trim().contains(char::is_whitespace);
    let is_address =
        text.contains('@') || text.contains("://") || (is_one_word && text.contains(['.', '/', '_']));
    let is_code = is_one_word && text.contains(|c: char| c.is_ascii_digit());
    text.contains(char::is_alphabetic) && !is_address && !is_code
}

#[cfg(test)]
mod tests {
    #![allow(clippy::type_complexity)] // tables of facts
    use serde_json::json;

    use super::*;

    fn fields() -> Map<String, Value> {
        let fields = json!({
            "LastName": "Grüße Ł".repeat(20), "Captured__c": "21.09.2026", "Vip__c": "oui", "Too__c": "oui",
            "OwnerId": "0055g00000AbCdEEAV", "Campaign__c": "7015g00000AbCdEEAV", "Email": "ada@example.com",
        });
        fields.as_object().cloned().unwrap()
    }

    /// `columns`: where the parser may say that a field's value is.
    fn column(name: &str, units: fn(&str) -> usize) -> usize {
        let body = Value::Object(fields()).to_string();
        units(body.split_once(&format!("\"{name}\":")).unwrap().0) + name.len() + 4
    }

    fn judged(error: &Value, fields: &Map<String, Value>, creates: bool) -> String {
        let text = json!([error]).to_string();
        let reply = crate::outbound::Reply::new(400, http::HeaderMap::new(), text);
        match in_sight_of(super::super::classify(&reply, "Lead"), fields, creates) {
            Answer::Refused(why, properties) => {
                for value in ["Gr", "21.09", "oui", "0055g", "@"] {
                    assert!(!why.message.contains(value), "a value leaks: {}", why.message);
                }
                let names: Vec<&str> = properties.iter().map(|p| p.property.as_str()).collect();
                format!("without {}", names.join(","))
            }
            Answer::Reject(why) => format!("dead {}", why.reason),
            Answer::Suspect { why, own } => format!("suspect {own} {}", why.reason),
            Answer::NotFound(why) => format!("not found {}", why.reason),
            answer => format!("{answer:?}"),
        }
    }

    #[test]
    fn a_value_of_another_type_costs_the_lead_its_property_and_never_another_one() {
        let parser = |value: &str, column: usize| {
            json!({"errorCode": "JSON_PARSER_ERROR", "message": format!(
                "Cannot deserialize instance of date from VALUE_STRING value {value} or request may be missing a required field at [line:1, column:{column}]")})
        };
        let only = |kept: &[&str]| {
            let mut fields = fields();
            fields.retain(|name, _| kept.contains(&name.as_str()));
            fields
        };
        let all = fields();
        let vip = column("Vip__c", str::len);
        let cases = [
            (parser("21.09.2026", 1), all.clone(), "without Captured__c"),
            (parser("oui", 1), only(&["Vip__c", "Email"]), "without Vip__c"),
            // Two have the value, and bytes and characters are not the same here.
            (parser("oui", vip), all.clone(), "dead InvalidProperty"),
            (
                json!({"errorCode": "JSON_PARSER_ERROR", "message": "Unexpected character at [line:1, column:2]"}),
                only(&["Vip__c"]),
                "without Vip__c",
            ),
            (
                json!({"errorCode": "JSON_PARSER_ERROR", "message": "Unexpected character at [line:1, column:9999]"}),
                all.clone(),
                "dead InvalidProperty",
            ),
            (
                json!({"errorCode": "JSON_PARSER_ERROR", "message": "x"}),
                all,
                "dead InvalidProperty",
            ),
        ];
        for (error, fields, expected) in cases {
            assert_eq!(judged(&error, &fields, true), expected, "{error}");
        }
        let plain = only(&["Captured__c", "Vip__c", "Too__c"]);
        let body = Value::Object(plain.clone()).to_string();
        for name in ["Vip__c", "Too__c"] {
            let start = body.find(&format!("\"{name}\":")).unwrap() + name.len() + 4;
            for column in [start, start + "\"oui\"".len()] {
                assert_eq!(
                    judged(&parser("oui", column), &plain, true),
                    format!("without {name}"),
                    "{column}"
                );
            }
        }
    }

    #[test]
    fn a_user_who_left_costs_the_lead_the_property_or_is_the_organisation_s_matter() {
        let error = |fields: &[&str]| json!({"errorCode": "INACTIVE_OWNER_OR_USER", "message": "operation performed with inactive user [0055g] as owner of lead", "fields": fields});
        let (with, mut none) = (fields(), fields());
        none.remove("OwnerId");
        let table: &[(&[&str], &Map<String, Value>, bool, &str)] = &[
            (&[], &with, true, "without OwnerId"),
            (&["OwnerId"], &with, true, "without OwnerId"),
            (&["OwnerId"], &with, false, "without OwnerId"),
            (&["Campaign__c"], &with, true, "without Campaign__c"),
            (&[], &none, true, "suspect true CallRefused"),
            (&["OwnerId"], &none, true, "suspect true CallRefused"),
            (&[], &none, false, "dead RecordReadOnly"),
        ];
        for (names, fields, creates, expected) in table {
            assert_eq!(
                judged(&error(names), fields, *creates),
                *expected,
                "{names:?} {creates}"
            );
        }
    }

    #[test]
    fn an_unnamed_reference_of_a_new_record_is_one_of_its_ids() {
        let error = json!({"errorCode": "INVALID_CROSS_REFERENCE_KEY", "message": "invalid cross reference id", "fields": []});
        let mut none = fields();
        none.retain(|name, _| name == "Email");
        let mut names = ["Campaign__c", "OwnerId"];
        names.sort_by_key(|name| fields().keys().position(|known| known == name));
        let expected = format!("without {}", names.join(","));
        assert_eq!(judged(&error, &fields(), true), expected);
        assert_eq!(judged(&error, &none, true), "not found InvalidReference");
        assert_eq!(judged(&error, &fields(), false), "not found InvalidReference");
    }

    #[test]
    fn of_a_text_that_is_too_long_the_start_is_kept_and_of_an_address_nothing() {
        let table = [
            ("Ada Lovelace", "(max length=5)", Some("Ada L")),
            ("Ada Lovelace", "(max length=4)", Some("Ada")),
            ("😀😀a", "(max length=3)", Some("😀")),
            ("ada@example.com", "(max length=5)", None),
            ("https://example.com", "(max length=5)", None),
            ("example.com/ada", "(max length=5)", None),
            ("a1b2c3d4e5", "(max length=5)", None),
            ("+4930123456", "(max length=5)", None),
            ("Ada Lovelace", "", None),
            ("Ada Lovelace", "(max length=0)", None),
            ("Ada", "(max length=80)", None),
        ];
        for (value, limit, expected) in table {
            let error = json!({"errorCode": "STRING_TOO_LONG", "message": format!("Last Name: data value too large: {value} {limit}"), "fields": ["LastName"]});
            let reply = crate::outbound::Reply::new(400, http::HeaderMap::new(), json!([error]).to_string());
            let fields = json!({"LastName": value}).as_object().cloned().unwrap();
            let Answer::Refused(_, properties) =
                in_sight_of(super::super::classify(&reply, "Lead"), &fields, true)
            else {
                panic!("not refused: {value}")
            };
            assert_eq!(properties[0].instead.as_deref(), expected, "{value} {limit}");
        }
    }
}
