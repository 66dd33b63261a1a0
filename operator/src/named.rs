//! Objects that resources name, and that the operator neither makes nor watches: classes of the cluster, and Gateways. Each is
//! asked for when somebody names it, and again from time to time while somebody does. Whoever names it is woken when that
//! changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::api::DynamicObject;
use kube::core::ApiResource;
use kube::{Api, Client};
use leadgate_crds::lead_receiver::PodTemplate;
use leadgate_crds::{LeadReceiver, LeadWebhook};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api_error::words;
use crate::context::{Context, name_of};
use crate::reasons::Reason;
use crate::validation::{ErrorScope, ValidationError};

/// Between two times that an object is asked for.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// A kind of object that is only named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamedKind {
    IngressClass,
    StorageClass,
    PriorityClass,
    Gateway,
}

impl NamedKind {
    fn resource(self) -> ApiResource {
        let (group, kind, plural) = match self {
            Self::IngressClass => ("networking.k8s.io", "IngressClass", "ingressclasses"),
            Self::StorageClass => ("storage.k8s.io", "StorageClass", "storageclasses"),
            Self::PriorityClass => ("scheduling.k8s.io", "PriorityClass", "priorityclasses"),
            Self::Gateway => ("gateway.networking.k8s.io", "Gateway", "gateways"),
        };
        ApiResource {
            group: group.to_owned(),
            version: "v1".to_owned(),
            api_version: format!("{group}/v1"),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        }
    }

    /// What a person does about one that does not exist.
    fn remedy(self) -> &'static str {
        match self {
            Self::IngressClass => {
                "install the ingress controller that has it, or name one of `kubectl get ingressclasses`"
            }
            Self::StorageClass => "create it, or name one of `kubectl get storageclasses`",
            Self::PriorityClass => "create it, or name one of `kubectl get priorityclasses`",
            Self::Gateway => "create it, or name one of `kubectl get gateways -A`",
        }
    }
}

/// An object that is only named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    pub kind: NamedKind,
    /// Its namespace; `None`: it belongs to the cluster.
    pub namespace: Option<String>,
    pub name: String,
}

/// Where a resource names an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedReference {
    /// For example `spec.ingress.className`.
    pub(crate) field: String,
    pub(crate) object: Named,
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    There,
    /// It exists, and says that it does not work: why.
    Broken(String),
    Absent,
    /// The operator may not look, or could not.
    Unknown,
}

/// What is known of the objects that a resource names.
pub(crate) type Presences = BTreeMap<Named, Presence>;

fn class(field: &str, kind: NamedKind, name: Option<&String>) -> Option<NamedReference> {
    Some(NamedReference {
        field: field.to_owned(),
        object: Named {
            kind,
            namespace: None,
            name: name?.clone(),
        },
    })
}

/// What a webhook names.
pub(crate) fn of_webhook(webhook: &LeadWebhook) -> Vec<NamedReference> {
    let (namespace, _) = name_of(webhook);
    let ingress = webhook.spec.ingress.as_ref();
    let mut found: Vec<NamedReference> = class(
        "spec.ingress.className",
        NamedKind::IngressClass,
        ingress.and_then(|ingress| ingress.class_name.as_ref()),
    )
    .into_iter()
    .collect();
    let parents = webhook
        .spec
        .gateway
        .iter()
        .flat_map(|gateway| &gateway.parent_refs);
    found.extend(parents.enumerate().map(|(n, parent)| NamedReference {
        field: format!("spec.gateway.parentRefs[{n}].name"),
        object: Named {
            kind: NamedKind::Gateway,
            namespace: Some(parent.namespace.clone().unwrap_or_else(|| namespace.clone())),
            name: parent.name.clone(),
        },
    }));
    found
}

