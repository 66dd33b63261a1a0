//! What a report must not contain: personal data, tokens, passwords. Pure.

use regex::{Captures, Regex};
use serde_json::Value;

/// Text that stands for what was taken away.
const GONE: &str = "[redacted]";

/// How names of secrets end: `TELLING` in the rules.
const TELLING: &str = "token|secret|password|passwd|passphrase|api[_-]?key|authorization|credentials?";

/// What is taken away, in this order.
const RULES: &[(&str, &str)] = &[
    // User name and password in a URL.
    (r#"([A-Za-z][A-Za-z0-9+.-]*://)[^/\s"'@]*@"#, "$1[redacted]@"),
    // A query may carry a token.
    (
        r#"([A-Za-z][A-Za-z0-9+.-]*://[^\s"'?]*\?)[^\s"']+"#,
        "$1[redacted]",
    ),
    (
        r"(?i)\b(bearer|basic|digest)\s+[A-Za-z0-9._~+/=-]{6,}",
        "$1 [redacted]",
    ),
    // A member or variable with a telling name. What follows on further lines is a structure, of which each line is looked at.
    (
        r#"(?i)((?:TELLING)["']?[ \t]*[:=][ \t]*["']?)[^\s"',{}\[\]]{3,}"#,
        "$1[redacted]",
    ),
    (r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)?", GONE),
    (
        r"\b(?:pat-[a-z0-9]+-|whsec_|sk_|rk_|shpat_|ghp_|xox[a-z]-)[A-Za-z0-9+/=_-]{8,}",
        GONE,
    ),
    (
        r#"[^\s"'<>(),:;=\[\]/|]+(?:@|%40)[^\s"'<>(),:;@=\[\]/|]+\.[\p{L}\d-]{2,}"#,
        "[e-mail]",
    ),
    // Phone numbers: international, and with the separators that people write.
    (r"\+\d[\d ()./-]{5,20}\d", "[phone]"),
    (r"\b00\d{8,13}\b", "[phone]"),
    (r"\(\d{3}\) ?\d{3}[ .-]\d{4}\b", "[phone]"),
    (r"\b\d{3}[ .-]\d{3}[ .-]\d{4}\b", "[phone]"),
    (r"\(\d{2,5}\) ?\d[\d-]{3,11}\d", "[phone]"),
    (r"\b0\d{2,4}[ /-]\d[\d -]{3,9}\d\b", "[phone]"),
];

/// Takes personal data and secrets out of text.
pub(crate) struct Redactor {
    rules: Vec<(Regex, &'static str)>,
    opaque: Regex,
    telling: Regex,
}

impl Redactor {
    pub(crate) fn new() -> Result<Self, regex::Error> {
        let rules = RULES
            .iter()
            .map(|(pattern, with)| Ok((Regex::new(&pattern.replace("TELLING", TELLING))?, *with)));
        Ok(Self {
            rules: rules.collect::<Result<_, regex::Error>>()?,
            // Long and without a word: a key. The digest of an image is none.
            opaque: Regex::new(r"(sha256:)?\b[A-Za-z0-9+/_]{32,}={0,2}")?,
            telling: Regex::new(&format!("(?i)(?:{TELLING})$"))?,
        })
    }

    /// Text without them.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (pattern, with) in &self.rules {
            text = pattern.replace_all(&text, *with).into_owned();
        }
        let opaque = |found: &Captures<'_>| {
            let whole = found.get(0).map_or("", |whole| whole.as_str());
            let has = |test: fn(char) -> bool| whole.contains(test);
            let is_mixed = has(|c| c.is_ascii_digit()) && has(|c| c.is_ascii_alphabetic());
            if found.get(1).is_none() && is_mixed {
                GONE.to_owned()
            } else {
                whole.to_owned()
            }
        };
        self.opaque.replace_all(&text, opaque).into_owned()
    }

    /// An object of Kubernetes without them: what other tools keep in it goes, and so do values of variables.
    pub(crate) fn object(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.object(item)),
            Value::Object(members) => {
                members.remove("managedFields");
                members.remove("kubectl.kubernetes.io/last-applied-configuration");
                for variable in members
                    .get_mut("env")
                    .and_then(Value::as_array_mut)
                    .into_iter()
                    .flatten()
                {
                    if let Some(value) = variable.get_mut("value") {
                        *value = Value::from(GONE);
                    }
                }
                for (name, member) in members {
                    match member {
                        // As a whole: rules for text end at a blank.
                        Value::String(text) if text.len() >= 3 && self.telling.is_match(name) => {
                            GONE.clone_into(text);
                        }
                        member => self.object(member),
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn personal_data_and_secrets_go() {
        let redactor = Redactor::new().unwrap();
        #[rustfmt::skip]
        let table = [
            ("lead of Ada.Lovelace+x@sub.example.co.uk failed", "lead of [e-mail] failed"),
            ("mailto:jürgen@müller.example, x", "mailto:[e-mail], x"),
            ("to=ada%40example.com&x", "to=[e-mail]&x"),
            ("call +49 (0)30 123456-7 now", "call [phone] now"),
            ("00493012345678 0170 1234567 (030) 1234567 650-253-0000 (650) 253-0000", "[phone] [phone] [phone] [phone] [phone]"),
            ("redis://user:pa:ss@redis:6379/0", "redis://[redacted]@redis:6379/0"),
            ("GET https://crm.example.com/x?token=abc&y=1 404", "GET https://crm.example.com/x?[redacted] 404"),
            ("Authorization: Bearer abcdef123456", "Authorization: [redacted] [redacted]"),
            ("bearer abcdef123456", "bearer [redacted]"),
            (r#"{"client_secret":"s3cr3t!","x":1}"#, r#"{"client_secret":"[redacted]","x":1}"#),
            ("LEADGATE_TOKEN=hunter22", "LEADGATE_TOKEN=[redacted]"),
            ("pat-eu1-0f1e2d3c-aaaa-bbbb-cccc-0123456789ab", "[redacted]"),
            ("eyJhbGciOiJI.eyJzdWIiOi.c2ln", "[redacted]"),
            ("key 0123456789abcdef0123456789abcdef end", "key [redacted] end"),
        ];
        for (text, expected) in table {
            assert_eq!(redactor.text(text), expected, "{text}");
        }
    }

    #[test]
    fn yaml_stays_yaml() {
        let redactor = Redactor::new().unwrap();
        let mut status = json!({
            "credentials": {"ok": true, "secret": [1]},
            "password": "two words: and more",
            "by": "ada@example.com (job 7)",
            "token": 123_456,
            "clientSecret": "",
            "message": "Authorization: Bearer abcdef123456 refused",
        });
        redactor.object(&mut status);
        let text = redactor.text(&crate::text::yaml(&status).unwrap());
        let read: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(read["credentials"], json!({"ok": true, "secret": [1]}), "{text}");
        assert_eq!(read["password"], GONE, "{text}");
        assert_eq!(read["by"], "[e-mail] (job 7)", "{text}");
        assert!(!text.contains("123456") && !text.contains("words"), "{text}");
    }

    #[test]
    fn what_helps_stays() {
        let redactor = Redactor::new().unwrap();
        for text in [
            "2026-11-26T17:24:21.123456Z",
            "2026-11-26T17:24:21+00:00",
            "10.0.0.1:9090 [::1]:8080",
            "leadgate-receiver-default-6c9d8f7b5-abcde",
            "registry.example.com/leadgate@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "0f1e2d3c-aaaa-bbbb-cccc-0123456789ab",
            "tokenSecretRef: {name: crm, key: access}",
            "leadgate_deliveries_total{sink=\"default/crm\"} 1234567",
            "01KAZ3V9Q8W1XH6Y3QF3N4T5RS",
            "credentials:\n  ok: true",
            "token:\r\n  name: crm",
        ] {
            assert_eq!(redactor.text(text), text);
        }
    }

    #[test]
    fn objects_lose_what_other_tools_keep_in_them() {
        let redactor = Redactor::new().unwrap();
        let mut object = json!({
            "metadata": {"managedFields": [1], "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x", "a": "b@example.com"}},
            "spec": {"containers": [{"env": [{"name": "A", "value": "plain"}, {"name": "B", "valueFrom": {"x": 1}}]}]},
        });
        redactor.object(&mut object);
        let expected = json!({
            "metadata": {"annotations": {"a": "[e-mail]"}},
            "spec": {"containers": [{"env": [{"name": "A", "value": GONE}, {"name": "B", "valueFrom": {"x": 1}}]}]},
        });
        assert_eq!(object, expected);
    }
}
