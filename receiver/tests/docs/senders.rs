//! `docs/senders/`: a page for each preset, and the table in `docs/senders.md`.

use std::fmt::Write as _;
use std::fs;

use leadgate_crds::lead_webhook::{
    AnswerKind, Challenge, ChallengeMethod, Extractor, Format, OnInvalid, SignatureEncoding,
};
use leadgate_receiver::source::auth::HmacScheme;
use leadgate_receiver::source::preset::{self, Preset, PresetToken};
use serde_json::Value;

use super::{cell, in_step, part_in_step, root};

fn all() -> Vec<(&'static str, &'static Preset)> {
    preset::names()
        .map(|name| (name, preset::find(name).unwrap()))
        .collect()
}

#[test]
fn senders_are_listed_as_their_presets_are() {
    let mut table = String::from(
        "| `source` | Sender | Authentication | Resends recognised for | Confidence | Checked |\n|---|---|---|---|---|---|\n",
    );
    for (name, preset) in all() {
        writeln!(
            table,
            "| [`{name}`](senders/{name}.md) | {} | {} | {} | {:?} | {} |",
            cell(&preset.title),
            proof(preset),
            window(preset),
            preset.confidence,
            preset.checked
        )
        .unwrap();
    }
    part_in_step("docs/senders.md", "senders", &table);
}

#[test]
fn every_sender_has_a_page() {
    for (name, preset) in all() {
        assert!(preset.setup.len() > 80, "{name}: say under setup what to click");
        in_step(&format!("docs/senders/{name}.md"), &page(name, preset));
    }
    for file in fs::read_dir(root().join("docs/senders")).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            preset::find(&name).is_some(),
            "docs/senders/{name}.md has no preset"
        );
    }
}

fn page(name: &str, preset: &Preset) -> String {
    let mut page = format!(
        "<!-- Made from receiver/src/source/presets/{name}.yaml by `make generate`. -->\n# {}\n\n{}\n\n",
        preset.title,
        preset.notes.trim()
    );
    write!(
        page,
        "```yaml\n{}```\n\n## Set up the sender\n\n{}\n",
        example(name, preset),
        preset.setup.trim()
    )
    .unwrap();
    page.push_str(
        "\nMenus may change. If they differ from this description, follow the sender's documentation.\n",
    );
    page.push_str("\n## Preset\n\n| Property | Value |\n|---|---|\n");
    let mut row = |label: &str, text: &str| writeln!(page, "| {label} | {text} |").unwrap();
    row("Authentication", &proof(preset));
    if let Some(scheme) = scheme(preset) {
        scheme_rows(scheme, &mut row);
    }
    for challenge in &preset.challenges {
        row("Handshake", &handshake(challenge));
    }
    row("Body", body(preset.payload.format));
    if let Some(accept) = &preset.payload.accept {
        row("Accepted if", &code(accept.as_str()));
    }
    if let Some(items) = &preset.payload.items {
        row("One lead for each element of", &code(items.as_str()));
    }
    if preset.payload.on_invalid == Some(OnInvalid::DropField) {
        row("Invalid optional fields", "omitted (`onInvalid: DropField`)");
    }
    if preset.payload.ignore_without_contact {
        row(
            "Requests without e-mail address and phone number",
            "answered with 200 `ignored` and counted",
        );
    }
    match &preset.idempotency.key {
        Some(key) => row(
            "Idempotency key",
            &format!(
                "{}, together with the e-mail address or phone number",
                code(key.as_str())
            ),
        ),
        None => row(
            "Idempotency key",
            "`X-Idempotency-Key` or `Idempotency-Key`, `submissionId`, `eventId`, e-mail address and time, else a digest of the body",
        ),
    }
    row("Remembered for", &window(preset));
    if let Some(hydrate) = &preset.payload.hydrate {
        let from = format!(
            "{} with the path {}",
            hydrate.base_url,
            code(hydrate.path.as_str())
        );
        row("Other fields are fetched from", &from);
    }
    if let Some(url) = &preset.documentation {
        row("Documentation", &format!("<{url}>"));
    }
    row(
        "Checked",
        &format!("{}, confidence {:?}", preset.checked, preset.confidence),
    );
    mapping(
        &mut page,
        "Fields",
        &serde_json::to_value(&preset.payload.lead).unwrap(),
    );
    if let Some(hydrate) = &preset.payload.hydrate {
        mapping(
            &mut page,
            "Fields of the fetched response",
            &serde_json::to_value(&hydrate.lead).unwrap(),
        );
    }
    page.push_str(
        "\nA LeadWebhook can override any of this: see [expressions](../expressions.md) and \
         [reference](../reference.md). All senders: [senders](../senders.md).\n",
    );
    page
}

fn scheme_rows(scheme: &HmacScheme, row: &mut dyn FnMut(&str, &str)) {
    if let Some(time) = &scheme.timestamp {
        let seconds = time.tolerance_seconds.unwrap_or(300);
        let unit = time
            .unit
            .map_or("seconds".to_owned(), |unit| format!("{unit:?}").to_lowercase());
        let text = format!("{}, in {unit}; tolerance {seconds} s", place(&time.extractor()));
        row("Signed at", &text);
    }
    if let Some(id) = &scheme.id {
        row("Message id", &place(id));
    }
    for (name, other) in &scheme.other_headers {
        row(&format!("Without `{name}`"), &format!("`{other}` is used"));
    }
    if let Some(format) = &scheme.secret {
        let mut text = format
            .encoding
            .map_or(String::new(), |e| format!("{e:?}").to_lowercase());
        if let Some(prefix) = &format.prefix {
            write!(text, " after `{prefix}`").unwrap();
        }
        row("Secret", text.trim());
    }
    if let Some(digest) = &scheme.body_digest {
        row("Digest of the body", &place(digest));
    }
}

