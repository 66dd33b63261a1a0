//! Argo CD's health scripts, run over resources as the operator leaves them.

use std::fs;

use mlua::{Lua, LuaSerdeExt as _};
use serde_json::{Value, json};

use crate::{documents, examples};

fn scripts() -> Vec<String> {
    let text = fs::read_to_string(examples().join("argocd/health.yaml")).unwrap();
    let map = &documents("health.yaml", &text)[0]["data"];
    ["LeadWebhook", "LeadReceiver", "CrmSink"]
        .iter()
        .map(|kind| {
            let key = format!("resource.customizations.health.leadgate.dev_{kind}");
            map[&key]
                .as_str()
                .unwrap_or_else(|| panic!("no {key}"))
                .to_owned()
        })
        .collect()
}

/// What Argo CD would show: it sets `obj` and takes what the script returns.
fn health(script: &str, object: &Value) -> (String, String) {
    let lua = Lua::new();
    lua.globals().set("obj", lua.to_value(object).unwrap()).unwrap();
    let answer: Value = lua.from_value(lua.load(script).eval().unwrap()).unwrap();
    let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("message"))
}

fn object(spec: &Value, observed: i64, conditions: &[(&str, &str, &str, &str)]) -> Value {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(kind, status, reason, message)| json!({"type": kind, "status": status, "reason": reason, "message": message}))
        .collect();
    json!({"metadata": {"name": "x", "generation": 2}, "spec": spec,
        "status": {"observedGeneration": observed, "conditions": conditions}})
}

#[test]
fn health_follows_the_conditions() {
    let ready = [
        ("Ready", "True", "Ready", "leads are accepted and delivered"),
        ("Stalled", "False", "Progressing", ""),
    ];
    let starting = [
        ("Ready", "False", "Starting", "0 of 2 pods are ready"),
        ("Reconciling", "True", "RollingOut", ""),
        ("Stalled", "False", "Progressing", ""),
    ];
    let pending = [
        ("Programmed", "False", "Pending", "1 of 2 pods run generation 2"),
        ("Ready", "False", "Pending", "1 of 2 pods run generation 2"),
        ("Reconciling", "True", "Pending", "1 of 2 pods run generation 2"),
        ("Stalled", "False", "Progressing", ""),
    ];
    let draining = [
        ("Ready", "False", "Draining", "deletion waits for leads"),
        ("Stalled", "False", "Progressing", ""),
    ];
    let stalled = [
        ("Ready", "False", "SinkMissing", "no CrmSink hubspot"),
        ("Stalled", "True", "SinkMissing", "there is no CrmSink hubspot"),
    ];
    let deleted = |mut object: Value| {
        object["metadata"]["deletionTimestamp"] = json!("2026-11-23T10:00:00Z");
        object
    };
    let fresh =
        json!({"metadata": {"name": "x", "generation": 1}, "spec": {}, "status": {"observedGeneration": -1}});
    let bare = json!({"metadata": {"name": "x", "generation": 1}, "spec": {}});
    let suspended = json!({"suspend": true});
    #[rustfmt::skip]
    let table = [
        ("not seen yet", bare, "Progressing", "waiting for the operator"),
        ("the status of a new object", fresh, "Progressing", "waiting for the operator"),
        ("ready", object(&json!({}), 2, &ready), "Healthy", "leads are accepted and delivered"),
        ("ready before the last change", object(&json!({}), 1, &ready), "Progressing", "waiting for the operator"),
        ("starting", object(&json!({}), 2, &starting), "Progressing", "Starting: 0 of 2 pods are ready"),
        ("not programmed yet", object(&json!({}), 2, &pending), "Progressing", "Pending: 1 of 2 pods run generation 2"),
        ("stalled", object(&json!({}), 2, &stalled), "Degraded", "SinkMissing: there is no CrmSink hubspot"),
        ("suspended", object(&suspended, 2, &starting), "Suspended", "spec.suspend is true"),
        ("suspended and stalled", object(&suspended, 2, &stalled), "Degraded", "SinkMissing: there is no CrmSink hubspot"),
        ("not suspended", object(&json!({"suspend": false}), 2, &ready), "Healthy", "leads are accepted and delivered"),
        ("deleted just now", deleted(object(&json!({}), 2, &ready)), "Progressing", "waiting for the operator to remove it"),
        ("draining", deleted(object(&json!({}), 2, &draining)), "Progressing", "deletion waits for leads"),
        ("drains for too long", deleted(object(&json!({}), 2, &stalled)), "Degraded", "SinkMissing: there is no CrmSink hubspot"),
        ("no conditions", object(&json!({}), 2, &[]), "Progressing", "waiting for the operator"),
    ];
    let scripts = scripts();
    assert_eq!(scripts.len(), 3);
    for script in scripts {
        for (case, object, status, message) in &table {
            assert_eq!(
                health(&script, object),
                ((*status).to_owned(), (*message).to_owned()),
                "{case}"
            );
        }
    }
}
