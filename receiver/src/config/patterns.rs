//! The patterns of the resources' schemas, in words.

/// A length of time.
pub(super) const DURATION: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

/// What a text of each pattern is, and one for example.
const WORDS: &[(&str, &str)] = &[
    (
        DURATION,
        "write a duration in h, m, s and ms without blanks, for example 48h or 1h30m",
    ),
    (
        "^[A-Z]{2}$",
        "write a country's code of ISO 3166 in capitals, for example DE",
    ),
    (
        "^/",
        "write a JSON pointer, which begins with a slash, for example /data/token",
    ),
    (
        r"^[-._a-zA-Z0-9]+$",
        "write a key of a Secret: letters, digits, hyphens, dots and underscores, for example token",
    ),
    (
        r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        "write a Kubernetes name: lower-case letters, digits, hyphens and dots, for example crm-token",
    ),
    (
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "write a Kubernetes name: lower-case letters, digits and hyphens, for example crm-leads",
    ),
    (
        r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        "write the name of a header, for example X-Api-Key",
    ),
    (
        r"^[\x20-\x7e]*$",
        "write a value of visible ASCII characters, on one line",
    ),
    (
        r"^[A-Za-z0-9._~+/-]*$",
        "write the scheme alone, without a blank, for example Bearer",
    ),
    (
        r"^[A-Za-z0-9._~-]+$",
        "write the scheme alone, without a blank, for example Bearer",
    ),
    (
        r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        "write a host name in lower case, without https:// and path, for example leads.example.com",
    ),
    (
        r"^[A-Za-z0-9._-]+$",
        "write a host name, for example client.example.com",
    ),
    (
        r"^(([0-9A-Fa-f]{2}:?){19}|([0-9A-Fa-f]{2}:?){31})[0-9A-Fa-f]{2}$",
        "write a SHA-1 or SHA-256 fingerprint in hexadecimal digits, as openssl x509 -fingerprint prints it",
    ),
    (
        r"^[a-z*][a-z0-9_.*-]*$",
        "write the label as in Signature-Input, for example sig1",
    ),
    (r"^[A-Za-z0-9]{1,64}$", "write 1 to 64 letters and digits"),
    (
        r"^(v[0-9]{1,2}|[0-9]{4}-[0-9]{2})$",
        "write a version of HubSpot's API, for example v3",
    ),
    (
        r"^[0-9]{2,3}\.0$",
        "write a version of Salesforce's API in quotes, for example \"62.0\"",
    ),
    (
        r"^[A-Za-z0-9_-]+$",
        "write the object's API name: letters, digits, hyphens and underscores, for example contacts",
    ),
    (
        r"^[a-z][a-z0-9_]*$",
        "write the property's internal name: lower-case letters, digits and underscores, for example lead_id",
    ),
    (
        r"^[A-Za-z][A-Za-z0-9_]*$",
        "write the API name: letters, digits and underscores, for example Lead_Id__c",
    ),
    (r"^\S+$", "write each scope as an item of its own, without blanks"),
    (
        r"^[^\s,]+$",
        "write each host as an item of its own, without blanks and commas, for example .example.com",
    ),
    (
        r"^https?://[^@/\s]+/?$",
        "write a proxy's address without user name and path, for example http://proxy.example.com:3128",
    ),
];

/// What to write where a text does not match.
pub(super) fn words(pattern: &str) -> Option<&'static str> {
    WORDS
        .iter()
        .find(|(known, _)| *known == pattern)
        .map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn patterns(schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(members) => {
                if let Some(Value::String(pattern)) = members.get("pattern") {
                    found.push(pattern.clone());
                }
                members.values().for_each(|below| patterns(below, found));
            }
            Value::Array(items) => items.iter().for_each(|below| patterns(below, found)),
            _ => {}
        }
    }

    #[test]
    fn every_pattern_of_the_resources_has_words() {
        let mut found = Vec::new();
        for definition in [
            leadgate_crds::LEAD_WEBHOOK_YAML,
            leadgate_crds::CRM_SINK_YAML,
            leadgate_crds::LEAD_RECEIVER_YAML,
        ] {
            patterns(&serde_saphyr::from_str(definition).unwrap(), &mut found);
        }
        assert!(found.len() > 50, "{}", found.len());
        let without: Vec<_> = found.iter().filter(|pattern| words(pattern).is_none()).collect();
        assert!(without.is_empty(), "{without:?}");
    }
}