/// What a receiver names.
pub(crate) fn of_receiver(receiver: &LeadReceiver) -> Vec<NamedReference> {
    let queue = receiver.spec.queue.as_ref().filter(|queue| queue.is_managed());
    let priority = |template: Option<&PodTemplate>, field: &str| {
        let name = template.and_then(|template| template.priority_class_name.as_ref());
        class(field, NamedKind::PriorityClass, name)
    };
    [
        priority(
            receiver.spec.pod_template.as_ref(),
            "spec.podTemplate.priorityClassName",
        ),
        priority(
            queue.and_then(|queue| queue.pod_template.as_ref()),
            "spec.queue.podTemplate.priorityClassName",
        ),
        class(
            "spec.queue.storage.storageClassName",
            NamedKind::StorageClass,
            queue.and_then(|queue| queue.storage.storage_class_name.as_ref()),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The Secrets with which the pods of a receiver and of its queue pull their images: field and name.
pub(crate) fn pull_secrets(receiver: &LeadReceiver) -> Vec<(String, String)> {
    let queue = receiver.spec.queue.as_ref();
    let templates = [
        ("spec.podTemplate", receiver.spec.pod_template.as_ref()),
        (
            "spec.queue.podTemplate",
            queue.and_then(|queue| queue.pod_template.as_ref()),
        ),
    ];
    let secrets = templates.into_iter().flat_map(|(field, template)| {
        let secrets = template
            .into_iter()
            .flat_map(|template| &template.image_pull_secrets);
        secrets
            .enumerate()
            .map(move |(n, secret)| (format!("{field}.imagePullSecrets[{n}].name"), secret.name.clone()))
    });
    secrets.collect()
}

/// What is wrong with the objects that a resource names. Pure.
pub(crate) fn mistakes(
    references: &[NamedReference],
    known: &Presences,
    about: ErrorScope,
) -> Vec<ValidationError> {
    let mistake = |NamedReference { field, object }: &NamedReference| {
        let kind = object.kind.resource().kind;
        let place = object.namespace.as_ref();
        let place = place
            .map(|namespace| format!(" in namespace {namespace}"))
            .unwrap_or_default();
        let message = match known.get(object)? {
            Presence::There | Presence::Unknown => return None,
            Presence::Absent => format!(
                "{field}: there is no {kind} {}{place}; {}",
                object.name,
                object.kind.remedy()
            ),
            Presence::Broken(why) => {
                format!(
                    "{field}: {kind} {}{place} does not work: {why}; correct it, or name another one",
                    object.name
                )
            }
        };
        Some(ValidationError {
            about,
            reason: Reason::ReferenceMissing,
            message,
        })
    };
    references.iter().filter_map(mistake).collect()
}

/// What is known of all objects that are only named.
#[derive(Debug, Default)]
pub(crate) struct NamedObjects(Mutex<Presences>);

impl NamedObjects {
    fn known(&self) -> MutexGuard<'_, Presences> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The objects that a resource names. Those that nobody has named so far are asked for.
    pub(crate) async fn find(&self, client: &Client, references: &[NamedReference]) -> Presences {
        let mut found = Presences::new();
        for NamedReference { object, .. } in references {
            let known = self.known().get(object).cloned();
            let presence = if let Some(known) = known {
                known
            } else {
                let presence = ask(client, object).await;
                self.known().insert(object.clone(), presence.clone());
                presence
            };
            found.insert(object.clone(), presence);
        }
        found
    }
}

async fn ask(client: &Client, object: &Named) -> Presence {
    let resource = object.kind.resource();
    let api: Api<DynamicObject> = match &object.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    match api.get(&object.name).await {
        Ok(found) => broken(&found).map_or(Presence::There, Presence::Broken),
        // With other words, the cluster does not know its kind.
        Err(kube::Error::Api(status)) if status.code == 404 && status.reason == "NotFound" => {
            Presence::Absent
        }
        Err(error) => {
            tracing::debug!(
                kind = resource.kind,
                error = words(&error),
                "failed to look whether an object exists"
            );
            Presence::Unknown
        }
    }
}

/// Why a Gateway takes no requests, as it says of its present form.
fn broken(object: &DynamicObject) -> Option<String> {
    let conditions = object.data.pointer("/status/conditions")?.as_array()?;
    let text = |condition: &Value, field: &str| {
        condition
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let said = conditions.iter().find(|condition| {
        let of = condition.get("observedGeneration").and_then(Value::as_i64);
        text(condition, "type") == "Programmed"
            && text(condition, "status") == "False"
            && of.is_none_or(|of| Some(of) >= object.metadata.generation)
    })?;
    let message = text(said, "message");
    Some(if message.is_empty() {
        text(said, "reason")
    } else {
        message
    })
}

/// Looks again from time to time, until `stop`.
pub(crate) fn start(context: &Arc<Context>, stop: &CancellationToken, tasks: &mut JoinSet<()>) {
    let (context, stop) = (Arc::clone(context), stop.clone());
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = look(&context) => {}
                () = stop.cancelled() => return,
            }
        }
    });
}

