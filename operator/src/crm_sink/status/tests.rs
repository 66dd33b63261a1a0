#![allow(clippy::needless_pass_by_value)]

use super::*;
use crate::stats::SinkFigures;
use crate::validation::{ErrorScope, ValidationError};
use leadgate_crds::common::Time;
use leadgate_crds::counts::DeliveryCounts;
use leadgate_crds::crm_sink::CrmSinkStatusAudit;
use leadgate_crds::report::SinkLeads;
use serde_json::json;

fn sink(suspend: bool) -> CrmSink {
    serde_json::from_value(json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": "CrmSink",
        "metadata": {"name": "crm", "namespace": "n", "generation": 1},
        "spec": {"hubspot": {"tokenSecretRef": {"name": "s", "key": "k"}}, "suspend": suspend}}))
    .unwrap()
}

fn facts(pending: i64, delivered: i64, paused: Option<&str>, error: Option<&str>) -> Dereferenced {
    let figures = SinkFigures {
        leads: SinkLeads {
            deliveries: DeliveryCounts {
                pending,
                delivered,
                ..DeliveryCounts::default()
            },
            oldest_pending_seconds: 90,
            ..SinkLeads::default()
        },
        paused_reason: paused.map(str::to_owned),
        last_error: error.map(|reason| SinkError {
            reason: reason.to_owned(),
            message: "m".to_owned(),
            time: None,
        }),
        ..SinkFigures::default()
    };
    Dereferenced {
        webhooks: 2,
        figures: vec![figures],
        ..Dereferenced::default()
    }
}

/// What a receiver found when it asked the CRM, with no lead yet.
fn asked(problems: &[&str], credentials: Option<&str>, reachable: Option<&str>) -> Dereferenced {
    let check = |reason: Option<&str>| {
        Some(Check {
            ok: reason.is_none(),
            reason: reason.unwrap_or_default().to_owned(),
            message: "m".to_owned(),
        })
    };
    let mut facts = facts(0, 0, None, None);
    facts.figures[0].preflight = Some(PreflightReport {
        time: None,
        reachable: check(reachable),
        credentials: check(credentials),
        problems: problems.iter().map(|p| (*p).to_owned()).collect(),
    });
    facts
}

/// Truth of Accepted, CredentialsValid, Reachable, Delivering, Ready, Reconciling, Stalled; reason of Ready; paused.
fn line(suspend: bool, outcome: &Outcome, facts: &Dereferenced) -> String {
    let status = status(
        &sink(suspend),
        &CrmSinkStatus::default(),
        outcome,
        facts,
        Timestamp::UNIX_EPOCH,
    );
    let letters: String = status
        .conditions
        .iter()
        .map(|c| c.status.chars().next().unwrap())
        .collect();
    let ready = find(&status.conditions, "Ready").unwrap();
    let paused = if status.paused { " paused" } else { "" };
    format!("{letters} {}{paused}", ready.reason)
}

