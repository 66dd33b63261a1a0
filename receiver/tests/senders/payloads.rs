//! Example payloads, and the leads that a person reads in them.

use http::{HeaderMap, Method};
use leadgate_crds::LeadWebhook;
use leadgate_receiver::lead::{Field, Lead};
use leadgate_receiver::source::auth::RawRequest;
use leadgate_receiver::source::{Element, NoLead, Parsed, Refusal, Submission, Webhook};
use serde_json::{Value, json};

use super::{bytes, data, text, unauthenticated};

/// Example payloads by preset, with a header that carries the submission's id where one does.
const PAYLOADS: [(&str, &str, Option<&str>); 26] = [
    ("customerio", "customerio_subscribed.json", None),
    ("cvent", "cvent.json", None),
    ("formstack", "formstack.json", None),
    ("formstack", "formstack_form.txt", None),
    ("instapage", "instapage.txt", None),
    ("mautic", "mautic_form_on_submit.json", None),
    ("mautic", "mautic_lead_post_save_new.json", None),
    ("tiktok", "tiktok_lead.json", None),
    ("wpforms", "wpforms.json", None),
    ("calendly", "calendly.json", None),
    ("elementor", "elementor.txt", None),
    ("generic", "generic.json", None),
    ("googleads", "google_ads_lead_form.json", None),
    ("gravityforms", "gravityforms.json", None),
    ("intercom", "intercom_contact_lead_created.json", None),
    ("jotform", "jotform.txt", None),
    ("mailchimp", "mailchimp_subscribe.txt", None),
    (
        "shopify",
        "shopify_customer_create.json",
        Some("x-shopify-webhook-id"),
    ),
    ("standardwebhooks", "standard_webhooks.json", Some("webhook-id")),
    ("svix", "standard_webhooks.json", Some("svix-id")),
    ("tally", "tally.json", None),
    ("twilio", "twilio_sms.txt", None),
    ("typeform", "typeform.json", None),
    ("unbounce", "unbounce.txt", None),
    ("webflow", "webflow.json", None),
    ("zoom", "zoom_webinar_registration.json", None),
];

/// Thin payloads: what names them, and what is refused until their answers are fetched.
const THIN: [(&str, &str); 3] = [
    ("meta", "meta_leadgen.json"),
    ("linkedin", "linkedin_lead.json"),
    ("acuity", "acuity.txt"),
];

#[test]
fn each_example_payload_gives_the_lead_that_a_person_reads_in_it() {
    let expectations: Value = serde_json::from_str(&data("payloads/EXPECT.json")).unwrap();
    for (preset, file, id_header) in PAYLOADS {
        let expect = &expectations[file];
        let webhook = unauthenticated(preset);
        let mut headers = HeaderMap::new();
        headers.insert("content-type", text(expect, "content_type").parse().unwrap());
        if let Some(name) = id_header {
            headers.insert(name, text(expect, "idempotency_id").parse().unwrap());
        }
        let body = bytes(&format!("payloads/{file}"));
        let request = RawRequest {
            method: &Method::POST,
            query: None,
            headers: &headers,
            body: &body,
            now: 0,
        };
        let submissions = submissions(&webhook, &request);
        let [submission] = submissions.as_slice() else {
            panic!("{file}: {} leads", submissions.len())
        };
        for (field, name) in [
            (Field::Email, "email"),
            (Field::Phone, "phone"),
            (Field::FirstName, "first_name"),
            (Field::LastName, "last_name"),
        ] {
            // A national number stays as the sender wrote it: no region is set here.
            assert_eq!(
                submission.lead.get(field),
                expect[name].as_str(),
                "{preset} {file} {name}"
            );
        }
        match expect["idempotency_id"].as_str() {
            Some(id) => assert_eq!(
                submission.lead.get(Field::SubmissionId),
                Some(id),
                "{preset} {file}"
            ),
            None => assert_eq!(submission.key.from, "digest", "{preset} {file}"),
        }
    }
}

#[test]
fn a_thin_payload_is_refused_with_the_reason_and_never_becomes_an_empty_lead() {
    let expectations: Value = serde_json::from_str(&data("payloads/EXPECT.json")).unwrap();
    for (preset, file) in THIN {
        let body = bytes(&format!("payloads/{file}"));
        let mut headers = HeaderMap::new();
        let kind = text(&expectations[file], "content_type");
        headers.insert("content-type", kind.parse().unwrap());
        let request = RawRequest {
            method: &Method::POST,
            query: None,
            headers: &headers,
            body: &body,
            now: 0,
        };
        let refusal = unauthenticated(preset).parse(&request).unwrap_err();
        let Refusal::Invalid(problems) = refusal else {
            panic!("{refusal:?}")
        };
        assert!(
            problems.iter().any(|p| p.reason == "ContactMissing"),
            "{problems:?}"
        );
    }
}

fn submissions<'r>(webhook: &Webhook, request: &RawRequest<'r>) -> Vec<Submission<'r>> {
    let Parsed::Leads(elements) = webhook.parse(request).unwrap() else {
        panic!("{}: no lead", webhook.id)
    };
    let submissions = elements.into_iter().map(|element| match element {
        Element::Lead(submission) => submission,
        Element::Other(other) => panic!("{other:?}"),
    });
    submissions.collect()
}

