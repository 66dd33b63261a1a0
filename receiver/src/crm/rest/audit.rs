//! People with several records: `rest.read` tells whose a record is, `rest.lookup` finds the person's others.

use leadgate_crds::reason::FailureReason;
use serde_json::Value;

use super::Rest;
use super::description::Flow;
use crate::crm::answer::Answer;
use crate::crm::{Failure, Throttle, Twins, Undone, Upsert};
use crate::lead;

impl Rest {
    pub(super) async fn twins_of(&self, record: &str, throttle: &dyn Throttle) -> Result<Twins, Undone> {
        let (Some(read), Flow::Find(find)) = (&self.settings.read, &self.settings.flow) else {
            return Err(Undone::Failed(Failure::new(
                FailureReason::ReadMissing,
                "the sink does not say how records are read and found (rest.read and rest.lookup)",
            )));
        };
        let (answer, seen) = self.call_by_id(&read.call, record, throttle).await?;
        match answer {
            Answer::Done(_) => {}
            Answer::NotFound(_) => return Ok(None),
            other => return Err(other.into()),
        }
        let Some(lead) = read.lead.value(&seen.scope())?.and_then(person) else {
            return Ok(None);
        };
        let lead = Upsert {
            lead,
            ..Upsert::default()
        };
        let found = self.look_up(find, &lead, throttle).await?;
        let others = found
            .into_iter()
            .filter(|other| other.matches && other.id != record);
        let mut others: Vec<String> = others.map(|other| other.id).collect();
        others.sort();
        others.dedup();
        Ok(Some(others))
    }
}

/// Whose record it is, with the address and number as leads have them; `None`: it has neither.
fn person(mut lead: Value) -> Option<Value> {
    let fields = lead.as_object_mut()?;
    for name in ["email", "phone"] {
        let form = |typed: &str| match name {
            "email" => lead::email(typed),
            _ => lead::phone(typed, None).number,
        };
        let value = fields.get(name).and_then(Value::as_str).map(form);
        match value.filter(|value| !value.is_empty()) {
            Some(value) => fields.insert(name.to_owned(), Value::String(value)),
            None => fields.remove(name),
        };
    }
    let is_known = fields.contains_key("email") || fields.contains_key("phone");
    is_known.then_some(lead)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_is_looked_for_as_leads_are() {
        let table = [
            (
                json!({"email": " Ada@Example.com", "phone": "+49 30 123456", "company": "X"}),
                Some(json!({"email": "ada@example.com", "phone": "+4930123456", "company": "X"})),
            ),
            (
                json!({"email": null, "phone": "0030"}),
                Some(json!({"phone": "0030"})),
            ),
            (json!({"email": "", "phone": null}), None),
            (json!({"email": 7}), None),
            (json!([]), None),
        ];
        for (read, expected) in table {
            assert_eq!(person(read.clone()), expected, "{read}");
        }
    }
}
