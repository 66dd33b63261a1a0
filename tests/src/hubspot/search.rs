//! `POST .../search`: late, and not to be relied on.

use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Sim, State,
    answers::{Answer, Handled},
    single::show,
    store::Properties,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Query {
    filter_groups: Vec<Group>,
    properties: Vec<String>,
    limit: usize,
    after: Option<Value>,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            filter_groups: Vec::new(),
            properties: Vec::new(),
            limit: 10,
            after: None,
        }
    }
}

#[derive(Deserialize)]
struct Group {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    property_name: String,
    operator: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    values: Vec<String>,
}

impl Filter {
    /// Texts compare without regard to case, as HubSpot's index does.
    fn takes(&self, properties: &Properties) -> bool {
        let calculated = DIGITS.iter().find(|(name, _)| *name == self.property_name);
        let held = match calculated {
            Some((_, of)) => properties.get(*of).map(|phone| area_and_local(phone)),
            None => properties
                .get(&self.property_name)
                .map(|value| value.to_lowercase()),
        };
        let wanted = self.value.as_deref().unwrap_or_default().to_lowercase();
        match self.operator.as_str() {
            "EQ" => held == Some(wanted),
            "NEQ" => held != Some(wanted),
            "IN" => held.is_some_and(|held| self.values.iter().any(|value| value.to_lowercase() == held)),
            "HAS_PROPERTY" => held.is_some(),
            "NOT_HAS_PROPERTY" => held.is_none(),
            _ => held.is_some_and(|held| {
                held.split(|c: char| !c.is_alphanumeric())
                    .any(|word| word == wanted)
            }),
        }
    }
}

/// Area code and local number of a contact's phone numbers, which HubSpot keeps for searches.
const DIGITS: [(&str, &str); 2] = [
    ("hs_searchable_calculated_phone_number", "phone"),
    ("hs_searchable_calculated_mobile_number", "mobilephone"),
];

/// Good enough for the countries that scenarios use.
fn area_and_local(phone: &str) -> String {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let international = phone.trim_start().starts_with('+');
    let local = ["1", "49", "44"]
        .iter()
        .find_map(|code| digits.strip_prefix(code).filter(|_| international))
        .unwrap_or(&digits);
    local.trim_start_matches('0').to_owned()
}

const OPERATORS: [&str; 6] = [
    "EQ",
    "NEQ",
    "IN",
    "HAS_PROPERTY",
    "NOT_HAS_PROPERTY",
    "CONTAINS_TOKEN",
];

/// How many values each filter has.
fn filters_of(body: &Value) -> impl Iterator<Item = usize> {
    let groups = body["filterGroups"].as_array().into_iter().flatten();
    groups
        .flat_map(|group| group["filters"].as_array().into_iter().flatten())
        .map(|filter| filter["values"].as_array().map_or(1, Vec::len))
}

/// Groups are joined by OR, their filters by AND.
pub(super) fn search(sim: &Sim, state: &State, body: Value) -> Handled {
    if body.to_string().len() > 3_000 || filters_of(&body).any(|values| values > 100) {
        return Err(Answer::validation("the query is too long"));
    }
    let query: Query = serde_json::from_value(body)
        .map_err(|error| Answer::validation(&format!("Invalid input JSON on line 1, column 1: {error}")))?;
    for filter in query.filter_groups.iter().flat_map(|group| &group.filters) {
        if !OPERATORS.contains(&filter.operator.as_str()) {
            return Err(Answer::validation(&format!(
                "operator {} is not simulated",
                filter.operator
            )));
        }
        let calculated =
            sim.config.calculated_phone && DIGITS.iter().any(|(name, _)| *name == filter.property_name);
        if state.schema.get(&filter.property_name).is_none() && !calculated {
            return Err(Answer::validation(&format!(
                "There is no property {}",
                filter.property_name
            )));
        }
    }
    if query.limit > 200 || query.filter_groups.len() > 5 {
        return Err(Answer::validation(
            "at most 200 results a page and 5 filter groups",
        ));
    }
    let now = Instant::now();
    let found: Vec<_> = state
        .store
        .records()
        .filter_map(|record| Some((record, state.store.indexed(record, sim.config.search_lag, now)?)))
        .filter(|(_, seen)| {
            query.filter_groups.is_empty()
                || query
                    .filter_groups
                    .iter()
                    .any(|group| group.filters.iter().all(|filter| filter.takes(seen)))
        })
        .collect();
    let skip = match &query.after {
        Some(Value::String(after)) => after.parse().unwrap_or(0),
        Some(after) => usize::try_from(after.as_u64().unwrap_or(0)).unwrap_or(0),
        None => 0,
    };
    let results: Vec<Value> = found
        .iter()
        .skip(skip)
        .take(query.limit)
        .map(|(record, seen)| show(record, seen, Some(&query.properties)))
        .collect();
    let end = skip + results.len();
    let mut body = json!({"total": found.len(), "results": results});
    if end < found.len() {
        body["paging"] = json!({"next": {"after": end.to_string()}});
    }
    Ok(Answer::json(200, body))
}
