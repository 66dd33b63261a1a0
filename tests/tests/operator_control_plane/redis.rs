//! The managed Redis: its volume, its password, and its certificate.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use leadgate_operator::kinds::Kind;
use leadgate_operator::lead_receiver::certificates::{
    self, AUTHORITIES, AUTHORITY_KEY, CERTIFICATE, Due, KEY,
};
use leadgate_operator::secrets::Value;
use leadgate_operator::stores::StoreKey;
use rustls::pki_types::UnixTime;
use serde_json::json;

use crate::hands::events;
use crate::rig::{Rig, eventually};

/// The volume of the managed Redis, as the StatefulSet's controller would make it.
pub(crate) async fn volume(rig: &Rig, size: &str) {
    rig.apply(&format!(
        "{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: data-leadgate-redis-0}}, spec: {{accessModes: \
         [ReadWriteOnce], storageClassName: grows, resources: {{requests: {{storage: {size}}}}}}}}}"
    ))
    .await;
    let claims: Api<k8s_openapi::api::core::v1::PersistentVolumeClaim> =
        Api::namespaced(rig.client.clone(), &rig.namespace);
    let status = json!({"status": {"phase": "Bound", "capacity": {"storage": size}}});
    claims
        .patch_status(
            "data-leadgate-redis-0",
            &PatchParams::default(),
            &Patch::Merge(&status),
        )
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_volume_grows_when_its_class_allows_it() {
    let rig = Rig::new().await;
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "grows"},
        "provisioner": "example.com/none", "allowVolumeExpansion": true});
    let classes: Api<k8s_openapi::api::storage::v1::StorageClass> = Api::all(rig.client.clone());
    let params = PatchParams::apply("a-person").force();
    classes
        .patch("grows", &params, &Patch::Apply(&class))
        .await
        .unwrap();
    let operator = rig.operator(&[]);
    rig.receiver("default", "queue: {storage: {size: 1Gi}}").await;
    rig.working("web").await;
    volume(&rig, "1Gi").await;
    let redis = json!({"status": {"replicas": 1, "readyReplicas": 1, "observedGeneration": 1}});
    let sets = rig.api(Kind::StatefulSet);
    sets.patch_status("leadgate-redis", &PatchParams::default(), &Patch::Merge(&redis))
        .await
        .unwrap();
    rig.receiver("default", "queue: {storage: {size: 3Gi}}").await;
    let claims: Api<k8s_openapi::api::core::v1::PersistentVolumeClaim> =
        Api::namespaced(rig.client.clone(), &rig.namespace);
    eventually("the volume is to grow", async || {
        let claim = claims.get("data-leadgate-redis-0").await.unwrap();
        let requests = claim.spec.unwrap().resources.unwrap().requests.unwrap();
        (requests["storage"].0 == "3Gi")
            .then_some(())
            .ok_or(format!("{requests:?}"))
    })
    .await;
    let message = async || {
        rig.receiver_condition("default", "QueueReady", "True Ready")
            .await
    };
    eventually("people see it", async || {
        let says = message().await;
        says.contains("data-leadgate-redis-0 is being enlarged from 1Gi to 3Gi")
            .then_some(())
            .ok_or(says)
    })
    .await;
    volume(&rig, "3Gi").await;
    rig.receiver("default", "queue: {storage: {size: 3Gi}, memory: 600Mi}")
        .await;
    eventually("and no longer when it is done", async || {
        let says = message().await;
        (!says.contains("enlarged")).then_some(()).ok_or(says)
    })
    .await;
    rig.receiver(
        "default",
        "queue: {storage: {size: 3Gi, storageClassName: other}}",
    )
    .await;
    rig.receiver_condition("default", "Accepted", "False StorageFixed")
        .await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_redis_survives_its_secret_and_both_sides_agree() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "").await;
    rig.working("web").await;
    let secrets: Api<k8s_openapi::api::core::v1::Secret> =
        Api::namespaced(rig.client.clone(), &rig.namespace);
    let value = async |key: &str| {
        let secret = secrets.get_opt("leadgate-redis").await.unwrap()?;
        String::from_utf8(secret.data?.get(key)?.0.clone()).ok()
    };
    let url = async || {
        let files = rig.files("default").await;
        let found = files.get(&StoreKey::Managed.file());
        found.map(|url| url.as_str().unwrap_or_default().to_owned())
    };
    let template = async || {
        let set = rig.present(Kind::StatefulSet, "leadgate-redis").await;
        set.data["spec"]["template"].clone()
    };
    let first = value("password").await.unwrap();
    let agreed = async |password: &str| {
        eventually("both sides know the password", async || {
            let found = (value("password").await, value("redis.conf").await, url().await);
            let wanted = (
                Some(password.to_owned()),
                Some(format!("requirepass {password}\nmasterauth {password}\n")),
                Some(format!(
                    "rediss+sentinel://:{password}@leadgate-redis-0.leadgate-redis-peers:26379,\
                     leadgate-redis-1.leadgate-redis-peers:26379,leadgate-redis-2.leadgate-redis-peers:26379/leadgate/0\
                     ?sentinelPassword={password}"
                )),
            );
            (found == wanted).then_some(()).ok_or(format!("{found:?}"))
        })
        .await;
    };
    agreed(&first).await;
    let before = template().await;

    secrets
        .delete("leadgate-redis", &DeleteParams::default())
        .await
        .unwrap();
    agreed(&first).await;
    let emptied = json!({"data": {"password": null}});
    secrets
        .patch("leadgate-redis", &PatchParams::default(), &Patch::Merge(&emptied))
        .await
        .unwrap();
    agreed(&first).await;
    let told = events(&rig, "SecretRemade").await;
    assert!(
        told.iter().any(|note| note.contains("with the same password")),
        "{told:?}"
    );

    let rotated = json!({"stringData": {"password": "another-password-of-a-person"}});
    secrets
        .patch("leadgate-redis", &PatchParams::default(), &Patch::Merge(&rotated))
        .await
        .unwrap();
    agreed("another-password-of-a-person").await;
    assert_eq!(template().await, before, "nothing restarts");

    secrets
        .delete("leadgate-admin-default", &DeleteParams::default())
        .await
        .unwrap();
    rig.present(Kind::Secret, "leadgate-admin-default").await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_of_redis_is_made_repaired_and_renewed() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "").await;
    rig.working("web").await;
    let secrets: Api<k8s_openapi::api::core::v1::Secret> =
        Api::namespaced(rig.client.clone(), &rig.namespace);
    let keys = async || {
        let secret = secrets.get_opt("leadgate-redis").await.unwrap();
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        let data = data.into_iter();
        data.map(|(key, value)| (key, Value::new(value.0)))
            .collect::<BTreeMap<_, _>>()
    };
    let trusted = async || {
        let files = rig.files("default").await;
        let found = files.get(&StoreKey::Managed.authorities_file());
        found.map(|pem| pem.as_str().unwrap_or_default().to_owned())
    };
    // The Secret holds all that is due, and the pods trust what it does.
    let whole = async |what: &str| {
        eventually(what, async || {
            let (keys, trusted) = (keys().await, trusted().await);
            let due = certificates::due(&keys, &rig.namespace, UnixTime::now());
            let authorities = keys.get(AUTHORITIES).map(|value| value.bytes().to_vec());
            let agreed = authorities == trusted.map(String::into_bytes);
            (!due.any() && agreed && keys.contains_key("password"))
                .then_some(keys)
                .ok_or(format!("{due:?}, the pods trust the same: {agreed}"))
        })
        .await
    };
    let template = async || {
        let set = rig.present(Kind::StatefulSet, "leadgate-redis").await;
        set.data["spec"]["template"].clone()
    };
    let first = whole("it is made").await;
    let before = template().await;

    // One that was made two months ago.
    let then = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() - 61 * 24 * 3600));
    let due = Due {
        authority: false,
        certificate: true,
    };
    let old = certificates::made(due, &first, None, &rig.namespace, then).unwrap();
    let patch = json!({"stringData": old});
    secrets
        .patch("leadgate-redis", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    let renewed = whole("it is renewed before its end").await;
    assert_eq!(renewed[AUTHORITIES], first[AUTHORITIES]);
    assert_ne!(renewed[CERTIFICATE].bytes(), old[CERTIFICATE].as_bytes());

    for (case, lost) in [
        ("the certificate", vec![CERTIFICATE]),
        ("the key", vec![KEY]),
        (
            "all but the password",
            vec![AUTHORITIES, AUTHORITY_KEY, CERTIFICATE, KEY],
        ),
    ] {
        let lost: BTreeMap<_, _> = lost.into_iter().map(|key| (key, json!(null))).collect();
        let emptied = json!({"data": lost});
        secrets
            .patch("leadgate-redis", &PatchParams::default(), &Patch::Merge(&emptied))
            .await
            .unwrap();
        whole(case).await;
    }
    let emptied = whole("another authority").await;
    secrets
        .delete("leadgate-redis", &DeleteParams::default())
        .await
        .unwrap();
    let again = whole("it is made again").await;
    let newest = trusted().await.unwrap();
    for former in [&first, &emptied] {
        let former = String::from_utf8(former[AUTHORITIES].bytes().to_vec()).unwrap();
        assert!(newest.ends_with(&former), "what servers still show is trusted");
    }
    assert_ne!(again[AUTHORITY_KEY], emptied[AUTHORITY_KEY]);
    assert_eq!(again["password"], first["password"]);
    assert_eq!(template().await, before, "nothing restarts");
    operator.stop().await.unwrap();
    rig.remove().await;
}

