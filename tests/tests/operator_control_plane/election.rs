//! Several operators.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::rig::{Rig, eventually};

async fn holder(api: &Api<Lease>) -> Option<String> {
    api.get_opt("leadgate-operator")
        .await
        .unwrap()?
        .spec?
        .holder_identity
}

#[tokio::test(flavor = "multi_thread")]
async fn one_leads_and_another_takes_over() {
    let rig = Rig::new().await;
    let namespace = rig.namespace.clone();
    let arguments = |identity: &'static str| {
        ["--leader-election-namespace", &namespace, "--identity", identity].map(str::to_owned)
    };
    let start = |identity| {
        let arguments = arguments(identity);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        rig.operator(&arguments)
    };
    let leases: Api<Lease> = Api::namespaced(rig.client.clone(), &rig.namespace);
    let a = start("a");
    eventually("a leads", || async {
        (holder(&leases).await.as_deref() == Some("a"))
            .then_some(())
            .ok_or(String::new())
    })
    .await;
    let b = start("b");
    rig.working("web").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(holder(&leases).await.as_deref(), Some("a"));
    // A clean stop gives the Lease back: the other one need not wait until it expires.
    a.stop().await.unwrap();
    eventually("b leads", || async {
        (holder(&leases).await.as_deref() == Some("b"))
            .then_some(())
            .ok_or(String::new())
    })
    .await;
    rig.webhook("web", ", path: /b").await;
    rig.condition("web", "Accepted", "True Valid").await;
    // Who loses the Lease ends: an error, and the process with it.
    let steal = json!({"spec": {"holderIdentity": "thief", "renewTime": "2099-01-01T00:00:00.000000Z"}});
    leases
        .patch(
            "leadgate-operator",
            &PatchParams::default(),
            &Patch::Merge(&steal),
        )
        .await
        .unwrap();
    eventually("b ends", || async {
        b.has_ended().then_some(()).ok_or(String::new())
    })
    .await;
    assert!(
        b.stop()
            .await
            .unwrap_err()
            .to_string()
            .contains("lost leadership")
    );
    rig.remove().await;
}
