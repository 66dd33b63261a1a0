//! HTTP itself, misused: each connection gets an answer or its end, in bounded time, and harms no other.

use std::time::{Duration, Instant};

use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::wire::{Wire, request};

use super::{
    JSON, MAX_BYTES, PROMPT, Rig, SECRET, assert_refused, lead, manifests, path, resident, signature,
};

#[tokio::test(flavor = "multi_thread")]
async fn only_post_is_taken_and_unknown_paths_are_404() {
    let rig = Rig::start().await;
    for method in [
        "GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "post",
    ] {
        let answer = rig.raw(request(method, &path("generic"), &[JSON], b"{}")).await;
        assert_refused(&answer, 405, method);
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
    }
    let answer = rig
        .raw("HEAD /webhooks/default/generic HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    for other in [
        "/",
        "/webhooks/default/unknown",
        "/webhooks/default/generic/",
        "/webhooks/default/../default/generic",
        "/webhooks/default/%67eneric",
        "//webhooks/default/generic",
        "/webhooks//default/generic",
        "/webhooks/default/./generic",
        "/webhooks/default/%2e/generic",
        "/Webhooks/default/generic",
        "/webhooks/default/generic%00",
        "/webhooks/default/generic;a=b",
        "/webhooks\\default\\generic",
        "/webhooks/default/generic%20",
        "/status",
        "/metrics",
        "/deadletters",
    ] {
        let answer = rig.raw(request("POST", other, &[JSON], b"{}")).await;
        assert_refused(&answer, 404, other);
    }
    rig.survived().await;
}

/// Some senders give up for good at a 404: it is said only when it is known.
#[tokio::test(flavor = "multi_thread")]
async fn while_a_webhook_is_broken_an_unknown_path_is_503() {
    let mut options = Options::new(manifests());
    options.manifests.push((
        "broken.yaml".into(),
        "apiVersion: leadgate.dev/v1alpha1\nkind: LeadWebhook\nmetadata: {name: broken}\nspec: {source: nobody, auth: {hmac: \
         {secretRefs: [{name: s, key: hmac}]}}, sinks: [{name: hubspot}]}\n"
            .into(),
    ));
    let rig = Rig {
        receiver: Receiver::start(options).await.unwrap(),
    };
    for name in ["broken", "unknown"] {
        let answer = rig.raw(request("POST", &path(name), &[JSON], b"{}")).await;
        assert_refused(&answer, 503, name);
        assert!(
            answer
                .header("retry-after")
                .is_some_and(|v| v.parse::<u32>().is_ok())
        );
    }
    rig.survived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_413_at_once_however_it_is_framed() {
    let rig = Rig::start().await;
    // By its length: answered without the body.
    for length in [MAX_BYTES + 1, 1 << 30, usize::MAX / 2] {
        let mut wire = rig.wire().await;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n",
            path("generic")
        );
        let began = Instant::now();
        wire.send(head).await.unwrap();
        let answer = wire.answer().await.unwrap().unwrap();
        assert_refused(&answer, 413, &format!("{length} bytes announced"));
        assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
        assert!(answer.text().contains(&MAX_BYTES.to_string()));
    }
    // A client that waits to be asked is not asked.
    let mut wire = rig.wire().await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        path("generic"),
        MAX_BYTES + 1
    );
    wire.send(head).await.unwrap();
    assert_refused(&wire.answer().await.unwrap().unwrap(), 413, "100-continue");
    // In chunks without an end.
    let mut wire = rig.wire().await;
    wire.send(format!(
        "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        path("generic")
    ))
    .await
    .unwrap();
    let began = Instant::now();
    let chunk = [b"1000\r\n".as_slice(), &[b'x'; 0x1000], b"\r\n"].concat();
    for _ in 0..=MAX_BYTES / 0x1000 {
        wire.send(&chunk).await.unwrap();
    }
    assert_refused(&wire.answer().await.unwrap().unwrap(), 413, "chunks");
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    wire.closed().await.unwrap();
    // Exactly the limit is fine, both ways.
    for chunked in [false, true] {
        let mut body = lead(&format!("limit-{chunked}"));
        body.resize(MAX_BYTES, b' ');
        let signature = signature(&body);
        let mut headers = vec![("X-Webhook-Signature", signature.as_str()), JSON];
        let framed = if chunked {
            headers.push(("Transfer-Encoding", "chunked"));
            [format!("{MAX_BYTES:x}\r\n").as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()
        } else {
            body.clone()
        };
        let answer = rig
            .raw(request("POST", &path("generic"), &headers, &framed))
            .await;
        assert_eq!(answer.status, 200, "chunked {chunked}: {}", answer.text());
    }
    rig.survived().await;
}

