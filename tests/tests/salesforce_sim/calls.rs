//! What calls about one record, queries and descriptions answer.

use leadgate_tests::salesforce::{Config, DuplicateRule, FieldSpec};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Sim, code, lead};

const BY_KEY: &str = "/sobjects/Lead/Webhook_Submission_ID__c";

#[tokio::test]
async fn salesforce_keeps_nobody_apart_by_e_mail_but_an_external_id_does() {
    let sim = Sim::new(Config::default()).await;
    let first = sim.create(lead("ada@example.com")).await;
    let second = sim.create(lead("Ada@example.com")).await;
    assert!(first != second && first.len() == 18);
    assert_eq!(sim.salesforce.stats().duplicate_emails, ["ada@example.com"]);

    let (status, body) = sim
        .send(Method::PATCH, &format!("{BY_KEY}/s1"), lead("b@example.com"))
        .await;
    assert_eq!(
        (status, &body["created"], &body["success"]),
        (201, &json!(true), &json!(true)),
        "{body}"
    );
    let (status, again) = sim
        .send(Method::PATCH, &format!("{BY_KEY}/S1"), json!({"Title": "CEO"}))
        .await;
    assert_eq!(
        (status, &again["created"], &again["id"]),
        (200, &json!(false), &body["id"]),
        "{again}"
    );
    let (status, read) = sim
        .send(Method::GET, &format!("{BY_KEY}/s1?fields=Title,Id"), Value::Null)
        .await;
    assert_eq!(
        (status, &read["Title"], &read["Id"]),
        (200, &json!("CEO"), &body["id"])
    );
    let (status, missed) = sim
        .send(
            Method::PATCH,
            &format!("{BY_KEY}/s2?updateOnly=true"),
            lead("c@x.de"),
        )
        .await;
    assert_eq!((status, code(&missed)), (404, "NOT_FOUND"));
    let (status, taken) = sim
        .send(
            Method::POST,
            "/sobjects/Lead",
            json!({"LastName": "x", "Company": "y", "Webhook_Submission_ID__c": "s1"}),
        )
        .await;
    assert_eq!((status, code(&taken)), (400, "DUPLICATE_VALUE"), "{taken}");
    for (path, body, status, expected) in [
        (
            format!("{BY_KEY}/ada@example.com"),
            lead("ada@example.com"),
            404,
            "NOT_FOUND",
        ),
        (
            "/sobjects/Lead/Title/x".to_owned(),
            lead("d@example.com"),
            404,
            "NOT_FOUND",
        ),
        (
            format!("{BY_KEY}/s1"),
            json!({"Webhook_Submission_ID__c": "s1"}),
            400,
            "INVALID_FIELD",
        ),
        (format!("{BY_KEY}/s1"), json!({"Id": first}), 400, "INVALID_FIELD"),
        (
            "/sobjects/Unicorn/00Q000000000001".to_owned(),
            json!({}),
            404,
            "NOT_FOUND",
        ),
    ] {
        let (seen, answer) = sim.send(Method::PATCH, &path, body).await;
        assert_eq!((seen, code(&answer)), (status, expected), "{path}: {answer}");
    }
}

#[tokio::test]
async fn several_records_of_one_external_id_are_listed_and_left_alone() {
    let mut config = Config::default();
    config.custom.push(FieldSpec::text("Loose__c").external(false));
    let sim = Sim::new(config).await;
    for _ in 0..2 {
        let mut fields = lead("a@example.com");
        fields["Loose__c"] = json!("k");
        sim.create(fields).await;
    }
    let (status, body) = sim
        .send(Method::PATCH, "/sobjects/Lead/Loose__c/k", json!({"Title": "x"}))
        .await;
    assert_eq!((status, body.as_array().unwrap().len()), (300, 2), "{body}");
    assert!(
        body[0]
            .as_str()
            .unwrap()
            .starts_with("/services/data/v62.0/sobjects/Lead/00Q")
    );
    assert_eq!(sim.salesforce.stats().writes, 2);
}

#[tokio::test]
async fn records_are_changed_deleted_and_converted() {
    let sim = Sim::new(Config::default()).await;
    let id = sim.create(lead("a@example.com")).await;
    let path = format!("/sobjects/Lead/{id}");
    let (status, body) = sim
        .send(Method::PATCH, &path, json!({"title": "CEO", "Phone": ""}))
        .await;
    assert_eq!((status, body), (204, Value::Null));
    assert_eq!(sim.salesforce.leads()[0].get("Title"), "CEO");
    let (status, body) = sim
        .send(Method::PATCH, &path[..path.len() - 3], json!({"Title": "CTO"}))
        .await;
    assert_eq!(status, 204, "15 characters do: {body}");
    assert!(sim.salesforce.convert(&id));
    let (status, body) = sim.send(Method::PATCH, &path, json!({"Title": "x"})).await;
    assert_eq!((status, code(&body)), (400, "CANNOT_UPDATE_CONVERTED_LEAD"));
    assert_eq!(sim.send(Method::DELETE, &path, Value::Null).await.0, 204);
    let (status, body) = sim.send(Method::PATCH, &path, json!({"Title": "x"})).await;
    assert_eq!((status, code(&body)), (404, "ENTITY_IS_DELETED"));
}