#[test]
fn what_is_fetched_for_an_acuity_notification_completes_it() {
    let object: LeadWebhook = serde_json::from_value(json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "w"},
        "spec": {
            "source": "acuity", "auth": {"none": {"allowUnauthenticated": true}}, "sinks": [{"name": "crm"}],
            "payload": {"hydrate": {"tokenSecretRef": {"name": "s", "key": "k"}}},
        }
    }))
    .unwrap();
    let webhook = Webhook::compile(&object, &|_, _| Ok(b"MTIzOmtleQ==".to_vec())).unwrap();
    let hydrate = webhook.hydrate.as_ref().unwrap();
    assert_eq!(hydrate.token.to_str().unwrap(), "Basic MTIzOmtleQ==");
    let mut headers = HeaderMap::new();
    headers.insert(
        "content-type",
        "application/x-www-form-urlencoded".parse().unwrap(),
    );
    let body = bytes("payloads/acuity.txt");
    let request = RawRequest {
        method: &Method::POST,
        query: None,
        headers: &headers,
        body: &body,
        now: 0,
    };
    let submissions = submissions(&webhook, &request);
    let urls: Vec<_> = submissions
        .iter()
        .map(|submission| submission.hydrate.clone())
        .collect();
    let url = "https://acuityscheduling.com/api/v1/appointments/987654".to_owned();
    assert_eq!(urls, [Some(url)]);

    let answer: Value = serde_json::from_slice(&bytes("payloads/acuity_appointment.json")).unwrap();
    let expectations: Value = serde_json::from_str(&data("payloads/EXPECT.json")).unwrap();
    let expect = &expectations["acuity_appointment.json"];
    let (lead, notes) = webhook
        .complete(&answer, &json!({"id": "987654"}), Lead::new())
        .unwrap();
    for (field, name) in [
        (Field::Email, "email"),
        (Field::Phone, "phone"),
        (Field::FirstName, "first_name"),
        (Field::LastName, "last_name"),
    ] {
        assert_eq!(lead.get(field), expect[name].as_str(), "{name}");
    }
    assert_eq!(notes, []);
}

/// One request for two people must not lose the second: the message's id alone would take them for one.
#[test]
fn two_attendees_of_one_cvent_message_are_two_submissions() {
    let mut payload: Value = serde_json::from_slice(&bytes("payloads/cvent.json")).unwrap();
    let mut second = payload["message"][0].clone();
    second["email"] = json!("second@example.com");
    second["inviteeStub"] = json!("00000000-1111-4222-8333-944455556666");
    payload["message"].as_array_mut().unwrap().push(second);
    let body = payload.to_string();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    let request = RawRequest {
        method: &Method::POST,
        query: None,
        headers: &headers,
        body: body.as_bytes(),
        now: 0,
    };
    let submissions = submissions(&unauthenticated("cvent"), &request);
    assert_eq!(submissions.len(), 2);
    assert_ne!(submissions[0].key.digest, submissions[1].key.digest);
}

#[test]
fn what_was_fetched_and_is_no_lead_is_not_delivered() {
    let webhook = |preset: &str| {
        let object: LeadWebhook = serde_json::from_value(json!({
            "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "w"},
            "spec": {
                "source": preset, "auth": {"none": {"allowUnauthenticated": true}}, "sinks": [{"name": "crm"}],
                "payload": {"hydrate": {"tokenSecretRef": {"name": "s", "key": "k"}}},
            }
        }))
        .unwrap();
        Webhook::compile(&object, &|_, _| Ok(b"token".to_vec())).unwrap()
    };
    let meta = |email: &str| {
        json!({"field_data": [{"name": "email", "values": [email]},
            {"name": "phone_number", "values": ["<test lead: dummy data for phone_number>"]}]})
    };
    let attendee = |status: &str, cancelled: bool| json!({"status": status, "cancelled": cancelled, "profile": {"email": "ada@example.com", "cell_phone": "+4930901820"}});
    for (preset, answer, is_lead) in [
        ("meta", meta("ada@example.com"), true),
        ("meta", meta("test@fb.com"), false),
        ("meta", meta("test@meta.com"), false),
        ("meta", meta(""), false),
        (
            "meta",
            json!({"field_data": [{"name": "color"}, {"name": "q", "values": ["<test lead: dummy data for q>"]}]}),
            false,
        ),
        // The buyer has not said yet who comes.
        (
            "eventbrite",
            json!({"status": "Attending", "profile": {"first_name": "Info Requested", "last_name": "Info Requested",
                "email": "Info Requested"}}),
            false,
        ),
        ("eventbrite", attendee("Attending", false), true),
        ("eventbrite", attendee("Attending", true), false),
        ("acuity", json!({"email": "ada@example.com"}), true),
        (
            "acuity",
            json!({"email": "ada@example.com", "canceled": true}),
            false,
        ),
        ("eventbrite", attendee("Not Attending", false), false),
        ("eventbrite", attendee("Deleted", false), false),
    ] {
        let completed = webhook(preset).complete(&answer, &json!({}), Lead::new());
        let email = completed.as_ref().map(|(lead, _)| lead.get(Field::Email));
        match email {
            Ok(email) => assert!(is_lead && email == Some("ada@example.com"), "{preset} {answer}"),
            Err(no_lead) => assert!(
                !is_lead && matches!(no_lead, NoLead::Ignored(_)),
                "{preset} {answer} {no_lead:?}"
            ),
        }
    }
}
