//! Whatever the release is called, wherever the chart is a part, and whichever values an older version left behind.

use std::{collections::BTreeSet, fs, path::Path};

use leadgate_tests::node::chart;
use serde_json::Value;

use crate::render::{helm, named, of_kind, template, template_of};

/// Helm allows no longer name.
const LONGEST: usize = 53;

/// Everything that the chart can make.
pub(crate) const ALL: &[&str] = &[
    "podDisruptionBudget.enabled=true",
    "console.enabled=true",
    "metrics.podMonitor.enabled=true",
    "metrics.prometheusRule.enabled=true",
    r#"outgoing.allowedHosts=["api.hubapi.com"]"#,
];

/// `kind name` of what belongs to a release alone.
fn own(objects: &[Value]) -> BTreeSet<String> {
    objects
        .iter()
        .filter(|object| object["kind"] != "CustomResourceDefinition")
        .map(|object| {
            let name = object["metadata"]["name"].as_str().unwrap();
            assert!(
                name.len() <= 63 && !name.contains("--") && !name.ends_with('-'),
                "{name} has {} characters",
                name.len()
            );
            format!("{} {name}", object["kind"])
        })
        .collect()
}

#[test]
fn names() {
    let other = template_of(&chart(), "crm", &[]).unwrap();
    named(&other, "Deployment", "crm-leadgate-operator");
    let own = template(&[r#"fullnameOverride="hooks""#]).unwrap();
    named(&own, "Deployment", "hooks");
    named(&own, "Role", "hooks-leader");
    let account = template(&["serviceAccount.create=false", r#"serviceAccount.name="mine""#]).unwrap();
    assert!(of_kind(&account, "ServiceAccount").is_empty());
    let subjects = &named(&account, "ClusterRoleBinding", "leadgate-operator")["subjects"];
    assert_eq!(subjects[0]["name"], "mine");
}

#[test]
fn a_release_may_have_any_name() {
    let long = "preview-feature-1234-customer-onboarding-of-team-blue";
    assert_eq!(long.len(), LONGEST);
    // Two that differ in the last character only, one that would be cut at a dash, and names of the limit and one more.
    let mut releases: Vec<String> = ["e", "f", "-x"]
        .map(|end| format!("{}{end}", &long[..LONGEST - end.len()]))
        .into();
    releases.extend((34..=36).map(|length| "a".repeat(length)));
    let mut seen = BTreeSet::new();
    for release in &releases {
        for object in own(&template_of(&chart(), release, ALL).unwrap()) {
            assert!(
                seen.insert(object.clone()),
                "{release}: another release has {object}"
            );
        }
    }
    // A name that somebody chose is shortened, too.
    let chosen = format!(r#"fullnameOverride="{}""#, "b".repeat(63));
    own(&template_of(&chart(), "x", &[ALL, &[&chosen]].concat()).unwrap());
    let chosen = format!(r#"nameOverride="{}""#, "b".repeat(63));
    own(&template_of(&chart(), "leadgate", &[ALL, &[&chosen]].concat()).unwrap());
}

/// `helm upgrade --reuse-values` renders the new templates with the values of the old chart, which lack what is new.
#[test]
fn values_that_are_missing_are_the_defaults() {
    let read = |name: &str| fs::read_to_string(chart().join(name)).unwrap();
    assert!(
        read("files/values.yaml") == read("values.yaml"),
        "files/values.yaml is out of step; run: make generate"
    );
    let expected = template(&[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("leadgate");
    copy(&chart(), &old);
    fs::write(old.join("values.yaml"), "{}").unwrap();
    assert_eq!(template_of(&old, "leadgate", &[]).unwrap(), expected);
    // So are those that somebody takes away, whole or in part.
    let defaults: Value = serde_saphyr::from_str(&read("values.yaml")).unwrap();
    let whole: Vec<String> = defaults
        .as_object()
        .unwrap()
        .keys()
        .map(|name| format!("{name}=null"))
        .collect();
    let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
    assert_eq!(template(&whole).unwrap(), expected);
    let parts = ["metrics.service=null", "image.repository=null", "crds.keep=null"];
    assert_eq!(template(&parts).unwrap(), expected);
    // false is not missing, and a limit can be taken away.
    let off = template(&["crds.enabled=false", "resources.limits=null"]).unwrap();
    assert!(of_kind(&off, "CustomResourceDefinition").is_empty());
    let resources = &crate::render::pod(&off)["containers"][0]["resources"];
    assert!(resources["limits"].is_null() && resources["requests"].is_object());
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// A chart of somebody else's with this one as a dependency, under its own name or another.
fn umbrella(folder: &Path, alias: &str, values: &str) -> Result<Vec<Value>, String> {
    let parent = folder.join("platform");
    copy(&chart(), &parent.join("charts/leadgate"));
    let alias_line = if alias == "leadgate" {
        String::new()
    } else {
        format!(", alias: {alias}")
    };
    fs::write(
        parent.join("Chart.yaml"),
        format!(
            "apiVersion: v2\nname: platform\nversion: 1.0.0\ndependencies:\n- {{name: leadgate, version: '*', \
             repository: '', condition: {alias}.enabled{alias_line}}}\n"
        ),
    )
    .unwrap();
    fs::write(parent.join("values.yaml"), values).unwrap();
    template_of(&parent, "platform", &[])
}

#[test]
fn the_chart_can_be_a_part_of_another() {
    let globals = "global: {domain: example.com, images: [1, {a: b}], team: {cost: 7}}\n";
    let tell = |values: &str| format!("{globals}{values}");
    for alias in ["leadgate", "leads"] {
        let folder = tempfile::tempdir().unwrap();
        let on = format!("{alias}: {{enabled: true, replicas: 2, metrics: null, log: {{level: debug}}}}\n");
        let objects = umbrella(folder.path(), alias, &tell(&on)).unwrap();
        let deployment = named(&objects, "Deployment", "platform-leadgate-operator");
        assert_eq!(deployment["spec"]["replicas"], 2);
        named(&objects, "Service", "platform-leadgate-operator-metrics");
        assert_eq!(of_kind(&objects, "CustomResourceDefinition").len(), 3);
        let off = umbrella(
            folder.path(),
            alias,
            &tell(&format!("{alias}: {{enabled: false}}\n")),
        )
        .unwrap();
        assert_eq!(off, Vec::<Value>::new());
        let wrong = umbrella(folder.path(), alias, &tell(&format!("{alias}: {{replica: 2}}\n"))).unwrap_err();
        assert!(wrong.contains("'replica' not allowed"), "{wrong}");
    }
}

#[test]
fn lint_has_nothing_to_say() {
    let chart = chart().display().to_string();
    helm(&["lint", "--strict", &chart]).unwrap();
}
