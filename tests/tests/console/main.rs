//! The console against a real receiver: each page and each action, who may see and do what, and what hostile senders
//! cannot make of it.

mod actions;
mod held;
mod hostile;
mod pages;
mod privacy;
mod rights;
mod sessions;
mod visitor;

use leadgate_tests::manifests::HubSpotSink;
use leadgate_tests::rig::Rig;
use leadgate_tests::wire::{Answer, exchange};

/// A sink of which the CRM refuses every lead.
fn broken(sink: &mut HubSpotSink) {
    sink.properties =
        "    email: lead.email\n    firstname: lead.firstName\n    no_such_property: lead.firstName".into();
    sink.delivery = sink.delivery.replacen('{', "{onRefusedProperty: Dead, ", 1);
}

/// A request as a browser sends it for a page of the console.
async fn browse(rig: &Rig, method: &str, path: &str, form: &str, headers: &str) -> Answer {
    let host = rig.receiver.admin_address();
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}{kind}Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    );
    exchange(host, request).await.unwrap()
}

async fn get(rig: &Rig, path: &str) -> Answer {
    browse(rig, "GET", path, "", "").await
}

/// A form, sent from a page of the console.
async fn post(rig: &Rig, path: &str, form: &str) -> Answer {
    let origin = format!(
        "Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n",
        rig.receiver.admin_address()
    );
    browse(rig, "POST", path, form, &origin).await
}

/// The page's text, which must be one.
fn html(answer: &Answer) -> String {
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8"),
        "{answer:?}"
    );
    answer.text()
}
