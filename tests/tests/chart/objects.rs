//! What the operator's pod and its surroundings become of the values.

use clap::Parser as _;
use leadgate_operator::cli::{Cli, LogFormat, Scope};
use leadgate_operator::context::Tracing;
use leadgate_operator::rules::Rules;
use leadgate_tests::node::chart;
use serde_json::{Value, json};

use crate::render::{arguments, inventory, named, of_kind, operator, pod, template, template_of};

fn cli(objects: &[Value]) -> Cli {
    let words = arguments(objects);
    Cli::try_parse_from(std::iter::once("leadgate-operator".to_owned()).chain(words)).unwrap()
}

#[test]
fn defaults() {
    let objects = template(&[]).unwrap();
    assert_eq!(
        inventory(&objects),
        [
            "ClusterRole leadgate-operator",
            "ClusterRole leadgate-operator-marketing",
            "ClusterRole leadgate-operator-platform",
            "ClusterRole leadgate-operator-privacy",
            "ClusterRole leadgate-operator-view",
            "ClusterRoleBinding leadgate-operator",
            "CustomResourceDefinition crmsinks.leadgate.dev",
            "CustomResourceDefinition leadreceivers.leadgate.dev",
            "CustomResourceDefinition leadwebhooks.leadgate.dev",
            "Deployment leadgate-operator",
            "Role leadgate-operator-leader",
            "RoleBinding leadgate-operator-leader",
            "Service leadgate-operator-metrics",
            "ServiceAccount leadgate-operator",
            "ValidatingAdmissionPolicy leadgate-operator-warnings",
            "ValidatingAdmissionPolicyBinding leadgate-operator-warnings",
        ]
    );
    // The operator itself understands its command line.
    let cli = cli(&objects);
    assert_eq!(cli.rules(), Rules::default());
    assert_eq!(cli.receiver_image, "ghcr.io/leadgate/leadgate:0.1.0");
    assert_eq!(cli.redis_image, "docker.io/valkey/valkey:8.1");
    assert_eq!(cli.scopes(), [Scope::All]);
    assert_eq!(cli.leader_election_namespace, "leadgate-system");
    assert_eq!(
        (cli.log_format, cli.log.as_str(), cli.concurrency),
        (LogFormat::Json, "info", 8)
    );
}

#[test]
fn the_pod_is_as_the_restricted_standard_asks() {
    let objects = template(&[]).unwrap();
    let pod = pod(&objects);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    // The image has a numeric user, which the kubelet can check. OpenShift's restricted-v2 refuses every fixed one.
    for field in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert!(pod["securityContext"][field].is_null(), "{field}");
    }
    let containerfile = include_str!("../../../Containerfile");
    assert!(containerfile.contains("\nUSER 65532:65532\n"));
    let container = &pod["containers"][0];
    assert_eq!(
        container["securityContext"],
        json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}})
    );
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/livez");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
    assert!(container["resources"]["requests"]["memory"].is_string());
    let account = named(&objects, "ServiceAccount", "leadgate-operator");
    assert_eq!(account["automountServiceAccountToken"], false);
    assert_eq!(pod["automountServiceAccountToken"], true);
}

/// Labels of the Service and the budget find the pod.
#[test]
fn selectors_select() {
    let objects = template(&[
        "podDisruptionBudget.enabled=true",
        r#"commonLabels={"team":"growth"}"#,
        r#"podLabels={"mesh":"off"}"#,
    ])
    .unwrap();
    let labels = &operator(&objects)["spec"]["template"]["metadata"]["labels"];
    assert_eq!(
        (&labels["team"], &labels["mesh"]),
        (&json!("growth"), &json!("off"))
    );
    let selectors = [
        &operator(&objects)["spec"]["selector"]["matchLabels"],
        &named(&objects, "Service", "leadgate-operator-metrics")["spec"]["selector"],
        &named(&objects, "PodDisruptionBudget", "leadgate-operator")["spec"]["selector"]["matchLabels"],
    ];
    for selector in selectors {
        let selector = selector.as_object().unwrap();
        assert_eq!(
            selector.len(),
            2,
            "the selector of a Deployment never changes: {selector:?}"
        );
        assert!(selector.iter().all(|(name, value)| labels[name] == *value));
    }
    assert!(
        objects
            .iter()
            .all(|object| object["metadata"]["labels"]["team"] == "growth")
    );
}

