//! What is wrong with a text that is no YAML, in words that say what to write.

use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;

use super::files::Unreadable;

/// Why a text cannot be read, and on which line.
pub(super) fn unreadable(text: &str, error: &Error) -> Unreadable {
    let line = error.location().map(|location| location.line());
    let index = line.and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
    let there = index.and_then(|n| text.lines().nth(n)).unwrap_or_default();
    (line, words(there, error))
}

fn words(line: &str, error: &Error) -> String {
    match error.without_snippet() {
        Error::Budget {
            breach: BudgetBreach::Aliases { .. },
            ..
        } => return "aliases (*name) are not supported; write the value out".to_owned(),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("a key");
            return format!("{key} stands twice in the same object; remove one of them");
        }
        _ => {}
    }
    let hint = if line.contains("{{") {
        "; this looks like a template: render it first, for example with helm template"
    } else if error.to_string().contains("mapping values are not allowed") {
        "; put a value that contains a colon and a blank, such as a ? b : c, in double quotes"
    } else {
        ""
    };
    format!("it is not valid YAML: {error}{hint}")
}
