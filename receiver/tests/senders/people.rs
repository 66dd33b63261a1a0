//! Leads whose contact stands elsewhere than in most, and what looks like a lead and is none.

use serde_json::{Value, json};

use super::events::{form_of, json_of};

const EMAIL: &str = "ada@example.com";
const PHONE: &str = "+4930901820";

/// A request of a sender, and fields of the lead that it is, or why it is none.
type Case = (
    &'static str,
    Value,
    Result<Vec<(&'static str, &'static str)>, &'static str>,
);

fn check(table: Vec<Case>) {
    for (preset, body, expected) in table {
        let answer = json_of(preset, &[], &body);
        match expected {
            Err(reason) => assert_eq!(
                answer.as_ref().map_err(String::as_str),
                Err(reason),
                "{preset} {body}"
            ),
            Ok(fields) => {
                let lead = answer.unwrap_or_else(|reason| panic!("{preset} {body}: {reason}"));
                for (name, value) in fields {
                    assert_eq!(lead[name], value, "{preset} {name} {body}");
                }
            }
        }
    }
}

#[test]
fn a_contact_that_stands_elsewhere_is_no_event_without_contact() {
    let of = |kind: &str, data: Value| json!({"type": kind, "data": data});
    let clerk = json!({"id": "user_1", "first_name": "Ada", "email_addresses": [{"id": "idn_1", "email_address": EMAIL}],
        "phone_numbers": [{"phone_number": PHONE}]});
    let mautic = |results: Value| {
        json!({"mautic.form_on_submit": [{"submission": {"id": 1, "results": results,
        "dateSubmitted": "2026-09-21T13:33:20+00:00"}}]})
    };
    let order = |more: Value| {
        let mut order = json!({"id": 1, "email": ""});
        order
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        order
    };
    let email = || Ok(vec![("email", EMAIL)]);
    let phone = || Ok(vec![("phone", PHONE)]);
    check(vec![
        (
            "svix",
            of("user.created", clerk.clone()),
            Ok(vec![("email", EMAIL), ("phone", PHONE), ("firstName", "Ada")]),
        ),
        ("standardwebhooks", of("user.created", clerk), email()),
        (
            "standardwebhooks",
            of("x", json!({"user": {"email": EMAIL}})),
            email(),
        ),
        (
            "standardwebhooks",
            of("x", json!({"object": {"email": EMAIL, "name": "Ada Lovelace"}})),
            Ok(vec![("email", EMAIL), ("firstName", "Ada")]),
        ),
        ("svix", of("x", json!({"customer": {"phone": PHONE}})), phone()),
        // A mail that was sent is no lead of who got it.
        (
            "svix",
            of("email.sent", json!({"from": "shop@example.com", "to": [EMAIL]})),
            Err("ignored"),
        ),
        (
            "standardwebhooks",
            of("invoice.paid", json!({"id": 7, "customer": {"id": "c"}})),
            Err("ignored"),
        ),
        (
            "mautic",
            mautic(json!({"e_mail": EMAIL, "telefon": PHONE, "firma": "Engines", "nachricht": "Call me"})),
            Ok(vec![
                ("email", EMAIL),
                ("phone", PHONE),
                ("company", "Engines"),
                ("message", "Call me"),
            ]),
        ),
        ("mautic", mautic(json!({"color": "red"})), Err("ignored")),
        (
            "shopify",
            order(json!({"shipping_address": {"phone": PHONE, "first_name": "Ada"}})),
            Ok(vec![("phone", PHONE), ("firstName", "Ada")]),
        ),
        (
            "shopify",
            order(json!({"billing_address": {"phone": PHONE}})),
            phone(),
        ),
        (
            "shopify",
            order(json!({"customer": {"default_address": {"phone": PHONE}}})),
            phone(),
        ),
        (
            "shopify",
            order(json!({"note_attributes": [{"name": "E-Mail", "value": EMAIL}]})),
            email(),
        ),
        (
            "woocommerce",
            json!({"id": 1, "billing": {"email": ""}, "shipping": {"phone": PHONE}}),
            phone(),
        ),
        (
            "woocommerce",
            json!({"id": 1, "meta_data": [{"id": 3, "key": "_contact_email", "value": EMAIL}]}),
            email(),
        ),
        (
            "stripe",
            json!({"id": "e", "type": "customer.created", "data": {"object": {"shipping": {"phone": PHONE}}}}),
            phone(),
        ),
        (
            "stripe",
            json!({"id": "e", "type": "customer.created", "data": {"object": {"metadata": {"e-mail": EMAIL}}}}),
            email(),
        ),
        (
            "segment",
            json!({"type": "identify", "messageId": "m", "traits": {"Work Email": EMAIL}}),
            email(),
        ),
        (
            "customerio",
            json!({"event_id": "e", "metric": "subscribed", "data": {"attributes": {"e_mail": EMAIL}}}),
            email(),
        ),
        (
            "cvent",
            json!({"messageStub": "m", "message": [{"workEmail": EMAIL}]}),
            email(),
        ),
        (
            "intercom",
            json!({"id": "n", "topic": "contact.lead.created",
            "data": {"item": {"email": null, "custom_attributes": {"work_email": EMAIL}}}}),
            email(),
        ),
        ("slack", json!({"event_id": "E", "E-Mail": EMAIL}), email()),
    ]);
}

