//! Salesforce's error codes, as a table.

use leadgate_crds::reason::FailureReason;
use serde_json::Value;

use super::meaning::{
    Answer, Error, RETRY_AFTER_DAILY_LIMIT, RETRY_AFTER_MISCONFIGURED, RETRY_AFTER_RATE_LIMITED, names,
    record_id, record_ids, several_message, word,
};
use crate::crm::{Failure, RefusedProperty};

/// What the first error whose code is known means; `None`: the HTTP status decides.
pub(super) fn answer(errors: &[Error<'_>], object: &str, text: &str) -> Option<Answer> {
    errors.iter().find_map(|error| one(error, errors, object, text))
}

fn one(error: &Error<'_>, all: &[Error<'_>], object: &str, text: &str) -> Option<Answer> {
    let failure = |reason: FailureReason, message: String| Failure::new(reason, message).with_answer(text);
    let retry = |reason: FailureReason, message: &str, in_doubt: bool| Answer::Retry {
        after: None,
        why: failure(reason, message.to_owned()),
        in_doubt,
    };
    let code = error.code;
    Some(match code {
        "INVALID_SESSION_ID" | "INVALID_AUTH_HEADER" => Answer::Expired(failure(
            FailureReason::InvalidCredentials,
            format!("Salesforce refused the access token ({code})"),
        )),
        "REQUEST_LIMIT_EXCEEDED" if error.message.contains("Concurrent") => Answer::Pause(
            RETRY_AFTER_RATE_LIMITED,
            failure(
                FailureReason::RateLimited,
                "too many long calls to Salesforce at once; lower delivery.concurrency if other apps share the organisation".to_owned(),
            ),
        ),
        "REQUEST_LIMIT_EXCEEDED" => Answer::Pause(
            RETRY_AFTER_DAILY_LIMIT,
            failure(FailureReason::DailyLimit, "Salesforce's limit of API requests in 24 hours is used up".to_owned()),
        ),
        "STORAGE_LIMIT_EXCEEDED" => Answer::Pause(
            RETRY_AFTER_DAILY_LIMIT,
            failure(
                FailureReason::StorageLimit,
                "the Salesforce organisation's data storage is full; free some, or buy more".to_owned(),
            ),
        ),
        "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE" | "FUNCTIONALITY_TEMPORARILY_UNAVAILABLE" => Answer::Pause(
            RETRY_AFTER_MISCONFIGURED,
            failure(
                FailureReason::Unavailable,
                format!("the Salesforce organisation takes no changes for now ({code})"),
            ),
        ),
        "ORG_LOCKED" | "TRIAL_EXPIRED" | "PASSWORD_LOCKOUT" | "INVALID_OPERATION_WITH_EXPIRED_PASSWORD" => Answer::settings(
            FailureReason::ApiDisabled,
            format!("the Salesforce organisation or its integration user is locked ({code}); sign in to see why"),
            text,
        ),
        "API_DISABLED_FOR_ORG" | "API_CURRENTLY_DISABLED" => Answer::settings(
            FailureReason::ApiDisabled,
            format!("Salesforce's API is not open to this user or organisation ({code}); give the user's permission set API Enabled"),
            text,
        ),
        "INSUFFICIENT_ACCESS" => Answer::settings(
            FailureReason::MissingPermission,
            format!("Salesforce's integration user may not do this ({code}); give its permission set create, read and edit on {object}"),
            text,
        ),
        "INVALID_TYPE" => Answer::settings(
            FailureReason::UnknownObject,
            format!("Salesforce has no object {object} that the integration user can see; see salesforce.object and the user's permission set"),
            text,
        ),
        "UNSUPPORTED_API_VERSION" => Answer::settings(
            FailureReason::UnknownApiVersion,
            "Salesforce does not know salesforce.apiVersion; write one that the organisation has".to_owned(),
            text,
        ),
        "UNABLE_TO_LOCK_ROW" => retry(FailureReason::Locked, LOCKED_MESSAGE, false),
        "ENTITY_IS_LOCKED" => retry(FailureReason::Locked, "the Salesforce record is locked for approval", false),
        "SERVER_UNAVAILABLE" => retry(FailureReason::Unavailable, "Salesforce is unavailable", false),
        "REQUEST_RUNNING_TOO_LONG" | "QUERY_TIMEOUT" | "UNKNOWN_EXCEPTION" | "CANNOT_EXECUTE_FLOW_TRIGGER_TIMEOUT" => {
            retry(FailureReason::Unavailable, "Salesforce took too long, or failed", true)
        }
        // In an all-or-none collection; it says nothing about this record.
        "ALL_OR_NONE_OPERATION_ROLLED_BACK" => retry(FailureReason::RolledBack, "another record of the call failed", false),
        // With fields, these are about what the lead refers to; without, about the id of an update.
        "ENTITY_IS_DELETED" if error.fields.is_empty() => Answer::NotFound(failure(
            FailureReason::RecordGone,
            format!("the Salesforce record was deleted ({code})"),
        )),
        "NOT_FOUND" => Answer::NotFound(failure(
            FailureReason::RecordNotFound,
            format!("Salesforce has no such record ({code})"),
        )),
        "MALFORMED_ID" | "INVALID_CROSS_REFERENCE_KEY" if error.fields.is_empty() => Answer::NotFound(failure(
            FailureReason::InvalidReference,
            format!("Salesforce has no record with an id that it was sent ({code})"),
        )),
        "CANNOT_UPDATE_CONVERTED_LEAD" => Answer::NotFound(failure(
            FailureReason::ConvertedLead,
            "the Salesforce lead was converted and cannot be changed any more".to_owned(),
        )),
        "DUPLICATE_EXTERNAL_ID" => {
            let ids = record_ids(error.message);
            let message = several_message(&ids);
            Answer::Several(ids, failure(FailureReason::SeveralRecords, message))
        }
        "DUPLICATES_DETECTED" => duplicates(error, object, text),
        "DUPLICATE_VALUE" => taken(error, text),
        // A trigger's or flow's text quotes what befell it.
        _ if names(error.message, TRANSIENT_MARKS) => retry(FailureReason::Locked, LOCKED_MESSAGE, false),
        _ => {
            let why = rejected(code, all)?.with_answer(text);
            match refused(all) {
                Some(properties) => Answer::Refused(why, properties),
                None => Answer::Reject(why),
            }
        }
    })
}

