#![allow(clippy::type_complexity)]
use http::{HeaderMap, HeaderValue};
use serde_json::json;

use super::meaning::record_ids;
use super::*;

fn shown(answer: Answer) -> String {
    let (kind, why) = match answer {
        Answer::Done(id) => return format!("Done {}", id.unwrap_or_default()),
        Answer::Expired(why) => ("Expired".to_owned(), why),
        Answer::NotFound(why) => ("NotFound".to_owned(), why),
        Answer::Several(ids, why) => (format!("Several {}", ids.join(",")), why),
        Answer::Duplicates(ids, why) => (format!("Duplicates {}", ids.join(",")), why),
        Answer::Taken { field, holder, why } => {
            (format!("Taken {field} {}", holder.unwrap_or_default()), why)
        }
        Answer::Retry { after, why, in_doubt } => (
            format!("Retry {} {in_doubt}", after.map_or(0, |d| d.as_secs())),
            why,
        ),
        Answer::Pause(pause, why) => (format!("Pause {}", pause.as_secs()), why),
        Answer::Suspect { why, own } => (format!("Suspect {own}"), why),
        Answer::Reject(why) => ("Reject".to_owned(), why),
        Answer::Refused(why, properties) => {
            let names: Vec<String> = properties
                .iter()
                .map(|p| format!("{} {}", p.property, p.reason))
                .collect();
            (format!("Refused {}", names.join(",")), why)
        }
        Answer::None(_) => return "None".to_owned(),
    };
    for value in ["Ada", "@", "00D!secret"] {
        assert!(!why.message.contains(value), "a value leaks: {}", why.message);
    }
    let first = why
        .message
        .split([';', ' '])
        .take(5)
        .collect::<Vec<_>>()
        .join(" ");
    let fields = why
        .message
        .split_once("fields: ")
        .map_or(String::new(), |(_, rest)| {
            rest.split(';').next().unwrap().to_owned()
        });
    if fields.is_empty() {
        format!("{kind} {}: {first}", why.reason)
    } else {
        format!("{kind} {}: {fields}", why.reason)
    }
}

fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> String {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_str(value).unwrap());
    }
    shown(classify(&Reply::new(status, map, body.to_owned()), "Lead"))
}

/// As captured from an organisation with the standard matching rule.
const DUPLICATE: &str = r#"[{"errorCode":"DUPLICATES_DETECTED","message":"Use one of these records?","duplicateResult":{
 "allowSave":true,"duplicateRule":"Standard_Lead_Duplicate_Rule","duplicateRuleEntityType":"Lead","errorMessage":"Use one of these records?",
 "matchResults":[{"entityType":"Lead","errors":[],"matchEngine":"FuzzyMatchEngine","matchRecords":[
   {"additionalInformation":[],"fieldDiffs":[],"matchConfidence":100.0,"record":{"attributes":{"type":"Lead","url":"/services/data/v62.0/sobjects/Lead/00Q5g00000AbCdEEAV"},"Id":"00Q5g00000AbCdEEAV"}}],"rule":"Standard_Lead_Match_Rule_v1_0","size":1,"success":true},
  {"entityType":"Contact","matchRecords":[{"record":{"attributes":{"type":"Contact"},"Id":"0035g00000AbCdEEAV"}}]}]}}]"#;

