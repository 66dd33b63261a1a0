//! Events that senders post besides leads, and forms as builders and people make them.

use http::{HeaderMap, HeaderName, Method};
use leadgate_receiver::lead::Field;
use leadgate_receiver::source::auth::RawRequest;
use leadgate_receiver::source::{Element, Parsed, Refusal};
use serde_json::{Value, json};

use super::unauthenticated;

/// The headers of a request.
type Headers = Vec<(&'static str, &'static str)>;

/// What became of a request: the first lead's fields by name, or why there is none.
fn read(preset: &str, with: &[(&str, &str)], body: &[u8]) -> Result<Value, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in with {
        headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    let request = RawRequest {
        method: &Method::POST,
        query: None,
        headers: &headers,
        body,
        now: 0,
    };
    match unauthenticated(preset).parse(&request) {
        Ok(Parsed::Leads(elements)) => {
            let mut leads = elements.into_iter().filter_map(|element| match element {
                Element::Lead(submission) => Some(submission),
                Element::Other(_) => None,
            });
            let submission = leads.next().unwrap();
            let mut lead = json!({"key": submission.key.digest});
            // Without the time of acceptance, which is another each time.
            for field in Field::ALL.iter().filter(|field| **field != Field::CapturedAt) {
                if let Some(text) = submission.lead.get(*field) {
                    lead[field.name()] = json!(text);
                }
            }
            Ok(lead)
        }
        Ok(Parsed::Ignored(_)) => Err("ignored".to_owned()),
        Ok(Parsed::Challenge(_)) => Err("challenge".to_owned()),
        Err(Refusal::Invalid(problems)) => {
            Err(problems.iter().map(|p| p.reason).collect::<Vec<_>>().join(","))
        }
        Err(Refusal::Body(error)) => Err(error.to_string()),
    }
}

pub(crate) fn json_of(preset: &str, with: &[(&str, &str)], body: &Value) -> Result<Value, String> {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(with);
    read(preset, &headers, body.to_string().as_bytes())
}

pub(crate) fn form_of(preset: &str, fields: &[(&str, &str)]) -> Result<Value, String> {
    let escape = leadgate_receiver::expression::percent_encode;
    let pairs: Vec<String> = fields
        .iter()
        .map(|(n, v)| format!("{}={}", escape(n), escape(v)))
        .collect();
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    read(preset, &kind, pairs.join("&").as_bytes())
}

