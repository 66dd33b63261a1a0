//! Makes objects as they are to be, and only those that are ours; no call when nothing has changed.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Debug;
use std::hash::{Hash as _, Hasher as _};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{
    DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams, Preconditions,
    ValidationDirective,
};
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::context::{Context, name_of};
use crate::index::{Key, Live, version};
use crate::kinds::{Desired, Kind};
use crate::names::{self, MANAGER};
use crate::reasons::Reason;

/// Why an object could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It belongs to somebody else.
    #[error(
        "{kind} {name} exists and does not belong to Leadgate, so it was not changed. Rename or delete it, or give this \
         resource another name",
        kind = kind.name()
    )]
    Foreign { kind: Kind, name: String },
    /// It belongs to an earlier resource of the same name and is about to be removed.
    #[error("{kind} {name} of an earlier resource with this name is still being deleted", kind = kind.name())]
    Leftover { kind: Kind, name: String },
    /// The API server says that it is wrong.
    #[error("the API server rejected {kind} {name}: {message}", kind = kind.name())]
    Refused {
        kind: Kind,
        name: String,
        /// Why.
        message: String,
    },
    /// The API server could not be asked, or does not allow it.
    #[error("{kind} {name}: {error}", kind = kind.name())]
    Api {
        kind: Kind,
        name: String,
        /// Why.
        error: kube::Error,
    },
}

impl ApplyError {
    /// Why, in one CamelCase word: the condition's reason, the metric's label.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Foreign { .. } => Reason::NameTaken,
            Self::Leftover { .. } => Reason::WaitingForRemoval,
            Self::Refused { .. } => Reason::ObjectRefused,
            Self::Api { error, .. } => reason_of(error),
        }
    }

    /// Whether it stays as it is until a person changes something.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Foreign { .. } | Self::Refused { .. })
    }
}

/// A failed call's reason.
pub(crate) fn reason_of(error: &kube::Error) -> Reason {
    match error {
        kube::Error::Api(status) if status.code == 403 => Reason::Forbidden,
        kube::Error::Api(status) if status.code == 409 => Reason::Conflict,
        kube::Error::Api(_) => Reason::ApiError,
        _ => Reason::ApiUnreachable,
    }
}

/// Whose an object has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ownership<'a> {
    /// That of one resource. Without a uid: of the receiver that is only implied, so that its objects have no owner.
    To {
        kind: &'a str,
        name: &'a str,
        uid: Option<&'a str>,
    },
    /// The operator's: the managed Redis.
    Shared,
}

/// What an existing object is.
#[derive(Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    Leftover,
    Foreign,
}

/// Pure: whose an object is.
fn whose(live: &Live, belongs: Ownership<'_>) -> Whose {
    let Ownership::To { kind, name, uid } = belongs else {
        return if live.labelled {
            Whose::Ours
        } else {
            Whose::Foreign
        };
    };
    let is_of = |owner: &crate::index::Owner| owner.kind == kind && owner.name == name;
    if live.owners.iter().any(|owner| Some(owner.uid.as_str()) == uid) {
        Whose::Ours
    } else if live.owners.iter().any(is_of) {
        Whose::Leftover
    } else if live.owners.is_empty()
        && live.labelled
        && live.instance.as_deref() == Some(&names::instance(name))
    {
        // Of an implied receiver, after `kubectl delete --cascade=orphan`, or of a restored backup.
        Whose::Ours
    } else {
        Whose::Foreign
    }
}

/// An API of a kind.
pub(crate) fn dynamic(client: &Client, namespace: &str, kind: Kind) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &kind.api_resource())
}

/// An object's metadata, from what is known or, if nothing is, from the API server.
async fn look(context: &Context, key: &Key) -> Result<Option<Live>, ApplyError> {
    if let Some(live) = context.index.get(key) {
        return Ok(Some(live));
    }
    let (kind, namespace, name) = key;
    let api: Api<PartialObjectMeta<DynamicObject>> =
        Api::namespaced_with(context.client.clone(), namespace, &kind.api_resource());
    let found = match api.get_metadata_opt(name).await {
        Ok(found) => found,
        // Not only the object: this cluster does not know its kind.
        Err(kube::Error::Api(status)) if status.code == 404 => None,
        Err(error) => return Err(failed(*kind, name, error)),
    };
    Ok(found.map(|object| Live::of(*kind, &object.metadata)))
}

