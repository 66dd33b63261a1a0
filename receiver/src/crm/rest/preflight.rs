//! Whether the CRM answers and takes the credentials, found out without writing anything: the lookup for a person who
//! does not exist, or a GET of the upsert's path for that person.

use leadgate_crds::reason::FailureReason;
use reqwest::Method;
use serde_json::json;

use super::answer::{Seen, classify};
use super::api::Api;
use super::description::{Flow, Settings};
use super::request::{Request, Variables, request};
use crate::crm::answer::Answer;
use crate::crm::{Failure, Outcome, PreflightReport, Throttle, Upsert};

/// Nobody has this address (RFC 2606) or this number (the range of fiction in North America).
fn nobody() -> Upsert {
    let lead = json!({
        "email": "leadgate-check@leadgate.invalid", "phone": "+12025550100", "firstName": "Leadgate", "lastName": "Check",
        "company": "Leadgate", "submissionId": "leadgate-check", "custom": {},
    });
    Upsert {
        lead,
        payload: json!({}),
        webhook: json!({"name": "check", "namespace": "check"}),
        ..Upsert::default()
    }
}

pub(super) async fn preflight(settings: &Settings, api: &Api, throttle: &dyn Throttle) -> PreflightReport {
    let (method, request) = harmless(settings);
    match api.send(&method, &request, throttle).await {
        Ok(reply) => {
            let seen = Seen::new(reply, "lookup");
            match classify(&settings.answers, &seen, None, &[]) {
                // Nobody says that the path of an upsert can be read.
                Answer::Suspect { own: false, .. }
                    if matches!(settings.flow, Flow::Upsert(_)) && matches!(seen.status(), 404 | 405) =>
                {
                    PreflightReport {
                        reachable: Some(Ok(())),
                        ..PreflightReport::default()
                    }
                }
                Answer::Suspect { why, own: false, .. } => PreflightReport {
                    reachable: Some(Err(why)),
                    ..PreflightReport::default()
                },
                Answer::Retry { why, .. } if why.reason == FailureReason::ForeignAnswer => PreflightReport {
                    reachable: Some(Err(why)),
                    ..PreflightReport::default()
                },
                answer => PreflightReport {
                    reachable: Some(Ok(())),
                    credentials: credentials(answer, seen.status()),
                    problems: Vec::new(),
                },
            }
        }
        Err(outcome) => without_answer(outcome),
    }
}

/// A request that changes nothing.
fn harmless(settings: &Settings) -> (Method, Request) {
    let nobody = nobody();
    let variables = Variables::of(&nobody);
    let base = &settings.base_url;
    let made = match &settings.flow {
        Flow::Find(find) => {
            request(base, &find.lookup.call, &variables).map(|r| (find.lookup.call.method.clone(), r))
        }
        Flow::Upsert(upsert) => {
            request(base, &upsert.call, &variables).map(|r| (Method::GET, Request { body: None, ..r }))
        }
    };
    // A path may need what nobody has: then the address alone must do.
    made.unwrap_or_else(|_| {
        let url = format!("{base}/");
        (
            Method::GET,
            Request {
                url,
                body: None,
                headers: http::HeaderMap::new(),
            },
        )
    })
}

fn credentials(answer: Answer, status: u16) -> Option<Result<(), Failure>> {
    match answer {
        Answer::Pause(_, why) if why.reason == FailureReason::InvalidCredentials => Some(Err(why)),
        // A path that takes writes only, and says so to whom it let in.
        Answer::Suspect { .. } if status == 405 => Some(Ok(())),
        // Nor does a GET where only writes are taken tell more.
        Answer::Suspect { .. } if matches!(status, 406 | 415 | 426) => None,
        Answer::Suspect { why, .. } if why.reason == FailureReason::CallRefused => Some(Err(why)),
        // Not even nobody may be looked for.
        Answer::Suspect { why, .. } => Some(Err(Failure {
            reason: FailureReason::InvalidCredentials,
            ..why
        })),
        // Neither says whether the credentials were looked at.
        Answer::Pause(..) | Answer::Retry { .. } => None,
        _ if status >= 500 => None,
        _ => Some(Ok(())),
    }
}

fn without_answer(outcome: Outcome) -> PreflightReport {
    match outcome {
        Outcome::Pause { why, .. } if why.reason == FailureReason::InvalidCredentials => PreflightReport {
            reachable: Some(Ok(())),
            credentials: Some(Err(why)),
            problems: Vec::new(),
        },
        Outcome::Retry { why, .. } => PreflightReport {
            reachable: Some(Err(why)),
            ..PreflightReport::default()
        },
        _ => PreflightReport::default(),
    }
}