#[test]
fn images() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let with_digest = format!(r#"image.digest="{digest}""#);
    let receiver_digest = format!(r#"receiver.image.digest="{digest}""#);
    let at = format!("ghcr.io/leadgate/leadgate@{digest}");
    #[rustfmt::skip]
    let table: [(&[&str], &str, &str); 6] = [
        (&[r#"image.tag="1.2""#], "ghcr.io/leadgate/leadgate:1.2", "ghcr.io/leadgate/leadgate:1.2"),
        (&[r#"image.tag="1.2""#, &with_digest], &at, &at),
        (&[r#"image.repository="r.example/x""#], "r.example/x:0.1.0", "r.example/x:0.1.0"),
        (&[r#"receiver.image.tag="1.1""#], "ghcr.io/leadgate/leadgate:0.1.0", "ghcr.io/leadgate/leadgate:1.1"),
        (&[r#"receiver.image.repository="r.example/y""#, r#"image.tag="1.2""#], "ghcr.io/leadgate/leadgate:1.2", "r.example/y:1.2"),
        (&[&receiver_digest], "ghcr.io/leadgate/leadgate:0.1.0", &at),
    ];
    for (values, operator, receiver) in table {
        let objects = template(values).unwrap();
        assert_eq!(pod(&objects)["containers"][0]["image"], operator, "{values:?}");
        assert_eq!(cli(&objects).receiver_image, receiver, "{values:?}");
    }
    let redis = template(&[r#"redis.image={"repository":"r.example/valkey","tag":"8"}"#]).unwrap();
    assert_eq!(cli(&redis).redis_image, "r.example/valkey:8");
    let always = template(&[r#"image.pullPolicy="Always""#]).unwrap();
    assert_eq!(pod(&always)["containers"][0]["imagePullPolicy"], "Always");
}

/// A variable of the operator's container.
fn variable(objects: &[Value], name: &str) -> Value {
    let variables = pod(objects)["containers"][0]["env"].as_array().unwrap();
    let found = variables.iter().find(|variable| variable["name"] == name);
    found.map_or(Value::Null, |variable| variable["value"].clone())
}

/// The operator's own pod has them, and the operator is told to give them to its pods.
#[test]
fn credentials_of_a_registry() {
    #[rustfmt::skip]
    let table: [(&[&str], &[&str]); 5] = [
        (&[], &[]),
        (&["global={}"], &[]),
        (&[r#"image.pullSecrets=[{"name":"registry"}]"#], &["registry"]),
        (&[r#"global.imagePullSecrets=["a",{"name":"b"}]"#], &["a", "b"]),
        (&[r#"global.imagePullSecrets=["a","b"]"#, r#"image.pullSecrets=[{"name":"b"},{"name":"c"}]"#], &["a", "b", "c"]),
    ];
    for (values, names) in table {
        let objects = template(values).unwrap();
        let own: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        let (own, told) = if names.is_empty() {
            (Value::Null, Value::Null)
        } else {
            (json!(own), json!(names.join(",")))
        };
        assert_eq!(pod(&objects)["imagePullSecrets"], own, "{values:?}");
        assert_eq!(
            variable(&objects, "LEADGATE_IMAGE_PULL_SECRETS"),
            told,
            "{values:?}"
        );
    }
}

/// By which one operator knows its objects from those of another.
#[test]
fn the_installation_is_the_release() {
    let name = "LEADGATE_INSTALLATION";
    let objects = template(&[]).unwrap();
    assert_eq!(variable(&objects, name), "leadgate-system/leadgate");
    let other = template_of(&chart(), "crm", &[r#"fullnameOverride="leadgate-operator""#]).unwrap();
    assert_eq!(variable(&other, name), "leadgate-system/crm");
}

#[test]
fn addresses_of_both_families() {
    let arguments = arguments(&template(&[]).unwrap());
    assert!(
        arguments.contains(&"--health-listen=[::]:8080".to_owned()),
        "{arguments:?}"
    );
}

#[test]
fn the_operators_network() {
    assert!(of_kind(&template(&[]).unwrap(), "NetworkPolicy").is_empty());
    let objects = template(&["networkPolicy.enabled=true"]).unwrap();
    let policy = &named(&objects, "NetworkPolicy", "leadgate-operator")["spec"];
    assert_eq!(
        policy["podSelector"],
        operator(&objects)["spec"]["selector"],
        "it selects the operator"
    );
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(
        policy["ingress"],
        json!([{"ports": [{"port": "http", "protocol": "TCP"}]}])
    );
    // The receivers are found by the labels that the operator gives them, on the port that it asks.
    let receivers = &policy["egress"][2];
    let labels = leadgate_operator::names::labels("website");
    let selected = &receivers["to"][0]["podSelector"]["matchLabels"];
    for (name, value) in selected.as_object().unwrap() {
        assert_eq!(labels.get(name).map(String::as_str), value.as_str(), "{name}");
    }
    assert_eq!(
        receivers["ports"][0]["port"],
        leadgate_operator::receivers::ADMIN_PORT
    );
    let given = template(&[
        r#"networkPolicy={"enabled":true,"apiServerPorts":[8443],"monitors":[{"namespaceSelector":{}}]}"#,
    ])
    .unwrap();
    let policy = &named(&given, "NetworkPolicy", "leadgate-operator")["spec"];
    assert_eq!(
        policy["egress"][1],
        json!({"ports": [{"port": 8443, "protocol": "TCP"}]})
    );
    assert_eq!(policy["ingress"][0]["from"], json!([{"namespaceSelector": {}}]));
}

#[test]
fn arguments_follow_the_values() {
    let objects = template(&[
        r#"watchNamespaces=["a","b"]"#,
        "leaderElection.enabled=false",
        "concurrency=3",
        r#"log={"level":"leadgate_operator=debug,info","format":"text"}"#,
        "secrets.requireLabel=true",
        r#"ingress={"allowedHosts":["leads.example.com","sales/*.example.com"],"allowedAnnotations":["cert-manager.io/"]}"#,
    ])
    .unwrap();
    let cli = cli(&objects);
    assert_eq!(
        cli.scopes(),
        ["a", "b"].map(|name| Scope::Namespace(name.to_owned()))
    );
    assert_eq!(cli.leader_election_namespace, "");
    assert_eq!(
        (cli.concurrency, cli.log_format, cli.log.as_str()),
        (3, LogFormat::Text, "leadgate_operator=debug,info")
    );
    let rules = cli.rules();
    assert!(rules.secret_label && rules.allows_annotation("cert-manager.io/issuer"));
    assert!(rules.allows_host("sales", "x.example.com") && !rules.allows_host("web", "x.example.com"));
    // Without a Lease a rollout must not have two operators at work.
    assert_eq!(operator(&objects)["spec"]["strategy"]["type"], "Recreate");
}

#[test]
fn traces_are_off_until_an_endpoint_is_given() {
    assert_eq!(
        cli(&template(&["tracing.samplingRatio=0.5"]).unwrap()).tracing(),
        None
    );
    let given =
        r#"tracing={"endpoint":"http://collector:4318","samplingRatio":0.01,"headersSecret":"collector"}"#;
    let tracing = Tracing {
        endpoint: "http://collector:4318".to_owned(),
        sampling_ratio: 0.01,
        headers_secret: "collector".to_owned(),
    };
    assert_eq!(cli(&template(&[given]).unwrap()).tracing(), Some(tracing));
    let all = template(&[r#"tracing.endpoint="http://collector:4318""#]).unwrap();
    assert_eq!(cli(&all).tracing().unwrap().sampling_ratio.to_string(), "1");
}

/// What is given arrives at its place, unchanged.
#[test]
fn what_is_passed_through() {
    #[rustfmt::skip]
    let table = [
        ("resources", r#"{"limits":{"memory":"1Gi"},"requests":{"cpu":"1","memory":"64Mi"}}"#, "/containers/0/resources"),
        ("nodeSelector", r#"{"disk":"ssd"}"#, "/nodeSelector"),
        ("tolerations", r#"[{"key":"infra","operator":"Exists"}]"#, "/tolerations"),
        ("affinity", r#"{"podAntiAffinity":{"a":[1]}}"#, "/affinity"),
        ("topologySpreadConstraints", r#"[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"ScheduleAnyway"}]"#, "/topologySpreadConstraints"),
        ("priorityClassName", r#""high""#, "/priorityClassName"),
        ("podSecurityContext.runAsUser", "1000", "/securityContext/runAsUser"),
        ("securityContext.readOnlyRootFilesystem", "false", "/containers/0/securityContext/readOnlyRootFilesystem"),
        ("serviceAccount.name", r#""mine""#, "/serviceAccountName"),
    ];
    let none = template(&[]).unwrap();
    for (value, given, place) in table {
        let given: Value = serde_json::from_str(given).unwrap();
        let objects = template(&[&format!("{value}={given}")]).unwrap();
        assert_eq!(pod(&objects).pointer(place), Some(&given), "{value}");
        assert_ne!(pod(&none).pointer(place), Some(&given), "{value}");
    }
    let objects = template(&[r#"extraEnv=[{"name":"RUST_BACKTRACE","value":"1"}]"#]).unwrap();
    assert_eq!(variable(&objects, "RUST_BACKTRACE"), "1");
    let objects = template(&[
        r#"podAnnotations={"a":"b"}"#,
        r#"deploymentAnnotations={"c":"d"}"#,
        r#"commonAnnotations={"e":"f"}"#,
    ])
    .unwrap();
    let deployment = operator(&objects);
    assert_eq!(deployment["metadata"]["annotations"], json!({"c": "d", "e": "f"}));
    assert_eq!(
        deployment["spec"]["template"]["metadata"]["annotations"],
        json!({"a": "b", "e": "f"})
    );
    let service =
        template(&[r#"metrics.service={"enabled":true,"port":9000,"annotations":{"g":"h"}}"#]).unwrap();
    let service = named(&service, "Service", "leadgate-operator-metrics");
    assert_eq!(
        (
            &service["spec"]["ports"][0]["port"],
            &service["metadata"]["annotations"]["g"]
        ),
        (&json!(9000), &json!("h"))
    );
    assert!(of_kind(&template(&["metrics.service.enabled=false"]).unwrap(), "Service").is_empty());
}