/// The bytes, and the statuses with which hyper or the handler may refuse them; none: only the connection ends.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_hardly_http_is_refused_or_cut_off() {
    let rig = Rig::start().await;
    let post = format!("POST {} HTTP/1.1\r\nHost: a\r\n", path("generic"));
    let many: String = (0..1000).map(|n| format!("X-{n}: y\r\n")).collect();
    let large = format!("X: {}\r\n", "y".repeat(2 << 20));
    let rows: Vec<(&str, String, &[u16])> = vec![
        ("a thousand headers", format!("{post}{many}\r\n"), &[431]),
        ("a header of 2 MiB", format!("{post}{large}\r\n"), &[431]),
        (
            "a path of 128 KiB",
            format!("POST /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(128 << 10)),
            &[404, 414],
        ),
        (
            "an absurd length",
            format!("{post}Content-Length: 99999999999999999999999\r\n\r\n"),
            &[400],
        ),
        (
            "a negative length",
            format!("{post}Content-Length: -1\r\n\r\n"),
            &[400],
        ),
        (
            "a length with a sign",
            format!("{post}Content-Length: +2\r\n\r\n{{}}"),
            &[400],
        ),
        (
            "two lengths",
            format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"),
            &[400],
        ),
        (
            "two hosts",
            format!("{post}Host: b\r\nContent-Length: 2\r\n\r\n{{}}"),
            &[400],
        ),
        (
            "the same host twice",
            format!("{post}Host: a\r\nContent-Length: 2\r\n\r\n{{}}"),
            &[400],
        ),
        (
            "a list of lengths",
            format!("{post}Content-Length: 2, 3\r\n\r\n{{}}"),
            &[400],
        ),
        (
            "a length in hex",
            format!("{post}Content-Length: 0x2\r\n\r\n{{}}"),
            &[400],
        ),
        (
            "an encoding behind chunked",
            format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
            &[400],
        ),
        (
            "chunks of HTTP/1.0",
            format!(
                "POST {} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                path("generic")
            ),
            &[400],
        ),
        (
            "a bare CR in a header",
            format!("{post}X: a\rContent-Length: 0\r\n\r\n"),
            &[400],
        ),
        (
            "chunks ended by bare line feeds",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n2\n{{}}\n0\n\n"),
            &[400],
        ),
        (
            "a chunk with an extension of 1 MB",
            format!(
                "{post}Transfer-Encoding: chunked\r\n\r\n1;{}\r\nx\r\n0\r\n\r\n",
                "a".repeat(1 << 20)
            ),
            &[400],
        ),
        (
            "trailers of 1 MB",
            format!(
                "{post}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT: {}\r\n\r\n",
                "a".repeat(1 << 20)
            ),
            &[400],
        ),
        (
            "an unknown transfer encoding",
            format!("{post}Transfer-Encoding: gzip\r\n\r\n"),
            &[400],
        ),
        (
            "a chunk that is none",
            format!("{post}Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
            &[400],
        ),
        (
            "a chunk of 2^64",
            format!("{post}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"),
            &[400],
        ),
        (
            "a header without a colon",
            format!("{post}rubbish\r\n\r\n"),
            &[400],
        ),
        ("a blank before the colon", format!("{post}X : y\r\n\r\n"), &[400]),
        ("a NUL in a header", format!("{post}X: \0\r\n\r\n"), &[400]),
        ("a folded header", format!("{post}X: a\r\n b\r\n\r\n"), &[400]),
        ("rubbish", "\x16\x03\x01\x02\x00 hello\r\n\r\n".into(), &[400]),
        ("HTTP/0.9", "GET /\r\n\r\n".into(), &[400]),
        ("HTTP/3.0", "GET / HTTP/3.0\r\n\r\n".into(), &[400, 505]),
        (
            "a whole URL",
            format!(
                "POST http://a{} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
                path("generic")
            ),
            &[401],
        ),
        (
            "CONNECT",
            "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            &[400, 404, 405],
        ),
        (
            "OPTIONS *",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            &[404, 405],
        ),
    ];
    for (what, bytes, statuses) in rows {
        let mut wire = rig.wire().await;
        // The other side may hang up before it has read all of it.
        let _ = wire.send(bytes).await;
        let answer = wire.answer().await.unwrap();
        if let Some(answer) = answer {
            assert!(statuses.contains(&answer.status), "{what}: {answer:?}");
            assert!(
                answer.body.is_empty() || answer.is_problem(),
                "{what}: {answer:?}"
            );
        }
    }
    rig.survived().await;
}

/// A second request in a body is a body, whatever the framing says: proxies and receivers must not read it differently.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_smuggled_in_a_body() {
    let rig = Rig::start().await;
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let chunks = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    let post = format!("POST {} HTTP/1.1\r\nHost: a\r\n", path("generic"));
    for (what, bytes) in [
        (
            "a length and chunks",
            format!("{post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
        ),
        (
            "chunks and a length",
            format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{chunks}"),
        ),
        (
            "the same length twice",
            format!(
                "{post}Content-Length: {0}\r\nContent-Length: {0}\r\n\r\n{hidden}",
                hidden.len()
            ),
        ),
        (
            "a body of a GET",
            format!(
                "GET {} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{hidden}",
                path("generic"),
                hidden.len()
            ),
        ),
        (
            "an upgrade to HTTP/2",
            format!(
                "{post}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\
                 Content-Length: {}\r\n\r\n{hidden}",
                hidden.len()
            ),
        ),
    ] {
        let mut wire = rig.wire().await;
        wire.send(bytes + "GET /last HTTP/1.0\r\n\r\n").await.unwrap();
        let mut statuses = Vec::new();
        while let Some(answer) = wire.answer().await.unwrap() {
            statuses.push(answer.status);
        }
        // Of the hidden one there is no answer; the last is answered unless the connection was ended before it.
        assert!(statuses.len() <= 2, "{what}: {statuses:?}");
        assert!(!statuses.contains(&200), "{what}: {statuses:?}");
    }
    rig.survived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_and_odd_but_valid_requests_are_served() {
    let rig = Rig::start().await;
    let old = lead("http10");
    let head = |extra: &str, body: &[u8]| {
        format!(
            "POST {} HTTP/1.0\r\nX-Webhook-Signature: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{extra}\r\n",
            path("generic"),
            signature(body),
            body.len()
        )
        .into_bytes()
    };
    let mut wire = rig.wire().await;
    wire.send([head("", &old), old.clone()].concat()).await.unwrap();
    assert_eq!(
        wire.answer().await.unwrap().unwrap().status,
        200,
        "HTTP/1.0 without Host"
    );
    wire.closed().await.unwrap();

    // Several requests at once on one connection, then rubbish: those before it are answered in order.
    let good = request(
        "POST",
        &path("generic"),
        &[("X-Webhook-Signature", &signature(&old)), JSON],
        &old,
    );
    let mut wire = rig.wire().await;
    let forged = request(
        "POST",
        &path("generic"),
        &[("X-Webhook-Signature", "00"), JSON],
        &old,
    );
    wire.send([good.clone(), forged, good, b"\0\0 rubbish\r\n\r\n".to_vec()].concat())
        .await
        .unwrap();
    let mut statuses = Vec::new();
    while let Some(answer) = wire.answer().await.unwrap() {
        statuses.push(answer.status);
        if statuses.len() == 4 {
            break;
        }
    }
    assert_eq!(statuses[..3], [200, 401, 200]);
    wire.closed().await.unwrap();

    // A body of one byte at a time.
    let slow = lead("bytewise");
    let mut wire = rig.wire().await;
    let mut bytes = request(
        "POST",
        &path("generic"),
        &[("X-Webhook-Signature", &signature(&slow)), JSON],
        &slow,
    );
    let body = bytes.split_off(bytes.len() - slow.len());
    wire.send(bytes).await.unwrap();
    for byte in body {
        wire.send([byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(wire.answer().await.unwrap().unwrap().status, 200);
    rig.survived().await;
}

/// Senders that stop in the middle are cut off, and keep nobody else out meanwhile: memory is set aside for what
/// arrived, not for what was announced.
#[tokio::test(flavor = "multi_thread")]
async fn senders_that_stop_in_the_middle_end_in_bounded_time_and_block_nobody() {
    let mut options = Options::new(manifests());
    // Room for 64 bodies of the largest size.
    options.arguments = vec!["--body-memory".into(), "1".into()];
    let rig = Rig {
        receiver: Receiver::start(options).await.unwrap(),
    };
    let began = Instant::now();
    let mut stuck: Vec<Wire> = Vec::new();
    for n in 0..300 {
        let mut wire = rig.wire().await;
        let framing = if n % 2 == 0 {
            format!("Content-Length: {MAX_BYTES}\r\n\r\nx")
        } else {
            "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n".to_owned()
        };
        wire.send(format!(
            "POST {} HTTP/1.1\r\nHost: a\r\n{framing}",
            path("generic")
        ))
        .await
        .unwrap();
        stuck.push(wire);
    }
    let mut headers_only = rig.wire().await;
    headers_only
        .send("POST / HTTP/1.1\r\nHost: a\r\nX-Never: en")
        .await
        .unwrap();
    rig.survived().await;
    // 20 s for a body, 10 s for headers, and room for a busy machine.
    for wire in &mut stuck {
        let answer = wire.answer().await.unwrap().unwrap();
        assert_refused(&answer, 408, "a body that stops");
    }
    headers_only.closed().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
    // A sender that hangs up says nothing, and costs nothing.
    for _ in 0..50 {
        let mut wire = rig.wire().await;
        wire.send(format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{SECRET}",
            path("generic")
        ))
        .await
        .unwrap();
    }
    rig.survived().await;
    assert!(resident(rig.receiver.pid().unwrap()) < 200);
}