#[test]
fn what_is_no_lead_is_answered_200_and_a_lead_beside_it_is_taken() {
    let email = "ada@example.com";
    let stripe = |kind: &str| json!({"id": "evt_1", "type": kind, "data": {"object": {"id": "cus_1", "email": email}}});
    let cvent = |kind: &str| json!({"eventType": kind, "messageStub": "m1", "message": [{"email": email}]});
    let shop = json!({"id": 1, "email": email});
    let nobody = json!({"id": 1, "email": null, "phone": null, "first_name": "Walk", "last_name": "In"});
    let woo = json!({"id": 5, "billing": {"email": email}});
    let woo_nobody = json!({"id": 5, "billing": {"email": "", "phone": "", "first_name": "Phone"}});
    let intercom = |topic: &str, email: Value| json!({"id": "n1", "topic": topic, "data": {"item": {"email": email, "phone": null, "name": "Visitor 1"}}});
    let customer = |metric: &str| json!({"event_id": "e", "object_type": "customer", "metric": metric, "data": {"identifiers": {"email": email}}});
    let event = |kind: &str, email: Value| json!({"type": kind, "data": {"email": email}});
    let topic = |topic: &'static str| vec![("x-shopify-topic", topic)];
    let woo_topic = |topic: &'static str| vec![("x-wc-webhook-topic", topic)];
    let none = Vec::new;
    #[rustfmt::skip]
    let table: Vec<(&str, Headers, Value, bool)> = vec![
        ("stripe", none(), stripe("customer.created"), true),
        ("stripe", none(), stripe("checkout.session.completed"), true),
        ("stripe", none(), stripe("customer.deleted"), false),
        ("stripe", none(), stripe("customer.updated"), false),
        ("stripe", none(), stripe("customer.subscription.deleted"), false),
        ("stripe", none(), stripe("checkout.session.expired"), false),
        ("stripe", none(), json!({"id": "evt_2", "type": "customer.created", "data": {"object": {"id": "cus_2"}}}), false),
        ("cvent", none(), cvent("InviteeOrGuestAccepted"), true),
        ("cvent", none(), cvent("InviteeOrGuestCancelled"), false),
        ("cvent", none(), cvent("InviteeOrGuestDeclined"), false),
        ("shopify", topic("customers/create"), shop.clone(), true),
        ("shopify", topic("customers/update"), shop.clone(), true),
        ("shopify", topic("orders/create"), json!({"id": 1, "contact_email": email}), true),
        ("shopify", none(), shop.clone(), true),
        ("shopify", topic("customers/delete"), shop.clone(), false),
        ("shopify", topic("orders/cancelled"), shop.clone(), false),
        ("shopify", topic("customers/redact"), json!({"customer": {"email": email}}), false),
        ("shopify", topic("customers/data_request"), json!({"customer": {"email": email}}), false),
        ("shopify", topic("app/uninstalled"), shop.clone(), false),
        ("shopify", vec![("shopify-topic", "customers/delete")], shop.clone(), false),
        ("shopify", vec![("x-shopify-test", "true")], shop.clone(), false),
        ("shopify", topic("customers/create"), nobody, false),
        ("woocommerce", woo_topic("order.created"), woo.clone(), true),
        ("woocommerce", woo_topic("order.created"), woo_nobody, false),
        ("woocommerce", woo_topic("customer.deleted"), woo.clone(), false),
        ("woocommerce", woo_topic("product.created"), json!({"id": 1}), false),
        ("intercom", none(), intercom("contact.lead.created", json!(email)), true),
        ("intercom", none(), intercom("contact.lead.created", Value::Null), false),
        ("intercom", none(), intercom("contact.deleted", json!(email)), false),
        ("intercom", none(), intercom("ping", Value::Null), false),
        ("segment", none(), json!({"type": "identify", "messageId": "m", "traits": {"email": email}}), true),
        ("segment", none(), json!({"type": "identify", "messageId": "m", "anonymousId": "a"}), false),
        ("customerio", none(), customer("subscribed"), true),
        ("customerio", none(), customer("unsubscribed"), false),
        ("customerio", none(), json!({"event_id": "e", "object_type": "email", "metric": "opened",
            "data": {"identifiers": {"email": email}}}), false),
        ("standardwebhooks", none(), event("contact.created", json!(email)), true),
        ("standardwebhooks", none(), event("contact.deleted", json!(email)), false),
        ("standardwebhooks", none(), event("invoice.paid", Value::Null), false),
        ("svix", none(), event("user.created", json!(email)), true),
        ("svix", none(), event("User.Deleted", json!(email)), false),
        ("slack", none(), json!({"event_id": "E", "event": {"type": "message"}}), false),
        ("mautic", none(), json!({"mautic.lead_post_save_new": [{"contact": {"id": 1}, "timestamp": "2026-09-21T13:40:00+00:00"}]}), false),
        ("linkedin", none(), json!({"leadGenFormResponse": "urn:li:x:1", "leadAction": "DELETED"}), false),
        ("tiktok", none(), json!({"object": "TT_USER", "entry": [{"email": email}]}), false),
    ];
    for (preset, headers, body, is_lead) in table {
        let answer = json_of(preset, &headers, &body);
        let expected = if is_lead {
            Ok("ada@example.com")
        } else {
            Err("ignored")
        };
        let given = answer.as_ref().map(|lead| lead["email"].as_str().unwrap());
        assert_eq!(
            given.map_err(String::as_str),
            expected,
            "{preset} {headers:?} {body}"
        );
    }
    // Not everything without a contact is an event: a form's mapping may be wrong, and that is said.
    assert_eq!(
        json_of("generic", &[], &json!({"note": "Call me"})),
        Err("ContactMissing".to_owned())
    );
    assert_eq!(
        form_of("elementor", &[("field_7", "030 901820")]),
        Err("ContactMissing".to_owned())
    );
    // The only address in a form without any other contact is its e-mail.
    assert_eq!(
        form_of("elementor", &[("field_7", email)]).unwrap()["email"],
        email
    );
    assert!(
        form_of(
            "twilio",
            &[
                ("From", "+14155550100"),
                ("MessageSid", "S"),
                ("SmsStatus", "received")
            ]
        )
        .is_ok()
    );
    for (name, value) in [("SmsStatus", "delivered"), ("OptOutType", "STOP")] {
        let fields = [("From", "+14155550100"), ("MessageSid", "S"), (name, value)];
        assert_eq!(form_of("twilio", &fields), Err("ignored".to_owned()), "{name}");
    }
}

