//! `docs/senders.md` from the presets.

use std::fmt::Write as _;

use leadgate_crds::lead_webhook::{Extractor, SignatureEncoding};
use leadgate_receiver::source::auth::HmacScheme;
use leadgate_receiver::source::preset::{self, Preset};

use super::{cell, in_step};

const HEAD: &str = "<!-- Made from receiver/src/source/presets by `make generate`. -->
# Senders

`spec.source` names a preset: how the sender signs, what its payload means, and how its resends are recognised. Any field
that a LeadWebhook sets itself wins over the preset's. You add the secret and a sink:

```yaml
apiVersion: leadgate.dev/v1alpha1
kind: LeadWebhook
metadata: {name: demo-requests}
spec:
  source: typeform
  auth: {hmac: {secretRefs: [{name: senders, key: typeform}]}}
  sinks: [{name: hubspot}]
```

Several `secretRefs` are all accepted, so that a secret can be changed without losing a request. A sender that is not
listed works without a preset: describe its scheme in [`spec.auth`](reference.md#leadwebhook-specauth) and its fields in
[`spec.payload.lead`](reference.md#leadwebhook-specpayloadlead).

A preset is a file in `receiver/src/source/presets`; adding one takes no Rust.

| `source` | Sender | Proof | Resends known for | Confidence | Checked |
|---|---|---|---|---|---|
";

#[test]
fn senders_are_listed_as_their_presets_are() {
    let all: Vec<(&str, &Preset)> = preset::names()
        .map(|name| (name, preset::find(name).unwrap()))
        .collect();
    let mut page = HEAD.to_owned();
    for (name, preset) in &all {
        let window = preset
            .idempotency
            .window
            .as_ref()
            .map_or("24h".to_owned(), ToString::to_string);
        writeln!(
            page,
            "| [`{name}`](#{name}) | {} | {} | {window} | {:?} | {} |",
            cell(&preset.title),
            proof(preset),
            preset.confidence,
            preset.checked
        )
        .unwrap();
    }
    page.push_str(
        "\nConfidence: *High* was checked against the sender's own SDK or source, *Medium* against its documentation, \
         *Low* against a secondary source.\n",
    );
    for (name, preset) in &all {
        write!(page, "\n## {name}\n\n{}.", preset.title).unwrap();
        if let Some(url) = &preset.documentation {
            write!(page, " [Documentation]({url}).").unwrap();
        }
        write!(page, " {}\n\n```yaml\n{}```\n", preset.notes.trim(), body(name)).unwrap();
    }
    in_step("docs/senders.md", &page);
}

fn scheme(preset: &Preset) -> Option<&HmacScheme> {
    preset.auth.as_ref()?.hmac.as_ref()
}

fn proof(preset: &Preset) -> String {
    if let Some(scheme) = scheme(preset) {
        return signature(scheme);
    }
    let token = preset
        .auth
        .as_ref()
        .and_then(|auth| auth.token.clone())
        .unwrap_or_default();
    match (token.header, token.query, token.json) {
        (Some(header), ..) => format!("token in the header `{header}`"),
        (_, Some(query), _) => format!("token in the query parameter `{query}`"),
        (.., Some(pointer)) => format!("token at `{pointer}` of the body"),
        _ => "none of its own: say in `auth` what to demand".to_owned(),
    }
}

fn signature(scheme: &HmacScheme) -> String {
    let place = scheme.signature.as_ref().unwrap();
    let encoding = match place.encoding.unwrap_or_default() {
        SignatureEncoding::Hex => "hex",
        SignatureEncoding::Base64 => "base64",
    };
    let extractor: Extractor = place.extractor();
    format!(
        "{} of `{}` in `{}`, {encoding}",
        format!("HMAC-{:?}", scheme.algorithm.unwrap_or_default())
            .to_uppercase()
            .replace("SHA", "SHA-"),
        scheme.signed.as_deref().unwrap_or("{body}"),
        extractor.header.or(extractor.query).or(extractor.json).unwrap()
    )
}

/// What works: the preset without what the text above says already.
fn body(name: &str) -> String {
    let source = preset::source(name).unwrap();
    let start = source
        .find("\nauth:")
        .or_else(|| source.find("\npayload:"))
        .unwrap();
    source[start + 1..].to_owned()
}
