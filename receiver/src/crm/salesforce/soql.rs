//! The query that finds the records which leads may be about, and what it found. Pure.

use leadgate_crds::crm_sink::MatchingKey;
use serde_json::{Map, Value};

use super::answer::record_id;
use super::contact;
use super::settings::Settings;
use crate::crm::Candidate;
use crate::expression::{percent_encode, plain_text};

/// Of an encoded query: URIs of up to 16,384 bytes are taken (REST API Developer Guide, "Query"), and proxies in
/// between often take less.
const MAX_QUERY_LENGTH: usize = 12_000;
/// A page of a query's result. More records than leads by so much means that a key stands in very many of them.
const QUERY_PAGE_SIZE: usize = 2000;

/// The mobile number of leads and contacts. An integration user may not see it.
pub(super) const MOBILE: &str = "MobilePhone";

/// What every query of a sink has in common.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) object: String,
    /// `None`: not compared.
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
    /// Compared as the phone field is.
    pub(super) mobile: Option<String>,
    pub(super) external: Option<String>,
    /// Whether records can be converted leads, which cannot be changed.
    pub(super) converts: bool,
    /// Fields whose values must be known, because those that stand are left alone.
    pub(super) also: Vec<String>,
}

impl Shape {
    /// Of a sink whose leads have these properties, which decide what must be read.
    pub(super) fn of<'a>(settings: &Settings, properties: impl Iterator<Item = &'a str>) -> Self {
        let key = |key, standard| {
            settings
                .matching
                .compares(key)
                .then(|| settings.key_field(standard))
        };
        let mut also: Vec<String> = properties
            .filter(|name| settings.matching.keeps(name) && is_field(name))
            .map(str::to_owned)
            .collect();
        also.sort();
        also.dedup();
        Self {
            object: settings.object.clone(),
            email: key(MatchingKey::Email, "Email"),
            phone: key(MatchingKey::Phone, "Phone"),
            mobile: key(MatchingKey::Phone, MOBILE)
                .filter(|_| settings.converts() || settings.object.eq_ignore_ascii_case(contact::OBJECT)),
            external: settings
                .external_id
                .as_ref()
                .map(|external| external.field.clone()),
            converts: settings.converts(),
            also,
        }
    }

    /// The same of contacts.
    pub(super) fn of_contacts(&self) -> Self {
        Self {
            object: contact::OBJECT.to_owned(),
            external: None,
            converts: false,
            also: self
                .also
                .iter()
                .filter_map(|name| contact::field(name))
                .map(str::to_owned)
                .collect(),
            ..self.clone()
        }
    }
}

/// A field's API name: nothing else is put into a query.
fn is_field(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// By what one lead may be found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) id: Option<String>,
    pub(super) email: Option<String>,
    /// As it is compared, and as the sink writes it.
    pub(super) phones: Vec<String>,
    pub(super) external: Option<String>,
}

impl Keys {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn all(&self) -> impl Iterator<Item = &String> {
        let single = [&self.id, &self.email, &self.external];
        single.into_iter().flatten().chain(&self.phones)
    }
}

/// A record that a query found.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) candidate: Candidate,
    pub(super) external: Option<String>,
    pub(super) converted: bool,
    pub(super) fields: Map<String, Value>,
}

