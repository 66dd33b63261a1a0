//! The value of the external id: safe in a URL, and different wherever the given one is. Pure.

use sha2::{Digest, Sha256};

/// As long as a hash; a field of the usual 255 characters has room for either.
const MAX_PLAIN_LENGTH: usize = 64;

/// What stands in the external id field for a given value; `None` for a blank one.
///
/// Salesforce answers 404 to values with some dots in the URL (an e-mail address with an unlucky top-level domain),
/// and compares external ids without regard to case unless the field says otherwise. So short values of lower-case
/// letters, digits, `-` and `_` stay as they are, and all others become the SHA-256 (hex) of themselves. The same rule
/// holds for single calls, collections and queries, so that all of them mean the same record.
pub(super) fn external_value(given: &str) -> Option<String> {
    let given = given.trim();
    if given.is_empty() {
        return None;
    }
    let plain = given.len() <= MAX_PLAIN_LENGTH
        && given
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
    Some(if plain {
        given.to_owned()
    } else {
        hex::encode(Sha256::digest(given.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lower_case_words_stay_and_all_else_is_hashed() {
        for plain in ["17", "a_b-c", "7c9e6679-7425-40de-944b-e07fc1f90ae7"] {
            assert_eq!(external_value(&format!(" {plain} ")).as_deref(), Some(plain));
        }
        // By `printf ada@example.com | sha256sum`.
        assert_eq!(
            external_value("ada@example.com").as_deref(),
            Some("b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72")
        );
        let long = "a".repeat(65);
        for hashed in [
            "ada@example.com",
            "a.b",
            "a/b",
            "a b",
            "ä",
            "A",
            "a%2f",
            "..",
            long.as_str(),
        ] {
            let value = external_value(hashed).unwrap_or_default();
            assert!(
                value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit()),
                "{hashed}: {value}"
            );
        }
    }

    #[test]
    fn values_that_differ_in_case_only_stay_apart() {
        let values = ["abc", "ABC", "Abc"].map(external_value);
        assert!(values[0] != values[1] && values[1] != values[2] && values[0] != values[2]);
        assert_eq!(external_value("  "), None);
    }
}