#[tokio::test]
async fn every_invalid_value_is_named() {
    let sim = Sim::new(Config::default()).await;
    let table = [
        (json!({"LastName": "x"}), "REQUIRED_FIELD_MISSING", "Company"),
        (json!({"Company": "x"}), "REQUIRED_FIELD_MISSING", "LastName"),
        (
            json!({"LastName": "x", "Company": "y", "Email": "nonsense"}),
            "INVALID_EMAIL_ADDRESS",
            "Email",
        ),
        (
            json!({"LastName": "x".repeat(81), "Company": "y"}),
            "STRING_TOO_LONG",
            "LastName",
        ),
        (
            json!({"LastName": "x", "Company": "y", "LeadSource": "Moon"}),
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "LeadSource",
        ),
        (
            json!({"LastName": "x", "Company": "y", "CreatedDate": "2020-01-01"}),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "CreatedDate",
        ),
        (
            json!({"LastName": "x", "Company": "y", "Shoe__c": "43"}),
            "INVALID_FIELD",
            "",
        ),
        (
            json!({"LastName": {"a": 1}, "Company": "y"}),
            "JSON_PARSER_ERROR",
            "",
        ),
    ];
    for (fields, expected, field) in table {
        let (status, body) = sim.send(Method::POST, "/sobjects/Lead", fields.clone()).await;
        assert_eq!((status, code(&body)), (400, expected), "{fields}: {body}");
        assert_eq!(body[0]["fields"][0].as_str().unwrap_or_default(), field, "{body}");
    }
    assert!(sim.salesforce.leads().is_empty());
    let (_, described) = sim
        .send(Method::GET, "/sobjects/Lead/describe", Value::Null)
        .await;
    let fields = described["fields"].as_array().unwrap();
    let get = |name: &str| fields.iter().find(|field| field["name"] == name).unwrap();
    assert_eq!(get("CreatedDate")["updateable"], false);
    assert_eq!(
        (&get("Company")["nillable"], &get("Email")["nillable"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(
        (
            &get("Webhook_Submission_ID__c")["externalId"],
            &get("Topics__c")["externalId"]
        ),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        sim.send(Method::GET, "/sobjects/Unicorn/describe", Value::Null)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn queries_are_read_strictly() {
    let sim = Sim::new(Config::default()).await;
    let a = sim
        .create(json!({"LastName": "O'Hara", "Company": "x", "Email": "a@example.com"}))
        .await;
    let b = sim
        .create(json!({"LastName": "b", "Company": "back\\slash", "Email": "b@example.com", "Phone": "+491"}))
        .await;
    sim.salesforce.convert(&b);
    for (condition, found) in [
        ("Email = 'A@EXAMPLE.COM'", vec![&a]),
        ("LastName = 'O\\'Hara'", vec![&a]),
        ("Company = 'back\\\\slash'", vec![&b]),
        (
            "Email IN ('a@example.com','b@example.com') AND IsConverted = false",
            vec![&a],
        ),
        (
            "(Email = 'x' OR Phone IN ('+491')) AND (IsConverted = true)",
            vec![&b],
        ),
        ("Phone = null", vec![&a]),
        ("Email LIKE '%@example.com' ORDER BY Email DESC LIMIT 1", vec![&b]),
        ("NOT Email = 'a@example.com'", vec![&b]),
        ("Email NOT IN ('a@example.com')", vec![&b]),
    ] {
        let (status, body) = sim
            .query(&format!("SELECT Id, Email FROM Lead WHERE {condition}"))
            .await;
        assert_eq!(status, 200, "{condition}: {body}");
        let ids: Vec<_> = body["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["Id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, found, "{condition}");
        assert_eq!(
            (&body["done"], &body["totalSize"]),
            (&json!(true), &json!(found.len()))
        );
    }
    for (query, expected) in [
        ("SELECT Id FROM Lead WHERE LastName = 'O'Hara'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE LastName = 'open", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE LastName = 'x\\q'", "MALFORMED_QUERY"),
        (
            "SELECT Id FROM Lead WHERE Email = 'a' OR Phone = 'b' AND IsConverted = false",
            "MALFORMED_QUERY",
        ),
        ("SELECT Id FROM Lead WHERE Shoe__c = 'x'", "INVALID_FIELD"),
        ("SELECT Id, Id FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE IsConverted = 'false'", "INVALID_FIELD"),
        ("SELECT Id FROM Unicorn", "INVALID_TYPE"),
        ("DELETE FROM Lead", "MALFORMED_QUERY"),
    ] {
        let (status, body) = sim.query(query).await;
        assert_eq!((status, code(&body)), (400, expected), "{query}: {body}");
    }
    let long = format!("SELECT Id FROM Lead WHERE Email = '{}'", "x".repeat(17_000));
    assert_eq!(sim.query(&long).await.0, 414);
}

#[tokio::test]
async fn a_duplicate_rule_names_what_it_found_and_may_be_passed_if_it_only_alerts() {
    for rule in [DuplicateRule::Alert, DuplicateRule::Block] {
        let sim = Sim::new(Config {
            duplicate_rule: Some(rule),
            ..Config::default()
        })
        .await;
        let mut fields = lead("a@example.com");
        fields["Phone"] = json!("+49 30 901820");
        let id = sim.create(fields).await;
        let again = json!({"LastName": "x", "Company": "y", "Phone": "+4930901820"});
        let (status, body) = sim.send(Method::POST, "/sobjects/Lead", again.clone()).await;
        assert_eq!((status, code(&body)), (400, "DUPLICATES_DETECTED"), "{body}");
        let record = &body[0]["duplicateResult"]["matchResults"][0]["matchRecords"][0]["record"];
        assert_eq!(
            (&record["Id"], &record["attributes"]["type"]),
            (&json!(id), &json!("Lead"))
        );
        assert_eq!(
            body[0]["duplicateResult"]["allowSave"],
            rule == DuplicateRule::Alert
        );
        let saved = sim
            .request(Method::POST, "/sobjects/Lead")
            .header("Sforce-Duplicate-Rule-Header", "allowSave=true")
            .json(&again)
            .send()
            .await
            .unwrap();
        assert_eq!(
            saved.status(),
            if rule == DuplicateRule::Alert { 201 } else { 400 }
        );
    }
}
