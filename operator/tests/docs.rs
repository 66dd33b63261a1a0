//! Every reason that a condition can have is explained: docs/troubleshooting.md is made from the list. Out of step?
//! `make generate` writes the generated part anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use leadgate_crds::reason::{FailureClass, FailureReason};
use leadgate_operator::reasons::Reason;

fn table() -> String {
    let mut table = "| Reason | Conditions | What it means | What to do |\n|---|---|---|---|\n".to_owned();
    for reason in Reason::ALL {
        let conditions: Vec<String> = reason
            .conditions()
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        let remedy = match reason.remedy() {
            "" => "–",
            remedy => remedy,
        };
        writeln!(
            table,
            "| `{}` | {} | {} | {remedy} |",
            reason.as_str(),
            conditions.join(", "),
            reason.means()
        )
        .unwrap();
    }
    table
}

#[test]
fn every_reason_is_explained() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/troubleshooting.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- reasons: made by `make generate` -->\n", "<!-- /reasons -->");
    let (before, rest) = text.split_once(begin).unwrap();
    let (made, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{before}{begin}{}{end}{after}", table())).unwrap();
        return;
    }
    assert!(
        made == table(),
        "docs/troubleshooting.md is out of step with the code; run: make generate"
    );
    // What receivers say, which decides about CredentialsValid and Reachable, is explained by hand.
    for reason in FailureReason::ALL {
        if matches!(
            reason.class(),
            FailureClass::Credentials | FailureClass::Connection
        ) {
            assert!(
                after.contains(&format!("`{reason}`")),
                "{reason} is not explained"
            );
        }
    }
}

#[test]
fn reasons_are_well_formed() {
    let mut known = BTreeSet::new();
    for reason in Reason::ALL {
        assert!(known.insert(reason.as_str()), "{} stands twice", reason.as_str());
        for text in [reason.means(), reason.remedy()] {
            assert!(!text.contains(['|', '\n']), "{text}");
        }
    }
}
