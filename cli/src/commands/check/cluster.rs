//! The checks of a cluster.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt as _};
use leadgate_crds::common::Condition;
use leadgate_crds::lenient::Definition;
use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook, VERSION};
use leadgate_operator::names;
use serde_json::Value;

use super::Finding;
use super::rights::{argument, rights};
use crate::args::Global;
use crate::cluster::{Cluster, resources, told};
use crate::commands::version;
use crate::objects::{Health, Level, condition, health_of};

/// The oldest minor version of Kubernetes 1, as the chart demands it.
const OLDEST: u32 = 30;

pub(crate) async fn check(cluster: &Cluster, global: &Global) -> Vec<Finding> {
    let mut findings = vec![api_server(cluster).await];
    for wanted in [
        leadgate_crds::lead_webhook_crd(),
        leadgate_crds::lead_receiver_crd(),
        leadgate_crds::crm_sink_crd(),
    ] {
        findings.push(definition(cluster, &wanted).await);
    }
    match version::operators(cluster, global).await {
        Err(error) => findings.push(Finding::unknown("operator", &error)),
        Ok(found) => match found.first() {
            Some(operator) => {
                findings.push(of_operator(operator));
                findings.push(rights(cluster, operator, &global.operator_namespace).await);
                findings.extend(lease(cluster, operator).await);
            }
            None => findings.push(Finding::wrong(
                "operator",
                "Missing",
                format!("no operator is installed in namespace {}: install the chart, or set --operator-namespace", global.operator_namespace),
            )),
        },
    }
    findings.extend(
        objects(cluster, "LeadReceiver", |receiver: &LeadReceiver| {
            receiver.status.as_ref().map_or((-1, &[][..]), |status| {
                (status.observed_generation, &status.conditions)
            })
        })
        .await,
    );
    findings.extend(
        objects(cluster, "LeadWebhook", |webhook: &LeadWebhook| {
            webhook.status.as_ref().map_or((-1, &[][..]), |status| {
                (status.observed_generation, &status.conditions)
            })
        })
        .await,
    );
    findings.extend(
        objects(cluster, "CrmSink", |sink: &CrmSink| {
            sink.status.as_ref().map_or((-1, &[][..]), |status| {
                (status.observed_generation, &status.conditions)
            })
        })
        .await,
    );
    findings
}

async fn api_server(cluster: &Cluster) -> Finding {
    const CHECK: &str = "API server";
    match cluster.client.apiserver_version().await.map_err(told) {
        Err(error) => Finding::unknown(CHECK, &error),
        Ok(version) => {
            let minor: String = version.minor.chars().take_while(char::is_ascii_digit).collect();
            match minor.parse::<u32>() {
                Ok(minor) if minor >= OLDEST => Finding::fine(CHECK, &version.git_version),
                _ => Finding::wrong(
                    CHECK,
                    "TooOld",
                    format!(
                        "{}: Leadgate requires Kubernetes 1.{OLDEST} or newer",
                        version.git_version
                    ),
                ),
            }
        }
    }
}

async fn definition(cluster: &Cluster, wanted: &CustomResourceDefinition) -> Finding {
    let name = wanted.name_any();
    let check = format!("definition {name}");
    match Api::<CustomResourceDefinition>::all(cluster.client.clone())
        .get_opt(&name)
        .await
        .map_err(told)
    {
        Err(error) => Finding::unknown(check, &error),
        Ok(None) => Finding::wrong(
            check,
            "Missing",
            "the CustomResourceDefinition is missing: install the chart with crds.enabled",
        ),
        Ok(Some(found)) => compare(check, wanted, &found),
    }
}

