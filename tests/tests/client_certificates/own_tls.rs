//! Checked by the receiver over its own TLS.

use std::fs;

use leadgate_tests::authority::{Authority, Leaf};
use leadgate_tests::receiver::{Options, Receiver};
use rcgen::SanType;
use reqwest::{Certificate, Client, Identity};
use tempfile::TempDir;

use super::{LEAD, REST, uri, webhook};

/// Three webhooks that a client certificate opens, and one that a token alone does.
fn own_tls(fingerprint: &str) -> String {
    webhook(
        "names",
        "token: {secretRefs: [{name: s, key: token}]}, clientCertificate: {dnsNames: [Forms.example.com]}",
    ) + &webhook("uri", "clientCertificate: {uris: ['spiffe://example.com/forms']}")
        + &webhook(
            "print",
            &format!("clientCertificate: {{fingerprints: ['{fingerprint}']}}"),
        )
        + &webhook("open", "token: {secretRefs: [{name: s, key: token}]}")
        + REST
}

struct Rig {
    receiver: Receiver,
    authority: Authority,
    _files: TempDir,
}

impl Rig {
    /// A receiver with its own TLS that asks for certificates of `authority`.
    async fn start(authority: Authority, manifests: String) -> Self {
        let files = tempfile::tempdir().unwrap();
        let server = authority.server("127.0.0.1").unwrap();
        let file = |name: &str, text: &str| {
            let path = files.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let mut options = Options::new(manifests);
        options.arguments = vec![
            "--allow-local-addresses".into(),
            "--tls-cert".into(),
            file("tls.crt", &server.certificate),
            "--tls-key".into(),
            file("tls.key", &server.key),
            "--tls-client-ca".into(),
            file("ca.crt", &authority.certificate()),
        ];
        Self {
            receiver: Receiver::start(options).await.unwrap(),
            authority,
            _files: files,
        }
    }

    fn client(&self, leaf: Option<&Leaf>) -> Client {
        let root = Certificate::from_pem(self.authority.certificate().as_bytes()).unwrap();
        let builder = Client::builder().tls_certs_only([root]);
        match leaf {
            None => builder,
            Some(leaf) => {
                let pem = format!("{}{}", leaf.certificate, leaf.key);
                builder.identity(Identity::from_pem(pem.as_bytes()).unwrap())
            }
        }
        .build()
        .unwrap()
    }

    /// Status and body; an error if there is no connection.
    async fn post(
        &self,
        leaf: Option<&Leaf>,
        webhook: &str,
        headers: &[(&str, &str)],
    ) -> reqwest::Result<(u16, String)> {
        let url = self.receiver.webhook(webhook).replace("http://", "https://");
        let mut request = self
            .client(leaf)
            .post(url)
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(LEAD).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }
}

const TOKEN: (&str, &str) = ("x-api-key", "right");

pub(crate) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

#[tokio::test]
async fn the_receiver_checks_certificates_itself() {
    let authority = Authority::new("senders").unwrap();
    let forms = authority.client("x", &[dns("forms.example.com")]).unwrap();
    let spiffe = authority
        .client("x", &[uri("spiffe://example.com/forms")])
        .unwrap();
    let named_only = authority.client("forms.example.com", &[]).unwrap();
    let hidden = authority
        .client("forms.example.com", &[dns("other.example.com")])
        .unwrap();
    let expired = authority
        .expired_client("x", &[dns("forms.example.com")])
        .unwrap();
    let strange = Authority::new("senders")
        .unwrap()
        .client("x", &[dns("forms.example.com")])
        .unwrap();
    let rig = Rig::start(authority, own_tls(&spiffe.sha256())).await;

    // Who shows none is served where none is asked for.
    assert_eq!(rig.post(None, "open", &[TOKEN]).await.unwrap().0, 200);
    for webhook in ["names", "uri", "print"] {
        let (status, body) = rig.post(None, webhook, &[TOKEN]).await.unwrap();
        assert_eq!(status, 401, "{webhook}: {body}");
        assert!(body.contains("has no client certificate"), "{webhook}: {body}");
    }
    for (what, leaf, webhook, headers, status) in [
        ("the right name and token", &forms, "names", &[TOKEN][..], 200),
        ("the right name, no token", &forms, "names", &[], 401),
        (
            "a common name where there is no other",
            &named_only,
            "names",
            &[TOKEN],
            200,
        ),
        (
            "a common name beside other names",
            &hidden,
            "names",
            &[TOKEN],
            401,
        ),
        ("another's certificate", &spiffe, "names", &[TOKEN], 401),
        ("the right URI, as the only proof", &spiffe, "uri", &[], 200),
        ("a name for a URI", &forms, "uri", &[], 401),
        ("the right fingerprint", &spiffe, "print", &[], 200),
        ("another fingerprint", &forms, "print", &[], 401),
    ] {
        let (given, body) = rig.post(Some(leaf), webhook, headers).await.unwrap();
        assert_eq!(given, status, "{what}: {body}");
    }
    // No claim about a certificate replaces one.
    let hash = format!("Hash={};URI=spiffe://example.com/forms", spiffe.sha256());
    let claims = [
        ("x-forwarded-client-cert", hash.as_str()),
        ("ssl-client-verify", "SUCCESS"),
    ];
    for webhook in ["uri", "print"] {
        assert_eq!(rig.post(None, webhook, &claims).await.unwrap().0, 401);
        assert_eq!(rig.post(Some(&forms), webhook, &claims).await.unwrap().0, 401);
    }
    // What the authority did not sign, or not for now, gets no connection, even where none is asked for.
    for (what, leaf) in [("another authority's", &strange), ("an expired one", &expired)] {
        for webhook in ["open", "names"] {
            let answer = rig.post(Some(leaf), webhook, &[TOKEN]).await;
            assert!(answer.is_err(), "{what}, {webhook}: {answer:?}");
        }
    }
    let refused = rig
        .receiver
        .metric("leadgate_unauthorized_total", &["reason=\"Certificate\""])
        .await
        .unwrap();
    assert!((refused - 6.0).abs() < 0.5, "{refused}");
    let log = rig.receiver.log();
    assert!(!log.contains("forms.example.com"), "{log}");
}

#[tokio::test]
async fn an_unusable_authority_is_named_at_start() {
    let authority = Authority::new("senders").unwrap();
    let server = authority.server("127.0.0.1").unwrap();
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name).display().to_string();
    fs::write(path("tls.crt"), &server.certificate).unwrap();
    fs::write(path("tls.key"), &server.key).unwrap();
    fs::write(path("ca.crt"), "no certificate\n").unwrap();
    let mut options = Options::new(webhook("open", "token: {secretRefs: [{name: s, key: token}]}") + REST);
    options.arguments = [
        "--tls-cert",
        "tls.crt",
        "--tls-key",
        "tls.key",
        "--tls-client-ca",
        "ca.crt",
    ]
    .map(|word| {
        if word.starts_with("--") {
            word.to_owned()
        } else {
            path(word)
        }
    })
    .to_vec();
    let mut receiver = Receiver::prepare(options).unwrap();
    receiver.spawn().unwrap();
    let began = std::time::Instant::now();
    while !receiver.log().contains("--tls-client-ca") {
        assert!(began.elapsed().as_secs() < 20, "{}", receiver.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(receiver.log().contains("cannot be used"), "{}", receiver.log());
}
