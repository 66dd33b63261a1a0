#![allow(clippy::type_complexity)] // tables of facts
use std::collections::BTreeMap;
use std::time::Duration;

use leadgate_crds::crm_sink::{ContactMatch, Overwrite, PartialMatch};
use serde_json::json;

use super::super::auth::SignIn;
use super::super::settings::ExternalId;
use super::*;
use crate::expression::{Names, Program};

const A: &str = "00Q5g00000AbCdAEAV";
const B: &str = "00Q5g00000AbCdBEAV";

fn settings() -> Settings {
    Settings {
        instance_url: "https://x.my.salesforce.com".to_owned(),
        api_version: "62.0".to_owned(),
        object: "Lead".to_owned(),
        external_id: Some(ExternalId {
            field: "Sub__c".to_owned(),
            value: Program::compile("lead.submissionId", &Names::DELIVERY).unwrap(),
        }),
        sign_in: SignIn::ClientCredentials {
            url: String::new(),
            client_id: String::new(),
            client_secret: String::new(),
        },
        allow_save: false,
        assignment_rule: false,
        fallbacks: Fallbacks {
            last_name: Some("[unknown]".to_owned()),
            company: None,
        },
        timeout: Duration::from_secs(1),
        matching: Matching {
            keys: vec![MatchingKey::Email, MatchingKey::Phone],
            on_partial: PartialMatch::Hold,
            contacts: ContactMatch::Create,
            overwrite: Overwrite::Always,
            overwrite_properties: BTreeMap::from([("title".to_owned(), Overwrite::IfEmpty)]),
        },
    }
}

fn upsert(lead: Value) -> Upsert {
    Upsert {
        properties: vec![
            ("Email".to_owned(), json!("a@x.de")),
            ("title".to_owned(), json!("CEO")),
            ("SUB__C".to_owned(), json!("mapped")),
            ("id".to_owned(), json!("evil")),
            ("Topics__c".to_owned(), json!(["a", "b"])),
            ("lastname".to_owned(), json!(" ")),
        ],
        lead,
        ..Upsert::default()
    }
}

fn lead(lead: Value) -> Lead {
    Lead::new(upsert(lead), &settings()).unwrap()
}

fn found(id: &str, email: &str, phone: &str, external: &str) -> Found {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Found {
        candidate: Candidate {
            id: id.to_owned(),
            email: given(email),
            phones: given(phone).into_iter().collect(),
        },
        external: given(external),
        ..Found::default()
    }
}

fn shown(lead: &Lead, found: &[Found], forget: bool) -> String {
    match target(lead, found, &settings().matching, forget) {
        Target::Update(id) => format!("update {}", if id == A { "A" } else { "B" }),
        Target::Create { external, allow_save } => format!("create {external} {allow_save}"),
        Target::Hold { why, candidates } => {
            assert!(!why.message.contains('@'), "{}", why.message);
            format!("hold {} {}", why.reason, candidates.len())
        }
    }
}

#[test]
fn a_person_who_is_a_contact_is_updated_held_or_left_alone_as_the_sink_says() {
    const C: &str = "0035g00000AbCdAEAV";
    let shown = |contacts, record: Option<Known>, found: &[Found]| {
        let mut lead = lead(json!({"email": "a@x.de", "phone": "+16502530000"}));
        lead.upsert.record = record;
        let matching = Matching {
            contacts,
            ..settings().matching
        };
        match contact_target(&lead, found, &matching, false) {
            None => "lead".to_owned(),
            Some(Target::Update(id)) => format!("update {id}"),
            Some(Target::Hold { why, candidates }) => format!("hold {} {}", why.reason, candidates.len()),
            Some(other) => format!("{other:?}"),
        }
    };
    let by_email = [found(C, "A@x.de", "", "")];
    let by_phone = [found(C, "", "(650) 253-0000", "")];
    let partial = [found(C, "b@x.de", "650-253-0000", "")];
    let update = format!("update {C}");
    for (contacts, record, found, expected) in [
        (ContactMatch::Update, None, &by_email[..], update.as_str()),
        (ContactMatch::Update, None, &by_phone, &update),
        (ContactMatch::Update, None, &partial, "hold PartialMatch 1"),
        (ContactMatch::Update, None, &[], "lead"),
        (ContactMatch::Hold, None, &by_email, "hold ContactExists 1"),
        (ContactMatch::Hold, None, &[], "lead"),
        (ContactMatch::Create, None, &by_email, "lead"),
        // A person said so.
        (ContactMatch::Hold, Some(Known::New), &by_email, "lead"),
        (
            ContactMatch::Hold,
            Some(Known::Record(C.to_owned())),
            &by_email,
            &update,
        ),
    ] {
        assert_eq!(shown(contacts, record, found), expected, "{contacts:?}");
    }
}

