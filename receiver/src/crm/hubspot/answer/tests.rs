#![allow(clippy::type_complexity)]

use super::*;
use http::HeaderValue;

fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> String {
    let mut map = http::HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_str(value).unwrap());
    }
    let (kind, failure) = match classify(&Reply::new(status, map, body.to_owned())) {
        Answer::Done(id) => return format!("Done {}", id.unwrap_or_default()),
        Answer::NotFound(f) => ("NotFound".to_owned(), f),
        Answer::Conflict(id, f) => (format!("Conflict {}", id.unwrap_or_default()), f),
        Answer::Retry { after, why, .. } => (format!("Retry {:?}", after.map(|d| d.as_millis())), why),
        Answer::Pause(pause, f) => (format!("Pause {}", pause.as_millis()), f),
        Answer::Suspect { why, in_doubt, own } => (format!("Suspect in_doubt={in_doubt} own={own}"), why),
        Answer::Refused(f, properties) => {
            let names: Vec<String> = properties.into_iter().map(|p| p.property).collect();
            (format!("Refused [{}]", names.join(",")), f)
        }
        Answer::Reject(f) => ("Reject".to_owned(), f),
    };
    assert!(
        !failure.message.contains('@') && !failure.message.contains("Ada"),
        "a value leaks: {}",
        failure.message
    );
    format!(
        "{kind} {}: {}",
        failure.reason,
        failure.message.split(" (").next().unwrap_or_default()
    )
}