#[test]
fn tiktoks_envelope_holds_leads_as_the_lead_alone_does() {
    let lead = json!({"lead_id": "73", "changes": [{"field": "email", "value": "mia@example.com"}]});
    let alone = json_of("tiktok", &[], &lead).unwrap();
    for envelope in [
        json!({"object": "LEAD", "entry": [lead]}),
        json!({"object": "LEAD", "entry": lead}),
        json!({"entry": [{"lead_id": "73", "field_data": [{"name": "Email", "values": ["mia@example.com"]}]}]}),
    ] {
        assert_eq!(json_of("tiktok", &[], &envelope).unwrap(), alone, "{envelope}");
    }
}

#[test]
fn forms_in_other_words_give_the_same_lead() {
    let jotform = |answers: Value| {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"submissionID\"\r\n\r\n1\r\n--b\r\n\
             Content-Disposition: form-data; name=\"rawRequest\"\r\n\r\n{answers}\r\n--b--\r\n"
        );
        read(
            "jotform",
            &[("content-type", "multipart/form-data; boundary=b")],
            body.as_bytes(),
        )
    };
    let of = |answer: Result<Value, String>| {
        let lead = answer.unwrap();
        ["email", "firstName", "lastName", "company"]
            .map(|name| lead[name].as_str().unwrap_or("-").to_owned())
    };
    let ada = ["ada@example.com", "Ada", "Lovelace", "Engines"].map(str::to_owned);
    let answers = json!({"q3_fullName": {"first": "Ada", "last": "Lovelace"}, "q4_email": "ada@example.com",
        "q10_emailConsent": "Yes, send me e-mails", "q12_companyName": "Engines"});
    assert_eq!(of(jotform(answers)), ada);
    let answers = json!({"q11_vollstandigerName": {"first": "Ada", "last": "Lovelace"}, "q12_email": "ada@example.com",
        "q2_firma": "Engines", "q1_newsletterEmail": "news@example.com"});
    assert_eq!(of(jotform(answers)), ada);
    // Jotform's own keys of "Wie heißen Sie?" and "An welche Adresse?".
    let answers = json!({"q3_wieHeien": {"first": "Ada", "last": "Lovelace"}, "q4_anWelche4": "ada@example.com",
        "q12_companyName": "Engines"});
    assert_eq!(of(jotform(answers)), ada);
    // Without its answers it is a bad request, not an empty one.
    let part = "--b\r\nContent-Disposition: form-data; name=\"formID\"\r\n\r\n1\r\n--b--\r\n";
    let bare = read(
        "jotform",
        &[("content-type", "multipart/form-data; boundary=b")],
        part.as_bytes(),
    );
    assert_eq!(bare, Err("ContactMissing".to_owned()));
    assert_eq!(
        form_of("unbounce", &[("page_id", "p")]),
        Err("ContactMissing".to_owned())
    );
    #[rustfmt::skip]
    let forms = [
        ("elementor", vec![("No Label email", "ada@example.com"), ("No Label name", "Ada Lovelace"), ("Firma", "Engines")]),
        ("elementor", vec![("E-Mail-Adresse", "ada@example.com"), ("Vorname", "Ada"), ("Nachname", "Lovelace"),
            ("Unternehmen", "Engines"), ("form_name", "Kontakt")]),
        ("elementor", vec![("fields[f1][type]", "email"), ("fields[f1][title]", "Where do we write to?"),
            ("fields[f1][value]", "ada@example.com"), ("fields[name][value]", "Ada Lovelace"),
            ("fields[company][value]", "Engines"), ("form[name]", "Contact"), ("meta[user_agent][value]", "Mozilla")]),
        ("cf7", vec![("email-123", "ada@example.com"), ("your-name", "Ada Lovelace"), ("empresa", "Engines")]),
        ("wpforms", vec![("Courriel", "ada@example.com"), ("Prénom", "Ada"), ("Nom", "Lovelace"), ("Société", "Engines")]),
        ("instapage", vec![("Correo electrónico", "ada@example.com"), ("Nombre", "Ada"), ("Apellidos", "Lovelace"), ("Empresa", "Engines")]),
        ("formstack", vec![("E-mailadres", "ada@example.com"), ("Naam", "Ada Lovelace"), ("Bedrijf", "Engines")]),
        ("gravityforms", vec![("2", "ada@example.com"), ("1.3", "Ada"), ("1.6", "Lovelace"), ("company", "Engines")]),
        ("gravityforms", vec![("email", "ada@example.com"), ("full_name", "Ada Lovelace"), ("company", "Engines")]),
    ];
    for (preset, fields) in forms {
        assert_eq!(of(form_of(preset, &fields)), ada, "{preset} {fields:?}");
    }
    let meta = |name: &str, value: &str| {
        let value = json!({"leadgen_id": "3", "field_data": [{"name": name, "values": [value]}]});
        json_of(
            "meta",
            &[],
            &json!({"object": "page", "entry": [{"changes": [{"field": "leadgen", "value": value}]}]}),
        )
    };
    for (name, value, field) in [
        ("email", "ada@example.com", "email"),
        ("work_email", "ada@example.com", "email"),
        ("work_phone_number", "+4930901820", "phone"),
        ("what_is_your_e-mail_address?", "ada@example.com", "email"),
    ] {
        assert_eq!(meta(name, value).unwrap()[field], value, "{name}");
    }
}

