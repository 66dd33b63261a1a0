//! What users and vendors' documents say of single senders.

use serde_json::{Value, json};

use super::events::{form_of, json_of};

#[test]
fn parts_in_lines_made_up_addresses_and_own_data_of_senders() {
    let cal = |email: &str, more: Value| {
        json_of(
            "calcom",
            &[],
            &json!({"triggerEvent": "BOOKING_CREATED", "payload": {"uid": "u1", "responses": {
            "email": {"label": "email_address", "value": email}, "company": {"label": "Company", "value": "Engines"}},
            "attendees": [{"email": email, "name": "Ada Lovelace", "phoneNumber": more}]}}),
        )
    };
    // Cal.com makes an address of a phone number.
    let lead = cal("4930901820@sms.cal.com", json!("+4930901820")).unwrap();
    assert_eq!(
        (&lead["email"], &lead["phone"]),
        (&Value::Null, &json!("+4930901820")),
        "{lead}"
    );
    let lead = cal("ada@example.com", Value::Null).unwrap();
    assert_eq!(
        (&lead["email"], &lead["company"]),
        (&json!("ada@example.com"), &json!("Engines")),
        "{lead}"
    );

    let lead = form_of(
        "formstack",
        &[
            ("FormID", "1"),
            ("UniqueID", "7"),
            ("Name", "first = John\n\nlast = Smith"),
            ("Email", "value = john@example.com\n\nfield_type = email"),
        ],
    )
    .unwrap();
    assert_eq!(
        (&lead["email"], &lead["firstName"], &lead["lastName"]),
        (&json!("john@example.com"), &json!("John"), &json!("Smith")),
        "{lead}"
    );

    // The primary address, not the first.
    let clerk = json!({"type": "user.created", "data": {"primary_email_address_id": "e2", "email_addresses": [
        {"id": "e1", "email_address": "old@example.com"}, {"id": "e2", "email_address": "ada@example.com"}]}});
    for preset in ["svix", "standardwebhooks"] {
        let lead = json_of(preset, &[("svix-id", "m1"), ("webhook-id", "m1")], &clerk).unwrap();
        assert_eq!(lead["email"], "ada@example.com", "{preset}: {lead}");
        // The id of a mail is no address.
        let sent = json!({"type": "email.delivered", "data": {"email_id": "56761188-7520-42d8-8898-ff6fc54ce618", "to": ["bob@example.com"]}});
        let told = json_of(preset, &[("svix-id", "m1"), ("webhook-id", "m1")], &sent);
        assert_eq!(told, Err("ignored".to_owned()), "{preset}");
    }

    // The shop itself is no lead.
    for (topic, is_lead) in [
        ("customers/create", true),
        ("orders/create", true),
        ("draft_orders/create", true),
        ("checkouts/update", true),
        ("shop/update", false),
        ("locations/create", false),
        ("fulfillments/create", false),
        ("customers/delete", false),
        ("orders/cancelled", false),
    ] {
        let told = json_of(
            "shopify",
            &[("x-shopify-topic", topic), ("x-shopify-webhook-id", "1")],
            &json!({"id": 1, "email": "ada@example.com"}),
        );
        assert_eq!(told.is_ok(), is_lead, "{topic}: {told:?}");
    }

    let stripe = json!({"id": "evt_1", "type": "checkout.session.completed", "data": {"object": {"customer_details": {
        "email": "ada@example.com", "individual_name": "Ada Lovelace", "business_name": "Engines",
        "address": {"line1": "1 Road", "city": "London", "postal_code": "N1", "country": "GB"}}}}});
    let lead = json_of("stripe", &[], &stripe).unwrap();
    for (field, expected) in [
        ("fullName", "Ada Lovelace"),
        ("company", "Engines"),
        ("city", "London"),
        ("postalCode", "N1"),
    ] {
        let told = if field == "fullName" && lead[field].is_null() {
            json!(format!(
                "{} {}",
                lead["firstName"].as_str().unwrap(),
                lead["lastName"].as_str().unwrap()
            ))
        } else {
            lead[field].clone()
        };
        assert_eq!(told, expected, "{field}: {lead}");
    }

    // Bounces and automatic replies.
    let mail = |from: &str, headers: Value| {
        let events = json!([{"event": "inbound", "ts": 1, "msg": {"from_email": from, "text": "Hello", "headers": headers}}]);
        form_of("mandrill", &[("mandrill_events", &events.to_string())])
    };
    assert!(mail("ada@example.com", json!({})).is_ok());
    assert!(mail("ada@example.com", json!({"Auto-Submitted": "no"})).is_ok());
    for (from, headers) in [
        ("MAILER-DAEMON@mx.example.com", json!({})),
        ("ada@example.com", json!({"Auto-Submitted": "auto-replied"})),
    ] {
        assert_eq!(mail(from, headers), Err("ignored".to_owned()), "{from}");
    }
}