/// The query for some leads' keys.
pub(super) fn query(shape: &Shape, keys: &[&Keys]) -> String {
    let mut fields = vec!["Id"];
    let known = [&shape.email, &shape.phone, &shape.mobile, &shape.external];
    fields.extend(known.into_iter().flatten().map(String::as_str));
    if shape.converts {
        fields.push("IsConverted");
    }
    for field in &shape.also {
        if !fields.iter().any(|known| known.eq_ignore_ascii_case(field)) {
            fields.push(field);
        }
    }
    let within = |field: Option<&str>, values: Vec<&String>| {
        let field = field?;
        let mut values: Vec<String> = values.into_iter().map(|value| literal(value)).collect();
        values.sort();
        values.dedup();
        (!values.is_empty()).then(|| format!("{field} IN ({})", values.join(",")))
    };
    let ids = keys.iter().filter_map(|k| k.id.as_ref()).collect();
    let emails = keys.iter().filter_map(|k| k.email.as_ref()).collect();
    let phones: Vec<&String> = keys.iter().flat_map(|k| &k.phones).collect();
    let externals = keys.iter().filter_map(|k| k.external.as_ref()).collect();
    let persons: Vec<String> = [
        within(Some("Id"), ids),
        within(shape.email.as_deref(), emails),
        within(shape.phone.as_deref(), phones.clone()),
        within(shape.mobile.as_deref(), phones),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut conditions = Vec::new();
    if !persons.is_empty() {
        let any = persons.join(" OR ");
        conditions.push(if shape.converts {
            format!("(({any}) AND IsConverted = false)")
        } else {
            format!("({any})")
        });
    }
    // Also converted ones: the external id stays theirs.
    conditions.extend(within(shape.external.as_deref(), externals));
    format!(
        "SELECT {} FROM {} WHERE {} LIMIT {QUERY_PAGE_SIZE}",
        fields.join(","),
        shape.object,
        conditions.join(" OR ")
    )
}

/// A text in SOQL (SOQL and SOSL Reference, "Quoted String Escape Sequences").
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // No key has one on purpose, and none can be searched for.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// Splits leads (by their index) so that each part's query is short enough.
pub(super) fn chunks(shape: &Shape, keys: &[(usize, Keys)]) -> Vec<Vec<(usize, Keys)>> {
    let base = percent_encode(&query(shape, &[])).len() + 200;
    let (mut parts, mut part, mut length) = (Vec::new(), Vec::new(), base);
    for (lead, keys) in keys {
        let twice = keys.phones.iter().filter(|_| shape.mobile.is_some());
        let more: usize = keys
            .all()
            .chain(twice)
            .map(|key| percent_encode(&literal(key)).len() + "%2C".len())
            .sum();
        if length + more > MAX_QUERY_LENGTH && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            length = base;
        }
        length += more;
        part.push((*lead, keys.clone()));
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// What a query found, and whether that is all; `None`: the body is no result.
pub(super) fn results(shape: &Shape, body: &Value) -> Option<(Vec<Found>, bool)> {
    let records = body.get("records")?.as_array()?;
    let found: Vec<Found> = records.iter().filter_map(|record| found(shape, record)).collect();
    let done = body.get("done").and_then(Value::as_bool).unwrap_or(true);
    Some((found, done && records.len() < QUERY_PAGE_SIZE))
}

fn found(shape: &Shape, record: &Value) -> Option<Found> {
    let fields = record.as_object()?;
    // Field names come back as the schema writes them, whatever the query's case.
    let get = |name: &str| {
        let (_, value) = fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        plain_text(value)
    };
    let named = |name: &Option<String>| name.as_deref().and_then(get);
    Some(Found {
        candidate: Candidate {
            id: get("Id").as_deref().and_then(record_id)?,
            email: named(&shape.email),
            phones: [named(&shape.phone), named(&shape.mobile)]
                .into_iter()
                .flatten()
                .collect(),
        },
        external: named(&shape.external),
        converted: get("IsConverted").as_deref() == Some("true"),
        fields: fields.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shape() -> Shape {
        Shape {
            object: "Lead".to_owned(),
            email: Some("Email".to_owned()),
            phone: Some("Phone".to_owned()),
            mobile: Some(MOBILE.to_owned()),
            external: Some("Sub__c".to_owned()),
            converts: true,
            also: vec!["email".to_owned(), "Title".to_owned()],
        }
    }

    fn keys(email: &str, phone: &str, external: &str) -> Keys {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Keys {
            id: None,
            email: given(email),
            phones: given(phone).into_iter().collect(),
            external: given(external),
        }
    }

    #[test]
    fn one_query_asks_for_all_keys_of_all_leads() {
        let (a, b) = (keys("a@x.de", "+491", "s1"), keys("b@x.de", "", "s2"));
        assert_eq!(
            query(&shape(), &[&a, &b]),
            "SELECT Id,Email,Phone,MobilePhone,Sub__c,IsConverted,Title FROM Lead WHERE ((Email IN ('a@x.de','b@x.de') OR \
             Phone IN ('+491') OR MobilePhone IN ('+491')) AND IsConverted = false) OR Sub__c IN ('s1','s2') LIMIT 2000"
        );
        let plain = Shape {
            object: "Contact".to_owned(),
            converts: false,
            mobile: None,
            external: None,
            also: Vec::new(),
            ..shape()
        };
        let by_id = Keys {
            id: Some("0035g00000AbCdEEAV".to_owned()),
            ..Keys::default()
        };
        assert_eq!(
            query(&plain, &[&by_id]),
            "SELECT Id,Email,Phone FROM Contact WHERE (Id IN ('0035g00000AbCdEEAV')) LIMIT 2000"
        );
    }

    #[test]
    fn no_value_leaves_its_quotes() {
        let evil = keys("x' OR Email != '", "a\\", "\n\u{0}");
        let text = query(&shape(), &[&evil]);
        assert!(text.contains(r"Email IN ('x\' OR Email != \'')"), "{text}");
        assert!(
            text.contains(r"Phone IN ('a\\')") && text.contains(r"Sub__c IN ('\n ')"),
            "{text}"
        );
    }

    #[test]
    fn no_query_is_longer_than_a_uri_may_be() {
        let many: Vec<(usize, Keys)> = (0..200)
            .map(|n| {
                (
                    n,
                    keys(
                        &format!("person.number.{n}@example-company.com"),
                        "+4930123456",
                        &"f".repeat(64),
                    ),
                )
            })
            .collect();
        let parts = chunks(&shape(), &many);
        assert!(parts.len() > 1, "200 leads do not fit");
        let mut seen = Vec::new();
        for part in &parts {
            let keys: Vec<&Keys> = part.iter().map(|(_, keys)| keys).collect();
            let length = percent_encode(&query(&shape(), &keys)).len();
            assert!(length <= MAX_QUERY_LENGTH, "{length}");
            seen.extend(part.iter().map(|(lead, _)| *lead));
        }
        assert_eq!(seen, (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn results_are_read_whatever_the_case_of_the_names() {
        let body = json!({"totalSize": 2, "done": true, "records": [
            {"attributes": {"type": "Lead"}, "Id": "00Q5g00000AbCdEEAV", "Email": "a@x.de", "Phone": null, "MobilePhone": "+491", "SUB__C": "s1",
             "IsConverted": true, "Title": "CEO"},
            {"Id": "not an id"},
        ]});
        let (found, all) = results(&shape(), &body).unwrap();
        assert!(all && found.len() == 1);
        let one = &found[0];
        assert_eq!(
            (one.candidate.email.as_deref(), one.candidate.phones.as_slice()),
            (Some("a@x.de"), &["+491".to_owned()][..])
        );
        assert_eq!(
            (one.external.as_deref(), one.converted, &one.fields["Title"]),
            (Some("s1"), true, &json!("CEO"))
        );
        assert!(
            !results(&shape(), &json!({"done": false, "records": []}))
                .unwrap()
                .1
        );
        assert!(results(&shape(), &json!([])).is_none());
    }
}