#[test]
fn the_documented_bodies_mean_what_the_documentation_says() {
    const BOTH_BAD: &str = r#"{"status":"error","message":"Property values were not valid: [{\"isValid\":false,\"message\":\"Email address Ada@x is invalid\",\"error\":\"INVALID_EMAIL\",\"name\":\"email\"},{\"isValid\":false,\"message\":\"Property \\\"nope\\\" does not exist\",\"error\":\"PROPERTY_DOESNT_EXIST\",\"name\":\"nope\"}]","correlationId":"c","category":"VALIDATION_ERROR"}"#;
    const NEWER: &str = r#"{"status":"error","message":"bad","errors":[{"message":"Ada is read only","code":"READ_ONLY_VALUE","context":{"propertyName":["createdate"]}}],"category":"VALIDATION_ERROR"}"#;
    let none: &[(&str, &str)] = &[];
    let table: &[(u16, &[(&'static str, &str)], &str, &str)] = &[
        (200, none, r#"{"id":"51","properties":{}}"#, "Done 51"),
        (201, none, r#"{"id":"52"}"#, "Done 52"),
        (
            204,
            none,
            "",
            "Suspect in_doubt=true own=false ForeignAnswer: not HubSpot but something between it and Leadgate",
        ),
        (
            200,
            none,
            "<html>We are down for maintenance, Ada</html>",
            "Suspect in_doubt=true own=false ForeignAnswer: not HubSpot but something between it and Leadgate",
        ),
        (
            200,
            none,
            "[]",
            "Suspect in_doubt=true own=false ForeignAnswer: not HubSpot but something between it and Leadgate",
        ),
        (200, none, r#"{"id":"../evil"}"#, "Done "),
        (
            404,
            none,
            r#"{"status":"error","message":"resource not found","correlationId":"c"}"#,
            "NotFound RecordNotFound: HubSpot has no record with this key",
        ),
        (
            409,
            none,
            r#"{"status":"error","message":"Contact already exists. Existing ID: 37765128953","category":"CONFLICT"}"#,
            "Conflict 37765128953 RecordConflict: another HubSpot record has one of the lead's unique values",
        ),
        (
            409,
            none,
            r#"{"message":"conflict","category":"CONFLICT"}"#,
            "Conflict  RecordConflict: another HubSpot record has one of the lead's unique values",
        ),
        (
            400,
            none,
            BOTH_BAD,
            "Refused [email,nope] InvalidEmail: HubSpot did not accept these properties: email",
        ),
        (
            400,
            none,
            NEWER,
            "Refused [createdate] ReadOnlyProperty: HubSpot did not accept these properties: createdate",
        ),
        (
            400,
            none,
            "<html>Ada</html>",
            "Suspect in_doubt=false own=false ForeignAnswer: not HubSpot but something between it and Leadgate",
        ),
        (
            400,
            none,
            r#"{"status":"error","message":"At least one of email, firstname or lastname is required."}"#,
            "Refused [] InvalidLead: HubSpot did not accept the lead",
        ),
        (
            400,
            none,
            r#"{"status":"error","message":"Property values were not valid: [{\"error\":\"INVALID_OPTION\",\"name\":\"state\"},{\"error\":\"INVALID_STRING_TOO_LONG\",\"name\":\"message\"}]"}"#,
            "Refused [message,state] TooLong: HubSpot did not accept these properties: message",
        ),
        (
            403,
            none,
            "<html><title>Blocked, Ada</title></html>",
            "Suspect in_doubt=false own=false ForeignAnswer: not HubSpot but something between it and Leadgate",
        ),
        (
            403,
            none,
            r#"{"message":"Forbidden"}"#,
            "Suspect in_doubt=false own=false ForeignAnswer: not HubSpot but something between it and Leadgate",
        ),
        (
            401,
            none,
            "<html>proxy login</html>",
            "Suspect in_doubt=false own=false ForeignAnswer: not HubSpot but something between it and Leadgate",
        ),
        (
            404,
            none,
            "default backend - 404",
            "Suspect in_doubt=false own=false ForeignAnswer: not HubSpot but something between it and Leadgate",
        ),
        (
            401,
            none,
            r#"{"category":"INVALID_AUTHENTICATION"}"#,
            "Pause 60000 InvalidCredentials: HubSpot refused the token",
        ),
        (
            403,
            none,
            r#"{"category":"MISSING_SCOPES"}"#,
            "Suspect in_doubt=false own=true MissingScopes: HubSpot's token lacks a permission",
        ),
        (
            400,
            none,
            r#"{"validationResults":[{"isValid":false,"message":"Ada was not one of the allowed options","error":"INVALID_OPTION","name":"state"}],"status":"error","message":"Property values were not valid","correlationId":"x"}"#,
            "Refused [state] InvalidOption: HubSpot did not accept these properties: state",
        ),
        (
            400,
            none,
            r#"{"status":"error","message":"Ada: the portal has reached its contact limit of 1000000","correlationId":"x","category":"OBJECT_LIMIT_EXCEEDED"}"#,
            "Pause 900000 StorageLimit: a limit of the HubSpot account is reached",
        ),
        (
            420,
            none,
            "",
            "Retry None TryLater: HubSpot asked to try again later",
        ),
        (
            423,
            none,
            "",
            "Retry Some(2000) Locked: HubSpot is busy with this record",
        ),
        (
            423,
            &[("retry-after", "1")],
            "",
            "Retry Some(2000) Locked: HubSpot is busy with this record",
        ),
        (
            477,
            &[("retry-after", "7200")],
            "",
            "Retry Some(7200000) TryLater: HubSpot asked to try again later",
        ),
        (
            429,
            none,
            r#"{"policyName":"TEN_SECONDLY_ROLLING"}"#,
            "Pause 10000 RateLimited: HubSpot's request limit is used up; lower delivery.rateLimit if other apps share it",
        ),
        (
            429,
            &[("x-hubspot-ratelimit-interval-milliseconds", "11000")],
            r#"{"policyName":"TEN_SECONDLY_ROLLING"}"#,
            "Pause 11000 RateLimited: HubSpot's request limit is used up; lower delivery.rateLimit if other apps share it",
        ),
        (
            429,
            &[("retry-after", "3")],
            "{}",
            "Pause 3000 RateLimited: HubSpot's request limit is used up; lower delivery.rateLimit if other apps share it",
        ),
        (
            429,
            none,
            r#"{"policyName":"DAILY"}"#,
            "Pause 1800000 DailyLimit: HubSpot's daily request limit is used up",
        ),
        (
            429,
            &[
                ("x-hubspot-ratelimit-daily-remaining", "0"),
                ("retry-after", "90000"),
            ],
            "",
            "Pause 3600000 DailyLimit: HubSpot's daily request limit is used up",
        ),
        (502, none, "<html>", "Retry None Unavailable: HubSpot failed"),
        (
            503,
            &[("retry-after", "5")],
            "",
            "Retry Some(5000) Unavailable: HubSpot failed",
        ),
        (
            302,
            none,
            "",
            "Suspect in_doubt=false own=false Redirected: hubspot.baseUrl answers with a redirect",
        ),
        (
            415,
            none,
            r#"{"status":"error","category":"UNSUPPORTED_MEDIA_TYPE"}"#,
            "Suspect in_doubt=false own=true CallRefused: HubSpot refuses the call or the account, not what the lead says",
        ),
    ];
    for (status, headers, body, expected) in table {
        assert_eq!(answer(*status, headers, body), *expected, "{status} {body}");
    }
}

#[test]
fn of_several_choices_those_that_are_options_are_kept() {
    let old = "[Demo, Kontakt]";
    let new = "[label: \"Demo Ada\"\nvalue: \"Demo\"\n, label: \"K\"\nvalue: \"Kontakt\"\n]";
    let table = [
        ("Demo;Preise", old, Some("Demo")),
        ("Demo;Preise;Kontakt", new, Some("Demo;Kontakt")),
        ("Preise", old, None),
        ("Preise;Dem", new, None),
        ("Demo;Kontakt", old, None),
    ];
    for (sent, options, expected) in table {
        let message = format!("Preise was not one of the allowed options: {options}");
        let list = serde_json::json!([{"isValid": false, "message": message, "error": "INVALID_OPTION", "name": "topics"}]);
        let inside = serde_json::json!({"message": format!("Property values were not valid: {list}")});
        let beside =
            serde_json::json!({"validationResults": list, "message": "Property values were not valid"});
        for body in [inside, beside] {
            let kept = |name| accepted_choices(&body.to_string(), name, sent);
            assert_eq!(kept("topics").as_deref(), expected, "{sent} {options}");
            assert_eq!(kept("other"), None);
        }
    }
    assert_eq!(accepted_choices("<html>", "topics", "Demo;Preise"), None);
}
