//! Which writes share a call, and what a collection's answer says about each. Pure.

use std::collections::HashSet;

use leadgate_crds::reason::FailureReason;
use serde_json::{Map, Value, json};

use super::answer::{Answer, item, record_id};
use super::contact;
use crate::crm::Failure;
use crate::outbound::{Body, Reply};

/// Records of one collection (REST API Developer Guide, "sObject Collections").
pub(super) const MAX_BATCH: usize = 200;

/// How a record is addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// By its id.
    Update(String),
    /// By its external id, which may create it.
    Upsert(String),
    /// Not at all: a new one.
    Insert,
}

/// One lead's write.
#[derive(Debug, Clone)]
pub(super) struct Write {
    /// Its place in the batch.
    pub(super) lead: usize,
    pub(super) kind: Kind,
    pub(super) fields: Map<String, Value>,
    /// Save where a duplicate rule allows it.
    pub(super) allow_save: bool,
}

impl Write {
    /// Which record it means; nothing for a new one.
    fn key(&self) -> Option<String> {
        match &self.kind {
            Kind::Update(id) => Some(id.clone()),
            // External ids are compared without regard to case.
            Kind::Upsert(value) => Some(value.to_lowercase()),
            Kind::Insert => None,
        }
    }

    fn goes_with(&self, other: &Self) -> bool {
        std::mem::discriminant(&self.kind) == std::mem::discriminant(&other.kind)
            && self.allow_save == other.allow_save
    }

    /// The object of its record, which is the sink's unless it is a person's contact.
    pub(super) fn object<'a>(&self, object: &'a str) -> &'a str {
        match &self.kind {
            Kind::Update(id) if contact::is_contact(id) => contact::OBJECT,
            _ => object,
        }
    }

    /// Whether a new record may come of it.
    pub(super) fn may_create(&self) -> bool {
        !matches!(self.kind, Kind::Update(_))
    }
}

/// The next writes that share a call of at most `most`, and the others. No record is twice in a call: Salesforce would refuse one of the
/// two, or the order would be lost.
pub(super) fn next(writes: Vec<Write>, most: usize) -> (Vec<Write>, Vec<Write>) {
    let (mut now, mut later): (Vec<Write>, Vec<Write>) = (Vec::new(), Vec::new());
    let mut keys = HashSet::new();
    for write in writes {
        let fits = now.first().is_none_or(|first| first.goes_with(&write));
        if fits && now.len() < most && write.key().is_none_or(|key| keys.insert(key)) {
            now.push(write);
        } else {
            later.push(write);
        }
    }
    (now, later)
}

/// Of a call that was refused as a whole: the writes that are to blame, and the parts that the others are tried in, last
/// one first. A field that Salesforce does not know blames those that send it: a wrong mapping must not cost two
/// requests a lead. Otherwise the call is halved, until the culprit is alone.
pub(super) fn guilty(mut writes: Vec<Write>, unknown: Option<&str>) -> (Vec<Write>, Vec<Vec<Write>>) {
    let sends = |write: &Write| {
        unknown.is_some_and(|field| write.fields.keys().any(|name| name.eq_ignore_ascii_case(field)))
    };
    if writes.iter().any(sends) {
        let (guilty, rest) = writes.into_iter().partition(sends);
        return (guilty, vec![rest]);
    }
    let rest = writes.split_off(writes.len() / 2);
    (Vec::new(), vec![rest, writes])
}

/// The body of a collection. `external`: the external id field.
pub(super) fn collection(writes: &[Write], object: &str, external: &str) -> Value {
    let records: Vec<Value> = writes
        .iter()
        .map(|write| {
            let mut record = write.fields.clone();
            record.insert("attributes".to_owned(), json!({"type": write.object(object)}));
            match &write.kind {
                Kind::Update(id) => record.insert("id".to_owned(), json!(id)),
                Kind::Upsert(value) => record.insert(external.to_owned(), json!(value)),
                Kind::Insert => None,
            };
            Value::Object(record)
        })
        .collect();
    // One lead's fault is not the others'.
    json!({"allOrNone": false, "records": records})
}

/// One answer for each write; a body that is no list of as many results tells nothing about any.
pub(super) fn items(body: &Value, writes: &[Write], object: &str) -> Vec<Answer> {
    match body.as_array() {
        Some(results) if results.len() == writes.len() => results
            .iter()
            .zip(writes)
            .map(|(result, write)| match (item(result, object), &write.kind) {
                (Answer::Done(None), Kind::Update(id)) => Answer::Done(Some(id.clone())),
                (answer, _) => answer,
            })
            .collect(),
        _ => vec![
            Answer::Retry {
                after: None,
                why: Failure::new(
                    FailureReason::UnreadableAnswer,
                    "Salesforce's answer to a collection is not one result a record"
                ),
                in_doubt: true,
            };
            writes.len()
        ],
    }
}