/// Whether an object is as it was left, so that applying it would write nothing.
pub(crate) fn is_settled(context: &Context, namespace: &str, desired: &Desired) -> bool {
    let key = (desired.kind, namespace.to_owned(), desired.name.clone());
    context.index.is_settled(&key, digest(&desired.manifest))
}

/// Applies an object unless it is as it was left. Says whether anything was written.
pub(crate) async fn ensure(
    context: &Context,
    namespace: &str,
    desired: &Desired,
    belongs: Ownership<'_>,
) -> Result<bool, ApplyError> {
    let Desired { kind, name, manifest } = desired;
    let key = (*kind, namespace.to_owned(), name.clone());
    let wanted = digest(manifest);
    if context.index.is_settled(&key, wanted) {
        return Ok(false);
    }
    if let Some(live) = look(context, &key).await? {
        allowed(&live, belongs, *kind, name)?;
    }
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        force: true,
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::default()
    };
    let applied = dynamic(&context.client, namespace, *kind)
        .patch(name, &params, &Patch::Apply(manifest))
        .await
        .map_err(|error| failed(*kind, name, error))?;
    context.metrics.wrote(kind.name(), "apply");
    context
        .index
        .applied(key, wanted, Live::of(*kind, &applied.metadata));
    Ok(true)
}

fn allowed(live: &Live, belongs: Ownership<'_>, kind: Kind, name: &str) -> Result<(), ApplyError> {
    let name = name.to_owned();
    match whose(live, belongs) {
        Whose::Ours => Ok(()),
        Whose::Leftover => Err(ApplyError::Leftover { kind, name }),
        Whose::Foreign => Err(ApplyError::Foreign { kind, name }),
    }
}

/// Removes an object that is no longer wanted, if it is ours. What is not known does not exist: the watches show all of
/// the operator's objects.
pub(crate) async fn remove(
    context: &Context,
    namespace: &str,
    kind: Kind,
    name: &str,
    belongs: Ownership<'_>,
) -> Result<(), ApplyError> {
    let key = (kind, namespace.to_owned(), name.to_owned());
    let live = if kind == Kind::HttpRoute {
        look(context, &key).await?
    } else {
        context.index.get(&key)
    };
    let Some(live) = live.filter(|live| whose(live, belongs) == Whose::Ours) else {
        return Ok(());
    };
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(live.uid),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match dynamic(&context.client, namespace, kind)
        .delete(name, &params)
        .await
    {
        Ok(_) => context.metrics.wrote(kind.name(), "delete"),
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(failed(kind, name, error)),
    }
    context.index.gone(&key);
    Ok(())
}

/// Makes a Secret if there is none of that name; an existing one is never changed. Says whether it was made. With
/// `belongs`, an existing one has to be ours.
pub(crate) async fn create_secret(
    context: &Context,
    namespace: &str,
    secret: Secret,
    belongs: Option<Ownership<'_>>,
) -> Result<bool, ApplyError> {
    let name = secret.name_any();
    let key = (Kind::Secret, namespace.to_owned(), name.clone());
    if let Some(live) = look(context, &key).await? {
        if let Some(belongs) = belongs {
            allowed(&live, belongs, Kind::Secret, &name)?;
        }
        context.index.seen(key, live);
        return Ok(false);
    }
    let params = PostParams {
        // Not the manager that applies: what it applies later without the values would remove them.
        field_manager: Some(format!("{MANAGER}-generator")),
        ..PostParams::default()
    };
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let made = api
        .create(&params, &secret)
        .await
        .map_err(|error| failed(Kind::Secret, &name, error))?;
    context.metrics.wrote(Kind::Secret.name(), "create");
    let version = made.resource_version().unwrap_or_default();
    context.secrets.seen(namespace, &name, &version);
    if made.labels().contains_key(names::MANAGED_BY) {
        context.index.seen(key, Live::of(Kind::Secret, &made.metadata));
    }
    Ok(true)
}

