//! The two definitions as files.

use std::error::Error;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Map, Value};

/// The folder of the files.
pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/yaml");
/// The chart's copy.
pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/leadgate/files/crds");

const HEADER: &str = "# Made from the types in crds/src by: cargo run -p leadgate-crds --example generate\n";

/// File name and content, the same each time.
pub(crate) fn files() -> Result<Vec<(&'static str, String)>, Box<dyn Error>> {
    Ok(vec![
        ("leadwebhooks.yaml", render(&leadgate_crds::lead_webhook_crd())?),
        ("crmsinks.yaml", render(&leadgate_crds::crm_sink_crd())?),
    ])
}

fn render(crd: &CustomResourceDefinition) -> Result<String, Box<dyn Error>> {
    let value = sorted(serde_json::to_value(crd)?);
    Ok(format!("{HEADER}{}", serde_saphyr::to_string(&value)?))
}

/// The order of keys must not depend on the features with which serde_json is built.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(
                entries
                    .into_iter()
                    .map(|(k, v)| (k, sorted(v)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(list) => Value::Array(list.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}