#[test]
fn fields_are_left_out_only_if_the_person_stays_known() {
    let refused = |names: &[&str]| {
        let given = names
            .iter()
            .map(|name| RefusedProperty::whole(name, FailureReason::TooLong))
            .collect();
        let lead = lead(json!({"email": "a@x.de"})).upsert;
        match super::refused(
            &lead,
            &settings().matching,
            Failure::new(FailureReason::Refused, "x"),
            given,
        ) {
            Outcome::Refused { properties, .. } => properties.into_iter().map(|p| p.property).collect(),
            Outcome::Reject(_) => vec!["reject".to_owned()],
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(&["Title", "topics__c"]), ["title", "Topics__c"]);
    assert_eq!(refused(&["Title", "Email"]), ["reject"]);
    // What the sink does not send cannot be left out.
    assert_eq!(refused(&["Title", "Company"]), ["reject"]);
}

#[test]
fn an_address_that_is_none_is_left_out_if_a_number_tells_who_it_is() {
    use FailureReason::{InvalidEmail, ReadOnlyProperty, TooLong};
    let both = settings().matching;
    let email_only = Matching {
        keys: vec![MatchingKey::Email],
        ..both.clone()
    };
    let table: &[(&Matching, &[&str], &[(&str, FailureReason)], bool)] = &[
        (&both, &["Email", "Phone"], &[("Email", InvalidEmail)], true),
        (&both, &["Email"], &[("Email", InvalidEmail)], false),
        (&both, &["Email", "Phone"], &[("Email", ReadOnlyProperty)], false),
        (
            &both,
            &["Email", "Phone"],
            &[("Email", InvalidEmail), ("Phone", TooLong)],
            false,
        ),
        (
            &email_only,
            &["Email", "Phone"],
            &[("Email", InvalidEmail)],
            false,
        ),
        // Offered again without the address, the number is all there is.
        (&both, &["Phone", "LastName"], &[("Phone", TooLong)], false),
        (&both, &["Phone", "Email"], &[("Phone", TooLong)], true),
    ];
    for (matching, sent, refused, passes) in table {
        let value = |name: &str| match name {
            "Email" => json!("a@x.de"),
            "Phone" => json!("+4930123456 ext. 7"),
            _ => json!("Ada"),
        };
        let lead = Upsert {
            lead: json!({"email": "a@x.de", "phone": "+4930123456"}),
            properties: sent
                .iter()
                .map(|name| ((*name).to_owned(), value(name)))
                .collect(),
            ..Upsert::default()
        };
        let given = refused
            .iter()
            .map(|(name, reason)| RefusedProperty::whole(name, reason.clone()));
        let why = Failure::new(FailureReason::Refused, "x");
        let outcome = super::refused(&lead, matching, why, given.collect());
        assert_eq!(
            matches!(outcome, Outcome::Refused { .. }),
            *passes,
            "{sent:?} {refused:?}"
        );
    }
}

#[test]
fn what_is_for_new_records_is_sent_with_them_alone() {
    let mut lead = lead(json!({"email": "a@x.de"}));
    lead.upsert.create_only = vec![
        ("LeadSource".to_owned(), json!("Web")),
        ("Company".to_owned(), json!("X")),
    ];
    let created = create_body(&lead, &settings());
    assert_eq!(
        (&created["LeadSource"], &created["Company"]),
        (&json!("Web"), &json!("X"))
    );
    let updated = update_body(&lead, &settings(), A, None);
    assert!(!updated.contains_key("LeadSource") && !updated.contains_key("Company"));
}

#[test]
fn the_record_is_found_by_memory_then_external_id_then_keys() {
    let by = |record, in_doubt: bool, value: Value| {
        let mut lead = lead(value);
        lead.upsert.record = record;
        lead.upsert.in_doubt = in_doubt.then_some(Duration::ZERO);
        lead
    };
    let person = || json!({"email": "a@x.de", "phone": "+491", "submissionId": "s1"});
    let nobody = || json!({"submissionId": "s1"});
    let known = || Some(Known::Record(A.to_owned()));
    let mut converted = found(A, "a@x.de", "", "s1");
    converted.converted = true;

    assert_eq!(
        shown(
            &by(known(), false, person()),
            &[found(A, "", "", ""), found(B, "a@x.de", "", "s1")],
            false
        ),
        "update A"
    );
    assert_eq!(
        shown(
            &by(known(), false, person()),
            &[found(B, "a@x.de", "", "")],
            false
        ),
        "update B"
    );
    assert_eq!(
        shown(&by(known(), false, person()), &[found(A, "", "", "")], true),
        "create true false"
    );
    assert_eq!(shown(&by(None, false, person()), &[], false), "create true false");
    assert_eq!(
        shown(&by(None, false, person()), &[found(A, "A@X.de", "", "")], false),
        "update A"
    );
    assert_eq!(
        shown(
            &by(None, false, person()),
            &[found(A, "", "", "S1"), found(B, "a@x.de", "", "")],
            false
        ),
        "update A"
    );
    assert_eq!(
        shown(
            &by(None, false, person()),
            &[found(A, "b@x.de", "+491", "")],
            false
        ),
        "hold PartialMatch 1"
    );
    assert_eq!(
        shown(
            &by(None, false, person()),
            &[found(A, "a@x.de", "", ""), found(B, "a@x.de", "", "")],
            false
        ),
        "hold SeveralRecords 2"
    );
    assert_eq!(
        shown(
            &by(None, false, nobody()),
            &[found(A, "", "", "s1"), found(B, "", "", "s1")],
            false
        ),
        "hold SeveralRecords 2"
    );
    assert_eq!(
        shown(&by(None, false, person()), &[converted.clone()], false),
        "hold ConvertedLead 0"
    );
    // Another sender counts its submissions from 1 as well.
    assert_eq!(
        shown(&by(None, false, person()), &[found(A, "b@x.de", "", "s1")], false),
        "hold ExternalIdTaken 1"
    );
    assert_eq!(
        shown(
            &by(None, false, person()),
            &[found(A, "b@x.de", "", "s1"), found(B, "a@x.de", "", "")],
            false
        ),
        "update B"
    );

    let new = || Some(Known::New);
    assert_eq!(
        shown(&by(new(), false, person()), &[found(A, "a@x.de", "", "")], false),
        "create true true"
    );
    assert_eq!(
        shown(&by(new(), true, person()), &[found(A, "a@x.de", "", "s1")], false),
        "update A",
        "it was made already"
    );
    assert_eq!(
        shown(
            &by(new(), false, person()),
            &[found(A, "b@x.de", "", "s1")],
            false
        ),
        "create false true"
    );
    assert_eq!(
        shown(&by(new(), true, person()), &[found(A, "b@x.de", "", "s1")], false),
        "hold LostAnswer 0"
    );
}

#[test]
fn a_lost_answer_never_leads_to_a_second_record() {
    let unknown = |value: Value| {
        let mut lead = lead(value);
        lead.upsert.in_doubt = Some(Duration::ZERO);
        lead
    };
    assert_eq!(
        shown(&unknown(json!({"submissionId": "s1"})), &[], false),
        "create true false"
    );
    assert_eq!(
        shown(&unknown(json!({"email": "a@x.de"})), &[], false),
        "create false false",
        "the query would have found it"
    );
    assert_eq!(
        shown(&unknown(json!({"company": "x"})), &[], false),
        "hold LostAnswer 0"
    );
}

#[test]
fn what_stands_is_left_alone_and_ids_are_never_sent() {
    let lead = lead(json!({"email": "a@x.de"}));
    let mut record = found(A, "a@x.de", "", "");
    let updated = |record: &Found| Value::Object(update_body(&lead, &settings(), A, Some(record)));
    let all = json!({"Email": "a@x.de", "title": "CEO", "Topics__c": "a;b", "lastname": " "});
    assert_eq!(updated(&record), all);
    record.fields = json!({"Title": null}).as_object().unwrap().clone();
    assert_eq!(updated(&record), all);
    record.fields = json!({"Title": "Boss"}).as_object().unwrap().clone();
    assert_eq!(
        updated(&record),
        json!({"Email": "a@x.de", "Topics__c": "a;b", "lastname": " "})
    );
    assert_eq!(
        Value::Object(create_body(&lead, &settings())),
        json!({"Email": "a@x.de", "title": "CEO", "Topics__c": "a;b", "LastName": "[unknown]"})
    );
}

#[test]
fn leads_that_may_mean_one_record_wait_for_each_other() {
    let leads: Vec<(usize, Lead)> = [
        json!({"email": "a@x.de", "phone": "+491"}),
        json!({"email": "b@x.de", "phone": "+491"}),
        json!({"email": "c@x.de"}),
        json!({"email": "B@x.de", "submissionId": "s"}),
        json!({"email": "d@x.de", "submissionId": "s"}),
        json!({}),
    ]
    .into_iter()
    .enumerate()
    .map(|(n, value)| (n, lead(value)))
    .collect();
    let (now, later) = pass(&leads, &[0, 1, 2, 3, 4, 5]);
    assert_eq!((now, later.clone()), (vec![0, 2, 5], vec![1, 3, 4]));
    let (now, later) = pass(&leads, &later);
    assert_eq!((now, later), (vec![1], vec![3, 4]));
}

#[test]
fn the_external_id_is_an_expression_over_lead_webhook_and_payload() {
    let mut settings = settings();
    settings.external_id.as_mut().unwrap().value =
        Program::compile("webhook.name + '-' + string(payload.id)", &Names::DELIVERY).unwrap();
    let mut upsert = upsert(json!({}));
    upsert.webhook = json!({"name": "web"});
    upsert.payload = json!({"id": 7});
    assert_eq!(
        Lead::new(upsert.clone(), &settings).unwrap().external.as_deref(),
        Some("web-7")
    );
    upsert.payload = json!({"id": []});
    let why = Lead::new(upsert, &settings).map(|_| ()).unwrap_err();
    assert!(
        why.reason == "MappingFailed" && why.message.contains("salesforce.externalId.value"),
        "{why:?}"
    );
}

/// Another record, or a new one, would be somebody else's decision.
#[test]
fn a_record_that_a_person_chose_and_that_is_not_there_is_asked_about_again() {
    const C: &str = "0035g00000AbCdAEAV";
    let chosen = |id: &str| {
        let mut lead = lead(json!({"email": "a@x.de"}));
        lead.upsert.record = Some(Known::Record(id.to_owned()));
        lead.upsert.chosen = true;
        lead
    };
    let others = [found(B, "a@x.de", "", "")];
    for id in [A, C, "999"] {
        assert_eq!(shown(&chosen(id), &others, false), "hold RecordGone 0", "{id}");
    }
    assert_eq!(shown(&chosen(A), &[found(A, "", "", "")], false), "update A");
    assert_eq!(
        shown(&chosen(A), &[found(A, "", "", "")], true),
        "hold RecordGone 0"
    );
    // A contact is looked for among contacts; a lead is not held because a contact has its address.
    let matching = Matching {
        contacts: ContactMatch::Hold,
        ..settings().matching
    };
    let person = [found(C, "a@x.de", "", "")];
    let of = |id: &str, found: &[Found]| match contact_target(&chosen(id), found, &matching, false) {
        None => "lead".to_owned(),
        Some(Target::Hold { why, .. }) => format!("hold {}", why.reason),
        Some(other) => format!("{other:?}"),
    };
    assert_eq!(of(C, &[]), "hold RecordGone");
    assert_eq!(of(A, &person), "lead");
}
