//! Calls about one record; the collections use them too.

use serde_json::{Map, Value, json};

use super::answers::{Answer, Fail};
use super::store::Lead;
use super::{DuplicateRule, Sim, State, soql, store};

/// What the headers of a write say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wishes {
    /// `Sforce-Duplicate-Rule-Header: allowSave=true`.
    pub(super) allow_save: bool,
    /// `Sforce-Auto-Assign`; TRUE unless it says otherwise.
    pub(super) assign: bool,
}

/// Creates a record, or says why not.
pub(super) fn insert(
    sim: &Sim,
    state: &mut State,
    sent: &Map<String, Value>,
    wishes: Wishes,
) -> Result<String, Fail> {
    if sent.keys().any(|name| name.eq_ignore_ascii_case("id")) {
        return Err(Fail::new(400, "INVALID_FIELD", "cannot specify Id in an insert call").fields(["Id"]));
    }
    let values = state.schema.check(sent)?;
    state.schema.required(&values)?;
    unique(state, None, &values)?;
    duplicates(sim, state, None, &values, wishes)?;
    state.books_write();
    Ok(state
        .store
        .create("00Q", values, &state.schema, sim.started, wishes.assign))
}

/// What is said of an id that no record has.
pub(super) fn absent(state: &State, id: &str) -> Fail {
    if state.store.was_deleted(id) {
        Fail::new(404, "ENTITY_IS_DELETED", "entity is deleted")
    } else {
        Fail::not_found()
    }
}

/// Changes a record, or says why not.
pub(super) fn change(
    sim: &Sim,
    state: &mut State,
    id: &str,
    sent: &Map<String, Value>,
    wishes: Wishes,
) -> Result<String, Fail> {
    let Some(lead) = state.store.get(id) else {
        return Err(absent(state, id));
    };
    let id = lead.id.clone();
    if lead.converted {
        return Err(Fail::new(
            400,
            "CANNOT_UPDATE_CONVERTED_LEAD",
            "cannot reference converted lead",
        ));
    }
    let schema = state.schema_of(&id);
    let values = schema.check(sent)?;
    let mut after = lead.fields.clone();
    after.extend(values.clone());
    schema.required(&after)?;
    if !store::is_contact(&id) {
        unique(state, Some(&id), &values)?;
        duplicates(sim, state, Some(&id), &values, wishes)?;
    }
    state.books_write();
    let State {
        store,
        schema,
        contacts,
        ..
    } = state;
    let schema = if store::is_contact(&id) { contacts } else { schema };
    store.update(&id, values, schema, sim.started, wishes.assign);
    Ok(id)
}

/// Upserts by an external id; the id, and whether it was made.
pub(super) fn upsert(
    sim: &Sim,
    state: &mut State,
    field: &str,
    value: &str,
    sent: &Map<String, Value>,
    wishes: Wishes,
    update_only: bool,
) -> Result<(String, bool), Fail> {
    let Some(field) = state.schema.external(field).map(|field| field.name.clone()) else {
        let message = format!("Provided external ID field does not exist or is not accessible: {field}");
        return Err(Fail::new(404, "NOT_FOUND", message));
    };
    let found: Vec<String> = state
        .store
        .with(&field, value)
        .iter()
        .map(|lead| lead.id.clone())
        .collect();
    match found.as_slice() {
        // The other call's transaction has not ended yet.
        [_] if state
            .under_way
            .contains(&format!("{field} {}", value.to_lowercase())) =>
        {
            let message =
                format!("duplicate value found: {field} duplicates value on record with id: <unknown>");
            Err(Fail::new(400, "DUPLICATE_VALUE", message))
        }
        [id] => change(sim, state, id, sent, wishes).map(|id| (id, false)),
        [] if update_only => Err(Fail::not_found()),
        [] => {
            let mut sent = sent.clone();
            sent.insert(field.clone(), json!(value));
            let id = insert(sim, state, &sent, wishes)?;
            state
                .created_keys
                .push(format!("{field} {}", value.to_lowercase()));
            Ok((id, true))
        }
        several => {
            let mut fail = Fail::new(300, "", "");
            fail.several = several.to_vec();
            Err(fail)
        }
    }
}

/// The values of unique fields that another record has.
fn unique(state: &State, own: Option<&str>, values: &Map<String, Value>) -> Result<(), Fail> {
    for field in state.schema.unique() {
        let Some(value) = values.get(&field.name).and_then(Value::as_str) else {
            continue;
        };
        let holder = state
            .store
            .with(&field.name, value)
            .into_iter()
            .find(|lead| Some(lead.id.as_str()) != own);
        if let Some(holder) = holder {
            let message = format!(
                "duplicate value found: {} duplicates value on record with id: {}",
                field.name,
                &holder.id[..15]
            );
            return Err(Fail::new(400, "DUPLICATE_VALUE", message));
        }
    }
    Ok(())
}

/// The duplicate rule: the same e-mail address, or the same digits of a phone number however they are written.
fn duplicates(
    sim: &Sim,
    state: &State,
    own: Option<&str>,
    values: &Map<String, Value>,
    wishes: Wishes,
) -> Result<(), Fail> {
    let Some(rule) = sim.config.duplicate_rule else {
        return Ok(());
    };
    if rule == DuplicateRule::Alert && wishes.allow_save {
        return Ok(());
    }
    let text = |name: &str| values.get(name).and_then(Value::as_str).unwrap_or_default();
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let (email, phone) = (text("Email").to_lowercase(), digits(text("Phone")));
    let alike = |lead: &&Lead| {
        !lead.converted
            && Some(lead.id.as_str()) != own
            && (!email.is_empty() && lead.get("Email").to_lowercase() == email
                || phone.len() > 5 && digits(lead.get("Phone")) == phone)
    };
    let matches: Vec<Value> = state
        .store
        .leads()
        .filter(alike)
        .map(|lead| {
            json!({"additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0,
                   "record": soql::show(lead, &["Id".to_owned()], "v62.0")})
        })
        .collect();
    if matches.is_empty() {
        return Ok(());
    }
    let mut fail = Fail::new(400, "DUPLICATES_DETECTED", "Use one of these records?");
    fail.duplicates = Some(Box::new(json!({
        "allowSave": rule == DuplicateRule::Alert, "duplicateRule": "Standard_Lead_Duplicate_Rule",
        "duplicateRuleEntityType": "Lead", "errorMessage": "Use one of these records?",
        "matchResults": [{"entityType": "Lead", "errors": [], "matchEngine": "FuzzyMatchEngine", "size": matches.len(),
                          "rule": "Standard_Lead_Match_Rule_v1_0", "success": true, "matchRecords": matches}],
    })));
    Err(fail)
}

/// GET of one record; `fields`: only these.
pub(super) fn read(
    state: &State,
    lead: Option<&Lead>,
    fields: Option<&str>,
    version: &str,
) -> Result<Answer, Fail> {
    let lead = lead.ok_or_else(Fail::not_found)?;
    let fields = if let Some(fields) = fields {
        let named = fields.split(',').map(|name| {
            let field = state.schema.get(name.trim());
            field.map(|field| field.name.clone()).ok_or_else(|| {
                Fail::new(
                    400,
                    "INVALID_FIELD",
                    format!("No such column '{name}' on sobject of type Lead"),
                )
            })
        });
        named.collect::<Result<Vec<_>, _>>()?
    } else {
        let mut all: Vec<String> = lead.fields.keys().cloned().collect();
        all.extend(["Id", "IsConverted", "IsDeleted", "Name"].map(str::to_owned));
        all
    };
    Ok(Answer::json(200, soql::show(lead, &fields, version)))
}
