//! Without a cluster the same rules hold: what the API server refuses, the receiver refuses, in the same words where
//! the words are ours.

use std::fmt::Write as _;

use leadgate_receiver::config::{Folders, load};

use super::admission_table::Verdict::{Refused, Taken};
use super::admission_table::{TABLE, object};

/// What a row needs around it.
const AROUND: &str = "
---
{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {k: v, username: u, password: p}}
---
{apiVersion: leadgate.dev/v1alpha1, kind: CrmSink, metadata: {name: hubspot}, spec: {hubspot: {tokenSecretRef: {name: s, key: \
                      k}}}}
";

fn problems(folder: &std::path::Path, text: &str) -> Vec<String> {
    std::fs::write(folder.join("row.yaml"), text).unwrap();
    let folders = Folders {
        manifests: folder.to_owned(),
        secrets: None,
        local_addresses: true,
        receiver: None,
    };
    load(&folders, None)
        .problems
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn what_the_api_server_refuses_is_refused_without_it_and_in_our_own_words() {
    let rules = [
        include_str!("../../../crds/yaml/leadwebhooks.yaml"),
        include_str!("../../../crds/yaml/crmsinks.yaml"),
    ]
    .concat();
    let folder = tempfile::tempdir().unwrap();
    let (mut wrong, mut refused, mut same_words, mut taken) = (String::new(), 0, 0, 0);
    for (base, patch, verdict) in TABLE {
        let text = format!("{}{AROUND}", object(*base, patch, "row"));
        let found = problems(folder.path(), &text);
        match verdict {
            Refused(part) => {
                refused += 1;
                if ONLY_IN_CLUSTER.contains(part) {
                    continue;
                }
                if found.is_empty() {
                    let _ = writeln!(
                        wrong,
                        "{base:?} {patch:.200}\n  is taken; the API server says: {part}"
                    );
                }
                // The messages of CEL rules are our own.
                if rules.contains(part) {
                    same_words += 1;
                    if !found.iter().any(|problem| problem.contains(part)) {
                        let _ = writeln!(wrong, "{base:?} {patch:.200}\n  {part}\n  {found:?}");
                    }
                }
            }
            // Whether a good object also runs here is another matter: it may name Secrets, sinks or CRMs that a row
            // does not have.
            Taken if found.is_empty() => taken += 1,
            Taken => {
                let here = |problem: &String| !NOT_HERE.iter().any(|known| problem.contains(known));
                if found.iter().any(here) {
                    let _ = writeln!(wrong, "{base:?} {patch:.200}\n  is refused: {found:?}");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(
        refused > 80 && same_words > 40 && taken > 15,
        "{refused} {same_words} {taken}"
    );
}

/// What no receiver reads: the operator's alone, with a function that only the API server has.
const ONLY_IN_CLUSTER: &[&str] = &["queue.storage.size must be a quantity"];

/// Why a good object of the table does not run in a folder of its own.
const NOT_HERE: &[&str] = &[
    "there is no CrmSink",
    "there is no Secret",
    "has no key",
    "nothing is named",
    "lead has no field",
    "only Salesforce's object Lead has contacts",
    "hmac.secretRefs: Secret s/k: its value is not base64",
    "set its location in hmac.timestamp",
];
