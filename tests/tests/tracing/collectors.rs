//! What is sampled and sent, and what becomes of leads while nobody takes it.

use std::time::Duration;

use leadgate_tests::receiver::{Options, Receiver};

use crate::collector::Collector;
use crate::{ADA, PATIENCE, Scene, borrowed, endpoint};

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_does_not_decide_what_is_sampled() {
    let collector = Collector::start(0).await;
    let mut environment = endpoint(&collector);
    environment[2].1 = "parentbased_always_off".to_owned();
    let mut scene = Scene::start(&borrowed(&environment), |_| {}).await;
    scene.lead(ADA).await;
    scene.arrived(ADA).await;
    scene.receiver.terminate(PATIENCE).await.unwrap();
    assert!(collector.spans().is_empty(), "{:#?}", collector.spans());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_anywhere_unless_traces_are_on() {
    let collector = Collector::start(0).await;
    let mut off = endpoint(&collector);
    off.push(("OTEL_SDK_DISABLED", "true".to_owned()));
    let no_endpoint = [("OTEL_TRACES_SAMPLER", "always_on".to_owned())];
    for environment in [&off[..], &no_endpoint] {
        let mut scene = Scene::start(&borrowed(environment), |_| {}).await;
        scene.lead(ADA).await;
        scene.arrived(ADA).await;
        assert_eq!(scene.lines("traces"), 0, "{}", scene.receiver.log());
        scene.receiver.terminate(PATIENCE).await.unwrap();
    }
    assert_eq!(collector.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_no_url_is_told_without_its_password() {
    let mut options = Options::new(String::new());
    let endpoint = "http://user:hunter2@collector internal:4318";
    options.environment = vec![("OTEL_EXPORTER_OTLP_ENDPOINT".into(), endpoint.into())];
    let told = format!("{:#}", Receiver::start(options).await.err().unwrap());
    assert!(
        told.contains("OTEL_EXPORTER_OTLP_ENDPOINT, or") && !told.contains("hunter2"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let collector = Collector::start(0).await;
    let mut environment = endpoint(&collector);
    let port = collector.endpoint().rsplit(':').next().unwrap().parse().unwrap();
    environment.push(("OTEL_EXPORTER_OTLP_TIMEOUT", "2000".to_owned()));
    drop(collector);
    let scene = Scene::start(&borrowed(&environment), |_| {}).await;
    for number in 0..20 {
        scene.lead(&format!("ada.lovelace{number}")).await;
        scene.arrived(&format!("ada.lovelace{number}")).await;
    }
    // Five of each request, at least, and the log says it once.
    while scene.dropped().await < 100.0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        scene.lines("traces cannot be exported"),
        1,
        "{}",
        scene.receiver.log()
    );

    let collector = Collector::start(port).await;
    scene.lead(ADA).await;
    scene
        .until("it is told again", || {
            !collector.named("create default/web").is_empty()
        })
        .await;
    scene
        .until("the log says so", || {
            scene.lines("traces are exported again") == 1
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_holds_up_neither_leads_nor_the_end_and_fills_no_memory() {
    // It accepts connections and reads nothing.
    let hangs = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", hangs.local_addr().unwrap());
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "600000"),
    ];
    let mut scene = Scene::start(&environment, |_| {}).await;
    for number in 0..20 {
        scene.lead(&format!("ada.lovelace{number}")).await;
        scene.arrived(&format!("ada.lovelace{number}")).await;
    }
    // Ten wait, and ten are on their way at most: the others of a hundred are gone.
    let dropped = scene.dropped().await;
    assert!(dropped >= 80.0, "{dropped}");
    scene.receiver.terminate(PATIENCE).await.unwrap();
    assert_eq!(
        scene.lines("did not take the last spans in time"),
        1,
        "{}",
        scene.receiver.log()
    );
}
