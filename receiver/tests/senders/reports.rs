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

fn given(lead: &Value, fields: &[(&str, Value)]) {
    for (field, expected) in fields {
        assert_eq!(lead[*field], *expected, "{field}: {lead}");
    }
}

#[test]
fn what_stands_in_the_place_of_a_name_is_none_and_what_software_made_of_it_is_undone() {
    for (name, first, last) in [
        ("ada@example.com", json!(null), json!(null)),
        ("+49 30 901820", json!(null), json!(null)),
        ("https://example.com/ada", json!(null), json!(null)),
        ("Pat O&#039;Brien", json!("Pat"), json!("O'Brien")),
        ("Pat O\\'Brien", json!("Pat"), json!("O'Brien")),
        ("Ada & Charles", json!("Ada & Charles"), json!(null)),
    ] {
        let lead = form_of(
            "cf7",
            &[
                ("your-email", "ada@example.com"),
                ("your-name", name),
                ("company", "Smith &amp; Sons"),
            ],
        )
        .unwrap();
        given(&lead, &[("lastName", last), ("company", json!("Smith & Sons"))]);
        if !first.is_null() || lead["firstName"] != name {
            given(&lead, &[("firstName", first)]);
        }
    }
}

#[test]
fn an_address_is_read_as_people_and_their_software_write_it() {
    for (typed, expected) in [
        ("ada@example.com, bob@example.com", "ada@example.com"),
        ("ada@example.com; bob@example.com;", "ada@example.com"),
        ("[ada@example.com](mailto:ada@example.com)", "ada@example.com"),
        (
            "<a href=\"mailto:ada@example.com?subject=x\">ada@example.com</a>",
            "ada@example.com",
        ),
        ("abc..def@docomo.ne.jp", "abc..def@docomo.ne.jp"),
        ("abc.@ezweb.ne.jp", "abc.@ezweb.ne.jp"),
    ] {
        let lead = json_of("generic", &[], &json!({"email": typed})).unwrap();
        given(&lead, &[("email", json!(expected))]);
    }
    assert!(json_of("generic", &[], &json!({"email": "abc..def@example.com"})).is_err());
}

#[test]
fn forms_that_post_to_the_generic_webhook_lose_nothing() {
    let lead = json_of(
        "generic",
        &[],
        &json!({"Email": "ada@example.com", "Name": "Ada Lovelace", "Company": "Engines", "Message": "Call me", "Job Title": "CTO"}),
    )
    .unwrap();
    given(
        &lead,
        &[
            ("firstName", json!("Ada")),
            ("company", json!("Engines")),
            ("message", json!("Call me")),
            ("jobTitle", json!("CTO")),
        ],
    );
    let lead = json_of(
        "generic",
        &[],
        &json!({"email": "ada@example.com", "firstname": "Ada", "lastname": "Lovelace", "jobtitle": "CTO"}),
    )
    .unwrap();
    given(
        &lead,
        &[
            ("firstName", json!("Ada")),
            ("lastName", json!("Lovelace")),
            ("jobTitle", json!("CTO")),
        ],
    );
    let lead = json_of(
        "generic",
        &[],
        &json!({"Email Address": "ada@example.com", "Company Name": "Engines"}),
    )
    .unwrap();
    given(&lead, &[("email", json!("ada@example.com"))]);
    // JSON under another name.
    let lead = json_of(
        "generic",
        &[("content-type", "text/plain;charset=UTF-8")],
        &json!({"email": "ada@example.com"}),
    );
    assert!(lead.is_ok(), "{lead:?}");
}

#[test]
fn an_order_counts_once_it_is_placed() {
    let order = |topic: &'static str, status: &str, email: &str| {
        json_of(
            "woocommerce",
            &[
                ("x-wc-webhook-topic", topic),
                ("x-wc-webhook-source", "https://shop.example/"),
            ],
            &json!({"id": 5, "status": status, "billing": {"email": email}, "date_created_gmt": "2026-01-01T00:00:00"}),
        )
    };
    assert!(order("order.created", "checkout-draft", "ada@example.com").is_err());
    assert!(order("order.created", "failed", "ada@example.com").is_err());
    let placed = order("order.updated", "processing", "ada@example.com").unwrap();
    let created = order("order.created", "pending", "ada@example.com").unwrap();
    assert_eq!(placed["key"], created["key"]);
    assert!(order("order.deleted", "processing", "ada@example.com").is_err());

    // A date is no number, and spam is no lead.
    let entry = |third: &str, status: &str| {
        json_of(
            "gravityforms",
            &[],
            &json!({"id": "7", "form_id": "2", "status": status, "2": "ada@example.com", "3": third}),
        )
    };
    for date in ["2026-09-21", "12/24/1990 10:00", "21.09.2026"] {
        given(&entry(date, "active").unwrap(), &[("phone", json!(null))]);
    }
    given(
        &entry("030-901820", "active").unwrap(),
        &[("phone", json!("030-901820"))],
    );
    assert!(entry("030-901820", "spam").is_err());
}
