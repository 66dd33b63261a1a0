//! Values that the schema refuses, each with the place and what is wanted there; and the chart's own house-keeping.

use leadgate_tests::node::chart;

use crate::render::template;

#[test]
fn mistakes_are_refused_with_their_place() {
    for (value, place, reason) in [
        ("replica=2", "''", "additional properties 'replica' not allowed"),
        (r#"replicas="2""#, "'/replicas'", "got string, want integer"),
        ("replicas=50", "'/replicas'", "maximum: got 50, want 10"),
        (
            r#"image={"repository":"","tag":"","digest":"","pullPolicy":"Always","pullSecrets":[]}"#,
            "'/image/repository'",
            "minLength",
        ),
        (
            r#"image.digest="abc""#,
            "'/image/digest'",
            "does not match pattern",
        ),
        (r#"image.tag="a b""#, "'/image/tag'", "does not match pattern"),
        (
            r#"image.pullPolicy="Sometimes""#,
            "'/image/pullPolicy'",
            "'Always', 'IfNotPresent', 'Never'",
        ),
        (
            r#"image.pullSecrets=["registry"]"#,
            "'/image/pullSecrets/0'",
            "got string, want object",
        ),
        (r#"redis.image.repository="""#, "'/redis/image", "minLength"),
        (
            r#"watchNamespaces="sales""#,
            "'/watchNamespaces'",
            "got string, want array",
        ),
        (
            r#"watchNamespaces=["Sales"]"#,
            "'/watchNamespaces/0'",
            "does not match pattern",
        ),
        (
            r#"watchNamespaces=["a","a"]"#,
            "'/watchNamespaces'",
            "items at 0 and 1 are equal",
        ),
        (
            r#"tracing.endpoint="collector:4318""#,
            "'/tracing/endpoint'",
            "does not match pattern",
        ),
        (
            "tracing.samplingRatio=2",
            "'/tracing/samplingRatio'",
            "maximum: got 2, want 1",
        ),
        (r#"log.format="xml""#, "'/log/format'", "'json', 'text'"),
        (
            r#"outgoing.allowedHosts=["https://api.hubapi.com"]"#,
            "'/outgoing/allowedHosts/0'",
            "does not match pattern",
        ),
        (
            r#"ingress.allowedHosts=["a/b/leads.example.com"]"#,
            "'/ingress/allowedHosts/0'",
            "does not match pattern",
        ),
        (
            r#"ingress.allowedAnnotations=[""]"#,
            "'/ingress/allowedAnnotations/0'",
            "minLength",
        ),
        ("concurrency=0", "'/concurrency'", "minimum: got 0, want 1"),
        (r#"crds.keep="yes""#, "'/crds/keep'", "got string, want boolean"),
        (
            r#"commonLabels={"team":1}"#,
            "'/commonLabels/team'",
            "got number, want string",
        ),
        (
            r#"podDisruptionBudget.maxUnavailable="one""#,
            "'/podDisruptionBudget/maxUnavailable'",
            "does not match pattern",
        ),
        (
            r#"metrics.podMonitor.interval="often""#,
            "'/metrics/podMonitor/interval'",
            "does not match pattern",
        ),
        (
            "networkPolicy.apiServerPorts=[]",
            "'/networkPolicy/apiServerPorts'",
            "minItems",
        ),
        (
            r#"networkPolicy.monitors=[{"podSelectors":{}}]"#,
            "'/networkPolicy/monitors/0'",
            "'podSelectors' not allowed",
        ),
        (
            r#"console.trustedProxies=["10.1.2.3"]"#,
            "'/console/trustedProxies/0'",
            "does not match pattern",
        ),
        (
            r#"console.receivers=["web.site"]"#,
            "'/console/receivers/0'",
            "does not match pattern",
        ),
        (
            "global.imagePullSecrets=[{}]",
            "'/global/imagePullSecrets/0'",
            "missing property 'name'",
        ),
        (
            r#"podSecurityContext="restricted""#,
            "'/podSecurityContext'",
            "got string, want object",
        ),
        ("metrics.service.port=0", "'/metrics/service/port'", "minimum"),
        ("resources.limit={}", "'/resources'", "'limit' not allowed"),
    ] {
        let error = template(&[value]).expect_err(value);
        assert!(
            error.contains(place) && error.contains(reason),
            "{value}: {error}"
        );
    }
}

#[test]
fn two_operators_without_election_are_refused() {
    let error = template(&["replicas=2", "leaderElection.enabled=false"]).unwrap_err();
    assert!(
        error.contains("Enable leaderElection, or set replicas to 1"),
        "{error}"
    );
}

/// Every value is in the schema, and every value of the schema has a default.
#[test]
fn the_schema_knows_every_value() {
    let read = |name: &str| std::fs::read_to_string(chart().join(name)).unwrap();
    let values: serde_json::Value = serde_saphyr::from_str(&read("values.yaml")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let mut known: Vec<_> = schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    // A parent chart's.
    known.retain(|name| !["global", "enabled"].contains(&name.as_str()));
    let mut given: Vec<_> = values.as_object().unwrap().keys().cloned().collect();
    known.sort();
    given.sort();
    assert_eq!(given, known);
}
