//! The definitions come with the chart, and stay when it goes.

use serde_json::Value;

use crate::render::{of_kind, template};

fn crds_of(values: &[&str]) -> Vec<Value> {
    let objects = template(values).unwrap();
    of_kind(&objects, "CustomResourceDefinition")
        .into_iter()
        .cloned()
        .collect()
}

#[test]
fn they_are_those_of_the_types() {
    let mut expected = [
        leadgate_crds::crm_sink_crd(),
        leadgate_crds::lead_receiver_crd(),
        leadgate_crds::lead_webhook_crd(),
    ]
    .map(|crd| serde_json::to_value(crd).unwrap());
    let mut rendered = crds_of(&[]);
    assert_eq!(rendered.len(), 3);
    for (crd, expected) in rendered.iter_mut().zip(&mut expected) {
        let metadata = crd["metadata"].as_object_mut().unwrap();
        assert_eq!(
            metadata.remove("labels").unwrap()["app.kubernetes.io/part-of"],
            "leadgate"
        );
        metadata.remove("annotations");
        assert_eq!(crd, expected);
    }
}

#[test]
fn keep() {
    let keep = "helm.sh/resource-policy";
    for (values, expected) in [
        (&[][..], Some("keep")),
        (&["crds.keep=false"][..], None),
        (&[r#"crds.annotations={"a":"b"}"#][..], Some("keep")),
    ] {
        for crd in crds_of(values) {
            assert_eq!(
                crd["metadata"]["annotations"][keep].as_str(),
                expected,
                "{values:?}"
            );
        }
    }
    assert_eq!(
        crds_of(&[r#"crds.annotations={"a":"b"}"#])[0]["metadata"]["annotations"]["a"],
        "b"
    );
    assert!(crds_of(&["crds.enabled=false"]).is_empty());
}