#[test]
fn every_documented_answer_has_its_meaning() {
    let none: &[(&str, &str)] = &[];
    let table: &[(u16, &[(&str, &str)], &str, &str)] = &[
        (
            201,
            none,
            r#"{"id":"00Q5g00000AbCdEEAV","success":true,"errors":[],"created":true}"#,
            "Done 00Q5g00000AbCdEEAV",
        ),
        (
            200,
            none,
            r#"{"id":"00Q5g00000AbCdEEAV","success":true,"errors":[],"created":false}"#,
            "Done 00Q5g00000AbCdEEAV",
        ),
        (204, none, "", "Done "),
        (201, none, r#"{"id":"../../evil"}"#, "Done "),
        (
            300,
            none,
            r#"["/services/data/v62.0/sobjects/Lead/00Q5g00000AbCdEEAV","/services/data/v62.0/sobjects/Lead/00Q5g00000AbCdFEAV"]"#,
            "Several 00Q5g00000AbCdEEAV,00Q5g00000AbCdFEAV SeveralRecords: Salesforce records 00Q5g00000AbCdEEAV, 00Q5g00000AbCdFEAV have",
        ),
        (
            302,
            none,
            "",
            "Suspect false Redirected: salesforce.instanceUrl answers with a redirect",
        ),
        (
            401,
            none,
            r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#,
            "Expired InvalidCredentials: Salesforce refused the access token",
        ),
        (
            401,
            none,
            "",
            "Expired InvalidCredentials: Salesforce refused the access token",
        ),
        (
            403,
            none,
            r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#,
            "Pause 900 DailyLimit: Salesforce's limit of API requests",
        ),
        (
            403,
            none,
            r#"[{"message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#,
            "Pause 10 RateLimited: too many long calls to",
        ),
        (
            403,
            none,
            r#"[{"message":"The REST API is not enabled for this Organization.","errorCode":"API_DISABLED_FOR_ORG"}]"#,
            "Pause 60 ApiDisabled: Salesforce's API is not open",
        ),
        (
            403,
            none,
            r#"[{"errorCode":"NEW_CODE","message":"x"}]"#,
            "Suspect true MissingPermission: Salesforce's integration user lacks a",
        ),
        (
            404,
            none,
            r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#,
            "NotFound RecordNotFound: Salesforce has no such record",
        ),
        (
            400,
            none,
            r#"[{"message":"Campaign: id value of incorrect type: spring-sale","errorCode":"MALFORMED_ID","fields":["Campaign__c"]}]"#,
            "Refused Campaign__c InvalidProperty InvalidProperty: Campaign__c (MALFORMED_ID)",
        ),
        (
            400,
            none,
            r#"[{"message":"Updates can't be made during maintenance.","errorCode":"INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE","fields":[]}]"#,
            "Pause 60 Unavailable: the Salesforce organisation takes no",
        ),
        (
            404,
            none,
            r#"[{"errorCode":"ENTITY_IS_DELETED","message":"entity is deleted"}]"#,
            "NotFound RecordGone: the Salesforce record was deleted",
        ),
        (
            404,
            none,
            "<html>",
            "Suspect false ForeignAnswer: not Salesforce but something between",
        ),
        (
            400,
            none,
            r#"[{"errorCode":"CANNOT_UPDATE_CONVERTED_LEAD","message":"cannot reference converted lead","fields":[]}]"#,
            "NotFound ConvertedLead: the Salesforce lead was converted",
        ),
        (
            400,
            none,
            DUPLICATE,
            "Duplicates 00Q5g00000AbCdEEAV DuplicateRule: a Salesforce duplicate rule objects:",
        ),
        (
            400,
            none,
            r#"[{"message":"duplicate value found: Sub__c duplicates value on record with id: 00Q5g00000AbCdE","errorCode":"DUPLICATE_VALUE","fields":[]}]"#,
            "Taken Sub__c 00Q5g00000AbCdE UniqueValueTaken: another Salesforce record has the",
        ),
        (
            400,
            none,
            r#"[{"message":"duplicate value found: <unknown> duplicates value on record with id: <unknown>","errorCode":"DUPLICATE_VALUE","fields":[]}]"#,
            "Taken   UniqueValueTaken: another Salesforce record has one",
        ),
        (
            400,
            none,
            r#"[{"message":"unable to obtain exclusive access to this record","errorCode":"UNABLE_TO_LOCK_ROW","fields":[]}]"#,
            "Retry 0 false Locked: another transaction holds what the",
        ),
        (
            400,
            none,
            r#"[{"message":"Required fields are missing: [LastName, Company]","errorCode":"REQUIRED_FIELD_MISSING","fields":["LastName","Company"]}]"#,
            "Reject RequiredFieldMissing: LastName (REQUIRED_FIELD_MISSING), Company (REQUIRED_FIELD_MISSING)",
        ),
        (
            400,
            none,
            r#"[{"message":"Email: invalid email address: Ada@","errorCode":"INVALID_EMAIL_ADDRESS","fields":["Email"]}]"#,
            "Refused Email InvalidEmail InvalidEmail: Email (INVALID_EMAIL_ADDRESS)",
        ),
        (
            400,
            none,
            r#"[{"message":"Last Name: data value too large: Ada (max length=80)","errorCode":"STRING_TOO_LONG","fields":["LastName"]}]"#,
            "Refused LastName TooLong ValueTooLong: LastName (STRING_TOO_LONG)",
        ),
        (
            400,
            none,
            r#"[{"message":"Lead Source: bad value for restricted picklist field: Ada","errorCode":"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST","fields":["LeadSource"]}]"#,
            "Refused LeadSource InvalidOption InvalidOption: LeadSource (INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST)",
        ),
        (
            400,
            none,
            r#"[{"message":"No such column 'Shoe__c' on sobject of type Lead","errorCode":"INVALID_FIELD"}]"#,
            "Refused Shoe__c UnknownProperty UnknownProperty: Shoe__c (INVALID_FIELD)",
        ),
        (
            400,
            none,
            r#"[{"message":"Ada has no such number","errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","fields":["Phone"]}]"#,
            "Refused Phone InvalidProperty ValidationRule: Phone (FIELD_CUSTOM_VALIDATION_EXCEPTION)",
        ),
        (
            400,
            none,
            r#"[{"message":"Ada: too many BCC addresses","errorCode":"LIMIT_EXCEEDED","fields":[]}]"#,
            "Reject AutomationFailed: Salesforce did not accept the",
        ),
        (
            420,
            none,
            "",
            "Retry 0 false Unavailable: Salesforce does not find the",
        ),
        (
            400,
            none,
            r#"[{"message":"Ada is not welcome","errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","fields":[]}]"#,
            "Reject ValidationRule: Salesforce did not accept the",
        ),
        (
            400,
            none,
            r#"[{"message":"x","errorCode":"BRAND_NEW","fields":["Ada Lovelace"]}]"#,
            "Reject Refused: Salesforce refused the lead (400",
        ),
        (
            400,
            none,
            "<html>Ada</html>",
            "Suspect false ForeignAnswer: not Salesforce but something between",
        ),
        (
            403,
            none,
            "<html>Ada</html>",
            "Suspect false ForeignAnswer: not Salesforce but something between",
        ),
        (
            200,
            none,
            "<html><body>Down for maintenance</body></html>",
            "Retry 0 true ForeignAnswer: not Salesforce but something between",
        ),
        (
            200,
            none,
            "",
            "Retry 0 true ForeignAnswer: not Salesforce but something between",
        ),
        (
            400,
            none,
            r#"[{"errorCode":"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY","message":"RollupTrigger: execution of AfterInsert caused by: System.DmlException: Update failed. First exception on row 0; first error: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access to this record","fields":[]}]"#,
            "Retry 0 false Locked: another transaction holds what the",
        ),
        (
            400,
            none,
            r#"[{"errorCode":"CANNOT_EXECUTE_FLOW_TRIGGER","message":"We can't save this record because a process failed: Record Currently Unavailable","fields":[]}]"#,
            "Retry 0 false Locked: another transaction holds what the",
        ),
        (
            400,
            none,
            r#"[{"errorCode":"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY","message":"LeadTrigger: System.NullPointerException","fields":[]}]"#,
            "Reject AutomationFailed: Salesforce did not accept the",
        ),
        (
            400,
            none,
            r#"[{"message":"State: bad value","errorCode":"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST","fields":["State"]},{"message":"x","errorCode":"REQUIRED_FIELD_MISSING","fields":["Company"]}]"#,
            "Reject InvalidOption: State (INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST), Company (REQUIRED_FIELD_MISSING)",
        ),
        (
            500,
            none,
            r#"[{"message":"An unexpected error occurred","errorCode":"UNKNOWN_EXCEPTION"}]"#,
            "Retry 0 true Unavailable: Salesforce failed (500)",
        ),
        (
            503,
            &[("retry-after", "7")],
            "",
            "Retry 7 false Unavailable: Salesforce failed (503)",
        ),
        (
            400,
            &[("retry-after", "5")],
            r#"[{"message":"unable to obtain exclusive access to this record","errorCode":"UNABLE_TO_LOCK_ROW"}]"#,
            "Retry 5 false Locked: another transaction holds what the",
        ),
        (
            403,
            &[("retry-after", "7200")],
            r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#,
            "Pause 7200 DailyLimit: Salesforce's limit of API requests",
        ),
        (
            429,
            &[("retry-after", "9")],
            "",
            "Pause 9 RateLimited: Salesforce asked to slow down",
        ),
    ];
    for (status, headers, body, expected) in table {
        assert_eq!(answer(*status, headers, body), *expected, "{status} {body}");
    }
}

#[test]
fn only_automation_may_pass_in_smaller_calls_and_only_its_limits_shrink_them() {
    let table = [
        (
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            "LeadTrigger: System.LimitException: Too many SOQL queries: 101",
            true,
            true,
        ),
        (
            "CANNOT_EXECUTE_FLOW_TRIGGER",
            "Apex CPU time limit exceeded",
            true,
            true,
        ),
        (
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            "LeadTrigger: System.NullPointerException",
            true,
            false,
        ),
        ("LIMIT_EXCEEDED", "an array is too long", true, false),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Too many", false, false),
    ];
    for (code, words, automation, limits) in table {
        let answer = item(
            &json!({"success": false, "errors": [{"statusCode": code, "message": words, "fields": []}]}),
            "Lead",
        );
        assert_eq!(
            (answer.automation_failed(), answer.exceeds_limits()),
            (automation, limits),
            "{code} {words}"
        );
    }
}

#[test]
fn items_of_a_collection_mean_the_same() {
    let table = [
        (
            json!({"id": "00Q5g00000AbCdEEAV", "success": true, "errors": [], "created": false}),
            "Done 00Q5g00000AbCdEEAV",
        ),
        (
            json!({"success": false, "errors": [{"statusCode": "INVALID_EMAIL_ADDRESS", "message": "Email: invalid email address: Ada@", "fields": ["Email"]}]}),
            "Refused Email InvalidEmail InvalidEmail: Email (INVALID_EMAIL_ADDRESS)",
        ),
        (
            json!({"success": false, "errors": [{"statusCode": "DUPLICATE_EXTERNAL_ID", "message": "Sub__c: more than one record found for external id field: [00Q5g00000AbCdE, 00Q5g00000AbCdF]", "fields": ["Sub__c"]}]}),
            "Several 00Q5g00000AbCdE,00Q5g00000AbCdF SeveralRecords: Salesforce records 00Q5g00000AbCdE, 00Q5g00000AbCdF have",
        ),
        (
            json!({"success": false, "errors": [{"statusCode": "INVALID_CROSS_REFERENCE_KEY", "message": "invalid cross reference id", "fields": []}]}),
            "NotFound InvalidReference: Salesforce has no record with",
        ),
        (
            json!({"success": false, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "x", "fields": []}]}),
            "Retry 0 false Locked: another transaction holds what the",
        ),
        (
            json!({"success": false}),
            "Reject Refused: Salesforce refused the lead ()",
        ),
        (json!(null), "Reject Refused: Salesforce refused the lead ()"),
    ];
    for (result, expected) in table {
        assert_eq!(shown(item(&result, "Lead")), expected, "{result}");
    }
}