/// Pure: whether the definition is served, and knows every field that this version knows. Without a field, the API server
/// drops it silently.
fn compare(check: String, wanted: &CustomResourceDefinition, found: &CustomResourceDefinition) -> Finding {
    let status = found
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let established =
        status.is_some_and(|all| all.iter().any(|c| c.type_ == "Established" && c.status == "True"));
    if !established {
        return Finding::wrong(
            check,
            "NotServed",
            "the API server does not serve the resource yet",
        );
    }
    let (wanted, found) = (fields(wanted), fields(found));
    let list = |names: Vec<&String>| {
        let shown: Vec<&str> = names.iter().take(5).map(|name| name.as_str()).collect();
        format!("{}{}", shown.join(", "), if names.len() > 5 { ", …" } else { "" })
    };
    let missing: Vec<&String> = wanted.difference(&found).collect();
    let more: Vec<&String> = found.difference(&wanted).collect();
    if !missing.is_empty() {
        let message = format!(
            "it is older than this program ({}) and drops these fields: {}; upgrade the chart",
            env!("CARGO_PKG_VERSION"),
            list(missing)
        );
        return Finding::wrong(check, "TooOld", message);
    }
    if !more.is_empty() {
        let message = format!(
            "it is newer than this program, which does not know: {}; upgrade this program",
            list(more)
        );
        return Finding::warning(check, "Newer", message);
    }
    Finding::fine(check, format!("{VERSION} is served, with all fields"))
}

/// The paths of all fields of the version that is used.
fn fields(definition: &CustomResourceDefinition) -> BTreeSet<String> {
    fn walk(schema: &Value, path: &str, into: &mut BTreeSet<String>) {
        for (name, inner) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            walk(inner, &path, into);
            into.insert(path);
        }
        for inner in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(inner) {
                walk(inner, &format!("{path}[]"), into);
            }
        }
    }
    let mut all = BTreeSet::new();
    let version = definition
        .spec
        .versions
        .iter()
        .find(|version| version.name == VERSION && version.served);
    let schema = version.and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref());
    if let Some(Ok(schema)) = schema.map(serde_json::to_value) {
        walk(&schema, "", &mut all);
    }
    all
}

fn of_operator(operator: &Deployment) -> Finding {
    let check = format!("operator {}", operator.name_any());
    let status = operator.status.clone().unwrap_or_default();
    let version = version::of(operator).unwrap_or_default();
    let wanted = operator.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let ready = status.ready_replicas.unwrap_or_default();
    if status.observed_generation < operator.metadata.generation
        || status.updated_replicas.unwrap_or_default() < wanted
    {
        return Finding::wrong(
            check,
            "Progressing",
            "the Deployment is being rolled out: wait with --wait 5m",
        );
    }
    if ready < wanted.max(1) {
        return Finding::wrong(
            check,
            "NotReady",
            format!("{ready} of {wanted} pods are ready: see kubectl describe and logs of the pods"),
        );
    }
    if version != env!("CARGO_PKG_VERSION") {
        let message = format!(
            "its version is {version}, and that of this program {}: install the same",
            env!("CARGO_PKG_VERSION")
        );
        return Finding::warning(check, "OtherVersion", message);
    }
    Finding::fine(
        check,
        format!("version {version}, {ready} of {wanted} pods are ready"),
    )
}

/// Whether somebody leads. An operator without leader election leads by itself.
async fn lease(cluster: &Cluster, operator: &Deployment) -> Option<Finding> {
    const CHECK: &str = "operator lease";
    let namespace = argument(operator, "--leader-election-namespace")?;
    let api: Api<Lease> = cluster.within(namespace);
    Some(match api.get_opt(names::MANAGER).await.map_err(told) {
        Err(error) => Finding::unknown(CHECK, &error),
        Ok(found) => held(found.as_ref(), Timestamp::now()),
    })
}