const LOCKED_MESSAGE: &str = "another transaction holds what the Salesforce record needs";

/// Marks of what passes by itself, wherever they stand (Salesforce's status codes, and Apex's words for a lock).
const TRANSIENT_MARKS: &[&str] = &[
    "UNABLE_TO_LOCK_ROW",
    "unable to obtain exclusive access",
    "Record Currently Unavailable",
    "QUERY_TIMEOUT",
    "SERVER_UNAVAILABLE",
    "REQUEST_RUNNING_TOO_LONG",
    "Read timed out",
];

/// The fields without which the record would be taken, if all errors are about such.
fn refused(all: &[Error<'_>]) -> Option<Vec<RefusedProperty>> {
    let mut properties = Vec::new();
    for error in all {
        let reason = match error.code {
            "STRING_TOO_LONG" => FailureReason::TooLong,
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" | "BAD_VALUE_FOR_RESTRICTED_PICKLIST" => {
                FailureReason::InvalidOption
            }
            "INVALID_FIELD" | "INVALID_FIELD_TYPE" => FailureReason::UnknownProperty,
            "INVALID_FIELD_FOR_INSERT_UPDATE"
            | "INVALID_FIELD_WHEN_USING_TEMPLATE"
            | "FIELD_NOT_UPDATABLE" => FailureReason::ReadOnlyProperty,
            "INVALID_EMAIL_ADDRESS" => FailureReason::InvalidEmail,
            // A rule that marks a field is about its value.
            "FIELD_CUSTOM_VALIDATION_EXCEPTION"
            | "FIELD_INTEGRITY_EXCEPTION"
            | "FIELD_FILTER_VALIDATION_EXCEPTION"
            | "NUMBER_OUTSIDE_VALID_RANGE"
            | "INVALID_TYPE_ON_FIELD_IN_RECORD"
            | "INVALID_CROSS_REFERENCE_KEY"
            | "MALFORMED_ID"
            | "ENTITY_IS_DELETED"
            | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY" => FailureReason::InvalidProperty,
            _ => return None,
        };
        let fields = fields(error);
        if fields.is_empty() {
            return None;
        }
        properties.extend(
            fields
                .into_iter()
                .map(|field| RefusedProperty::whole(field, reason.clone())),
        );
    }
    (!properties.is_empty()).then_some(properties)
}