#[test]
fn a_sign_in_gives_a_token_or_a_pause_with_a_remedy() {
    let asked = |status, body: &str| match token(status, &HeaderMap::new(), body) {
        Token::Given(token) => format!("Given {token}"),
        Token::Refused(answer) => shown(answer),
    };
    let given = r#"{"access_token":"00D!secret","instance_url":"https://x.my.salesforce.com","id":"https://login.salesforce.com/id/00D/005","token_type":"Bearer","issued_at":"1","signature":"s"}"#;
    assert_eq!(asked(200, given), "Given 00D!secret");
    let refused = "Pause 60 InvalidCredentials: Salesforce refused to sign in";
    for code in [
        "invalid_grant",
        "invalid_client",
        "invalid_client_id",
        "unsupported_grant_type",
        "Ada Lovelace",
    ] {
        let body = json!({"error": code, "error_description": "authentication failure for Ada"}).to_string();
        assert_eq!(asked(400, &body), refused, "{code}");
    }
    assert_eq!(asked(401, r#"{"error":"invalid_client"}"#), refused);
    assert!(asked(404, "<html>").starts_with("Pause 60 InvalidCredentials: there is no Salesforce"));
    assert!(asked(200, "{}").starts_with("Pause 60 InvalidCredentials: Salesforce's sign-in gave no"));
    assert!(asked(503, "").starts_with("Retry 0 false SignInUnavailable"));
}

#[test]
fn only_ids_are_taken_for_ids() {
    assert_eq!(record_id("00Q5g00000AbCdE").as_deref(), Some("00Q5g00000AbCdE"));
    for text in [
        "",
        "00Q",
        "00Q5g00000AbCdE/..",
        "00Q5g00000AbCd?",
        "00Q5g00000AbCdEEAVx",
    ] {
        assert_eq!(record_id(text), None, "{text}");
    }
    assert!(record_ids("internationally acknowledgement").is_empty());
}