#[test]
fn what_the_conditions_say() {
    let mistake = Outcome::Mistakes(vec![ValidationError {
        about: ErrorScope::References,
        reason: Reason::SecretMissing,
        message: "m".to_owned(),
    }]);
    let failed = Outcome::Failed(Reason::ApiUnreachable, "m".to_owned());
    #[rustfmt::skip]
    let table = [
        ("new", false, Outcome::Valid, Dereferenced { webhooks: 1, ..Dereferenced::default() }, "TUUUTFF Ready"),
        ("nobody names it", false, Outcome::Valid, Dereferenced::default(), "TUUUTFF Ready"),
        ("working", false, Outcome::Valid, facts(0, 9, None, None), "TTTTTFF Ready"),
        ("an old error is over", false, Outcome::Valid, facts(0, 9, None, Some("Timeout")), "TTTTTFF Ready"),
        ("a wrong token", false, Outcome::Valid, facts(3, 9, Some("InvalidCredentials"), None), "TFTFFFF InvalidCredentials paused"),
        ("out of reach", false, Outcome::Valid, facts(3, 9, None, Some("Unreachable")), "TTFFFFF Unreachable"),
        ("asked to wait", false, Outcome::Valid, facts(3, 9, Some("RateLimited"), None), "TTTFFFF RateLimited paused"),
        ("suspended", true, Outcome::Valid, facts(3, 9, None, None), "TTTFTFF Suspended paused"),
        ("nothing tried, the CRM was asked", false, Outcome::Valid, asked(&[], None, None), "TTTTTFF Ready"),
        ("a wrong token before the first lead", false, Outcome::Valid, asked(&[], Some("InvalidCredentials"), None), "TFTFFFF InvalidCredentials"),
        ("out of reach before the first lead", false, Outcome::Valid, asked(&[], None, Some("Unreachable")), "TTFFFFF Unreachable"),
        ("a property that the CRM lacks", false, Outcome::Valid, asked(&["no property `x`"], None, None), "TTTFFFF PropertyProblem"),
        ("a mistake", false, mistake, Dereferenced::default(), "FUUUFFT SecretMissing"),
        ("the API server does not answer", false, failed, Dereferenced::default(), "UUUUFTF ApiUnreachable"),
    ];
    for (case, suspend, outcome, facts, expected) in table {
        assert_eq!(line(suspend, &outcome, &facts), expected, "{case}");
    }
}

#[test]
fn a_restarted_operator_takes_nothing_back() {
    let silent = Dereferenced {
        webhooks: 2,
        ..Dereferenced::default()
    };
    let of = |previous: &CrmSinkStatus, facts: &Dereferenced, suspend| {
        status(
            &sink(suspend),
            previous,
            &Outcome::Valid,
            facts,
            Timestamp::UNIX_EPOCH,
        )
    };
    for heard in [
        facts(0, 9, None, None),
        facts(3, 9, Some("InvalidCredentials"), None),
        facts(3, 9, None, Some("Unreachable")),
    ] {
        let before = of(&CrmSinkStatus::default(), &heard, false);
        assert_eq!(of(&before, &silent, false), before);
    }
    // What the specification said is not what was seen.
    let suspended = of(&CrmSinkStatus::default(), &facts(3, 9, None, None), true);
    let resumed = of(&suspended, &silent, false);
    assert_eq!(
        find(&resumed.conditions, "Delivering").unwrap().reason,
        "NotCheckedYet"
    );
    assert!(suspended.paused && !resumed.paused);
}

#[test]
fn stores_are_summed() {
    let mut two = facts(1, 5, None, None);
    two.figures.extend(facts(2, 7, None, None).figures);
    let status = status(
        &sink(false),
        &CrmSinkStatus::default(),
        &Outcome::Valid,
        &two,
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(
        (status.leads.deliveries.pending, status.leads.deliveries.delivered),
        (3, 12)
    );
    assert_eq!(status.leads.oldest_pending_seconds, 60, "not written each second");
}

#[test]
fn the_newest_audit_stands_until_audits_are_turned_off() {
    let found = |second: i64, audited: i64| {
        Some(CrmSinkStatusAudit {
            last_time: Some(Time(Timestamp::new(second, 0).unwrap())),
            audited,
            ..CrmSinkStatusAudit::default()
        })
    };
    let mut audited_sink = sink(false);
    audited_sink.spec.audit = serde_json::from_value(json!({})).unwrap();
    let mut two = facts(0, 5, None, None);
    two.figures.extend(facts(0, 7, None, None).figures);
    two.figures[0].audit = found(20, 2);
    two.figures[1].audit = found(10, 1);
    let of = |sink: &CrmSink, previous: &CrmSinkStatus, facts: &Dereferenced| {
        status(sink, previous, &Outcome::Valid, facts, Timestamp::UNIX_EPOCH)
    };
    let told = of(&audited_sink, &CrmSinkStatus::default(), &two);
    assert_eq!(told.audit, found(20, 2));
    // A receiver that has just started says nothing of it.
    let silent = facts(0, 5, None, None);
    assert_eq!(of(&audited_sink, &told, &silent).audit, told.audit);
    assert_eq!(of(&sink(false), &told, &two).audit, None);
}