/// The names of the fields that an error is about.
fn fields<'e>(error: &Error<'e>) -> Vec<&'e str> {
    let mut fields: Vec<&str> = error.fields.iter().map(|field| word(field)).collect();
    if fields.is_empty() {
        fields.push(quoted_field(error.message));
    }
    fields.retain(|field| !field.is_empty());
    fields
}

/// `duplicateResult.matchResults[].matchRecords[].record`, of which the ones of the sink's object count.
fn duplicates(error: &Error<'_>, object: &str, text: &str) -> Answer {
    let result = error.body.get("duplicateResult").unwrap_or(&Value::Null);
    let list = |value: &Value, name: &str| -> Vec<Value> {
        value
            .get(name)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let (mut ids, mut others) = (Vec::new(), 0_usize);
    for record in list(result, "matchResults")
        .iter()
        .flat_map(|m| list(m, "matchRecords"))
    {
        let record = record.get("record").unwrap_or(&Value::Null);
        let kind = record
            .pointer("/attributes/type")
            .and_then(Value::as_str)
            .unwrap_or(object);
        let id = record.get("Id").and_then(Value::as_str).and_then(record_id);
        match id {
            Some(id) if kind.eq_ignore_ascii_case(object) => ids.push(id),
            _ => others += 1,
        }
    }
    ids.sort();
    ids.dedup();
    let other = if others > 0 {
        format!(" and {others} of other objects")
    } else {
        String::new()
    };
    let found = match ids.as_slice() {
        [] => "no record that it names".to_owned(),
        ids => format!("{object} {}", ids.join(", ")),
    };
    let message = format!(
        "a Salesforce duplicate rule objects: it found {found}{other}; decide whether one of them is the lead's, or set salesforce.duplicateRule: AllowSave"
    );
    Answer::Duplicates(
        ids,
        Failure::new(FailureReason::DuplicateRule, message).with_answer(text),
    )
}

/// "duplicate value found: Field__c duplicates value on record with id: 00Q…"; either may be `<unknown>`.
fn taken(error: &Error<'_>, text: &str) -> Answer {
    let after = |marker: &str| {
        error
            .message
            .split_once(marker)
            .map_or("", |(_, rest)| rest.trim())
    };
    let field = after("duplicate value found:")
        .split_whitespace()
        .next()
        .unwrap_or_default();
    let holder = after("record with id:")
        .split_whitespace()
        .next()
        .unwrap_or_default();
    let field = word(field).to_owned();
    let why = Failure::new(
        FailureReason::UniqueValueTaken,
        if field.is_empty() {
            "another Salesforce record has one of the lead's unique values".to_owned()
        } else {
            format!("another Salesforce record has the lead's value of the unique field {field}")
        },
    );
    Answer::Taken {
        field,
        holder: record_id(holder),
        why: why.with_answer(text),
    }
}

/// What will never be accepted: the field names of all errors, and no value.
fn rejected(code: &str, all: &[Error<'_>]) -> Option<Failure> {
    let reason = match code {
        "REQUIRED_FIELD_MISSING" => FailureReason::RequiredFieldMissing,
        "INVALID_EMAIL_ADDRESS" => FailureReason::InvalidEmail,
        "STRING_TOO_LONG" => FailureReason::ValueTooLong,
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" | "BAD_VALUE_FOR_RESTRICTED_PICKLIST" => {
            FailureReason::InvalidOption
        }
        "INVALID_FIELD" | "INVALID_FIELD_TYPE" => FailureReason::UnknownProperty,
        "INVALID_FIELD_FOR_INSERT_UPDATE" | "INVALID_FIELD_WHEN_USING_TEMPLATE" => {
            FailureReason::ReadOnlyProperty
        }
        "FIELD_CUSTOM_VALIDATION_EXCEPTION" => FailureReason::ValidationRule,
        // LIMIT_EXCEEDED is about one record, or about what a trigger does with those of a call: a list that is too long, too
        // many mails. Requests have a code of their own.
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
        | "CANNOT_EXECUTE_FLOW_TRIGGER"
        | "APEX_ERROR"
        | "LIMIT_EXCEEDED" => FailureReason::AutomationFailed,
        "INSUFFICIENT_ACCESS_OR_READONLY" => FailureReason::RecordReadOnly,
        "FIELD_INTEGRITY_EXCEPTION"
        | "FIELD_FILTER_VALIDATION_EXCEPTION"
        | "FIELD_NOT_UPDATABLE"
        | "NUMBER_OUTSIDE_VALID_RANGE"
        | "INVALID_TYPE_ON_FIELD_IN_RECORD"
        | "INVALID_CROSS_REFERENCE_KEY"
        | "MALFORMED_ID"
        | "ENTITY_IS_DELETED"
        | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
        | "INACTIVE_OWNER_OR_USER"
        | "JSON_PARSER_ERROR" => FailureReason::InvalidProperty,
        _ => return None,
    };
    let mut listed: Vec<String> = Vec::new();
    for error in all {
        for field in fields(error) {
            listed.push(format!("{field} ({})", word(error.code)));
        }
    }
    listed.dedup();
    let remedy = match reason {
        FailureReason::RequiredFieldMissing => {
            "; map them in properties, or give salesforce.fallbacks for LastName and Company"
        }
        FailureReason::UnknownProperty | FailureReason::ReadOnlyProperty => {
            "; correct the sink's properties, or the user's field permissions"
        }
        FailureReason::ValidationRule => {
            "; a validation rule of the organisation refused the lead, its words are in the dead letter"
        }
        FailureReason::AutomationFailed => {
            "; a flow or trigger of the organisation refused the lead, its words are in the dead letter"
        }
        FailureReason::RecordReadOnly => "; share the record with the integration user for editing",
        _ => "",
    };
    Some(Failure::new(
        reason,
        if listed.is_empty() {
            format!("Salesforce did not accept the lead ({code}){remedy}")
        } else {
            format!(
                "Salesforce did not accept these fields: {}{remedy}",
                listed.join(", ")
            )
        },
    ))
}

/// The field that Salesforce does not know, if that is why it refused a call.
pub(in super::super) fn unknown_field(answer: &Answer) -> Option<&str> {
    let (Answer::Reject(why) | Answer::Refused(why, _)) = answer else {
        return None;
    };
    let field = quoted_field(&why.answer);
    (why.reason == FailureReason::UnknownProperty && !field.is_empty()).then_some(field)
}

/// "No such column 'Foo__c' on sobject of type Lead": the field stands only in the message.
fn quoted_field(message: &str) -> &str {
    let Some((_, rest)) = message.split_once("No such column '") else {
        return "";
    };
    rest.split_once('\'').map_or("", |(field, _)| word(field))
}