async fn look(context: &Context) {
    let webhooks = context.webhooks.state();
    let receivers = context.receivers.every();
    let all = webhooks.iter().flat_map(|webhook| of_webhook(webhook));
    let all = all.chain(receivers.iter().flat_map(|receiver| of_receiver(receiver)));
    let all: BTreeSet<Named> = all.map(|reference| reference.object).collect();
    let mut changed = BTreeSet::new();
    context.named.known().retain(|object, _| all.contains(object));
    for object in all {
        let now = ask(&context.client, &object).await;
        // What could not be found out this time is as it was.
        let before = context.named.known().get(&object).cloned();
        if now != Presence::Unknown && before.as_ref() != Some(&now) {
            context.named.known().insert(object.clone(), now);
            changed.insert(object);
        }
    }
    let concerns = |references: Vec<NamedReference>| {
        references
            .iter()
            .any(|reference| changed.contains(&reference.object))
    };
    for webhook in webhooks.iter().filter(|webhook| concerns(of_webhook(webhook))) {
        let (namespace, name) = name_of(webhook.as_ref());
        context.wake_webhook(&namespace, &name);
    }
    for receiver in receivers
        .iter()
        .filter(|receiver| concerns(of_receiver(receiver)))
    {
        let (namespace, name) = name_of(receiver.as_ref());
        context.wake_receiver(&namespace, &name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn webhook(spec: &Value) -> LeadWebhook {
        let mut all = json!({"auth": {"hmac": {"secretRefs": [{"name": "w", "key": "k"}]}}, "sinks": [{"name": "crm"}]});
        all.as_object_mut()
            .unwrap()
            .extend(spec.as_object().unwrap().clone());
        serde_json::from_value(
            json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook",
            "metadata": {"name": "w", "namespace": "sales"}, "spec": all}),
        )
        .unwrap()
    }

    #[test]
    fn what_does_not_exist_is_told_by_field_and_remedy() {
        let webhook = webhook(&json!({
            "ingress": {"host": "leads.example.com", "className": "nginx"},
            "gateway": {"parentRefs": [{"name": "here"}, {"name": "there", "namespace": "infra"}]},
        }));
        let references = of_webhook(&webhook);
        let all = |presence: &Presence| -> Presences {
            references
                .iter()
                .map(|reference| (reference.object.clone(), presence.clone()))
                .collect()
        };
        let told = |presence: &Presence| -> Vec<String> {
            mistakes(&references, &all(presence), ErrorScope::Edge)
                .into_iter()
                .map(|mistake| mistake.message)
                .collect()
        };
        assert_eq!(told(&Presence::There), [""; 0]);
        assert_eq!(told(&Presence::Unknown), [""; 0]);
        let absent = told(&Presence::Absent);
        assert!(
            absent[0].starts_with("spec.ingress.className: there is no IngressClass nginx; "),
            "{absent:?}"
        );
        assert!(
            absent[1].contains("[0].name: there is no Gateway here in namespace sales"),
            "{absent:?}"
        );
        assert!(
            absent[2].contains("[1].name: there is no Gateway there in namespace infra"),
            "{absent:?}"
        );
        let broken = told(&Presence::Broken("no address".to_owned()));
        assert!(broken[1].contains("does not work: no address"), "{broken:?}");
    }

    #[test]
    fn a_gateway_is_broken_when_it_says_so_of_its_present_form() {
        let gateway = |status: &str, of: i64| -> DynamicObject {
            serde_json::from_value(json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
                "metadata": {"name": "g", "generation": 2}, "status": {"conditions": [
                    {"type": "Programmed", "status": status, "reason": "R", "message": "m", "observedGeneration": of}]}}))
            .unwrap()
        };
        assert_eq!(broken(&gateway("True", 2)), None);
        assert_eq!(broken(&gateway("False", 1)), None);
        assert_eq!(broken(&gateway("False", 2)).as_deref(), Some("m"));
    }
}
