//! What becomes of a verified request: batches, routes, identities, addresses.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, Method};
use leadgate_crds::LeadWebhook;
use leadgate_receiver::lead::Problem;
use leadgate_receiver::source::auth::{AddressRule, RawRequest, client_address};
use leadgate_receiver::source::{Batch, Other, Parsed, Refusal, Webhook};
use serde_json::{Value, json};

/// A webhook whose spec has these members besides the necessary ones.
fn webhook(more: &Value) -> Webhook {
    let mut spec = json!({
        "auth": {"none": {"allowUnauthenticated": true}},
        "payload": {"lead": {"email": "item.email", "capturedAt": "item.at"}},
        "sinks": [{"name": "crm"}]
    });
    for (name, value) in more.as_object().unwrap() {
        match (spec.get_mut(name), value) {
            (Some(Value::Object(known)), Value::Object(new)) => known.extend(new.clone()),
            _ => spec[name.as_str()] = value.clone(),
        }
    }
    let object: LeadWebhook =
        serde_json::from_value(json!({"metadata": {"name": "w", "namespace": "n"}, "spec": spec})).unwrap();
    Webhook::compile(&object, &|_, _| Err("none".into())).unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert("content-type", "application/json".parse().unwrap());
    for (name, value) in pairs {
        map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    map
}

fn parse(webhook: &Webhook, with: &[(&str, &str)], body: &Value) -> Result<Parsed<Batch>, Refusal> {
    webhook.leads(&RawRequest {
        method: &Method::POST,
        query: Some("form=a&form=b"),
        headers: &headers(with),
        body: body.to_string().as_bytes(),
        now: 0,
    })
}

fn leads(taken: Result<Parsed<Batch>, Refusal>) -> Vec<leadgate_receiver::queue::NewLead> {
    match taken {
        Ok(Parsed::Leads(batch)) if batch.others.is_empty() => batch.leads,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_is_taken_whole_or_every_fault_in_it_is_told() {
    let batch = webhook(&json!({"payload": {"items": "payload.items"}}));
    let good = json!({"items": [{"email": "a@example.com"}, {"email": "b@example.com"}]});
    let taken = leads(parse(&batch, &[], &good));
    assert_eq!(taken.len(), 2);
    assert_ne!(taken[0].dedupe, taken[1].dedupe);
    assert_ne!(taken[0].contact, taken[1].contact);

    let mixed = json!({"items": [{"email": "a@example.com"}, {"email": "x"}, {"at": "2026-11-23"}]});
    let all_or_none = webhook(&json!({"payload": {"items": "payload.items", "itemsPolicy": "AllOrNone"}}));
    let all_bad = json!({"items": [{"email": "x"}, {}]});
    for (taken, expected) in [
        (
            parse(&all_or_none, &[], &mixed),
            [
                ("items[1].email", "InvalidEmail"),
                ("items[2].email", "ContactMissing"),
            ],
        ),
        (
            parse(&batch, &[], &all_bad),
            [
                ("items[0].email", "InvalidEmail"),
                ("items[1].email", "ContactMissing"),
            ],
        ),
    ] {
        let Err(Refusal::Invalid(problems)) = taken else {
            panic!("taken in part");
        };
        let found: Vec<(&str, &str)> = problems.iter().map(|p| (p.field.as_str(), p.reason)).collect();
        assert_eq!(found, expected);
    }

    for (body, reason) in [
        (json!({"items": []}), None),
        (json!({}), None),
        (json!({"items": {"email": "a@example.com"}}), Some("NoList")),
        (
            json!({"items": vec![json!({"email": "a@example.com"}); 1001]}),
            Some("TooManyLeads"),
        ),
    ] {
        match (parse(&batch, &[], &body), reason) {
            (Ok(Parsed::Ignored(_)), None) => {}
            (Err(Refusal::Invalid(problems)), Some(reason)) => assert_eq!(problems[0].reason, reason),
            (other, _) => panic!("{reason:?}: {other:?}"),
        }
    }
}

#[test]
fn a_bad_element_of_a_batch_costs_the_others_nothing_and_can_be_replayed_by_itself() {
    let batch = webhook(&json!({"payload": {"items": "payload.items"}}));
    let body = json!({"items": [
        {"email": "x"}, {"email": "a@example.com"}, {"email": "b@example.com"},
    ]});
    let Ok(Parsed::Leads(taken)) = parse(&batch, &[], &body) else {
        panic!("refused as a whole");
    };
    assert_eq!(taken.leads.len(), 2);
    let [(0, Other::Refused { problems, body })] = taken.others.as_slice() else {
        panic!("{:?}", taken.others);
    };
    assert_eq!(
        (problems[0].field.as_str(), problems[0].reason),
        ("email", "InvalidEmail")
    );
    assert_eq!(body.as_ref(), br#"{"email":"x"}"#);

    let again = |body: &[u8]| {
        batch.leads_of_element(&RawRequest {
            method: &Method::POST,
            query: None,
            headers: &headers(&[]),
            body,
            now: 0,
        })
    };
    assert!(matches!(again(body), Err(Refusal::Invalid(_))));
    assert!(
        matches!(again(br#"{"email":"x@example.com"}"#), Ok(Parsed::Leads(taken)) if taken.leads.len() == 1)
    );
}

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

#[test]
fn leads_go_where_their_conditions_say_and_are_kept_where_none_takes_them() {
    let routed = webhook(&json!({"sinks": [
        {"name": "all"},
        {"name": "big", "when": "int(payload.seats) > 10"},
        {"name": "partner", "when": "headers['x-partner'] == 'yes'"},
        {"name": "form", "when": "query.form == 'b' || query.form == 'a'"},
        {"name": "mapped", "when": "lead.email.endsWith('@example.org')"},
    ]}));
    let sinks = |with: &[(&str, &str)], body: Value| -> Vec<String> {
        let taken = leads(parse(&routed, with, &body));
        taken[0]
            .sinks
            .iter()
            .map(|sink| sink.as_str().trim_start_matches("n/").to_owned())
            .collect()
    };
    assert_eq!(sinks(&[], json!({"email": "a@example.com"})), ["all", "form"]);
    assert_eq!(
        sinks(&[], json!({"email": "a@example.com", "seats": "11"})),
        ["all", "big", "form"]
    );
    assert_eq!(
        sinks(&[("X-Partner", "yes")], json!({"email": "a@example.com"})),
        ["all", "partner", "form"]
    );
    assert_eq!(
        sinks(&[], json!({"email": "a@example.org"})),
        ["all", "form", "mapped"]
    );
    let Err(Refusal::Invalid(problems)) =
        parse(&routed, &[], &json!({"email": "a@example.com", "seats": "many"}))
    else {
        panic!("a condition that fails is no condition that is false");
    };
    assert_eq!(problems[0].reason, "RoutingFailed");

    let nowhere = webhook(&json!({"sinks": [{"name": "a", "when": "false"}]}));
    let kept = leads(parse(&nowhere, &[], &json!({"email": "a@example.com"})));
    assert!(kept[0].sinks.is_empty(), "{kept:?}");
    let picky = webhook(&json!({"payload": {"accept": "payload.type == 'lead'"}}));
    assert!(matches!(
        parse(&picky, &[], &json!({"type": "ping"})),
        Ok(Parsed::Ignored(_))
    ));
    assert!(matches!(parse(&picky, &[], &json!({})), Ok(Parsed::Ignored(_))));
    assert_eq!(
        leads(parse(
            &picky,
            &[],
            &json!({"type": "lead", "email": "a@example.com"})
        ))
        .len(),
        1
    );
}

/// The chain: expression, header, submissionId, eventId, e-mail and time, digest of the body.
#[test]
fn the_first_identity_that_a_submission_has_is_its_identity() {
    // A sender whose preset knows no identity.
    let plain = webhook(&json!({"source": "cf7"}));
    let keyed = webhook(&json!({"idempotency": {"key": "payload.form.id", "window": "1h"}}));
    let header = [("X-Idempotency-Key", "k1")];
    let key = |webhook: &Webhook, with: &[(&str, &str)], body: Value| {
        let lead = leads(parse(webhook, with, &body)).remove(0);
        (lead.dedupe, lead.window)
    };
    let email = "a@example.com";
    // Two requests, and whether they are the same submission.
    for (what, webhook, one, two, same) in [
        (
            "expression",
            &keyed,
            json!({"email": email, "form": {"id": 1}}),
            json!({"email": "b@example.com", "form": {"id": "1"}}),
            true,
        ),
        (
            "another id",
            &keyed,
            json!({"email": email, "form": {"id": 1}}),
            json!({"email": email, "form": {"id": 2}}),
            false,
        ),
        (
            "submissionId",
            &plain,
            json!({"email": email, "submissionId": "s"}),
            json!({"email": "b@example.com", "submissionId": "s"}),
            true,
        ),
        (
            "submissionId before eventId",
            &plain,
            json!({"email": email, "submissionId": "s", "eventId": 1}),
            json!({"email": email, "submissionId": "s", "eventId": 2}),
            true,
        ),
        (
            "eventId",
            &plain,
            json!({"email": email, "eventId": "e", "n": 1}),
            json!({"email": email, "eventId": "e", "n": 2}),
            true,
        ),
        (
            "a submissionId is no eventId",
            &plain,
            json!({"email": email, "submissionId": "s"}),
            json!({"email": email, "eventId": "s"}),
            false,
        ),
        (
            "e-mail and time",
            &plain,
            json!({"email": email, "at": "2026-01-01T00:00:00Z", "n": 1}),
            json!({"email": "A@example.com ", "at": 1_767_225_600, "n": 2}),
            true,
        ),
        (
            "another time",
            &plain,
            json!({"email": email, "at": 1_767_225_600}),
            json!({"email": email, "at": 1_767_225_601}),
            false,
        ),
        (
            "the body",
            &plain,
            json!({"email": email, "n": 1}),
            json!({"email": email, "n": 1}),
            true,
        ),
        (
            "another body",
            &plain,
            json!({"email": email, "n": 1}),
            json!({"email": email, "n": 2}),
            false,
        ),
        (
            "blank ids do not count",
            &plain,
            json!({"email": email, "submissionId": " ", "n": 1}),
            json!({"email": email, "submissionId": " ", "n": 2}),
            false,
        ),
    ] {
        assert_eq!(
            key(webhook, &[], one).0 == key(webhook, &[], two).0,
            same,
            "{what}"
        );
    }
    let with_header = |n: u8| key(&plain, &header, json!({"email": email, "submissionId": n})).0;
    assert_eq!(
        with_header(1),
        with_header(2),
        "the header goes before submissionId"
    );
    let expression_first = |n: &str| {
        key(
            &keyed,
            &[("X-Idempotency-Key", n)],
            json!({"email": email, "form": {"id": 1}}),
        )
        .0
    };
    assert_eq!(expression_first("1"), expression_first("2"));
    // A person may send the same form twice and mean it: only a short while.
    let minutes = |body: Value| key(&plain, &[], body).1.as_secs() / 60;
    assert_eq!(minutes(json!({"email": email})), 10);
    assert_eq!(minutes(json!({"email": email, "eventId": 1})), 24 * 60);
    // No webhook's identities collide with another's, and none shows whom it is about.
    let lead = leads(parse(&plain, &[], &json!({"email": email, "at": 5}))).remove(0);
    for text in [lead.dedupe.as_str(), lead.contact.as_str()] {
        assert!(!text.contains("example") && text.len() == 22, "{text}");
    }
}

#[test]
fn the_senders_address_is_the_one_that_a_trusted_proxy_wrote() {
    let peer: IpAddr = "10.0.0.9".parse().unwrap();
    let one = "203.0.113.7";
    for (forwarded, proxies, expected) in [
        (&[][..], 0, Some("10.0.0.9")),
        (&[one], 0, Some("10.0.0.9")),
        (&[one], 1, Some(one)),
        (&["6.6.6.6, 203.0.113.7"], 1, Some(one)),
        (&["6.6.6.6, 203.0.113.7, 10.0.0.8"], 2, Some(one)),
        (&["6.6.6.6", "203.0.113.7"], 1, Some(one)),
        (&["203.0.113.7"], 2, None),
        (&[], 1, None),
        (&["unknown"], 1, None),
        (&["203.0.113.7:4711"], 1, None),
        (&["2001:db8::1"], 1, Some("2001:db8::1")),
        (&["::ffff:203.0.113.7"], 1, Some(one)),
        (&[" 203.0.113.7 "], 1, Some(one)),
        (&["203.0.113.7,"], 1, None),
    ] {
        let pairs: Vec<(&str, &str)> = forwarded
            .iter()
            .map(|value| ("X-Forwarded-For", *value))
            .collect();
        let found = client_address(Some(peer), &headers(&pairs), proxies);
        assert_eq!(
            found,
            expected.map(|text| text.parse().unwrap()),
            "{forwarded:?} behind {proxies}"
        );
    }
    let rule = AddressRule::compile(&["203.0.113.0/24".into(), "2001:db8::/32".into()]).unwrap();
    for (address, allowed) in [
        ("203.0.113.7", true),
        ("::ffff:203.0.113.7", true),
        ("203.0.114.7", false),
        ("2001:db8::9", true),
        ("2001:db9::9", false),
    ] {
        assert_eq!(rule.verify(address.parse().ok()).is_ok(), allowed, "{address}");
    }
    assert!(rule.verify(None).is_err(), "who cannot be told is refused");
    assert!(AddressRule::compile(&[]).unwrap().verify(None).is_ok());
    assert!(AddressRule::compile(&["203.0.113.7".into()]).is_err());
}

#[test]
fn a_field_of_ones_own_that_nobody_filled_in_is_not_there() {
    let lead = json!({"email": "item.email", "custom": {
        "a": "payload.a", "b": "payload.b", "c": "payload.c", "d": "payload.d", "e": "payload.e", "f": "payload.f", "zero": "payload.zero"
    }});
    let custom = webhook(&json!({"payload": {"lead": lead}}));
    let body = json!({"email": "a@example.com", "a": "", "b": "  ", "c": [], "d": {}, "e": null, "f": [""], "zero": 0});
    let taken = leads(parse(&custom, &[], &body));
    let stored: Value = serde_json::from_slice(&taken[0].body).unwrap();
    assert_eq!(stored["lead"]["custom"], json!({"zero": 0}));
}

#[test]
fn a_mapping_with_a_mistake_is_not_the_senders_fault() {
    let by = |more: Value, body: Value| parse(&webhook(&more), &[], &body).expect_err("refused");
    let mail = json!({"email": "a@example.com", "n": 1});
    for (more, ours) in [
        // Types that the expression does not reckon with.
        (
            json!({"payload": {"lead": {"email": "payload.email", "company": "payload.n + 'x'"}}}),
            true,
        ),
        (
            json!({"payload": {"accept": "payload.email ? true : false"}}),
            true,
        ),
        (json!({"idempotency": {"key": "payload.n.lower()"}}), true),
        (json!({"sinks": [{"name": "crm", "when": "payload.n"}]}), true),
        // Work without an end.
        (
            json!({"payload": {"rules": [{"message": "m", "expression": "lists.range(100000).all(x, lists.range(100000).all(y, true))"}]}}),
            true,
        ),
        // What the sender sent.
        (
            json!({"payload": {"lead": {"email": "payload.email", "company": "string(int(payload.email))"}}}),
            false,
        ),
        (
            json!({"payload": {"lead": {"email": "payload.email.address"}}}),
            false,
        ),
        (
            json!({"payload": {"rules": [{"message": "m", "expression": "payload.n > 1"}]}}),
            false,
        ),
    ] {
        let refusal = by(more.clone(), mail.clone());
        assert_eq!(refusal.is_ours(), ours, "{more}: {refusal:?}");
    }
}

#[test]
fn conditions_that_leave_leads_out_and_fields_of_ones_own_are_known() {
    let routed = webhook(&json!({
        "payload": {"required": ["company"], "lead": {"email": "item.email", "custom": {"budget": "payload.budget"}}},
        "sinks": [
            {"name": "a", "when": "lead.country == 'DE' && lead.company != 'x' && lead.source == 'y'"},
            {"name": "b", "when": "lead.?country.orValue('') != 'DE' && webhook.name == 'w'"},
            {"name": "c", "when": "!(lead.country == 'DE') || payload.n > 3"},
            {"name": "d"},
        ]
    }));
    let uncovered = [
        ("spec.sinks[0].when".to_owned(), vec!["lead.country".to_owned()]),
        (
            "spec.sinks[2].when".to_owned(),
            vec!["lead.country".to_owned(), "payload.n".to_owned()],
        ),
    ];
    assert_eq!(routed.uncovered(), uncovered);
    assert_eq!(routed.custom_fields().collect::<Vec<_>>(), ["budget"]);
}