/// WPForms on two sites counts from 1 on each; HubSpot's eventId is not unique; a missing part leaves no key.
#[test]
fn two_people_with_one_id_are_two_submissions() {
    let key = |answer: Result<Value, String>| answer.unwrap()["key"].clone();
    let entry =
        |email: &str, id: Value| key(json_of("wpforms", &[], &json!({"email": email, "entry_id": id})));
    assert_ne!(
        entry("ada@example.com", json!(12)),
        entry("bob@example.com", json!(12))
    );
    assert_eq!(
        entry("ada@example.com", json!(12)),
        entry("Ada@Example.com ", json!("12"))
    );
    assert_ne!(
        entry("ada@example.com", json!(12)),
        entry("ada@example.com", json!(13))
    );
    let gravity = |id: Value, note: &str| {
        key(json_of(
            "gravityforms",
            &[],
            &json!({"form_id": 1, "id": id, "2": "ada@example.com", "n": note}),
        ))
    };
    assert_eq!(gravity(json!(7), "a"), gravity(json!(7), "b"), "a resend");
    assert_ne!(
        gravity(Value::Null, "a"),
        gravity(Value::Null, "b"),
        "the form's id alone is no submission"
    );
    let lite = |message: &str| {
        key(json_of(
            "wpforms",
            &[],
            &json!({"email": "ada@example.com", "entry_id": 0, "message": message}),
        ))
    };
    assert_ne!(lite("a"), lite("b"), "without entries every id is 0");
    let hubspot = |object: u32| {
        let event = json!({"eventId": 1, "subscriptionId": 7, "portalId": 1, "subscriptionType": "contact.creation",
            "objectId": object, "properties": {"email": "ada@example.com"}});
        key(json_of("hubspot", &[], &json!([event])))
    };
    assert_ne!(hubspot(901), hubspot(902));
    assert_eq!(hubspot(901), hubspot(901));
    let woo = |site: &str| {
        key(json_of(
            "woocommerce",
            &[("x-wc-webhook-source", site)],
            &json!({"id": 1, "billing": {"email": "a@example.com"}}),
        ))
    };
    assert_ne!(woo("https://a.example.com/"), woo("https://b.example.com/"));
    // What the sender says on purpose goes before what we know of it.
    for header in ["x-idempotency-key", "idempotency-key"] {
        let said = |value: &str, id: u32| {
            key(json_of(
                "wpforms",
                &[(header, value)],
                &json!({"email": "ada@example.com", "entry_id": id}),
            ))
        };
        assert_eq!(said("k", 1), said("k", 2), "{header}");
        assert_ne!(said("k", 1), said("l", 1), "{header}");
    }
}

