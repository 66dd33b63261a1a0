//! What becomes of a verified request: batches, routes, identities, addresses.

mod identity;
mod on_invalid;

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, Method};
use leadgate_crds::LeadWebhook;
use leadgate_receiver::lead::Problem;
use leadgate_receiver::source::auth::{AddressRule, RawRequest, client_address};
use leadgate_receiver::source::{Batch, Kept, Other, Parsed, Refusal, Webhook};
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
    let body = body.to_string().into_bytes();
    let request = RawRequest {
        method: &Method::POST,
        query: Some("form=a&form=b"),
        headers: &headers(with),
        body: &body,
        now: 0,
    };
    webhook.leads(&request, &Kept::Whole)
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
        (json!({}), Some("NoList")),
        (json!({"items": null}), Some("NoList")),
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
        let request = RawRequest {
            method: &Method::POST,
            query: None,
            headers: &headers(&[]),
            body,
            now: 0,
        };
        batch.leads_of_element(&request, &Kept::Whole)
    };
    assert!(matches!(again(body), Err(Refusal::Invalid(_))));
    assert!(
        matches!(again(br#"{"email":"x@example.com"}"#), Ok(Parsed::Leads(taken)) if taken.leads.len() == 1)
    );
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
        // As Azure Application Gateway writes it.
        (&["203.0.113.7:4711"], 1, Some(one)),
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
