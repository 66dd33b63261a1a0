//! What each call answers.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{DATED, Sim, V3, config, parts};

#[tokio::test]
async fn a_contact_is_created_once_and_changed_by_id_e_mail_or_custom_key() {
    let sim = Sim::new(config()).await;
    for base in [V3, DATED] {
        let email = format!("Ada+{}@Example.com", base.len());
        let key = format!("key {}", base.len());
        let (status, made) = sim
            .post(
                base,
                json!({"properties": {"email": email, "webhook_submission_id": key, "phone": "+49301"}}),
            )
            .await;
        assert_eq!(status, 201, "{made}");
        assert_eq!(made["properties"]["email"], email.to_lowercase());
        assert_eq!(made["properties"]["hs_object_id"], made["id"]);
        let id = made["id"].as_str().unwrap();

        let (status, body) = sim
            .post(base, json!({"properties": {"email": email.to_uppercase()}}))
            .await;
        assert_eq!((status, &body["category"]), (409, &json!("CONFLICT")));
        assert_eq!(
            body["message"],
            format!("Contact already exists. Existing ID: {id}")
        );
        assert!(body["correlationId"].is_string());

        let encoded = email.replace('@', "%40").replace('+', "%2B");
        for path in [
            format!("{base}/{id}"),
            format!("{base}/{encoded}?idProperty=email"),
            format!("{base}/key%20{}?idProperty=webhook_submission_id", base.len()),
        ] {
            let (status, body) = sim.patch(&path, json!({"firstname": path, "phone": ""})).await;
            assert_eq!((status, &body["id"]), (200, &made["id"]), "{path}: {body}");
            let (status, body) = sim.send(Method::GET, &path, Value::Null).await;
            assert_eq!((status, &body["properties"]["firstname"]), (200, &json!(path)));
        }
        assert_eq!(
            sim.hubspot.contact(&email).unwrap().get("phone"),
            "",
            "an empty text clears"
        );
    }
    assert!(
        sim.hubspot
            .records_per_email()
            .values()
            .all(|records| *records == 1)
    );
    assert_eq!(sim.hubspot.stats().conflicts, 2);
    let seqs: Vec<u64> = sim.hubspot.writes().iter().map(|write| write.seq).collect();
    assert_eq!(seqs, (1..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_patch_that_misses_never_creates() {
    let sim = Sim::new(config()).await;
    for path in [
        "/1",
        "/nobody@example.com?idProperty=email",
        "/x?idProperty=webhook_submission_id",
    ] {
        let (status, body) = sim.patch(&format!("{V3}{path}"), json!({"firstname": "x"})).await;
        assert_eq!(status, 404);
        assert_eq!(body["message"], "resource not found");
        assert!(body.get("category").is_none());
    }
    let (status, body) = sim
        .patch(&format!("{V3}/x?idProperty=firstname"), json!({}))
        .await;
    assert_eq!((status, &body["category"]), (400, &json!("VALIDATION_ERROR")));
    assert!(sim.hubspot.contacts().is_empty());
}

#[tokio::test]
async fn every_invalid_value_is_named() {
    let sim = Sim::new(config()).await;
    let cases = [
        (json!({"email": "nonsense"}), "INVALID_EMAIL"),
        (json!({"email": "a@b@example.com"}), "INVALID_EMAIL"),
        (
            json!({"email": "a@example.com", "shoe_size": "43"}),
            "PROPERTY_DOESNT_EXIST",
        ),
        (
            json!({"email": "a@example.com", "createdate": "1"}),
            "READ_ONLY_VALUE",
        ),
        (
            json!({"email": "a@example.com", "lifecyclestage": "friend"}),
            "INVALID_OPTION",
        ),
    ];
    for (properties, code) in cases {
        for base in [V3, DATED] {
            let (status, body) = sim.post(base, json!({ "properties": properties })).await;
            assert_eq!(
                (status, &body["category"]),
                (400, &json!("VALIDATION_ERROR")),
                "{properties}"
            );
            let list = body["message"]
                .as_str()
                .unwrap()
                .strip_prefix("Property values were not valid: ")
                .unwrap();
            let list: Value = serde_json::from_str(list).unwrap();
            assert_eq!(list[0]["error"], code);
            assert_eq!(list[0]["isValid"], false);
            if base == DATED {
                assert_eq!(body["errors"][0]["code"], code);
                assert_eq!(body["errors"][0]["context"]["propertyName"][0], list[0]["name"]);
            } else {
                assert!(body.get("errors").is_none());
            }
        }
    }
    let (status, _) = sim.post(V3, json!({"properties": {"phone": "+49301"}})).await;
    assert_eq!(status, 400, "at least one of email, firstname, lastname");
    let (status, _) = sim
        .post(V3, json!({"properties": {"email": "a@example.com", "note": 1}}))
        .await;
    assert_eq!(status, 400, "values are texts");

    sim.create(json!({"firstname": "a", "webhook_submission_id": "1"}))
        .await;
    let (status, body) = sim
        .post(
            V3,
            json!({"properties": {"firstname": "b", "webhook_submission_id": "1"}}),
        )
        .await;
    assert_eq!(status, 400);
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .contains("CONFLICTING_UNIQUE_VALUE")
    );
    assert_eq!(sim.hubspot.contacts().len(), 1);
}

#[tokio::test]
async fn wrong_tokens_types_methods_and_paths_are_refused() {
    let sim = Sim::new(config()).await;
    let body = json!({"properties": {"email": "a@example.com"}});
    let url = format!("{}{V3}", sim.hubspot.base_url());
    for (token, status, category) in [
        ("", 401, "INVALID_AUTHENTICATION"),
        ("wrong", 401, "INVALID_AUTHENTICATION"),
        ("old", 401, "EXPIRED_AUTHENTICATION"),
        ("reader", 403, "MISSING_SCOPES"),
    ] {
        let (seen, body) = parts(
            sim.client
                .post(&url)
                .bearer_auth(token)
                .json(&body)
                .send()
                .await
                .unwrap(),
        )
        .await;
        assert_eq!((seen, &body["category"]), (status, &json!(category)), "{token}");
    }
    let plain = sim.request(Method::POST, V3).body("{}").send().await.unwrap();
    assert_eq!(plain.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for (method, path, status) in [
        (Method::PUT, V3, 405),
        (Method::GET, "/crm/v3/objects/contacts/batch/upsert", 405),
        (Method::GET, "/crm/v3/objects/unicorns", 404),
        (Method::GET, "/crm/objects/latest/contacts", 404),
        (Method::GET, "/", 404),
    ] {
        assert_eq!(sim.send(method, path, json!({})).await.0, status, "{path}");
    }
    assert!(sim.hubspot.contacts().is_empty());
}

#[tokio::test]
async fn a_batch_settles_each_input_and_refuses_the_same_contact_twice() {
    let sim = Sim::new(config()).await;
    let upsert = async |inputs: Value| {
        sim.post(&format!("{V3}/batch/upsert"), json!({ "inputs": inputs }))
            .await
    };
    let input = |email: &str, properties: Value| json!({"id": email, "idProperty": "email", "properties": properties});
    sim.create(json!({"email": "old@example.com"})).await;

    let mut traced = input("new@example.com", json!({"note": "2"}));
    traced["objectWriteTraceId"] = json!("t2");
    let (status, body) = upsert(json!([input("Old@example.com", json!({"note": "1"})), traced])).await;
    assert_eq!((status, &body["status"]), (200, &json!("COMPLETE")), "{body}");
    assert_eq!(
        (&body["results"][0]["new"], &body["results"][1]["new"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(body["results"][1]["properties"]["email"], "new@example.com");
    assert_eq!(body["results"][1]["objectWriteTraceId"], "t2");

    let mut bad = input("bad@example.com", json!({"shoe_size": "43"}));
    bad["objectWriteTraceId"] = json!("t3");
    let inputs = json!([bad, input("fine@example.com", json!({"note": "3"}))]);
    let (status, body) = upsert(inputs.clone()).await;
    assert_eq!((status, &body["numErrors"]), (207, &json!(1)), "{body}");
    assert_eq!(body["errors"][0]["context"]["objectWriteTraceId"], json!(["t3"]));
    assert_eq!(body["results"].as_array().unwrap().len(), 1);
    let (status, body) = sim
        .post(&format!("{DATED}/batch/upsert"), json!({ "inputs": inputs }))
        .await;
    assert_eq!(
        (status, body["errors"].as_array().unwrap().len()),
        (200, 1),
        "errors stand in the 200: {body}"
    );

    let before = sim.hubspot.write_count();
    let by_key = |key: &str, email: &str| json!({"id": key, "idProperty": "webhook_submission_id", "properties": {"email": email}});
    for (why, inputs) in [
        (
            "twice",
            json!([
                input("x@example.com", json!({})),
                input("X@example.com", json!({}))
            ]),
        ),
        (
            "one record by two keys",
            json!([by_key("k1", "x@example.com"), by_key("k2", "X@example.com")]),
        ),
        (
            "not unique",
            json!([{"id": "x", "idProperty": "firstname", "properties": {}}]),
        ),
        ("none", json!([])),
        ("no id", json!([{"properties": {}}])),
        (
            "101",
            (0..101)
                .map(|n| input(&format!("{n}@example.com"), json!({})))
                .collect(),
        ),
    ] {
        assert_eq!(upsert(inputs).await.0, 400, "{why}");
    }
    assert_eq!(sim.hubspot.write_count(), before);
    let (status, body) = upsert(json!([by_key("k1", "old@example.com")])).await;
    assert_eq!(
        (status, &body["errors"][0]["category"]),
        (207, &json!("CONFLICT")),
        "{body}"
    );
}

#[tokio::test]
async fn the_other_batches_and_the_properties_answer_as_documented() {
    let sim = Sim::new(config()).await;
    let (status, body) = sim
        .post(
            &format!("{V3}/batch/create"),
            json!({"inputs": [{"properties": {"email": "a@example.com"}}, {"properties": {"email": "b@example.com"}}]}),
        )
        .await;
    assert_eq!((status, body["results"].as_array().unwrap().len()), (201, 2));
    let id = body["results"][0]["id"].clone();
    let (status, body) = sim
        .post(
            &format!("{V3}/batch/update"),
            json!({"inputs": [{"id": id, "properties": {"note": "x"}}, {"id": "7", "properties": {"note": "x"}}]}),
        )
        .await;
    assert_eq!(
        (status, &body["errors"][0]["context"]["ids"]),
        (207, &json!(["7"])),
        "{body}"
    );
    assert_eq!(body["errors"][0]["category"], "OBJECT_NOT_FOUND");
    let (status, body) = sim
        .post(
            &format!("{V3}/batch/read"),
            json!({"idProperty": "email", "properties": ["note"], "inputs": [{"id": "A@example.com"}]}),
        )
        .await;
    assert_eq!(
        (status, &body["results"][0]["properties"]["note"]),
        (200, &json!("x")),
        "{body}"
    );

    let new = json!({"name": "channel", "label": "Channel", "type": "string", "fieldType": "text",
                     "groupName": "contactinformation", "hasUniqueValue": true});
    assert_eq!(sim.post("/crm/v3/properties/contacts", new.clone()).await.0, 201);
    assert_eq!(sim.post("/crm/v3/properties/contacts", new).await.0, 409);
    let (status, body) = sim
        .send(Method::GET, "/crm/properties/2026-03/contacts", Value::Null)
        .await;
    let names: Vec<&str> = body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert!(
        status == 200
            && ["email", "hs_lead_status", "channel"]
                .iter()
                .all(|name| names.contains(name))
    );

    for (body, status) in [
        (json!({"objectId": "b@example.com", "idProperty": "email"}), 204),
        (json!({"objectId": "b@example.com", "idProperty": "email"}), 204),
        (json!({"objectId": "7"}), 404),
    ] {
        assert_eq!(sim.post(&format!("{V3}/gdpr-delete"), body).await.0, status);
    }
    assert!(sim.hubspot.contact("b@example.com").is_none());
    sim.create(json!({"email": "b@example.com"})).await;
}
