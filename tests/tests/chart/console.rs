//! The console's Deployment and what it may do.

use clap::Parser as _;
use leadgate_operator::cli::Scope;
use leadgate_operator::console::{Cli, by_service};
use leadgate_operator::names;
use leadgate_operator::receivers::ADMIN_PORT;
use serde_json::{Value, json};

use crate::render::{inventory, named, of_kind, operator, pod, template, template_of};

const NAME: &str = "leadgate-console";

fn enabled(more: &[&str]) -> Vec<Value> {
    template(&[&["console.enabled=true"], more].concat()).unwrap()
}

fn container(objects: &[Value]) -> &Value {
    &named(objects, "Deployment", NAME)["spec"]["template"]["spec"]["containers"][0]
}

fn cli(objects: &[Value]) -> Cli {
    let container = container(objects);
    assert_eq!(container["command"], json!(["/leadgate-operator", "console"]));
    let words = container["args"].as_array().unwrap().iter();
    let words = words.map(|word| word.as_str().unwrap().to_owned());
    Cli::try_parse_from(std::iter::once(NAME.to_owned()).chain(words)).unwrap()
}

#[test]
fn it_is_there_if_it_is_wanted() {
    let own = |objects: &[Value]| {
        let mut all = inventory(objects);
        all.retain(|object| object.contains("console"));
        all
    };
    assert!(own(&template(&["networkPolicy.enabled=true"]).unwrap()).is_empty());
    let all = [
        "ClusterRole leadgate-console",
        "ClusterRoleBinding leadgate-console",
        "Deployment leadgate-console",
        "NetworkPolicy leadgate-console",
        "Service leadgate-console",
        "ServiceAccount leadgate-console",
    ];
    assert_eq!(own(&enabled(&["networkPolicy.enabled=true"])), all);
    assert_eq!(
        own(&enabled(&["rbac.create=false"])),
        [
            "Deployment leadgate-console",
            "Service leadgate-console",
            "ServiceAccount leadgate-console"
        ]
    );
    for (release, value, name) in [
        ("crm", "replicas=1", "crm-leadgate-console"),
        ("leadgate", r#"fullnameOverride="hooks""#, "hooks-console"),
    ] {
        let objects = template_of(
            &leadgate_tests::node::chart(),
            release,
            &["console.enabled=true", value],
        )
        .unwrap();
        named(&objects, "Deployment", name);
    }
}

#[test]
fn its_pod_is_as_restricted_as_the_operators() {
    let objects = enabled(&[
        r#"image.pullSecrets=[{"name":"registry"}]"#,
        r#"nodeSelector={"disk":"ssd"}"#,
    ]);
    let own = &named(&objects, "Deployment", NAME)["spec"]["template"]["spec"];
    let operators = pod(&objects);
    for field in [
        "securityContext",
        "imagePullSecrets",
        "nodeSelector",
        "automountServiceAccountToken",
    ] {
        assert_eq!(own[field], operators[field], "{field}");
    }
    assert_eq!(own["serviceAccountName"], NAME);
    let (own, operators) = (container(&objects), &operators["containers"][0]);
    for field in [
        "image",
        "imagePullPolicy",
        "securityContext",
        "ports",
        "livenessProbe",
        "readinessProbe",
    ] {
        assert_eq!(own[field], operators[field], "{field}");
    }
    assert!(own["resources"]["limits"]["memory"].is_string());
    // Neither is taken for the other.
    let labels = &named(&objects, "Deployment", NAME)["spec"]["template"]["metadata"]["labels"];
    let selector = &named(&objects, "Deployment", NAME)["spec"]["selector"]["matchLabels"];
    assert_eq!(selector, &named(&objects, "Service", NAME)["spec"]["selector"]);
    for (name, value) in selector.as_object().unwrap() {
        assert_eq!(&labels[name], value);
    }
    let theirs = &operator(&objects)["spec"]["selector"]["matchLabels"];
    assert!(
        theirs
            .as_object()
            .unwrap()
            .iter()
            .any(|(name, value)| labels[name] != *value)
    );
}

#[test]
fn it_may_ask_who_somebody_is_and_read_the_admin_tokens() {
    let reviews = |group: &str, resource: &str| json!({"apiGroups": [group], "resources": [resource], "verbs": ["create"]});
    let namespaced = |tokens: &[&str]| {
        [
            json!({"apiGroups": ["leadgate.dev"], "resources": ["leadwebhooks"], "verbs": ["list"]}),
            json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": tokens, "verbs": ["get"]}),
        ]
    };
    let asks = [
        reviews("authentication.k8s.io", "tokenreviews"),
        reviews("authorization.k8s.io", "subjectaccessreviews"),
    ];
    let objects = enabled(&[]);
    let role = &named(&objects, "ClusterRole", NAME)["rules"];
    let token = names::admin("default");
    assert_eq!(*role, json!([asks.as_slice(), &namespaced(&[&token])].concat()));
    assert!(by_service("sales", "default").starts_with(&token));
    let objects = enabled(&[
        r#"watchNamespaces=["sales"]"#,
        r#"console.receivers=["edge","default"]"#,
    ]);
    // Of several installations with namespaces of their own, each has its own.
    let of_cluster = &format!("{NAME}-leadgate-system");
    assert_eq!(named(&objects, "ClusterRole", of_cluster)["rules"], json!(asks));
    let role = named(&objects, "Role", NAME);
    assert_eq!(role["metadata"]["namespace"], "sales");
    assert_eq!(role["rules"], json!(namespaced(&[&names::admin("edge"), &token])));
    for (kind, name) in [("ClusterRoleBinding", of_cluster.as_str()), ("RoleBinding", NAME)] {
        let binding = named(&objects, kind, name);
        assert_eq!(binding["roleRef"]["name"], name);
        let subject = json!([{"kind": "ServiceAccount", "name": NAME, "namespace": "leadgate-system"}]);
        assert_eq!(binding["subjects"], subject, "{kind}");
    }
}

#[test]
fn its_network_and_the_receivers() {
    assert!(of_kind(&enabled(&[]), "NetworkPolicy").is_empty());
    let objects = enabled(&[
        "networkPolicy.enabled=true",
        r#"console.visitors=[{"namespaceSelector":{}}]"#,
    ]);
    let policy = &named(&objects, "NetworkPolicy", NAME)["spec"];
    assert_eq!(
        policy["podSelector"],
        named(&objects, "Deployment", NAME)["spec"]["selector"]
    );
    assert_eq!(
        policy["ingress"],
        json!([{"ports": [{"port": "http", "protocol": "TCP"}], "from": [{"namespaceSelector": {}}]}])
    );
    let receivers = &policy["egress"][2];
    assert_eq!(receivers["ports"][0]["port"], ADMIN_PORT);
    assert_eq!(
        policy["egress"],
        named(&objects, "NetworkPolicy", "leadgate-operator")["spec"]["egress"]
    );
}

#[test]
fn its_arguments_follow_the_values() {
    let cli = cli(&enabled(&[]));
    assert_eq!((cli.scopes(), cli.trusted_proxies.len()), (vec![Scope::All], 0));
    assert_eq!(
        (cli.user_header.as_str(), cli.groups_header.as_str()),
        ("x-forwarded-user", "x-forwarded-groups")
    );
    assert_eq!(
        (cli.identity_prefix.as_str(), cli.listen.as_str()),
        ("", "[::]:8080")
    );
    let cli = self::cli(&enabled(&[
        r#"watchNamespaces=["a","b"]"#,
        r#"console.trustedProxies=["10.1.2.3/32","fd00::/8"]"#,
        r#"console.userHeader="X-Auth-Request-User""#,
        r#"console.groupsHeader="X-Auth-Request-Groups""#,
        r#"console.identityPrefix="oidc:""#,
    ]));
    assert_eq!(
        cli.scopes(),
        ["a", "b"].map(|name| Scope::Namespace(name.to_owned()))
    );
    let proxies: Vec<String> = cli.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.1.2.3/32", "fd00::/8"]);
    assert_eq!(cli.user_header, "x-auth-request-user");
    assert_eq!(cli.groups_header, "x-auth-request-groups");
    assert_eq!(cli.identity_prefix, "oidc:");
}
