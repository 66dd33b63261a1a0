//! What is verified and cannot be read: refused with the reason, by kind of body.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use super::{FORM, JSON, MAX_BYTES, Rig, assert_refused, lead};

/// What is wrong, Content-Type, body, status, a part of the reason.
type Row<'a> = (&'a str, Option<&'a str>, Vec<u8>, u16, &'a str);

async fn judge(rig: &Rig, rows: Vec<Row<'_>>) {
    for (what, content_type, body, status, reason) in rows {
        let headers: Vec<(&str, &str)> = content_type
            .map(|value| ("Content-Type", value))
            .into_iter()
            .collect();
        let answer = rig.signed(&headers, &body).await;
        assert_refused(&answer, status, what);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(reason), "{what}: {detail}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn nested(depth: usize) -> Vec<u8> {
    [
        "{\"email\":\"a@example.com\",\"custom\":",
        &"[".repeat(depth),
        &"]".repeat(depth),
        "}",
    ]
    .concat()
    .into_bytes()
}

const APPLICATION_JSON: Option<&str> = Some("application/json");
const APPLICATION_FORM: Option<&str> = Some("application/x-www-form-urlencoded");

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_of_body_that_is_not_read_here_is_415() {
    let rig = Rig::start().await;
    let good = lead("type");
    judge(
        &rig,
        vec![
            ("XML", Some("text/xml"), good.clone(), 415, "application/json"),
            (
                "plain text",
                Some("text/plain"),
                b"Ada Lovelace <ada@example.com>".to_vec(),
                415,
                "application/json",
            ),
            (
                "a type that is none",
                Some("json"),
                good.clone(),
                415,
                "application/json",
            ),
            (
                "UTF-16",
                Some("application/json; charset=utf-16"),
                good.clone(),
                415,
                "UTF-8",
            ),
            (
                "a charset that nobody knows, quoted",
                Some("application/x-www-form-urlencoded;charset=\"klingon\""),
                b"email=a%40example.com".to_vec(),
                415,
                "UTF-8",
            ),
            (
                "no type, and a form",
                None,
                b"email=a%40example.com".to_vec(),
                415,
                "Content-Type",
            ),
            (
                "multipart without boundary",
                Some("multipart/form-data"),
                b"--x\r\n".to_vec(),
                415,
                "boundary",
            ),
        ],
    )
    .await;
    for (n, content_type) in [
        "application/json; charset=UTF-8",
        "APPLICATION/JSON;charset=\"utf-8\"",
        "application/json; charset=iso-8859-1",
        "application/vnd.sender+json",
        "text/json",
    ]
    .into_iter()
    .enumerate()
    {
        let body = lead(&format!("fine-{n}"));
        let answer = rig.signed(&[("Content-Type", content_type)], &body).await;
        assert_eq!(answer.status, 200, "{content_type}: {}", answer.text());
    }
    let answer = rig.signed(&[], &lead("no-type")).await;
    assert_eq!(answer.status, 200, "JSON without a type: {}", answer.text());
    rig.survived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_parsers_would_disagree_about_is_400() {
    let rig = Rig::start().await;
    let row = |what, body: &[u8], reason| (what, APPLICATION_JSON, body.to_vec(), 400, reason);
    judge(
        &rig,
        vec![
            row("nothing", b"", "empty"),
            row("blanks", b" \r\n\t ", "empty"),
            row("a byte order mark alone", b"\xef\xbb\xbf", "JSON"),
            row("a text", b"\"canary.person\"", "object"),
            row("a number", b"42", "object"),
            row("null", b"null", "object"),
            row("true", b"true", "object"),
            row("cut off", b"{\"email\":\"canary.person@exa", "early"),
            row(
                "a comma too much",
                b"{\"email\":\"canary.person@example.com\",}",
                "line 1",
            ),
            row("a comment", b"{/* canary.person */}", "syntax"),
            row(
                "two values",
                b"{} {\"email\":\"canary.person@example.com\"}",
                "syntax",
            ),
            row("a word", b"{\"n\":nan}", "syntax"),
            row(
                "a name twice",
                b"{\"email\":\"a@example.com\",\"email\":\"canary.person@example.com\"}",
                "twice",
            ),
            row(
                "a name twice, once escaped",
                b"{\"email\":\"a@example.com\",\"\\u0065mail\":\"b@example.com\"}",
                "twice",
            ),
            row(
                "a name twice, deep inside",
                b"{\"a\":[{\"b\":{\"c\":1,\"c\":2}}]}",
                "twice",
            ),
            row(
                "half a number",
                b"{\"email\":\"a@example.com\",\"n\":1e+}",
                "JSON",
            ),
            row(
                "not UTF-8",
                b"{\"email\":\"canary.person\xff@example.com\"}",
                "UTF-8",
            ),
            row("overlong UTF-8", b"{\"email\":\"\xc0\x80\"}", "UTF-8"),
            // Read as U+FFFD, which no address has.
            row(
                "half a surrogate pair",
                b"{\"email\":\"\\ud800@example.com\"}",
                "email",
            ),
            row("UTF-16", b"\xff\xfe{\0}\0", "UTF-8"),
            row("deep", &nested(200), "deep"),
            row("very deep", &nested(7000), "deep"),
            row("objects, deep", "{\"a\":".repeat(3000).as_bytes(), "deep"),
        ],
    )
    .await;
    assert_eq!(rig.signed(&[JSON], &nested(100)).await.status, 200);
    rig.survived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_that_cannot_be_read_are_400() {
    let rig = Rig::start().await;
    let many = |fields: usize| {
        let fields: Vec<String> = (0..fields).map(|n| format!("f{n}=1")).collect();
        fields.join("&").into_bytes()
    };
    let part = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let multipart = Some("multipart/form-data; boundary=b");
    let row = |what, content_type, body: Vec<u8>, reason| (what, content_type, body, 400, reason);
    judge(
        &rig,
        vec![
            row("raw bytes", APPLICATION_FORM, b"email=\xff\xfe".to_vec(), "UTF-8"),
            row(
                "encoded bytes",
                APPLICATION_FORM,
                b"email=canary.person%ff".to_vec(),
                "UTF-8",
            ),
            row(
                "more fields than any form has",
                APPLICATION_FORM,
                many(2001),
                "2000",
            ),
            row("separators alone", APPLICATION_FORM, b"&&&".to_vec(), "email"),
            row(
                "JSON called a form",
                APPLICATION_FORM,
                lead("form"),
                "the body is JSON",
            ),
            row("no parts", multipart, b"--b--\r\n".to_vec(), "no fields"),
            row(
                "never ends",
                multipart,
                part("email", "canary.person").into_bytes(),
                "well-formed",
            ),
            row(
                "another boundary",
                multipart,
                b"--c\r\n\r\n--c--\r\n".to_vec(),
                "well-formed",
            ),
            row(
                "no form at all",
                multipart,
                b"canary.person".to_vec(),
                "well-formed",
            ),
            row(
                "part without a name",
                multipart,
                b"--b\r\n\r\nx\r\n--b--\r\n".to_vec(),
                "",
            ),
            row(
                "part that is not UTF-8",
                multipart,
                [
                    part("email", "").trim_end().as_bytes(),
                    b"\r\n\r\n\xff\r\n--b--\r\n",
                ]
                .concat(),
                "UTF-8",
            ),
            row(
                "an endless part header",
                multipart,
                format!("--b\r\nX: {}", "x".repeat(12_000)).into_bytes(),
                "well-formed",
            ),
            row(
                "many parts",
                multipart,
                [part("f", "").repeat(300), "--b--\r\n".to_owned()]
                    .concat()
                    .into_bytes(),
                "email",
            ),
        ],
    )
    .await;

    let file = "--b\r\nContent-Disposition: form-data; name=\"cv\"; filename=\"canary.person.pdf\"\r\nContent-Type: \
                application/pdf\r\n\r\n\u{0}%PDF\r\n";
    let with_file = [file, &part("email", "file@example.com"), "--b--\r\n"].concat();
    let answer = rig
        .signed(
            &[("Content-Type", "multipart/form-data; boundary=b")],
            with_file.as_bytes(),
        )
        .await;
    assert_eq!(
        answer.status,
        200,
        "a file beside the lead is left out: {}",
        answer.text()
    );
    let answer = rig
        .signed(&[FORM], b"email=form%40example.com&choice=a&choice=b&blank=&=x&+")
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    rig.survived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_are_bounded_and_whole_or_refused() {
    let rig = Rig::start().await;
    let small = gzip(&lead("gzip"));
    let bomb = gzip(&vec![b' '; 12 << 20]);
    let nested_bomb = gzip(&gzip(&vec![b'0'; 64 << 20]));
    let at_limit = {
        let mut body = lead("limit");
        body.resize(MAX_BYTES, b' ');
        body
    };
    let broken_sum = {
        let mut body = small.clone();
        let at = body.len() - 6;
        body[at] ^= 1;
        body
    };
    for (what, encoding, body, status) in [
        ("whole", "gzip", small.clone(), 200),
        ("whole, by its old name", "X-GZIP", gzip(&lead("x-gzip")), 200),
        ("exactly the limit", "gzip", gzip(&at_limit), 200),
        (
            "one byte over the limit",
            "gzip",
            gzip(&[at_limit, vec![b' ']].concat()),
            413,
        ),
        ("a bomb", "gzip", bomb, 413),
        ("a bomb in a bomb", "gzip", nested_bomb, 413),
        ("cut off", "gzip", small[..small.len() / 2].to_vec(), 400),
        ("without its end", "gzip", small[..small.len() - 8].to_vec(), 400),
        ("a wrong check sum", "gzip", broken_sum, 400),
        (
            "rubbish behind it",
            "gzip",
            [small.clone(), b"rubbish".to_vec()].concat(),
            400,
        ),
        ("not compressed", "gzip", lead("plain"), 400),
        ("nothing", "gzip", vec![], 400),
        ("nothing, compressed", "gzip", gzip(b""), 400),
        ("brotli", "br", small.clone(), 415),
        ("twice", "gzip, gzip", gzip(&small), 415),
        ("an encoding that is none", "canary.person", small.clone(), 415),
        ("compressed and not said so", "identity", small, 400),
    ] {
        let answer = rig.signed(&[JSON, ("Content-Encoding", encoding)], &body).await;
        if status == 200 {
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        } else {
            assert_refused(&answer, status, what);
        }
    }
    rig.survived().await;
}
