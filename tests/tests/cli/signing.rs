//! `send` signs as senders do: the receiver, which has code of its own, accepts it for every preset.

use jiff::Timestamp;
use leadgate_cli::sign::sign;
use leadgate_crds::LeadWebhook;
use leadgate_tests::receiver::{Options, Receiver};
use serde_json::Value;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Name and YAML of each preset.
fn presets() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../receiver/src/source/presets");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    files
        .map(|path| {
            (
                path.file_stem().unwrap().to_str().unwrap().to_owned(),
                std::fs::read_to_string(path).unwrap(),
            )
        })
        .collect()
}

fn webhook(name: &str, source: &str, auth: &str, more: &str) -> String {
    format!(
        "apiVersion: leadgate.dev/v1alpha1\nkind: LeadWebhook\nmetadata: {{name: {name}, namespace: default}}\nspec:\n  \
         source: {source}\n  publicUrl: https://leads.example.com/webhooks/default/{name}\n  auth: {auth}\n  sinks: [{{name: crm}}]\n{more}"
    )
}

const SECRET: &str = "{secretRefs: [{name: all, key: key}]";

#[tokio::test]
async fn every_senders_proof_is_accepted_and_a_spoilt_one_is_not() {
    let mut manifests: Vec<(String, String)> = Vec::new();
    for (name, text) in presets() {
        let preset: Value = serde_saphyr::from_str(&text).unwrap();
        let scheme = if preset["auth"]["hmac"].is_object() {
            "hmac"
        } else {
            "token"
        };
        let challenge = if name == "meta" {
            ", challengeTokenSecretRef: {name: all, key: key}"
        } else {
            ""
        };
        let thin = preset["payload"]["hydrate"].is_object();
        let more = if thin {
            "  payload: {hydrate: {tokenSecretRef: {name: all, key: key}}}\n"
        } else {
            ""
        };
        manifests.push((
            name.clone(),
            webhook(
                &name,
                &name,
                &format!("{{{scheme}: {SECRET}}}{challenge}}}"),
                more,
            ),
        ));
    }
    #[rustfmt::skip]
    let own = [
        ("basic", "{basic: {secretRef: {name: all, usernameKey: user, passwordKey: key}}}".to_owned()),
        ("bearer", format!("{{token: {SECRET}, header: Authorization, scheme: Bearer, encoding: base64}}}}")),
        ("sha512", format!("{{hmac: {SECRET}, algorithm: sha512, signature: {{header: X-S}}}}}}")),
        ("keyed", format!("{{hmac: {SECRET}, algorithm: keyed-sha256, signature: {{header: X-S}}, signed: \"{{method}}{{url}}{{body}}\"}}}}")),
        ("digest", format!("{{hmac: {SECRET}, signature: {{header: X-S}}, bodyDigest: {{query: d}}, signed: \"{{url}}\"}}}}")),
    ];
    for (name, auth) in own {
        manifests.push((name.to_owned(), webhook(name, "generic", &auth, "")));
    }
    let mut options = Options::new(format!(
        "apiVersion: leadgate.dev/v1alpha1\nkind: CrmSink\nmetadata: {{name: crm, namespace: default}}\nspec: {{suspend: true, \
         hubspot: {{tokenSecretRef: {{name: all, key: key}}}}}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: all, \
         namespace: default}}\nstringData: {{key: {KEY}, user: ada}}\n"
    ));
    options.manifests.extend(
        manifests
            .iter()
            .map(|(name, yaml)| (format!("{name}.yaml"), yaml.clone())),
    );
    let receiver = Receiver::start(options).await.unwrap();
    let secret = |_: &str, key: &str| {
        Ok(if key == "user" {
            b"ada\n".to_vec()
        } else {
            KEY.into()
        })
    };
    let client = reqwest::Client::new();
    for (name, yaml) in &manifests {
        let object: LeadWebhook = serde_saphyr::from_str(yaml).unwrap();
        let is_form = matches!(name.as_str(), "twilio" | "mandrill");
        let body: &[u8] = if is_form {
            b"b=%C3%A9+x&a=1&email=ada%40example.com"
        } else {
            br#"{"email": "ada@example.com"}"#
        };
        let kind = if is_form {
            "application/x-www-form-urlencoded"
        } else {
            "application/json"
        };
        for spoilt in [false, true] {
            let mut signed = sign(&object.spec, &secret, body.to_vec(), Timestamp::now()).unwrap();
            if spoilt {
                let secrets = signed.headers.iter_mut().chain(&mut signed.query);
                secrets.for_each(|(_, value)| value.push('0'));
                signed.body.retain(|byte| *byte != b'I');
            }
            let mut request = client
                .post(format!("{}{}", receiver.webhook(name), signed.query_text()))
                .header("content-type", kind);
            for (header, value) in &signed.headers {
                request = request.header(header, value);
            }
            let answer = request.body(signed.body).send().await.unwrap();
            let status = answer.status().as_u16();
            let text = answer.text().await.unwrap();
            let refused = matches!(status, 401 | 403 | 404 | 503);
            assert_eq!(refused, spoilt, "{name}: {status} {text}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_signed_is_said_by_its_field() {
    #[rustfmt::skip]
    let table = [
        ("{hmac: {secretRefs: [{name: a, key: b}], algorithm: ed25519, signature: {header: X-S}}}", "spec.auth.hmac.algorithm ed25519"),
        ("{hmac: {secretRefs: [{name: a, key: b}], messageSignature: {}}}", "spec.auth.hmac.messageSignature"),
        ("{clientCertificate: {subjects: [a]}}", "spec.auth.clientCertificate"),
        ("{hmac: {secretRefs: [{name: a, key: b}], signature: {json: /s}}}", "spec.auth.hmac.signature is in what it signs"),
    ];
    for (auth, expected) in table {
        let object: LeadWebhook = serde_saphyr::from_str(&webhook("w", "generic", auth, "")).unwrap();
        let error = sign(
            &object.spec,
            &|_, _| Ok(b"key".to_vec()),
            b"{}".to_vec(),
            Timestamp::now(),
        )
        .unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
