//! What three senders post, and how each of them signs it.

use leadgate_tests::signing::{self, Headers};
use serde_json::{Value, json};

/// A request as its sender makes it.
pub(crate) struct Sample {
    /// The LeadWebhook it goes to.
    pub(crate) webhook: &'static str,
    /// The e-mail address under which the CRM has it afterwards.
    pub(crate) email: &'static str,
    pub(crate) headers: Headers,
    pub(crate) body: String,
}

/// A completed Typeform, as its webhook sends it.
pub(crate) fn typeform(secret: &str, id: &str) -> Sample {
    let question = |n: u32, name: &str, kind: &str, title: &str| json!({"id": format!("f{n}"), "ref": name, "type": kind, "title": title});
    let answer = |n: u32, name: &str, kind: &str, value: &str| json!({"type": kind, kind: value, "field": {"id": format!("f{n}"), "ref": name, "type": kind}});
    let body = json!({
        "event_id": format!("ev-{id}"), "event_type": "form_response",
        "form_response": {
            "form_id": "lT4Z3j", "token": id,
            "landed_at": "2026-11-23T08:58:12Z", "submitted_at": "2026-11-23T09:00:00Z",
            "hidden": {"utm_source": "linkedin"},
            "definition": {"id": "lT4Z3j", "title": "Book a demo", "fields": [
                question(1, "first_name", "short_text", "First name"),
                question(2, "last_name", "short_text", "Last name"),
                question(3, "email", "email", "Work e-mail"),
                question(4, "phone", "phone_number", "Phone"),
                question(5, "company", "short_text", "Company"),
            ]},
            "answers": [
                answer(1, "first_name", "text", "Zoë"),
                answer(2, "last_name", "text", "Müller"),
                answer(3, "email", "email", "zoe@example.com"),
                answer(4, "phone", "phone_number", "+4930901820"),
                answer(5, "company", "text", "Beispiel AG"),
            ]
        }
    })
    .to_string();
    Sample {
        webhook: "typeform",
        email: "zoe@example.com",
        headers: signing::typeform(secret, body.as_bytes()),
        body,
    }
}

/// Shopify's `customers/create`.
pub(crate) fn shopify(secret: &str, id: &str) -> Sample {
    let body = json!({
        "id": 706_405_506_930_370_084_u64, "admin_graphql_api_id": "gid://shopify/Customer/706405506930370084",
        "created_at": "2026-11-23T04:00:00-05:00", "updated_at": "2026-11-23T04:00:00-05:00",
        "first_name": "Bob", "last_name": "Biller", "email": "Bob@Biller.example", "phone": "+16135550142",
        "state": "disabled", "verified_email": true, "tax_exempt": false, "currency": "USD", "tags": "newsletter",
        "note": null, "default_address": {"company": "Biller & Sons", "city": "Ottawa", "country_code": "CA"}
    })
    .to_string();
    let mut headers = signing::shopify(secret, body.as_bytes(), id);
    headers.push(("x-shopify-topic", "customers/create".to_owned()));
    Sample {
        webhook: "shopify",
        email: "bob@biller.example",
        headers,
        body,
    }
}

/// A form on a web site of one's own. Its phone number names no country: the webhook's `defaultRegion` does.
pub(crate) fn website(secret: &str, id: &str) -> Sample {
    let body = json!({
        "submissionId": id, "email": "ada@example.com", "name": "Ada Lovelace", "phone": "030 901821",
        "company": "Analytical Engines", "message": "Please call me back."
    })
    .to_string();
    Sample {
        webhook: "website",
        email: "ada@example.com",
        headers: signing::generic(secret, body.as_bytes()),
        body,
    }
}

/// A command to paste: one more lead of the web site's form.
pub(crate) fn curl(url: &str, secret: &str, id: &str) -> String {
    let body: Value =
        json!({"submissionId": id, "email": "grace@example.com", "firstName": "Grace", "lastName": "Hopper"});
    let body = body.to_string();
    let headers: Vec<String> = signing::generic(secret, body.as_bytes())
        .into_iter()
        .map(|(name, value)| format!(" -H '{name}: {value}'"))
        .collect();
    let signature = headers.concat();
    format!("curl -i '{url}' -H 'content-type: application/json' \\\n   {signature} \\\n    -d '{body}'")
}