/// What a single call's success means: the record is written, if the body is the one that this call is documented to have
/// (REST API Developer Guide, "sObject Rows", "sObject Rows by External ID").
pub(super) fn written(reply: &Reply, kind: &Kind) -> Answer {
    let empty = reply.status == 204 && reply.body == Body::Empty;
    let told = reply.json();
    let success = told.get("success").and_then(Value::as_bool) == Some(true);
    let id = told.get("id").and_then(Value::as_str).and_then(record_id);
    match kind {
        Kind::Update(id) if empty || success => Answer::Done(Some(id.clone())),
        Kind::Upsert(_) if empty => Answer::Done(None),
        Kind::Upsert(_) | Kind::Insert if success && id.is_some() => Answer::Done(id),
        Kind::Update(_) | Kind::Upsert(_) | Kind::Insert => Answer::unproven(reply),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(lead: usize, kind: Kind, allow_save: bool) -> Write {
        Write {
            lead,
            kind,
            fields: Map::new(),
            allow_save,
        }
    }

    fn leads(writes: &[Write]) -> Vec<usize> {
        writes.iter().map(|write| write.lead).collect()
    }

    #[test]
    fn a_call_has_one_kind_of_write_and_no_record_twice() {
        let upsert = |value: &str| Kind::Upsert(value.to_owned());
        let writes = vec![
            write(0, upsert("a"), false),
            write(1, Kind::Update("x".to_owned()), false),
            write(2, upsert("A"), false),
            write(3, upsert("b"), false),
            write(4, upsert("c"), true),
            write(5, Kind::Insert, false),
            write(6, Kind::Insert, false),
        ];
        let mut calls = Vec::new();
        let mut rest = writes;
        while !rest.is_empty() {
            let (now, later) = next(rest, MAX_BATCH);
            calls.push(leads(&now));
            rest = later;
        }
        assert_eq!(calls, [vec![0, 3], vec![1], vec![2], vec![4], vec![5, 6]]);
        let many = (0..450).map(|n| write(n, Kind::Insert, false)).collect();
        let (now, later) = next(many, MAX_BATCH);
        assert_eq!((now.len(), later.len()), (200, 250));
        let (now, later) = next(later, 20);
        assert_eq!((now.len(), later.len()), (20, 230));
    }

    #[test]
    fn an_unknown_field_blames_those_that_send_it_and_anything_else_half_of_the_call() {
        let mut writes: Vec<Write> = (0..5).map(|n| write(n, Kind::Insert, false)).collect();
        writes[1].fields.insert("shoe__c".to_owned(), json!("43"));
        writes[3].fields.insert("Shoe__c".to_owned(), json!("44"));
        let (blamed, rest) = guilty(writes.clone(), Some("Shoe__c"));
        assert_eq!(
            (leads(&blamed), leads(&rest[0]), rest.len()),
            (vec![1, 3], vec![0, 2, 4], 1)
        );
        for unknown in [None, Some("Hat__c")] {
            let (blamed, rest) = guilty(writes.clone(), unknown);
            assert_eq!(
                (blamed.len(), leads(&rest[1]), leads(&rest[0])),
                (0, vec![0, 1], vec![2, 3, 4])
            );
        }
    }

    #[test]
    fn only_the_documented_body_proves_a_write() {
        let update = || Kind::Update("00Q5g00000AbCdEEAV".to_owned());
        let upsert = || Kind::Upsert("k".to_owned());
        let made = r#"{"id":"00Q5g00000AbCdFEAV","success":true,"errors":[],"created":true}"#;
        let page = "<html><body>We are down for maintenance.</body></html>";
        let table = [
            (update(), 204, "", "EEAV"),
            (update(), 200, made, "EEAV"),
            (upsert(), 201, made, "FEAV"),
            (upsert(), 200, made, "FEAV"),
            (upsert(), 204, "", "unnamed"),
            (Kind::Insert, 201, made, "FEAV"),
            (Kind::Insert, 204, "", "unproven"),
            (
                Kind::Insert,
                201,
                r#"{"id":"00Q5g00000AbCdFEAV","success":false}"#,
                "unproven",
            ),
            (Kind::Insert, 201, r#"{"success":true}"#, "unproven"),
            (upsert(), 200, r#"{"message":"down"}"#, "unproven"),
            (upsert(), 200, "", "unproven"),
            (update(), 200, page, "unproven"),
            (update(), 204, page, "unproven"),
            (upsert(), 200, page, "unproven"),
        ];
        for (kind, status, body, expected) in table {
            let reply = Reply::new(status, http::HeaderMap::new(), body.to_owned());
            let shown = match written(&reply, &kind) {
                Answer::Done(None) => "unnamed".to_owned(),
                Answer::Done(Some(id)) => id[14..].to_owned(),
                _ => "unproven".to_owned(),
            };
            assert_eq!(shown, expected, "{kind:?} {status} {body}");
        }
    }

    #[test]
    fn a_collection_has_types_and_keys_and_each_result_its_lead() {
        let writes = [
            write(0, Kind::Upsert("k".to_owned()), false),
            write(1, Kind::Update("00Q5g00000AbCdEEAV".to_owned()), false),
        ];
        assert_eq!(
            collection(&writes, "Lead", "Sub__c"),
            json!({"allOrNone": false, "records": [
                {"attributes": {"type": "Lead"}, "Sub__c": "k"},
                {"attributes": {"type": "Lead"}, "id": "00Q5g00000AbCdEEAV"},
            ]})
        );
        let body = json!([{"id": "00Q5g00000AbCdFEAV", "success": true}, {"success": true}]);
        let answers = items(&body, &writes, "Lead");
        assert!(matches!(&answers[0], Answer::Done(Some(id)) if id.ends_with("FEAV")));
        assert!(matches!(&answers[1], Answer::Done(Some(id)) if id.ends_with("EEAV")));
        for odd in [json!([]), json!({}), Value::Null] {
            let answers = items(&odd, &writes, "Lead");
            assert!(answers.len() == 2 && matches!(answers[0], Answer::Retry { in_doubt: true, .. }));
        }
    }
}
