//! Which leads of a batch arrived. Pure.
//!
//! The results stand in any order and the errors name ids, so inputs are found again by the trace id that each carries,
//! else by what addressed them. What cannot be found is not taken for delivered: it goes again, alone.

use serde_json::Value;

use super::values::folded;
use crate::expression::plain_text;

/// What addressed an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    /// As `objectWriteTraceId`.
    pub(super) trace: String,
    /// A record's id, or a value of the unique property in lower case.
    pub(super) key: String,
}

/// What became of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Written, to this record.
    Written(String),
    /// No record has its key.
    Missing,
    /// Refused or not mentioned.
    Unsettled,
}

/// Reads a batch's answer. `key_property`: whose value addresses inputs; `None`: ids do.
pub(super) fn arrivals(body: &Value, inputs: &[Input], key_property: Option<&str>) -> Vec<Arrival> {
    let list = |name: &str| {
        body.get(name)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice)
    };
    let mut arrivals = vec![Arrival::Unsettled; inputs.len()];
    for result in list("results") {
        let Some(id) = result.get("id").and_then(plain_text) else {
            continue;
        };
        let trace = result.get("objectWriteTraceId").and_then(Value::as_str);
        let key = match key_property {
            None => Some(id.clone()),
            Some(property) => folded(result.get("properties").and_then(|p| p.get(property))),
        };
        let found = inputs
            .iter()
            .position(|input| trace == Some(input.trace.as_str()))
            .or_else(|| inputs.iter().position(|input| key.as_ref() == Some(&input.key)));
        if let Some(arrival) = found.and_then(|at| arrivals.get_mut(at)) {
            *arrival = Arrival::Written(id);
        }
    }
    for error in list("errors") {
        let missing = error.get("category").and_then(Value::as_str) == Some("OBJECT_NOT_FOUND");
        let ids = error
            .pointer("/context/ids")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        for key in ids.iter().filter_map(|id| folded(Some(id))) {
            for (input, arrival) in inputs.iter().zip(&mut arrivals) {
                if input.key == key && *arrival == Arrival::Unsettled && missing {
                    *arrival = Arrival::Missing;
                }
            }
        }
    }
    arrivals
}

/// Whether `batch/upsert` made the record `id` without an e-mail address.
pub(super) fn lacks_address(body: &Value, id: &str) -> bool {
    let results = body.get("results").and_then(Value::as_array);
    results.into_iter().flatten().any(|result| {
        let address = result.pointer("/properties/email").and_then(Value::as_str);
        result.get("id").and_then(plain_text).as_deref() == Some(id)
            && result.get("new").and_then(Value::as_bool) == Some(true)
            && address.is_none_or(str::is_empty)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn inputs(keys: &[&str]) -> Vec<Input> {
        keys.iter()
            .enumerate()
            .map(|(at, key)| Input {
                trace: format!("t{at}"),
                key: (*key).to_owned(),
            })
            .collect()
    }

    fn written(id: &str) -> Arrival {
        Arrival::Written(id.to_owned())
    }

    #[test]
    fn results_in_another_order_are_told_apart_by_trace_or_by_key() {
        let body = json!({"status": "COMPLETE", "results": [
            {"id": "12", "properties": {"email": "C@x.de"}},
            {"id": "10", "objectWriteTraceId": "t0", "properties": {}},
            {"id": "11", "properties": {"email": "b@x.de"}},
        ]});
        assert_eq!(
            arrivals(&body, &inputs(&["a@x.de", "b@x.de", "c@x.de"]), Some("email")),
            [written("10"), written("11"), written("12")]
        );
    }

    #[test]
    fn a_record_made_without_its_address_is_seen() {
        let body = json!({"results": [
            {"id": "1", "new": true, "properties": {}},
            {"id": "2", "new": true, "properties": {"email": "b@x.de"}},
            {"id": "3", "new": false, "properties": {}},
        ]});
        let lacking: Vec<&str> = ["1", "2", "3"]
            .into_iter()
            .filter(|id| lacks_address(&body, id))
            .collect();
        assert_eq!(lacking, ["1"]);
    }

    #[test]
    fn only_what_the_answer_names_as_written_is_written_whatever_its_status() {
        let body = json!({"status": "COMPLETE", "numErrors": 2,
        "results": [{"id": "7", "properties": {}}],
        "errors": [
            {"status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": ["8"]}},
            {"status": "error", "category": "VALIDATION_ERROR", "context": {"ids": ["9"]}},
        ]});
        assert_eq!(
            arrivals(&body, &inputs(&["7", "8", "9", "10"]), None),
            [
                written("7"),
                Arrival::Missing,
                Arrival::Unsettled,
                Arrival::Unsettled
            ]
        );
        assert_eq!(
            arrivals(&Value::Null, &inputs(&["7"]), None),
            [Arrival::Unsettled]
        );
    }
}
