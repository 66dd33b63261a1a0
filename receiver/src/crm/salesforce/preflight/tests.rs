use std::collections::BTreeMap;
use std::time::Duration;

use leadgate_crds::crm_sink::{ContactMatch, Fallbacks, MatchingKey, Overwrite, PartialMatch};
use serde_json::json;

use super::super::auth::SignIn;
use super::super::settings::ExternalId;
use super::*;
use crate::crm::Matching;
use crate::expression::{Names, Program};

fn settings(external: Option<&str>) -> Settings {
    Settings {
        instance_url: "https://x.my.salesforce.com".to_owned(),
        api_version: "62.0".to_owned(),
        object: "Lead".to_owned(),
        external_id: external.and_then(|field| {
            Some(ExternalId {
                field: field.to_owned(),
                value: Program::compile("lead.submissionId", &Names::DELIVERY).ok()?,
            })
        }),
        sign_in: SignIn::ClientCredentials {
            url: String::new(),
            client_id: String::new(),
            client_secret: String::new(),
        },
        allow_save: false,
        assignment_rule: false,
        fallbacks: Fallbacks {
            last_name: None,
            company: Some("[unknown]".to_owned()),
        },
        timeout: Duration::from_secs(1),
        matching: Matching {
            keys: vec![MatchingKey::Email],
            on_partial: PartialMatch::Hold,
            contacts: ContactMatch::Create,
            overwrite: Overwrite::Always,
            overwrite_properties: BTreeMap::new(),
        },
    }
}

fn shape() -> Shape {
    Shape {
        object: "Lead".to_owned(),
        email: Some("Email".to_owned()),
        phone: Some("Phone".to_owned()),
        mobile: None,
        external: None,
        converts: true,
        also: Vec::new(),
    }
}

fn describe() -> Value {
    let field = |name: &str, createable: bool, updateable: bool, nillable: bool| {
        json!({"name": name, "type": "string", "length": 255, "createable": createable, "updateable": updateable,
               "nillable": nillable, "defaultedOnCreate": false, "externalId": false, "unique": false})
    };
    let mut fields = vec![
        field("Email", true, true, true),
        field("LastName", true, true, false),
        field("Company", true, true, false),
        field("CreatedDate", false, false, false),
        field("Once__c", true, false, true),
        field("Plain__c", true, true, true),
    ];
    let mut key = field("Sub__c", true, true, true);
    key["externalId"] = json!(true);
    key["unique"] = json!(true);
    fields.push(key);
    json!({"name": "Lead", "createable": true, "updateable": true, "fields": fields})
}

fn found(properties: &[&str], external: Option<&str>, describe: &Value) -> Vec<String> {
    let mut shape = shape();
    shape.phone = None;
    problems(describe, properties, &[], &settings(external), &shape)
}

#[test]
fn a_good_sink_has_no_problem() {
    assert_eq!(
        found(&["email", "LastName"], Some("sub__c"), &describe()),
        Vec::<String>::new()
    );
}

#[test]
fn every_problem_names_its_field_and_remedy() {
    let table = [
        (
            vec!["LastName", "Shoe__c"],
            None,
            "properties.Shoe__c: Lead has no field Shoe__c",
        ),
        (
            vec!["LastName", "CreatedDate"],
            None,
            "properties.CreatedDate: Lead.CreatedDate is read-only",
        ),
        (
            vec!["LastName", "Once__c"],
            None,
            "properties.Once__c: Lead.Once__c cannot be changed after",
        ),
        (
            vec!["Email"],
            None,
            "properties: Lead.LastName is required and the sink never sends it; map it, or give createOnly a value for it, or set salesforce.fallbacks.lastName",
        ),
        (
            vec!["LastName"],
            Some("Gone__c"),
            "salesforce.externalId.field: Lead has no field Gone__c",
        ),
        (
            vec!["LastName"],
            Some("Plain__c"),
            "salesforce.externalId.field: Lead.Plain__c is not marked \"External ID\"",
        ),
    ];
    for (properties, external, part) in table {
        let found = found(&properties, external, &describe());
        assert!(
            found.iter().any(|problem| problem.starts_with(part)),
            "{part}: {found:?}"
        );
    }
    let mut closed = describe();
    closed["createable"] = json!(false);
    assert!(
        found(&["LastName"], None, &closed)[0]
            .starts_with("salesforce.object: the integration user may not create")
    );
    assert_eq!(found(&["LastName"], None, &json!({})).len(), 1);
    // What is written once only may be a field that cannot be changed, and serves a required one.
    let once = problems(
        &describe(),
        &["Email"],
        &["LastName", "Once__c", "Shoe__c"],
        &settings(None),
        &Shape {
            phone: None,
            ..shape()
        },
    );
    assert!(
        once.len() == 1 && once[0].starts_with("createOnly.Shoe__c: Lead has no field"),
        "{once:?}"
    );
    let phone = problems(&describe(), &["LastName"], &[], &settings(None), &shape());
    assert!(
        phone[0].starts_with("matching.keys: Lead has no field Phone"),
        "{phone:?}"
    );
}
