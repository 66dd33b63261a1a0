//! `helm template`, and what a test looks at.

use std::{path::Path, process::Command};

use leadgate_tests::node::{chart, program};
use serde_json::Value;

/// Runs helm; its output, or what it complained of.
pub(crate) fn helm(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program("helm"))
        .args(arguments)
        .output()
        .expect("helm is built by: tests/cluster/cluster build");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr) + &text(&output.stdout))
    }
}

/// Renders the chart as `helm install leadgate --namespace leadgate-system` would, with values as for `--set-json`.
pub(crate) fn template(values: &[&str]) -> Result<Vec<Value>, String> {
    template_of(&chart(), "leadgate", values)
}

pub(crate) fn template_of(chart: &Path, release: &str, values: &[&str]) -> Result<Vec<Value>, String> {
    let chart = chart.display().to_string();
    let mut arguments = vec!["template", release, &chart, "--namespace", "leadgate-system"];
    for value in values {
        arguments.extend(["--set-json", value]);
    }
    let text = helm(&arguments)?;
    let objects: Vec<Value> =
        serde_saphyr::from_multiple(&text).map_err(|error| format!("{error}\n{text}"))?;
    Ok(objects.into_iter().filter(|object| !object.is_null()).collect())
}

/// The objects of a kind.
pub(crate) fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The object of a kind and name.
pub(crate) fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    of_kind(objects, kind)
        .into_iter()
        .find(|object| object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// `kind name` of each object, sorted.
pub(crate) fn inventory(objects: &[Value]) -> Vec<String> {
    let mut all: Vec<String> = objects
        .iter()
        .map(|object| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
        })
        .collect();
    all.sort();
    all
}

pub(crate) fn operator(objects: &[Value]) -> &Value {
    named(objects, "Deployment", "leadgate-operator")
}

pub(crate) fn pod(objects: &[Value]) -> &Value {
    &operator(objects)["spec"]["template"]["spec"]
}

pub(crate) fn arguments(objects: &[Value]) -> Vec<String> {
    let arguments = pod(objects)["containers"][0]["args"].as_array().unwrap();
    arguments
        .iter()
        .map(|argument| argument.as_str().unwrap().to_owned())
        .collect()
}
