//! Makes objects as they are to be, and only those that are ours; no call when nothing has changed.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Debug;
use std::hash::{Hash as _, Hasher as _};
use std::time::Instant;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{
    DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams, Preconditions,
    ValidationDirective,
};
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api_error::{ApplyError, failed, is_outdated, outdated_status};
use crate::context::{Context, name_of};
use crate::drift;
use crate::events;
use crate::index::{Key, Live, version};
use crate::kinds::{Desired, Kind};
use crate::names::{self, GENERATOR, MANAGER};
use crate::ownership::{Ownership, Whose, whose};
use crate::repair;

/// An API of a kind.
pub(crate) fn dynamic(client: &Client, namespace: &str, kind: Kind) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &kind.api_resource())
}

/// An object's metadata, from what is known or, if nothing is, from the API server.
pub(crate) async fn look(context: &Context, key: &Key) -> Result<Option<Live>, ApplyError> {
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

/// Whether this was what was applied last: what the object is otherwise, somebody else has made of it.
pub(crate) fn was_applied(context: &Context, namespace: &str, desired: &Desired) -> bool {
    let key = (desired.kind, namespace.to_owned(), desired.name.clone());
    context.index.was_applied(&key, digest(&desired.manifest))
}

/// Applies an object unless it is as it was left, or somebody else changes it again and again and it is not yet to be put back.
/// Says whether anything was written.
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
    let before = look(context, &key).await?;
    if let Some(live) = &before {
        allowed(live, belongs, *kind, name)?;
    }
    // The same was applied before, and the object is not as it was left.
    let again = context.index.was_applied(&key, wanted);
    if again && context.drifts.stays(&key, Instant::now()) {
        return Ok(false);
    }
    let manifest = marked(manifest, &context.settings.installation);
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        force: true,
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::default()
    };
    let api = dynamic(&context.client, namespace, *kind);
    let found = if again {
        let found = api.get_opt(name).await;
        found.map_err(|error| failed(*kind, name, error))?
    } else {
        None
    };
    let apply = async || {
        let applied = api.patch(name, &params, &Patch::Apply(&manifest)).await;
        applied.map_err(|error| failed(*kind, name, error))
    };
    let applied = match apply().await {
        // Perhaps not what is applied is wrong, but what somebody added beside it.
        Err(refused @ ApplyError::Refused { .. }) if before.is_some() => {
            if !repair::repair(&api, *kind, name, &manifest, &refused).await? {
                return Err(refused);
            }
            let applied = apply().await?;
            repair::disown(&api, *kind, name, &applied).await?;
            applied
        }
        applied => applied?,
    };
    context.metrics.wrote(kind.name(), "apply");
    let live = repair::live(*kind, &applied);
    // The write has changed something, although the same was written before: somebody else had changed it.
    let drifted =
        again && before.is_none_or(|before| before.version != live.version || before.uid != live.uid);
    context.index.applied(key.clone(), wanted, live);
    if drifted {
        let changes = found.map(|found| drift::changes(&manifest, &found));
        let changes = changes.unwrap_or_default();
        let repeated = context.drifts.put_back(key, belongs, &changes, Instant::now());
        events::restored(context, belongs, desired, &applied, repeated).await;
    }
    Ok(true)
}

/// The manifest with the name of the installation.
fn marked(manifest: &Value, installation: &str) -> Value {
    let mut manifest = manifest.clone();
    if let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(names::INSTALLATION.to_owned(), json!(installation));
        }
    }
    manifest
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
    let Some(live) = context
        .index
        .get(&key)
        .filter(|live| whose(live, belongs) == Whose::Ours)
    else {
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
    context.index.removed(&key);
    Ok(())
}

