//! What one lead costs before the queue: verification, parsing, mapping and validation. In microseconds on one core, and
//! where valgrind is installed also in instructions and allocations, which are the same on every run.
//! `cargo run --release --example source_bench`; part of `make bench`. With the name of a case and a number it takes that
//! case so many times, for a profiler.
#![allow(clippy::cast_precision_loss)]

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue, Method};
use leadgate_crds::LeadWebhook;
use leadgate_receiver::source::auth::RawRequest;
use leadgate_receiver::source::{Kept, Webhook};
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "bench-secret";
const ROUNDS: u32 = 20_000;
/// Under valgrind, which is fifty times as slow; first so many that what is made once is made.
const COUNTED: [u32; 2] = [100, 1100];

/// A webhook and what is posted to it.
struct Case {
    name: &'static str,
    webhook: Webhook,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Case {
    fn new(
        name: &'static str,
        source: &str,
        kind: &'static str,
        header: &'static str,
        signature: impl Fn(&[u8]) -> String,
        body: String,
    ) -> Self {
        let object: LeadWebhook = serde_json::from_value(json!({
            "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "bench"},
            "spec": {
                "source": source, "auth": {"hmac": {"secretRefs": [{"name": "s", "key": "k"}]}},
                "sinks": [{"name": "crm"}]
            }
        }))
        .unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(kind));
        headers.insert(header, signature(body.as_bytes()).parse().unwrap());
        Self {
            name,
            webhook: Webhook::compile(&object, &|_, _| Ok(SECRET.as_bytes().to_vec())).unwrap(),
            headers,
            body: body.into_bytes(),
        }
    }

    fn request(&self) -> RawRequest<'_> {
        RawRequest {
            method: &Method::POST,
            query: None,
            headers: &self.headers,
            body: &self.body,
            now: 0,
        }
    }

    fn verify(&self) {
        black_box(self.webhook.verifier.verify(&self.request())).unwrap();
    }

    fn take(&self) {
        black_box(self.webhook.leads(&self.request(), &Kept::Whole)).unwrap();
    }
}

fn digest(body: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

fn in_hex(body: &[u8]) -> String {
    format!("sha256={}", hex::encode(digest(body)))
}

fn in_base64(body: &[u8]) -> String {
    format!("sha256={}", STANDARD.encode(digest(body)))
}

fn cases() -> [Case; 5] {
    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";
    const OWN: &str = "x-webhook-signature";
    let lead = |message: usize| {
        json!({
            "submissionId": "0123456789abcdef", "email": "ada.lovelace@example.com", "firstName": "Ada", "lastName": "Lovelace",
            "phone": "+442071838750", "company": "Analytical Engines", "message": "x".repeat(message)
        })
    };
    let fields = lead(250);
    let pairs = fields.as_object().into_iter().flatten();
    let form: Vec<String> = pairs
        .map(|(name, value)| {
            let value = value.as_str().unwrap_or_default();
            format!("{name}={}", value.replace('+', "%2B").replace(' ', "+"))
        })
        .collect();
    // Builders of forms number their fields and send the labels that people gave them.
    let tally = json!({"eventId": "e", "eventType": "FORM_RESPONSE", "createdAt": "2026-09-21T13:33:20Z", "data": {
    "responseId": "r", "submissionId": "s", "formId": "f", "formName": "Contact", "fields": [
        {"key": "question_1", "label": "First name", "type": "INPUT_TEXT", "value": "Zoë"},
        {"key": "question_2", "label": "Last name", "type": "INPUT_TEXT", "value": "Adams"},
        {"key": "question_3", "label": "Work email", "type": "INPUT_EMAIL", "value": "zoe@example.com"},
        {"key": "question_4", "label": "Phone number", "type": "INPUT_PHONE_NUMBER", "value": "+4930901820"},
        {"key": "question_5", "label": "What do you need?", "type": "TEXTAREA", "value": "x".repeat(250)}
    ]}});
    let answers: Vec<Value> = (0..8)
        .map(|n| json!({"field": {"id": format!("f{n}"), "type": "short_text", "ref": format!("ref_{n}")}, "type": "text", "text": "an answer of some length"}))
        .chain([
            json!({"field": {"id": "e", "type": "email", "ref": "email"}, "type": "email", "email": "zoe@example.com"}),
            json!({"field": {"id": "p", "type": "phone", "ref": "phone"}, "type": "phone_number", "phone_number": "+4930901820"}),
            json!({"field": {"id": "n", "type": "short_text", "ref": "first_name"}, "type": "text", "text": "Zoë"}),
        ])
        .collect();
    let typeform = json!({"event_id": "e", "event_type": "form_response", "form_response": {
        "form_id": "lT4Z3j", "token": "a3a12ec67a1365927098a606107fac15", "submitted_at": "2026-09-21T13:33:20Z",
        "hidden": {"padding": "x".repeat(600)}, "answers": answers}});
    [
        Case::new("generic", "generic", JSON, OWN, in_hex, fields.to_string()),
        Case::new(
            "typeform",
            "typeform",
            JSON,
            "typeform-signature",
            in_base64,
            typeform.to_string(),
        ),
        Case::new("form", "generic", FORM, OWN, in_hex, form.join("&")),
        Case::new(
            "tally",
            "tally",
            JSON,
            "tally-signature",
            |body| STANDARD.encode(digest(body)),
            tally.to_string(),
        ),
        Case::new("large", "generic", JSON, OWN, in_hex, lead(1800).to_string()),
    ]
}

/// Microseconds that work takes.
fn time(work: impl Fn()) -> f64 {
    (0..ROUNDS / 10).for_each(|_| work());
    let began = Instant::now();
    (0..ROUNDS).for_each(|_| work());
    began.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
}

/// What one of valgrind's tools counts of a lead, as it says behind `label`; `None`: valgrind is not installed.
fn counted(tool: &[&str], label: &str, case: &Case) -> Option<f64> {
    let [few, many] = COUNTED.map(|rounds| {
        let output = Command::new("valgrind")
            .args(tool)
            .arg(std::env::current_exe().ok()?)
            .args([case.name, &rounds.to_string()])
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let (_, behind) = text.split_once(label)?;
        let number = behind.trim_start_matches([' ', ':']).split(' ').next()?;
        number.trim().replace(',', "").lines().next()?.parse::<f64>().ok()
    });
    Some((many? - few?) / f64::from(COUNTED[1] - COUNTED[0]))
}

fn main() {
    let cases = cases();
    let mut arguments = std::env::args().skip(1);
    if let (Some(name), Some(rounds)) = (arguments.next(), arguments.next()) {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        for _ in 0..rounds.parse().unwrap() {
            case.verify();
            case.take();
        }
        return;
    }
    for case in &cases {
        let (verify, take) = (time(|| case.verify()), time(|| case.take()));
        print!(
            "{:<10}{:>6} bytes  verify {verify:>6.1} µs  parse, map, validate {take:>6.1} µs  together {:>6.1} µs",
            case.name,
            case.body.len(),
            verify + take
        );
        let callgrind = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
        if let Some(instructions) = counted(&callgrind, "Collected", case)
            && let Some(allocations) = counted(&["--tool=memcheck"], "total heap usage", case)
        {
            print!("  {instructions:>9.0} instructions  {allocations:>5.0} allocations");
        }
        println!();
    }
}
