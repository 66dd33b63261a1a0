//! Mutual TLS with real certificates: checked by the receiver over its own TLS, or passed on by an edge that is
//! believed only at its own address.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fs;

use leadgate_tests::authority::{Authority, Leaf};
use leadgate_tests::receiver::{Options, Receiver};
use rcgen::SanType;
use reqwest::{Certificate, Client, Identity};
use tempfile::TempDir;

const LEAD: &str = r#"{"email":"ada@example.com","firstName":"Ada"}"#;

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

const REST: &str = "---
apiVersion: leadgate.dev/v1alpha1
kind: CrmSink
metadata: {name: crm}
spec: {hubspot: {tokenSecretRef: {name: s, key: token}, baseUrl: 'http://127.0.0.1:9'}}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {token: right}
";

fn webhook(name: &str, auth: &str) -> String {
    format!(
        "---\napiVersion: leadgate.dev/v1alpha1\nkind: LeadWebhook\nmetadata: {{name: {name}}}\n\
         spec: {{auth: {{{auth}}}, sinks: [{{name: crm}}]}}\n"
    )
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

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
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
        assert!(
            body.contains("carries no client certificate"),
            "{webhook}: {body}"
        );
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

/// Behind an edge at 127.0.0.1 that is believed, or not.
fn behind_an_edge(leaf: &Leaf) -> String {
    let forwarded = |header: &str, format: &str, proxies: &str, more: &str| {
        format!("forwarded: {{header: {header}, format: {format}, proxies: ['{proxies}'] {more}}}")
    };
    let here = "127.0.0.1/32";
    let envoy = |proxies: &str| forwarded("x-forwarded-client-cert", "Envoy", proxies, "");
    let nginx = forwarded(
        "ssl-client-cert",
        "Certificate",
        here,
        ", verified: {header: ssl-client-verify, value: SUCCESS}",
    );
    let print = forwarded("x-ssl-client-sha1", "Fingerprint", here, "");
    let subject = forwarded("ssl-client-subject-dn", "Subject", here, "");
    let sha1 = sha1_of(&leaf.der);
    let uri = "uris: ['spiffe://example.com/forms']";
    webhook("envoy", &format!("clientCertificate: {{{uri}, {}}}", envoy(here)))
        + &webhook(
            "elsewhere",
            &format!(
                "trustedProxies: 1, clientCertificate: {{{uri}, {}}}",
                envoy("10.0.0.0/8")
            ),
        )
        + &webhook("nginx", &format!("clientCertificate: {{{uri}, {nginx}}}"))
        + &webhook(
            "print",
            &format!("clientCertificate: {{fingerprints: ['{sha1}'], {print}}}"),
        )
        + &webhook(
            "subject",
            &format!("clientCertificate: {{subjects: ['CN=forms,O=Example'], {subject}}}"),
        )
        + &webhook("own", &format!("clientCertificate: {{{uri}}}"))
        + REST
}

/// By another implementation than the receiver's.
fn sha1_of(der: &[u8]) -> String {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut child = Command::new("sha1sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(der).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned()
}

fn percent(pem: &str) -> String {
    percent_encoding::utf8_percent_encode(pem, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[tokio::test]
async fn what_an_edge_passes_on_is_believed_only_from_the_edge() {
    let authority = Authority::new("senders").unwrap();
    let forms = authority
        .client("x", &[uri("spiffe://example.com/forms")])
        .unwrap();
    let other = authority
        .client("x", &[uri("spiffe://example.com/other")])
        .unwrap();
    let mut options = Options::new(behind_an_edge(&forms));
    options.arguments = vec!["--behind-tls-proxy".into()];
    let receiver = Receiver::start(options).await.unwrap();
    let client = Client::new();
    let (pem, other_pem) = (percent(&forms.certificate), percent(&other.certificate));
    let (sha1, other_sha1) = (sha1_of(&forms.der), sha1_of(&other.der));
    let claim = "By=spiffe://example.com/edge;Hash=00;URI=spiffe://example.com/forms";
    let claim = claim.replace("Hash=00", &format!("Hash={}", forms.sha256()));
    let refused_last = format!("{claim},By=x;URI=spiffe://example.com/other");
    let right_last = format!("By=x;URI=spiffe://example.com/other,{claim}");
    let quoted = r#"Subject="CN=a;URI=spiffe://example.com/forms,O=b";URI=spiffe://example.com/other"#;
    let in_cert = format!("URI=spiffe://example.com/forms;Cert=\"{other_pem}\"");
    let cert = format!("Cert=\"{pem}\"");
    let success = ("ssl-client-verify", "SUCCESS");
    let envoy = "x-forwarded-client-cert";
    for (what, webhook, headers, expected) in [
        ("Envoy's fields", "envoy", vec![(envoy, claim.as_str())], Ok(())),
        ("Envoy's certificate", "envoy", vec![(envoy, &cert)], Ok(())),
        (
            "the nearest proxy's element is right",
            "envoy",
            vec![(envoy, &right_last)],
            Ok(()),
        ),
        (
            "a sender's element before the proxy's",
            "envoy",
            vec![(envoy, &refused_last)],
            Err("Certificate"),
        ),
        (
            "a field inside quotes",
            "envoy",
            vec![(envoy, quoted)],
            Err("Certificate"),
        ),
        (
            "a field beside another certificate",
            "envoy",
            vec![(envoy, &in_cert)],
            Err("Certificate"),
        ),
        ("nothing", "envoy", vec![], Err("Missing")),
        ("no pairs", "envoy", vec![(envoy, "forms")], Err("Malformed")),
        (
            "an open quote",
            "envoy",
            vec![(envoy, "Subject=\"CN=a")],
            Err("Malformed"),
        ),
        (
            "from a stranger",
            "elsewhere",
            vec![(envoy, &claim)],
            Err("Proxy"),
        ),
        (
            "from a stranger who names a proxy",
            "elsewhere",
            vec![(envoy, &claim), ("x-forwarded-for", "10.0.0.1")],
            Err("Proxy"),
        ),
        (
            "nginx's certificate",
            "nginx",
            vec![("ssl-client-cert", &pem), success],
            Ok(()),
        ),
        (
            "not verified",
            "nginx",
            vec![("ssl-client-cert", &pem), ("ssl-client-verify", "FAILED:expired")],
            Err("Unverified"),
        ),
        (
            "not said to be verified",
            "nginx",
            vec![("ssl-client-cert", &pem)],
            Err("Missing"),
        ),
        (
            "said twice",
            "nginx",
            vec![("ssl-client-cert", &pem), success, success],
            Err("Repeated"),
        ),
        (
            "another certificate",
            "nginx",
            vec![("ssl-client-cert", &other_pem), success],
            Err("Certificate"),
        ),
        (
            "no certificate",
            "nginx",
            vec![("ssl-client-cert", "aGVsbG8="), success],
            Err("Malformed"),
        ),
        (
            "two certificates",
            "nginx",
            vec![("ssl-client-cert", &pem), ("ssl-client-cert", &pem), success],
            Err("Repeated"),
        ),
        (
            "a fingerprint",
            "print",
            vec![("x-ssl-client-sha1", &sha1)],
            Ok(()),
        ),
        (
            "another fingerprint",
            "print",
            vec![("x-ssl-client-sha1", &other_sha1)],
            Err("Certificate"),
        ),
        (
            "half a fingerprint",
            "print",
            vec![("x-ssl-client-sha1", &sha1[..20])],
            Err("Malformed"),
        ),
        (
            "a subject",
            "subject",
            vec![("ssl-client-subject-dn", "CN=forms,O=Example")],
            Ok(()),
        ),
        (
            "a longer subject",
            "subject",
            vec![("ssl-client-subject-dn", "CN=forms,O=Example,OU=x")],
            Err("Certificate"),
        ),
        (
            "a header where the receiver must check",
            "own",
            vec![(envoy, &claim)],
            Err("Missing"),
        ),
    ] {
        let before = count(&receiver, expected.err()).await;
        let mut request = client
            .post(receiver.webhook(webhook))
            .header("x-forwarded-proto", "https")
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.body(LEAD).send().await.unwrap();
        let (status, body) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(status, if expected.is_ok() { 200 } else { 401 }, "{what}: {body}");
        let after = count(&receiver, expected.err()).await;
        assert!((after - before - 1.0).abs() < 0.5, "{what}: {expected:?}, {body}");
        assert!(!body.contains("example.com"), "{what}: {body}");
    }
    // A webhook that waits for what this process does not ask for is reported.
    let log = receiver.log();
    assert!(log.contains("start the receiver with --tls-client-ca"), "{log}");
    assert!(!log.contains("spiffe"), "{log}");
}

/// Requests accepted, or refused for a reason.
async fn count(receiver: &Receiver, reason: Option<&str>) -> f64 {
    let of = async |name: &str, label: String| receiver.metric(name, &[&label]).await.unwrap();
    if let Some(reason) = reason {
        return of("leadgate_unauthorized_total", format!("reason=\"{reason}\"")).await;
    }
    let mut all = 0.0;
    for outcome in ["accepted", "duplicate"] {
        all += of("leadgate_requests_total", format!("outcome=\"{outcome}\"")).await;
    }
    all
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