/// What a person starts from; every Secret is named as the sender.
fn example(name: &str, preset: &Preset) -> String {
    let mut yaml = format!(
        "apiVersion: leadgate.dev/v1alpha1\nkind: LeadWebhook\nmetadata: {{name: {name}}}\nspec:\n  source: {name}\n"
    );
    let signs_url = scheme(preset)
        .and_then(|s| s.signed.as_deref())
        .is_some_and(|s| s.contains("{url}"));
    if signs_url {
        writeln!(
            yaml,
            "  publicUrl: https://leads.example.com/webhooks/default/{name} # exactly as entered in the sender"
        )
        .unwrap();
    }
    let kind = if scheme(preset).is_some() { "hmac" } else { "token" };
    writeln!(
        yaml,
        "  auth:\n    {kind}: {{secretRefs: [{{name: {name}, key: secret}}]}}"
    )
    .unwrap();
    if preset.challenges.iter().any(|c| c.token.is_some()) {
        writeln!(
            yaml,
            "    challengeTokenSecretRef: {{name: {name}, key: verify-token}}"
        )
        .unwrap();
    }
    if preset.payload.hydrate.is_some() {
        writeln!(
            yaml,
            "  payload:\n    hydrate: {{tokenSecretRef: {{name: {name}, key: api-token}}}}"
        )
        .unwrap();
    }
    yaml.push_str("  sinks: [{name: hubspot}]\n");
    yaml
}

fn mapping(page: &mut String, title: &str, lead: &Value) {
    let fields = lead.as_object().unwrap();
    let texts: Vec<(String, String)> = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    if texts.is_empty() {
        return;
    }
    write!(page, "\n## {title}\n\n| Field | From |\n|---|---|\n").unwrap();
    for (name, expression) in texts {
        writeln!(page, "| `{name}` | {} |", code(&expression)).unwrap();
    }
}

fn handshake(challenge: &Challenge) -> String {
    let method = match challenge.method {
        ChallengeMethod::Get => "GET",
        ChallengeMethod::Post => "POST",
    };
    let mut text = method.to_owned();
    let pairs = challenge.when.query.iter().chain(&challenge.when.json);
    for (n, (name, value)) in pairs.enumerate() {
        let word = if n == 0 { "with" } else { "and" };
        write!(text, " {word} `{name}` = `{value}`").unwrap();
    }
    if let Some(body) = &challenge.when.body {
        write!(text, " whose body is {}", code(body)).unwrap();
    }
    if let Some(token) = &challenge.token {
        write!(text, ", with your token in {}", place(token)).unwrap();
    }
    if challenge.verified || (challenge.method == ChallengeMethod::Post && challenge.when.body.is_none()) {
        text.push_str(", authenticated as above");
    }
    text.push_str(match challenge.answer {
        AnswerKind::Echo => ": answered with the challenge",
        AnswerKind::Hmac => ": answered with the challenge and its HMAC-SHA256",
        AnswerKind::Ok => ": answered with 200",
    });
    if let (Some(extract), Some(pattern)) = (&challenge.extract, &challenge.pattern) {
        write!(
            text,
            "; the challenge is in {} and matches {}",
            place(extract),
            code(pattern)
        )
        .unwrap();
    }
    text
}

fn body(format: Option<Format>) -> &'static str {
    match format.unwrap_or_default() {
        Format::Auto => "JSON, form or multipart, by its Content-Type",
        Format::Json => "JSON",
        Format::Form => "form",
        Format::Multipart => "multipart",
    }
}

fn window(preset: &Preset) -> String {
    preset
        .idempotency
        .window
        .as_ref()
        .map_or("24h".to_owned(), ToString::to_string)
}

/// Code in a cell of a table.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|").replace('\n', " "))
}

fn scheme(preset: &Preset) -> Option<&HmacScheme> {
    preset.auth.as_ref()?.hmac.as_ref()
}

fn proof(preset: &Preset) -> String {
    match scheme(preset) {
        Some(scheme) => signature(scheme),
        None => token(preset.auth.as_ref().and_then(|auth| auth.token.as_ref())),
    }
}

fn token(token: Option<&PresetToken>) -> String {
    let Some(token) = token else {
        return "none: configure it in `auth`".to_owned();
    };
    let extractor = Extractor {
        header: token.header.clone(),
        query: token.query.clone(),
        json: token.json.clone(),
        ..Extractor::default()
    };
    format!("token in {}", place(&extractor))
}

/// Where a value stands, in words.
fn place(extractor: &Extractor) -> String {
    let mut text = match (&extractor.header, &extractor.query, &extractor.json) {
        (Some(header), ..) => format!("the header `{header}`"),
        (_, Some(query), _) => format!("the query parameter `{query}`"),
        (.., Some(pointer)) => format!("`{pointer}` of the body"),
        _ => "no place".to_owned(),
    };
    if let Some(prefix) = &extractor.prefix {
        write!(text, " after `{prefix}`").unwrap();
    }
    text
}

fn signature(scheme: &HmacScheme) -> String {
    if let Some(rules) = &scheme.message_signature {
        let components = rules.components.iter().map(|name| code(name));
        return format!(
            "HTTP Message Signature over {}",
            components.collect::<Vec<_>>().join(", ")
        );
    }
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