#[test]
fn a_contact_that_no_mapping_sees_is_kept_and_not_ignored() {
    let overlooked = || Err("ContactOverlooked");
    let ignored = || Err("ignored");
    let order = |more: Value| json!({"id": 1, "email": "", "customer": null, "extra": more});
    check(vec![
        (
            "shopify",
            order(json!({"buyer": {"address": EMAIL}})),
            overlooked(),
        ),
        ("shopify", order(json!([[{"x": EMAIL}]])), overlooked()),
        (
            "segment",
            json!({"type": "identify", "messageId": "m", "traits": {}, "integrations": {"x": EMAIL}}),
            overlooked(),
        ),
        (
            "svix",
            json!({"type": "a", "data": {"payer": {"login_mail": EMAIL}}}),
            overlooked(),
        ),
        // The sender's own people, and a mail's.
        ("shopify", order(json!({"shop": {"email": EMAIL}})), ignored()),
        (
            "shopify",
            order(json!({"created_by": EMAIL, "support_email": EMAIL})),
            ignored(),
        ),
        (
            "intercom",
            json!({"id": "n", "topic": "contact.lead.created", "data": {"item": {"email": null, "owner": {"email": EMAIL}}}}),
            ignored(),
        ),
        (
            "svix",
            json!({"type": "email.bounced", "data": {"from": EMAIL, "to": [EMAIL]}}),
            ignored(),
        ),
        ("shopify", order(json!({"note": "no @ here, nor a@b"})), ignored()),
    ]);
}

#[test]
fn a_dial_code_beside_a_phone_number_is_part_of_it() {
    for (preset, body) in [
        (
            "generic",
            json!({"email": EMAIL, "countryCode": "+49", "phone": "030 901820"}),
        ),
        (
            "generic",
            json!({"email": EMAIL, "dial_code": 49, "phone": 30_901_820}),
        ),
        (
            "generic",
            json!({"data": {"phone": "030901820", "country_code": "49"}}),
        ),
        (
            "wpforms",
            json!({"E-Mail": EMAIL, "Country Code": "Germany (+49)", "Phone": "030 901820"}),
        ),
        (
            "wpforms",
            json!({"E-Mail": EMAIL, "Ländervorwahl": "0049", "Telefon": "030 901820"}),
        ),
        (
            "wpforms",
            json!({"E-Mail": EMAIL, "Country Code": "+33", "Phone": "+49 30 901820"}),
        ),
        (
            "wpforms",
            json!({"E-Mail": EMAIL, "Country": "DE", "Phone": "+49 30 901820"}),
        ),
    ] {
        assert_eq!(
            json_of(preset, &[], &body).unwrap()["phone"],
            PHONE,
            "{preset} {body}"
        );
    }
    // Two codes, or none that is one: as it was typed.
    for body in [
        json!({"email": EMAIL, "phone": "030 901820", "countryCode": "DE"}),
        json!({"email": EMAIL, "phone": "030 901820", "countryCode": null}),
    ] {
        assert_eq!(
            json_of("generic", &[], &body).unwrap()["phone"],
            "030 901820",
            "{body}"
        );
    }
}