/// Pure: whether the Lease is held now.
fn held(lease: Option<&Lease>, now: Timestamp) -> Finding {
    const CHECK: &str = "operator lease";
    let spec = lease.and_then(|lease| lease.spec.as_ref());
    let holder = spec
        .and_then(|spec| spec.holder_identity.as_deref())
        .filter(|holder| !holder.is_empty());
    let Some((spec, holder)) = spec.zip(holder) else {
        return Finding::wrong(
            CHECK,
            "NotHeld",
            "no operator holds the Lease: see the logs of its pods",
        );
    };
    let age = spec.renew_time.as_ref().map_or(i64::MAX, |time| {
        now.as_second().saturating_sub(time.0.as_second())
    });
    let lasts = i64::from(spec.lease_duration_seconds.unwrap_or_default());
    if age > lasts.saturating_mul(2) {
        return Finding::wrong(
            CHECK,
            "NotRenewed",
            format!("{holder} has not renewed the Lease for {age} s: see the logs of the operator's pods"),
        );
    }
    Finding::fine(CHECK, format!("held by {holder}"))
}

/// One finding for each object that is not ready, and one for all that are.
async fn objects<K>(cluster: &Cluster, kind: &str, status: impl Fn(&K) -> (i64, &[Condition])) -> Vec<Finding>
where
    K: Definition<Scope = k8s_openapi::NamespaceResourceScope> + Clone + std::fmt::Debug,
{
    let found = match resources(cluster).await {
        Ok((found, _)) => found,
        Err(error) => return vec![Finding::unknown(format!("{kind}s"), &error)],
    };
    let mut findings = Vec::new();
    for object in &found {
        let (observed, conditions) = status(object);
        let mut health = health_of(object, observed, conditions);
        if let Some(stalled) = condition(conditions, "Stalled").filter(|stalled| stalled.status == "True") {
            health = Health::new(Level::Wrong, &stalled.reason, &stalled.message);
        }
        if health.level != Level::Fine {
            let name = format!(
                "{kind} {}/{}",
                object.namespace().unwrap_or_default(),
                object.name_any()
            );
            findings.push(Finding::new(name, health));
        }
    }
    let fine = found.len() - findings.len();
    findings.push(Finding::fine(
        format!("{kind}s"),
        format!("{fine} of {} are ready", found.len()),
    ));
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_older_definition_is_told_by_the_fields_that_it_drops() {
        let status = json!({"conditions": [{"type": "Established", "status": "True", "lastTransitionTime": null, "message": "", "reason": ""}],
            "acceptedNames": {"kind": "", "plural": ""}, "storedVersions": []});
        let wanted = leadgate_crds::lead_webhook_crd();
        let mut served = wanted.clone();
        assert_eq!(
            compare(String::new(), &wanted, &served).health.reason,
            "NotServed"
        );
        served.status = serde_json::from_value(status).unwrap();
        assert_eq!(compare(String::new(), &wanted, &served).health.reason, "OK");
        let mut older = serde_json::to_value(&served).unwrap();
        let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
        older
            .pointer_mut(spec)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove("suspend");
        let older: CustomResourceDefinition = serde_json::from_value(older).unwrap();
        let finding = compare(String::new(), &wanted, &older);
        assert_eq!(finding.health.reason, "TooOld");
        assert!(finding.health.message.contains("spec.suspend"), "{finding:?}");
        assert_eq!(compare(String::new(), &older, &served).health.reason, "Newer");
    }

    #[test]
    fn a_lease_that_nobody_renews_is_not_held() {
        let now: Timestamp = "2026-11-01T00:01:00Z".parse().unwrap();
        let lease = |renewed: &str, holder: &str| -> Lease {
            let spec =
                json!({"spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed}});
            serde_json::from_value(spec).unwrap()
        };
        let reason = |lease: Option<&Lease>| held(lease, now).health.reason;
        assert_eq!(reason(None), "NotHeld");
        assert_eq!(reason(Some(&lease("2026-11-01T00:00:50.000000Z", ""))), "NotHeld");
        assert_eq!(reason(Some(&lease("2026-11-01T00:00:50.000000Z", "a"))), "OK");
        assert_eq!(
            reason(Some(&lease("2026-11-01T00:00:00.000000Z", "a"))),
            "NotRenewed"
        );
    }
}