/// Adds or removes the finalizer of a resource. The uid makes sure that no other object of this name is meant.
pub(crate) async fn set_finalizer<K>(
    object: &K,
    kind: &'static str,
    present: bool,
    context: &Context,
) -> kube::Result<()>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let (namespace, name) = name_of(object);
    let finalizers: &[&str] = if present { &[names::FINALIZER] } else { &[] };
    let patch = json!({
        "apiVersion": format!("{}/{}", leadgate_crds::GROUP, leadgate_crds::VERSION),
        "kind": kind,
        "metadata": {"name": name, "uid": object.meta().uid, "finalizers": finalizers},
    });
    let api: Api<K> = Api::namespaced(context.client.clone(), &namespace);
    let params = PatchParams::apply(MANAGER).force();
    match api.patch_metadata(&name, &params, &Patch::Apply(&patch)).await {
        Ok(_) => {
            context.metrics.wrote(kind, "apply");
            Ok(())
        }
        // It is gone already, or another one has its name.
        Err(kube::Error::Api(status)) if !present && matches!(status.code, 404 | 409 | 422) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes the status of a resource. Gives the object's new resource version; `None`: it is gone.
pub(crate) async fn patch_status<K>(
    object: &K,
    kind: &'static str,
    status: &impl Serialize,
    context: &Context,
) -> kube::Result<Option<u64>>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let (namespace, name) = name_of(object);
    let patch = json!({
        "apiVersion": format!("{}/{}", leadgate_crds::GROUP, leadgate_crds::VERSION),
        "kind": kind,
        "metadata": {"name": name, "uid": object.meta().uid},
        "status": status,
    });
    let api: Api<K> = Api::namespaced(context.client.clone(), &namespace);
    let params = PatchParams::apply(MANAGER).force();
    match api.patch_status(&name, &params, &Patch::Apply(&patch)).await {
        Ok(written) => {
            context.metrics.wrote(kind, "status");
            Ok(Some(version(written.meta().resource_version.as_deref())))
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// A Secret of the operator's with random values.
pub(crate) fn secret(metadata: ObjectMeta, values: impl IntoIterator<Item = (String, String)>) -> Secret {
    Secret {
        metadata,
        type_: Some("Opaque".to_owned()),
        string_data: Some(values.into_iter().collect()),
        ..Secret::default()
    }
}

/// 256 random bits in hexadecimal digits: text, hexadecimal and base64 alike, so that any scheme can use it as a key.
pub(crate) fn random_key() -> String {
    let bytes: [u8; 32] = rand::random();
    hex::encode(bytes)
}

fn digest(manifest: &serde_json::Value) -> u64 {
    let mut hash = DefaultHasher::new();
    manifest.to_string().hash(&mut hash);
    hash.finish()
}

/// A failed call on an object.
pub(crate) fn failed(kind: Kind, name: &str, error: kube::Error) -> ApplyError {
    let name = name.to_owned();
    match error {
        kube::Error::Api(status) if matches!(status.code, 400 | 422) => ApplyError::Refused {
            kind,
            name,
            message: status.message.clone(),
        },
        error => ApplyError::Api { kind, name, error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Owner;

    fn live(owner: Option<(&str, &str, &str)>, labelled: bool, instance: Option<&str>) -> Live {
        Live {
            uid: "x".to_owned(),
            version: 1,
            stamp: 1,
            owners: owner
                .map(|(kind, name, uid)| Owner {
                    kind: kind.to_owned(),
                    name: name.to_owned(),
                    uid: uid.to_owned(),
                })
                .into_iter()
                .collect(),
            labelled,
            instance: instance.map(str::to_owned),
        }
    }

    #[test]
    fn whose_objects_are() {
        let ours = Ownership::To {
            kind: "LeadReceiver",
            name: "web",
            uid: Some("1"),
        };
        let implied = Ownership::To {
            kind: "LeadReceiver",
            name: "web",
            uid: None,
        };
        let owned = |name, uid| live(Some(("LeadReceiver", name, uid)), true, Some(name));
        for (live, belongs, expected) in [
            (owned("web", "1"), ours, Whose::Ours),
            (owned("web", "0"), ours, Whose::Leftover),
            (owned("shop", "2"), ours, Whose::Foreign),
            (live(None, false, None), ours, Whose::Foreign),
            (live(None, true, Some("web")), ours, Whose::Ours),
            (live(None, true, Some("shop")), ours, Whose::Foreign),
            (live(None, true, Some("web")), implied, Whose::Ours),
            (owned("web", "1"), implied, Whose::Leftover),
            (owned("shop", "1"), implied, Whose::Foreign),
            (live(None, false, None), Ownership::Shared, Whose::Foreign),
            (owned("shop", "2"), Ownership::Shared, Whose::Ours),
        ] {
            assert_eq!(whose(&live, belongs), expected, "{live:?}");
        }
    }
}