#[test]
fn a_position_is_trusted_only_if_what_stands_there_can_be_the_answer() {
    let entry = |fields: &[(&str, &str)]| form_of("gravityforms", fields);
    let lead = entry(&[("2", "Acme GmbH"), ("3", "5000"), ("4", EMAIL)]).unwrap();
    assert_eq!((&lead["email"], &lead["phone"]), (&json!(EMAIL), &Value::Null));
    let lead = entry(&[("2", "Acme GmbH"), ("3", "(030) 90 18-20"), ("email", EMAIL)]).unwrap();
    assert_eq!(
        (&lead["email"], &lead["phone"]),
        (&json!(EMAIL), &json!("(030) 90 18-20"))
    );
    for fields in [
        &[("2", "Acme GmbH"), ("3", "5000")],
        &[("2", "123456"), ("3", "12345")],
    ] {
        assert_eq!(entry(fields), Err("ContactMissing".to_owned()), "{fields:?}");
    }
    // The city and country of an address, and choices, are no names.
    let address = [
        ("1.1", "1 Main St"),
        ("1.3", "York"),
        ("1.5", "YO1"),
        ("1.6", "UK"),
        ("E-Mail", EMAIL),
    ];
    let lead = entry(&address).unwrap();
    assert_eq!(
        (&lead["firstName"], &lead["lastName"]),
        (&Value::Null, &Value::Null)
    );
    let numbers = json_of("gravityforms", &[], &json!({"2": 7, "3": 5000, "E-Mail": EMAIL})).unwrap();
    assert_eq!(
        (&numbers["email"], &numbers["phone"]),
        (&json!(EMAIL), &Value::Null)
    );
}

#[test]
fn what_is_no_person_is_no_lead() {
    let hubspot = |kind: &str, object: Value| {
        json!([{"eventId": 1, "subscriptionId": 7, "portalId": 1, "subscriptionType": kind, "objectId": 9,
            "objectTypeId": object, "properties": {"email": EMAIL}}])
    };
    let meta = |email: &str, name: &str| {
        json!({"object": "page", "entry": [{"changes": [{"field": "leadgen", "value": {"leadgen_id": "3", "field_data": [
            {"name": "email", "values": [email]}, {"name": "full_name", "values": [name]}]}}]}]})
    };
    let event = |attendee: Value| {
        let mut event = json!({"config": {"action": "attendee.updated"}, "api_url": "https://x", "profile": {"email": EMAIL}});
        event
            .as_object_mut()
            .unwrap()
            .extend(attendee.as_object().unwrap().clone());
        event
    };
    let email = || Ok(vec![("email", EMAIL)]);
    check(vec![
        ("hubspot", hubspot("object.creation", json!("0-1")), email()),
        (
            "hubspot",
            hubspot("object.creation", json!("0-2")),
            Err("ignored"),
        ),
        (
            "hubspot",
            hubspot("object.creation", json!("0-3")),
            Err("ignored"),
        ),
        ("hubspot", hubspot("contact.creation", json!("0-1")), email()),
        ("meta", meta(EMAIL, "Ada Lovelace"), email()),
        ("meta", meta("test@fb.com", "Ada Lovelace"), Err("ignored")),
        (
            "meta",
            json!({"object": "page", "entry": [{"changes": [{"field": "leadgen", "value": {"field_data": [
                {"name": "a"}, {"name": "b", "values": []}, {"name": "email", "values": [EMAIL]}]}}]}]}),
            email(),
        ),
        (
            "meta",
            meta("test@meta.com", "<test lead: dummy data for full_name>"),
            Err("ignored"),
        ),
        (
            "meta",
            meta("", "<test lead: dummy data for full_name>"),
            Err("ignored"),
        ),
        (
            "eventbrite",
            event(json!({"cancelled": false, "status": "Attending"})),
            email(),
        ),
        ("eventbrite", event(json!({"cancelled": true})), Err("ignored")),
        (
            "eventbrite",
            event(json!({"status": "Not Attending"})),
            Err("ignored"),
        ),
        ("eventbrite", event(json!({"status": "Deleted"})), Err("ignored")),
    ]);
}

#[test]
fn twilios_keywords_are_no_leads_and_a_messenger_is_no_phone() {
    let from =
        |from: &str, body: &str| form_of("twilio", &[("From", from), ("Body", body), ("MessageSid", "S")]);
    for word in [
        "STOP",
        "Stop ",
        "stopall",
        " Unsubscribe",
        "cancel",
        "End",
        "QUIT",
        "revoke",
    ] {
        assert_eq!(from("+14155550100", word), Err("ignored".to_owned()), "{word}");
    }
    for text in ["Please stop by", "INFO", "The end", ""] {
        assert_eq!(
            from("+14155550100", text).unwrap()["phone"],
            "+14155550100",
            "{text}"
        );
    }
    assert_eq!(
        from("whatsapp:+14155550100", "Hi").unwrap()["phone"],
        "+14155550100"
    );
    for other in ["messenger:1234567890", "rcs:brand_x_agent"] {
        assert!(from(other, "Hi").is_err(), "{other}");
    }
}

