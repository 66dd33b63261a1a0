//! Whether the operator may do all that it has to.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;
use leadgate_operator::rbac::{LEADER_ELECTION, Rule, WATCHED};

use super::Finding;
use crate::cluster::{Cluster, told};

/// Questions that the API server is asked at a time.
const CONCURRENT: usize = 16;

/// The values of an option of the operator.
pub(super) fn argument<'d>(operator: &'d Deployment, name: &str) -> Option<&'d str> {
    let spec = operator.spec.as_ref()?.template.spec.as_ref()?;
    let mut arguments = spec
        .containers
        .iter()
        .flat_map(|container| container.args.iter().flatten());
    arguments.find_map(|argument| argument.strip_prefix(name)?.strip_prefix('='))
}

/// Whether the operator may do all that it has to.
pub(super) async fn rights(cluster: &Cluster, operator: &Deployment, namespace: &str) -> Finding {
    const CHECK: &str = "operator permissions";
    let account = operator
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref()?.service_account_name.clone());
    let user = format!(
        "system:serviceaccount:{namespace}:{}",
        account.as_deref().unwrap_or("default")
    );
    let flat = |rules: &[Rule], within: Option<&str>| -> Vec<ResourceAttributes> {
        let each = |rule: &Rule| -> Vec<ResourceAttributes> {
            let attributes = |resource: &str, verb: &str| {
                let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
                ResourceAttributes {
                    group: Some(rule.group.to_owned()),
                    resource: Some(resource.to_owned()),
                    subresource: Some(sub.to_owned()).filter(|sub| !sub.is_empty()),
                    verb: Some(verb.to_owned()),
                    namespace: within.map(str::to_owned),
                    ..ResourceAttributes::default()
                }
            };
            rule.resources
                .iter()
                .flat_map(|resource| rule.verbs.iter().map(move |verb| attributes(resource, verb)))
                .collect()
        };
        rules.iter().flat_map(each).collect()
    };
    let mut wanted = match argument(operator, "--watch-namespaces") {
        Some(names) => names
            .split(',')
            .flat_map(|name| flat(WATCHED, Some(name)))
            .collect(),
        None => flat(WATCHED, None),
    };
    if let Some(namespace) = argument(operator, "--leader-election-namespace") {
        wanted.extend(flat(LEADER_ELECTION, Some(namespace)));
    }
    let count = wanted.len();
    let api = Api::<SubjectAccessReview>::all(cluster.client.clone());
    let ask = |attributes: ResourceAttributes| {
        let (api, user) = (api.clone(), user.clone());
        async move {
            let spec = SubjectAccessReviewSpec {
                user: Some(user),
                groups: Some(
                    ["system:serviceaccounts", "system:authenticated"]
                        .map(str::to_owned)
                        .to_vec(),
                ),
                resource_attributes: Some(attributes.clone()),
                ..SubjectAccessReviewSpec::default()
            };
            let review = SubjectAccessReview {
                spec,
                ..SubjectAccessReview::default()
            };
            let answer = api.create(&PostParams::default(), &review).await.map_err(told)?;
            Ok((attributes, answer.status.is_some_and(|status| status.allowed)))
        }
    };
    let mut answers = stream::iter(wanted).map(ask).buffer_unordered(CONCURRENT);
    let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    while let Some(answer) = answers.next().await {
        match answer {
            Err(error) => return Finding::unknown(CHECK, &error),
            Ok((_, true)) => {}
            Ok((attributes, false)) => {
                let sub = attributes
                    .subresource
                    .map(|sub| format!("/{sub}"))
                    .unwrap_or_default();
                let within = attributes
                    .namespace
                    .map(|name| format!(" in namespace {name}"))
                    .unwrap_or_default();
                let resource = format!("{}{sub}{within}", attributes.resource.unwrap_or_default());
                missing
                    .entry(resource)
                    .or_default()
                    .push(attributes.verb.unwrap_or_default());
            }
        }
    }
    if missing.is_empty() {
        return Finding::fine(CHECK, format!("{count} permissions granted"));
    }
    let missing: Vec<String> = missing
        .into_iter()
        .map(|(resource, verbs)| format!("{} {resource}", verbs.join(", ")))
        .collect();
    Finding::wrong(
        CHECK,
        "Missing",
        format!("{user} may not: {}; upgrade the chart", missing.join("; ")),
    )
}