/// What the controller of StatefulSets would say.
async fn servers(rig: &Rig, replicas: i32, ready: i32) {
    let api = rig.api(Kind::StatefulSet);
    let generation = api.get("leadgate-redis").await.unwrap().metadata.generation;
    let status = json!({"status": {"observedGeneration": generation, "replicas": replicas, "readyReplicas": ready,
        "currentRevision": "a", "updateRevision": "a"}});
    api.patch_status("leadgate-redis", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_come_before_receivers_wait_for_them_and_go_after() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    let queue = async |replicas: i32| {
        let spec = format!("queue: {{redis: {{replicas: {replicas}}}}}");
        rig.receiver("default", &spec).await;
    };
    // How many servers there are to be, how many the pods count, and how many replicas receivers wait for.
    let found = async || {
        let set = rig.present(Kind::StatefulSet, "leadgate-redis").await;
        let map = rig.present(Kind::ConfigMap, "leadgate-redis").await;
        let deployment = rig.present(Kind::Deployment, "leadgate-receiver-default").await;
        let container = &deployment.data["spec"]["template"]["spec"]["containers"][0];
        let arguments = container["args"].as_array().unwrap().iter();
        let waits = arguments
            .filter_map(|argument| argument.as_str()?.strip_prefix("--queue-acknowledge-replicas="))
            .collect::<String>();
        format!(
            "{} {} {waits}",
            set.data["spec"]["replicas"],
            map.data["data"]["replicas"].as_str().unwrap()
        )
    };
    let becomes = async |what: &str, expected: &str| {
        eventually(what, async || {
            let found = found().await;
            (found == expected).then_some(()).ok_or(found)
        })
        .await;
    };
    queue(1).await;
    rig.working("web").await;
    rig.present(Kind::StatefulSet, "leadgate-redis").await;
    rig.rolled_out("default", 2).await;
    becomes("one server", "1 1 0").await;
    let template = rig.present(Kind::StatefulSet, "leadgate-redis").await.data["spec"]["template"].clone();
    servers(&rig, 1, 1).await;
    queue(3).await;
    becomes("three servers, for which nobody waits yet", "3 3 0").await;
    servers(&rig, 3, 3).await;
    becomes("receivers wait for a replica", "3 3 1").await;
    rig.rolled_out("default", 2).await;
    queue(1).await;
    becomes("receivers do not wait any more", "3 3 0").await;
    rig.rolled_out("default", 2).await;
    becomes("one server", "1 1 0").await;
    let now = rig.present(Kind::StatefulSet, "leadgate-redis").await;
    assert_eq!(now.data["spec"]["template"], template, "no server was replaced");
    for (kind, name) in [
        (Kind::PodDisruptionBudget, "leadgate-redis"),
        (Kind::Service, "leadgate-redis-peers"),
    ] {
        rig.api(kind)
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
        rig.present(kind, name).await;
    }
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_senders_that_is_made_again_is_told() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.sink("crm").await;
    rig.apply(
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: web}, spec: {auth: {hmac: {generateSecret: true, \
         secretRefs: [{name: web, key: hmac}]}}, sinks: [{name: crm}]}}",
    )
    .await;
    rig.applied("web").await;
    rig.receivers
        .says("10.0.0.1", crate::rig::report(&rig.namespace, "web", 5, 0, false));
    rig.pod("default", "web-1", "10.0.0.1").await;
    rig.rolled_out("default", 2).await;
    rig.condition("web", "Ready", "True Ready").await;
    let secrets: Api<k8s_openapi::api::core::v1::Secret> =
        Api::namespaced(rig.client.clone(), &rig.namespace);
    secrets.delete("web", &DeleteParams::default()).await.unwrap();
    let message = rig.condition("web", "ResolvedRefs", "True SecretRemade").await;
    assert!(message.contains("the sender needs the new key"), "{message}");
    assert_eq!(events(&rig, "SecretRemade").await.len(), 1);
    let done = json!({"metadata": {"annotations": {"leadgate.dev/remade": null}}});
    secrets
        .patch("web", &PatchParams::default(), &Patch::Merge(&done))
        .await
        .unwrap();
    rig.condition("web", "ResolvedRefs", "True Resolved").await;
    operator.stop().await.unwrap();
    rig.remove().await;
}
