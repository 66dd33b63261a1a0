//! Which leads share a call. Pure.

use std::collections::BTreeMap;

/// Puts leads together into calls of at most `most`. Those that failed before do not go with those that did not, and in
/// the fewer the more often they failed: what makes a call fail ends up alone, and costs the others less each time.
pub(super) fn groups<T>(leads: Vec<T>, attempt: impl Fn(&T) -> u32, most: usize) -> Vec<Vec<T>> {
    let mut by_attempt: BTreeMap<u32, Vec<T>> = BTreeMap::new();
    for lead in leads {
        by_attempt.entry(attempt(&lead).max(1)).or_default().push(lead);
    }
    let mut groups = Vec::new();
    for (attempt, leads) in by_attempt {
        let size = most.checked_shr(attempt - 1).unwrap_or(0).max(1);
        let mut leads = leads.into_iter().peekable();
        while leads.peek().is_some() {
            groups.push(leads.by_ref().take(size).collect());
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_that_failed_go_apart_from_the_others_and_in_ever_smaller_groups() {
        let sizes = |attempts: &[u32]| -> Vec<(u32, usize)> {
            groups(attempts.to_vec(), |attempt| *attempt, 8)
                .iter()
                .map(|group| (group.first().copied().unwrap_or_default(), group.len()))
                .collect()
        };
        assert_eq!(sizes(&[1; 8]), [(1, 8)]);
        assert_eq!(sizes(&[2, 1, 2, 1, 1]), [(1, 3), (2, 2)]);
        assert_eq!(sizes(&[2; 8]), [(2, 4), (2, 4)]);
        assert_eq!(
            sizes(&[4, 4, 90, 4, u32::MAX]),
            [(4, 1), (4, 1), (4, 1), (90, 1), (u32::MAX, 1)]
        );
        assert_eq!(sizes(&[]), []);
    }
}