/// Makes a Secret if there is none of that name; an existing one is never changed. Says whether it was made. With
/// `belongs`, an existing one has to be ours.
pub(crate) async fn create_secret(
    context: &Context,
    namespace: &str,
    mut secret: Secret,
    belongs: Option<Ownership<'_>>,
) -> Result<bool, ApplyError> {
    let name = secret.name_any();
    let key = (Kind::Secret, namespace.to_owned(), name.clone());
    if let Some(live) = look(context, &key).await? {
        if let Some(belongs) = belongs {
            let restored = names::SHARED_SECRETS.contains(&name.as_str());
            match allowed(&live, belongs, Kind::Secret, &name) {
                Err(ApplyError::Foreign { .. }) if restored => adopt(context, namespace, &secret).await?,
                other => other?,
            }
        }
        context.index.seen(key, live);
        return Ok(false);
    }
    if belongs.is_some() {
        let installation = context.settings.installation.clone();
        secret
            .annotations_mut()
            .insert(names::INSTALLATION.to_owned(), installation);
    }
    let params = PostParams {
        field_manager: Some(GENERATOR.to_owned()),
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

/// Takes a Secret with a reserved name that a person made, for example from a copy of its values: it keeps these.
async fn adopt(context: &Context, namespace: &str, secret: &Secret) -> Result<(), ApplyError> {
    let name = secret.name_any();
    let patch = json!({"metadata": {
        "labels": secret.metadata.labels,
        "annotations": {names::INSTALLATION: context.settings.installation},
    }});
    let params = PatchParams {
        field_manager: Some(GENERATOR.to_owned()),
        ..PatchParams::default()
    };
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    api.patch_metadata(&name, &params, &Patch::Merge(&patch))
        .await
        .map_err(|error| failed(Kind::Secret, &name, error))?;
    context.metrics.wrote(Kind::Secret.name(), "patch");
    tracing::info!(namespace, name, "took over a Secret that somebody restored");
    Ok(())
}

/// Gives a Secret of the operator's its values again.
pub(crate) async fn fill_secret(
    context: &Context,
    namespace: &str,
    values: &Secret,
) -> Result<(), ApplyError> {
    let name = values.name_any();
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let params = PatchParams {
        field_manager: Some(GENERATOR.to_owned()),
        ..PatchParams::default()
    };
    let annotations = values.metadata.annotations.clone().unwrap_or_default();
    let patch = json!({"metadata": {"annotations": annotations}, "stringData": values.string_data});
    let written = api
        .patch(&name, &params, &Patch::Merge(&patch))
        .await
        .map_err(|error| failed(Kind::Secret, &name, error))?;
    context.metrics.wrote(Kind::Secret.name(), "patch");
    let version = written.resource_version().unwrap_or_default();
    context.secrets.seen(namespace, &name, &version);
    Ok(())
}

/// Adds or removes the finalizer of a resource. The uid makes sure that no other object of this name is meant. It is removed by
/// its name and not by applying none: another field manager may have it, too (a copy, a restored backup).
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
    let api: Api<K> = Api::namespaced(context.client.clone(), &namespace);
    if present {
        let patch = json!({
            "apiVersion": format!("{}/{}", leadgate_crds::GROUP, leadgate_crds::VERSION),
            "kind": kind,
            "metadata": {"name": name, "uid": object.meta().uid, "finalizers": [names::FINALIZER]},
        });
        let params = PatchParams::apply(MANAGER).force();
        api.patch_metadata(&name, &params, &Patch::Apply(&patch)).await?;
        context.metrics.wrote(kind, "apply");
        return Ok(());
    }
    let others = object
        .finalizers()
        .iter()
        .filter(|other| *other != names::FINALIZER);
    // With the version that was seen: somebody may add a finalizer at the same time, and a conflict is tried again.
    let patch = json!({"metadata": {
        "uid": object.meta().uid,
        "resourceVersion": object.meta().resource_version,
        "finalizers": others.collect::<Vec<_>>(),
    }});
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    match api.patch_metadata(&name, &params, &Patch::Merge(&patch)).await {
        Ok(_) => {
            context.metrics.wrote(kind, "patch");
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
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
    // Of the answer only the metadata: the rest need not be known to this version.
    let api: Api<PartialObjectMeta<K>> = Api::namespaced(context.client.clone(), &namespace);
    let params = PatchParams::apply(MANAGER).force();
    match api.patch_status(&name, &params, &Patch::Apply(&patch)).await {
        Ok(written) => {
            context.metrics.wrote(kind, "status");
            Ok(Some(version(written.meta().resource_version.as_deref())))
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) if is_outdated(&error) => {
            // Conditions are in every definition.
            let mut patch = patch;
            if let Some(status) = patch.get_mut("status") {
                *status = outdated_status(status, &error);
            }
            api.patch_status(&name, &params, &Patch::Apply(&patch)).await?;
            Err(error)
        }
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

fn digest(manifest: &Value) -> u64 {
    let mut hash = DefaultHasher::new();
    manifest.to_string().hash(&mut hash);
    hash.finish()
}