#[test]
fn a_form_is_read_in_the_charset_that_it_declares() {
    let with = |kind: &str, body: &[u8]| {
        read("generic", &[("content-type", kind)], body)
            .map(|lead| lead["firstName"].as_str().unwrap_or("-").to_owned())
    };
    let form = |charset: &str| format!("application/x-www-form-urlencoded{charset}");
    let latin = b"email=ada%40example.com&firstName=M%FCller";
    #[rustfmt::skip]
    let table: [(&str, &[u8], &str); 11] = [
        ("; charset=ISO-8859-1", latin, "Müller"),
        ("; Charset=\"iso-8859-1\"", latin, "Müller"),
        (";charset=windows-1252", b"email=ada%40example.com&firstName=M%FCller+%80", "Müller €"),
        (";charset=latin1", b"email=ada@example.com&firstName=M\xFCller", "Müller"),
        ("; charset=iso-8859-2", b"email=ada@example.com&firstName=%A3ukasz", "Łukasz"),
        ("; charset=windows-1251", b"email=ada@example.com&firstName=%C0%E4%E0", "Ада"),
        ("; charset=Shift_JIS", b"email=ada@example.com&firstName=%83A%83_", "アダ"),
        // What is UTF-8 is UTF-8, whatever it says.
        ("; charset=ISO-8859-1", b"email=ada@example.com&firstName=M%C3%BCller", "Müller"),
        ("; charset=us-ascii", b"email=ada@example.com&firstName=Ada", "Ada"),
        ("", b"email=ada@example.com&firstName=M%C3%BCller", "Müller"),
        ("", b"email=ada@example.com&firstName=M%FCller&_charset_=windows-1252", "Müller"),
    ];
    for (charset, body, name) in table {
        assert_eq!(with(&form(charset), body).as_deref(), Ok(name), "{charset}");
    }
    let json = b"{\"email\":\"ada@example.com\",\"firstName\":\"M\xFCller\"}";
    assert_eq!(
        with("application/json; charset=iso-8859-1", json).as_deref(),
        Ok("Müller")
    );
    let part = |kind: &str| {
        let mut body =
            b"--b\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\nada@example.com\r\n--b\r\n\
            Content-Disposition: form-data; name=\"firstName\"\r\n"
                .to_vec();
        body.extend_from_slice(kind.as_bytes());
        body.extend_from_slice(b"\r\nM\xFCller\r\n--b--\r\n");
        body
    };
    let kind = "multipart/form-data; boundary=b";
    assert_eq!(
        with(kind, &part("Content-Type: text/plain; charset=iso-8859-1\r\n")).as_deref(),
        Ok("Müller")
    );
    assert_eq!(
        with(&format!("{kind}; charset=iso-8859-1"), &part("")).as_deref(),
        Ok("Müller")
    );
    // Undeclared, nobody can tell which letters they are.
    for (kind, body) in [(form(""), latin.to_vec()), (kind.to_owned(), part(""))] {
        let error = with(&kind, &body).unwrap_err();
        assert!(error.contains("name its charset in Content-Type"), "{error}");
    }
    for charset in ["utf-16", "iso-2022-jp", "utf-7", "klingon"] {
        let error = with(&form(&format!("; charset={charset}")), latin).unwrap_err();
        assert!(error.contains("charset is not supported"), "{charset}: {error}");
    }
}

#[test]
fn a_body_under_the_wrong_name_is_told_what_it_is() {
    let json: &[u8] = br#" {"email":"ada@example.com"}"#;
    let form: &[u8] = b"email=ada%40example.com&name=Ada";
    for (preset, kind, body, words) in [
        (
            "generic",
            "application/x-www-form-urlencoded",
            json,
            "the body is JSON",
        ),
        ("twilio", "application/json", json, "the body is JSON"),
        ("generic", "application/json", form, "the body is a form"),
        (
            "typeform",
            "application/x-www-form-urlencoded",
            form,
            "the body is a form",
        ),
        (
            "generic",
            "application/json",
            &b"{\"email\":"[..],
            "ends too early",
        ),
        ("generic", "application/json", &b"hello"[..], "not valid JSON"),
        (
            "generic",
            "text/xml",
            &b"<a/>"[..],
            "Content-Type is not supported",
        ),
    ] {
        let error = read(preset, &[("content-type", kind)], body).unwrap_err();
        assert!(error.contains(words), "{preset} {kind}: {error}");
        assert!(!error.contains("ada"), "{error}");
    }
    // A form may well begin with a brace.
    let odd = read(
        "generic",
        &[("content-type", "application/x-www-form-urlencoded")],
        b"{a}=1&email=ada%40example.com",
    );
    assert_eq!(odd.unwrap()["email"], "ada@example.com");
}

#[test]
fn a_refusal_names_what_the_payload_holds_and_no_value() {
    let keys = |preset: &str, body: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        unauthenticated(preset).keys(&RawRequest {
            method: &Method::POST,
            query: None,
            headers: &headers,
            body: body.as_bytes(),
            now: 0,
        })
    };
    let held = keys(
        "generic",
        r#"{"mail_1":"ada@example.com","1.3":"Ada","person":{"e-mail":"x","tags":["a"]},"rows":[{"a":1},{"b":2}],
            "ada@example.com":1,"4930901820":1,"First Name":"Ada","{\"a\":1}":1}"#,
    );
    assert_eq!(
        held,
        ["1.3", "mail_1", "person.e-mail", "person.tags", "rows[0].a"]
    );
    let many: serde_json::Map<String, Value> = (0..50).map(|n| (format!("k{n}"), json!(n))).collect();
    assert_eq!(keys("generic", &Value::Object(many).to_string()).len(), 20);
    assert_eq!(keys("generic", "{"), Vec::<String>::new());
}
