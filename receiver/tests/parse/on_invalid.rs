//! What an optional field that cannot be read costs.

use super::*;

#[test]
fn an_optional_field_that_cannot_be_read_costs_the_lead_only_where_the_webhook_says_so() {
    let payload = |more: Value| {
        let mut payload = json!({"lead": {"email": "payload.email", "phone": "payload.phone", "company": "payload.company",
            "message": "payload.message", "capturedAt": "payload.at", "custom": {"seats": "int(payload.seats)"}}});
        payload
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        webhook(&json!({"payload": payload}))
    };
    let strict = payload(json!({}));
    let lenient = payload(json!({"onInvalid": "DropField"}));
    let demanding = payload(json!({"onInvalid": "DropField", "required": ["phone"],
        "rules": [{"expression": "!has(lead.company) || lead.company != 'Spam Ltd'", "message": "no spam", "field": "company"}]}));
    let cut = payload(json!({"truncate": ["message"], "maxLengths": {"message": 5}}));
    let notes = |webhook: &Webhook, body: Value| -> Result<Vec<String>, Vec<String>> {
        let words = |problems: &[Problem]| -> Vec<String> {
            problems
                .iter()
                .map(|p| format!("{} {}", p.field, p.reason))
                .collect()
        };
        match parse(webhook, &[], &body) {
            Ok(Parsed::Leads(batch)) => {
                let stored: Value = serde_json::from_slice(&batch.leads[0].body).unwrap();
                let found: Vec<String> = batch.notes.iter().flat_map(|(_, notes)| words(notes)).collect();
                let kept = stored["notes"].as_array().cloned().unwrap_or_default();
                assert_eq!(kept.len(), found.len(), "notes are stored with the lead");
                for note in kept {
                    let name = note["field"].as_str().unwrap();
                    assert_eq!(note.as_object().unwrap().len(), 2, "by name and reason only");
                    if note["reason"] != "Truncated" && name != "capturedAt" {
                        assert_eq!(stored["lead"].get(name), None);
                    }
                }
                Ok(found)
            }
            Err(Refusal::Invalid(problems)) => Err(words(&problems)),
            other => panic!("{other:?}"),
        }
    };
    let good = "a@example.com";
    let long = "y".repeat(1001);
    let none = Vec::<String>::new;
    let told = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    for (webhook, body, expected) in [
        (
            &strict,
            json!({"email": good, "phone": "ab"}),
            Err(told(&["phone InvalidPhone"])),
        ),
        (
            &lenient,
            json!({"email": good, "phone": "ab"}),
            Ok(told(&["phone InvalidPhone"])),
        ),
        (
            &lenient,
            json!({"email": "x", "phone": "+4930901820"}),
            Ok(told(&["email InvalidEmail"])),
        ),
        // The last way to reach the person.
        (
            &lenient,
            json!({"phone": "ab"}),
            Err(told(&["phone InvalidPhone"])),
        ),
        (
            &lenient,
            json!({"email": "x", "phone": "ab"}),
            Err(told(&["email InvalidEmail", "phone InvalidPhone"])),
        ),
        (&lenient, json!({}), Err(told(&["email ContactMissing"]))),
        (
            &lenient,
            json!({"email": good, "company": long, "seats": "many"}),
            Ok(told(&["custom.seats MappingFailed", "company TooLong"])),
        ),
        (
            &lenient,
            json!({"email": good, "company": {"name": "x"}}),
            Ok(told(&["company NotText"])),
        ),
        // What is demanded.
        (
            &demanding,
            json!({"email": good, "phone": "ab"}),
            Err(told(&["phone InvalidPhone"])),
        ),
        (
            &demanding,
            json!({"email": good, "phone": "+4930901820", "company": "Spam Ltd"}),
            Err(told(&["company RuleFailed"])),
        ),
        // A time is never worth a lead.
        (
            &strict,
            json!({"email": good, "at": "September 21, 2026 3:04 pm"}),
            Ok(told(&["capturedAt InvalidTime"])),
        ),
        // What says nothing is absent.
        (
            &strict,
            json!({"email": good, "phone": "n/a", "company": "-", "at": "keine"}),
            Ok(none()),
        ),
        (
            &strict,
            json!({"email": "none", "phone": "+4930901820"}),
            Ok(none()),
        ),
        (
            &strict,
            json!({"email": "none", "phone": "-"}),
            Err(told(&["email ContactMissing"])),
        ),
        (
            &demanding,
            json!({"email": good, "phone": "n/a"}),
            Err(told(&["phone InvalidPhone"])),
        ),
        (
            &cut,
            json!({"email": good, "message": "123456"}),
            Ok(told(&["message Truncated"])),
        ),
        (&cut, json!({"email": good, "message": "12345"}), Ok(none())),
    ] {
        assert_eq!(notes(webhook, body.clone()), expected, "{body}");
    }
    let Ok(Parsed::Leads(batch)) = parse(&cut, &[], &json!({"email": good, "message": "123456"})) else {
        panic!("refused");
    };
    let stored: Value = serde_json::from_slice(&batch.leads[0].body).unwrap();
    assert_eq!(stored["lead"]["message"], "1234…");
}
