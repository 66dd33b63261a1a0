//! What the status says.

use leadgate_crds::lead_webhook::LeadWebhookStatus;
use serde_json::json;

use crate::rig::{Rig, eventually, report};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_and_found_when_it_comes() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.webhook("web", "").await;
    let message = rig.condition("web", "ResolvedRefs", "False SinkMissing").await;
    assert!(
        message.contains("spec.sinks[0].name: there is no CrmSink crm"),
        "{message}"
    );
    assert!(message.contains("there is no Secret web"), "{message}");
    rig.condition("web", "Stalled", "True SinkMissing").await;
    rig.condition("web", "Reconciling", "False Stalled").await;
    rig.sink("crm").await;
    let message = rig.condition("web", "ResolvedRefs", "False SecretMissing").await;
    assert!(
        message.contains("spec.auth.hmac.secretRefs[0]: there is no Secret web"),
        "{message}"
    );
    rig.secret("web", "other: k").await;
    let message = rig
        .condition("web", "ResolvedRefs", "False SecretKeyMissing")
        .await;
    assert!(message.contains("has no key hmac"), "{message}");
    rig.secret("web", "hmac: 0123456789abcdef").await;
    rig.applied("web").await;
    rig.condition("web", "Stalled", "False Progressing").await;
    rig.condition("web", "Programmed", "False Starting").await;
    rig.webhook("web", ", source: typefrom").await;
    let message = rig.condition("web", "Accepted", "False PresetUnknown").await;
    assert!(
        message.contains("`typefrom`") && message.contains("typeform"),
        "{message}"
    );
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_belongs_to_the_first() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("a").await;
    rig.webhook("a", ", path: /leads").await;
    rig.condition("a", "Accepted", "True Valid").await;
    rig.secret("b", "hmac: 0123456789abcdef").await;
    rig.webhook("b", ", path: /leads").await;
    let message = rig.condition("b", "Accepted", "False PathTaken").await;
    assert!(
        message.contains("/leads is already used by LeadWebhook"),
        "{message}"
    );
    rig.webhook("a", ", path: /other").await;
    rig.condition("b", "Accepted", "True Valid").await;
    rig.webhook("b", ", receiverRef: {name: nowhere}").await;
    let message = rig.condition("b", "ResolvedRefs", "False ReceiverMissing").await;
    assert!(message.contains("there is no LeadReceiver nowhere"), "{message}");
    rig.condition("a", "Accepted", "True Valid").await;
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_come_from_the_receivers() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 10, 1, false));
    rig.receivers
        .says("10.0.0.2", report(&rig.namespace, "web", 10, 1, false));
    rig.pod("default", "web-1", "10.0.0.1").await;
    rig.pod("default", "web-2", "10.0.0.2").await;
    rig.rolled_out("default", 2).await;
    rig.condition("web", "Ready", "True Ready").await;
    rig.condition("web", "Programmed", "True Programmed").await;
    rig.condition("web", "Delivering", "True Delivering").await;
    let status = eventually("both pods are counted", || async {
        let status = rig.webhooks().get("web").await.unwrap().status.unwrap();
        if status.leads.process.unauthorized == 4 {
            Ok(status)
        } else {
            Err(format!("{:?}", status.leads))
        }
    })
    .await;
    let LeadWebhookStatus { leads, receiver, .. } = &status;
    assert_eq!(
        (
            leads.stored.accepted,
            leads.deliveries.delivered,
            leads.deliveries.pending,
            receiver.as_deref()
        ),
        (10, 9, 1, Some("default"))
    );
    assert_eq!(status.p99.as_deref(), Some("900ms"));
    assert_eq!(status.success_rate.as_deref(), Some("100"));
    assert_eq!(status.sink_names.as_deref(), Some("crm"));
    let sink = eventually("the sink is counted", || async {
        let status = rig.sinks().get("crm").await.unwrap().status.unwrap_or_default();
        if status.leads.deliveries.delivered == 9 {
            Ok(status)
        } else {
            Err(format!("{status:?}"))
        }
    })
    .await;
    assert_eq!((sink.webhooks, sink.kind.as_deref()), (1, Some("HubSpot")));
    assert!(
        sink.conditions
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "True")
    );
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_pods_do_not_start_is_said() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.working("web").await;
    let waiting = json!({"phase": "Pending", "containerStatuses": [{"name": "receiver", "ready": false,
        "restartCount": 0, "image": "leadgate:test", "imageID": "", "state": {"waiting":
        {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"leadgate:test\""}}}]});
    rig.pod_with("default", "web-1", waiting).await;
    let message = rig.condition("web", "Programmed", "False ImagePullBackOff").await;
    assert!(
        message.contains("LeadReceiver default") && message.contains("leadgate:test"),
        "{message}"
    );
    operator.stop().await.unwrap();
    rig.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_shows_what_its_webhooks_do() {
    let rig = Rig::new().await;
    let operator = rig.operator(&[]);
    rig.receiver("default", "replicas: 1").await;
    rig.working("web").await;
    rig.receivers
        .says("10.0.0.1", report(&rig.namespace, "web", 10, 3, false));
    rig.pod("default", "web-1", "10.0.0.1").await;
    rig.rolled_out("default", 1).await;
    rig.receiver_condition("default", "Ready", "True Ready").await;
    let status = eventually("it counts", || async {
        let status = rig.lead_receivers().get("default").await.unwrap().status.unwrap();
        (status.pending == 3)
            .then_some(status.clone())
            .ok_or(format!("{status:?}"))
    })
    .await;
    assert_eq!((status.webhooks, status.replicas), (1, 1));
    assert_eq!(status.store.as_deref(), Some("Managed"));
    assert_eq!(
        status.selector.as_deref(),
        Some("app.kubernetes.io/instance=default,app.kubernetes.io/name=leadgate-receiver")
    );
    assert_eq!(
        status.addresses,
        [format!("http://leadgate-receiver-default.{}.svc", rig.namespace)]
    );
    operator.stop().await.unwrap();
    rig.remove().await;
}
