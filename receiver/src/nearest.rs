//! The name that somebody may have meant.

/// The candidate nearest to `name`, if one is near enough to be a slip: letters' case apart, or a third of its letters.
pub(crate) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance * 3 <= candidate.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean X?`, to be put behind a message.
pub(crate) fn did_you_mean<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    nearest(name, candidates).map(|candidate| format!("; did you mean {candidate}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["email", "firstName", "lastName", "phone"];
        for (written, meant) in [
            ("emial", Some("email")),
            ("EMAIL", Some("email")),
            ("firstNam", Some("firstName")),
            ("lastname", Some("lastName")),
            ("fax", None),
            ("", None),
            ("company", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
    }
}
