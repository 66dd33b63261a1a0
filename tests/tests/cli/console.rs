//! `kubectl leadgate console`: the console through the command, for whoever has its link.

use std::process::Stdio;

use leadgate_tests::receiver::program;
use leadgate_tests::rig::Rig;
use leadgate_tests::wire::{Answer, exchange};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

async fn get(address: &str, path: &str, more: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{more}Connection: close\r\n\r\n");
    exchange(address.parse().unwrap(), head).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_link_sees_the_console_and_is_named() {
    let rig = Rig::start().await;
    let program = tokio::task::spawn_blocking(|| program("kubectl-leadgate", false))
        .await
        .unwrap()
        .unwrap();
    let server = format!("http://{}", rig.receiver.admin_address());
    let mut command = Command::new(program)
        .args(["console", "--server", &server])
        .env_remove("KUBECONFIG")
        .env("USER", "ada")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(command.stdout.take().unwrap()).lines();
    let link = lines.next_line().await.unwrap().unwrap();
    let (address, path) = link.strip_prefix("http://").unwrap().split_once('/').unwrap();

    // Without the link's word nobody gets in, nor under another name, nor to anything but the console.
    assert_eq!(get(address, "/console", "").await.status, 403);
    assert_eq!(get(address, "/console?open=0", "").await.status, 403);
    let opened = get(address, &format!("/{path}"), "").await;
    assert_eq!(
        (opened.status, opened.header("location")),
        (303, Some("/console"))
    );
    let cookie = opened.header("set-cookie").unwrap().split(';').next().unwrap();
    let cookie = format!("Cookie: {cookie}\r\n");
    assert_eq!(get(address, "/status", &cookie).await.status, 404);
    let rebound = format!("GET /console HTTP/1.1\r\nHost: evil.example\r\n{cookie}Connection: close\r\n\r\n");
    let rebound = exchange(address.parse().unwrap(), rebound).await.unwrap();
    assert_eq!(rebound.status, 404);

    let page = get(address, "/console", &cookie).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").is_some());
    assert!(page.text().contains("default/web"));

    let form = "action=pause&seconds=900";
    let post = |origin: &str| {
        format!(
            "POST /console/-/sinks/default/hubspot HTTP/1.1\r\nHost: {address}\r\n{cookie}Origin: {origin}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{form}",
            form.len()
        )
    };
    let foreign = exchange(address.parse().unwrap(), post("http://evil.example"))
        .await
        .unwrap();
    assert_eq!(foreign.status, 403);
    let own = exchange(address.parse().unwrap(), post(&format!("http://{address}")))
        .await
        .unwrap();
    assert_eq!(own.status, 303, "{}", own.text());
    let audit = rig.get("/api/v1/audit").await;
    assert_eq!(
        (
            audit["items"][0]["act"].as_str(),
            audit["items"][0]["by"].as_str()
        ),
        (Some("Paused"), Some("ada")),
        "{audit}"
    );
}