#[test]
fn a_long_message_is_cut_and_not_lost() {
    for preset in ["wpforms", "elementor", "cf7"] {
        let lead = form_of(preset, &[("email", EMAIL), ("message", &"x".repeat(10_001))]).unwrap();
        let message = lead["message"].as_str().unwrap_or_default();
        assert_eq!(message.chars().count(), 10_000, "{preset}");
        assert!(message.ends_with("x…"), "{preset}");
    }
}

#[test]
fn what_senders_say_of_a_person_is_not_lost() {
    let address = json!({"address1": "1 Main St", "city": "York", "province": "NY", "zip": "10001", "country_code": "US"});
    let fields = || {
        Ok(vec![
            ("address", "1 Main St"),
            ("city", "York"),
            ("state", "NY"),
            ("postalCode", "10001"),
            ("country", "US"),
        ])
    };
    let meta = json!({"object": "page", "entry": [{"changes": [{"field": "leadgen", "value": {"leadgen_id": "3", "field_data": [
        {"name": "phone_number", "values": ["p:+4930901820"]}, {"name": "street_address", "values": ["1 Main St"]},
        {"name": "state", "values": ["NY"]}]}}]}]});
    let zoom = json!({"event": "webinar.registration_created", "payload": {"object": {"id": 1, "registrant": {"id": "r",
        "email": EMAIL, "address": "1 Main St", "zip": "10001", "state": "NY", "comments": "Call me"}}}});
    let calendly = json!({"event": "invitee.created", "payload": {"uri": "u", "email": EMAIL, "text_reminder_number": null,
        "questions_and_answers": [{"question": "Phone Number", "answer": PHONE, "position": 0},
            {"question": "Your company", "answer": "Engines", "position": 1}]}});
    check(vec![
        (
            "shopify",
            json!({"id": 1, "email": EMAIL, "billing_address": address}),
            fields(),
        ),
        (
            "shopify",
            json!({"id": 1, "email": EMAIL, "shipping_address": address}),
            fields(),
        ),
        (
            "meta",
            meta,
            Ok(vec![("phone", PHONE), ("address", "1 Main St"), ("state", "NY")]),
        ),
        (
            "zoom",
            zoom,
            Ok(vec![
                ("address", "1 Main St"),
                ("postalCode", "10001"),
                ("state", "NY"),
                ("message", "Call me"),
            ]),
        ),
        (
            "calendly",
            calendly,
            Ok(vec![("phone", PHONE), ("company", "Engines")]),
        ),
        (
            "typeform",
            json!({"event_type": "form_response", "form_response": {"token": "t", "answers": [
            {"type": "email", "email": EMAIL, "field": {"id": "f", "type": "email"}},
            {"type": "choice", "choice": {"other": "Engines"}, "field": {"ref": "company"}}]}}),
            Ok(vec![("company", "Engines")]),
        ),
        (
            "tally",
            json!({"eventId": "e", "eventType": "FORM_RESPONSE", "data": {"fields": [
            {"label": "Email", "type": "INPUT_EMAIL", "value": EMAIL},
            {"label": "Country", "type": "DROPDOWN", "value": ["e2a4"], "options": [{"id": "e2a4", "text": "Germany"}]},
            {"label": "City", "type": "MULTIPLE_CHOICE", "value": ["gone"], "options": [{"id": "b1", "text": "Berlin"}]}]}}),
            Ok(vec![("country", "Germany")]),
        ),
    ]);
}

#[test]
fn fields_of_the_generic_preset_may_be_named_as_forms_label_them() {
    for (email, first, last) in [
        ("E-mail", "First name", "Last name"),
        ("E-Mail", "First Name", "Surname"),
        ("Email address", "firstname", "surname"),
    ] {
        let body = json!({email: EMAIL, first: "Ada", last: "Lovelace", "Country code": "+49", "Phone": "030 901820"});
        let lead = json_of("generic", &[], &body).unwrap();
        for (name, value) in [
            ("email", EMAIL),
            ("firstName", "Ada"),
            ("lastName", "Lovelace"),
            ("phone", PHONE),
        ] {
            assert_eq!(lead[name], value, "{body}");
        }
    }
}
