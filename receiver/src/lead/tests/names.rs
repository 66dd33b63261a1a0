//! Names of people.

use super::*;

#[test]
fn a_full_name_is_split_where_that_can_be_told_and_kept_whole_elsewhere() {
    for (full, first, last) in [
        ("Li Wei", "Li", "Wei"),
        ("Anna  Maria Braun", "Anna Maria", "Braun"),
        ("Cher", "Cher", ""),
        ("J. R. R. Tolkien", "J. R. R.", "Tolkien"),
        // The family name first, with a comma.
        ("Lovelace, Ada", "Ada", "Lovelace"),
        ("LOVELACE, ADA", "ADA", "LOVELACE"),
        (" Lovelace ,Ada King ", "Ada King", "Lovelace"),
        ("García Márquez, Gabriel", "Gabriel", "García Márquez"),
        ("von der Leyen, Ursula", "Ursula", "von der Leyen"),
        ("Beethoven, Ludwig van", "Ludwig", "van Beethoven"),
        ("Lovelace，Ada", "Ada", "Lovelace"),
        ("Ada Lovelace,", "Ada", "Lovelace"),
        // Suffixes: generations stay with the family name, degrees in the full name.
        ("John Smith III", "John", "Smith III"),
        ("Sammy Davis, Jr.", "Sammy", "Davis Jr."),
        ("Davis, Jr., Sammy", "Sammy", "Davis Jr."),
        ("Davis Jr., Sammy", "Sammy", "Davis Jr."),
        ("Davis, Sammy Jr", "Sammy", "Davis Jr"),
        ("Ada Lovelace, PhD", "Ada", "Lovelace"),
        ("Ada Lovelace Ph.D.", "Ada", "Lovelace"),
        ("Gregory House MD", "Gregory", "House"),
        ("Gregory House, M.D., Esq.", "Gregory", "House"),
        ("Jack Ma", "Jack", "Ma"),
        ("JACK MA", "JACK", "MA"),
        ("YO YO MA", "YO YO", "MA"),
        // Particles.
        ("Ludwig van Beethoven", "Ludwig", "van Beethoven"),
        ("Jean-Claude Van Damme", "Jean-Claude", "Van Damme"),
        ("Maria de la Cruz López", "Maria", "de la Cruz López"),
        ("Muhammad bin Salman Al Saud", "Muhammad", "bin Salman Al Saud"),
        ("Tariq al-Farsi", "Tariq", "al-Farsi"),
        ("José Ortega y Gasset", "José", "Ortega y Gasset"),
        ("Van Morrison", "Van", "Morrison"),
        ("van den Berg", "", "van den Berg"),
        // Titles.
        ("Dr. Ada Lovelace", "Ada", "Lovelace"),
        ("Frau Prof. Dr. med. Anna von Braun", "Anna", "von Braun"),
        ("Mr. Smith", "", "Smith"),
        ("Mr and Mrs Smith", "", "Smith"),
        ("Lovelace, Dr. Ada", "Ada", "Lovelace"),
        ("Ing Wei", "Ing", "Wei"),
        // Scripts that put the family name first, and those in which it cannot be told.
        ("山田 太郎", "太郎", "山田"),
        ("山田　さくら", "さくら", "山田"),
        ("김 철수", "철수", "김"),
        ("山田太郎", "山田太郎", ""),
        ("ヤマダ タロウ", "ヤマダ タロウ", ""),
        ("ジョン・スミス", "ジョン・スミス", ""),
        ("สมชาย ใจดี", "สมชาย", "ใจดี"),
        ("محمد بن سلمان", "محمد", "بن سلمان"),
        // What decorates a name is no part of it.
        ("Ada Lovelace 👩‍💻", "Ada", "Lovelace"),
        ("✨ Ada Lovelace ✨", "Ada", "Lovelace"),
        ("Ada !!!", "Ada", ""),
        ("Ada \u{FFFD}", "Ada", ""),
        ("Jörg Müller €", "Jörg", "Müller"),
        ("Ada Lovelace, Prof.", "Ada", "Lovelace"),
        ("Ada Lovelace, Dr.", "Ada", "Lovelace"),
        ("Smith, Mrs", "", "Smith"),
        // Kept whole.
        ("Ada Lovelace 0170 1234567", "Ada Lovelace 0170 1234567", ""),
        ("Ada Lovelace\r\nCTO", "Ada Lovelace CTO", ""),
        ("Ada Lovelace - Acme GmbH", "Ada Lovelace - Acme GmbH", ""),
        ("Acme GmbH", "Acme GmbH", ""),
        ("Ada Lovelace Ltd.", "Ada Lovelace Ltd.", ""),
        ("Ada Lovelace, CEO", "Ada Lovelace CEO", ""),
        ("Ada Lovelace, London, UK", "Ada Lovelace London UK", ""),
        ("Analytical Engines, Ltd", "Analytical Engines Ltd", ""),
        ("Anna & Ben", "Anna & Ben", ""),
        ("Anna Braun (née Weiß)", "Anna Braun (née Weiß)", ""),
        ("Anna Braun / Ben Weiß", "Anna Braun / Ben Weiß", ""),
    ] {
        let mut lead = lead(&[(Field::FullName, full)]);
        normalise(&mut lead, None);
        let found = [Field::FirstName, Field::LastName].map(|field| lead.get(field).unwrap_or_default());
        assert_eq!(found, [first, last], "{full}");
        assert_eq!(
            lead.get(Field::FullName),
            Some(full.trim()),
            "the full name stays as typed"
        );
    }
}

#[test]
fn a_name_that_the_sender_split_stays_as_it_is_but_for_commas() {
    for (given, expected) in [
        ((Some("Ada"), None), (Some("Ada"), None)),
        ((None, Some("Given")), (None, Some("Given"))),
        (
            (Some("Dr. Ada"), Some("van Lovelace PhD")),
            (Some("Dr. Ada"), Some("van Lovelace PhD")),
        ),
        ((Some("Ada,"), Some("Lovelace")), (Some("Ada"), Some("Lovelace"))),
        (
            (Some("Sammy"), Some("Davis, Jr.")),
            (Some("Sammy"), Some("Davis Jr.")),
        ),
        ((Some("Lovelace, Ada"), None), (Some("Ada"), Some("Lovelace"))),
        // The full name tells the part that is missing.
        ((Some("A"), None), (Some("A"), Some("B"))),
        ((None, Some("B")), (Some("A"), Some("B"))),
    ] {
        let mut split = lead(&[
            (Field::FullName, "A B"),
            (Field::FirstName, given.0.unwrap_or("")),
            (Field::LastName, given.1.unwrap_or("")),
        ]);
        normalise(&mut split, None);
        assert_eq!(
            (split.get(Field::FirstName), split.get(Field::LastName)),
            expected,
            "{given:?}"
        );
    }
}

#[test]
fn the_full_name_counts_where_what_stands_in_its_parts_is_left_out() {
    let long = "x".repeat(20_000);
    for (first, last) in [(", -", ", n/a"), (long.as_str(), ""), ("", long.as_str())] {
        let mut judged = lead(&[
            (Field::Email, "ada@example.com"),
            (Field::FullName, "Ada Lovelace"),
        ]);
        if !first.is_empty() {
            judged.set(Field::FirstName, first);
        }
        if !last.is_empty() {
            judged.set(Field::LastName, last);
        }
        let limits = Limits {
            on_invalid: OnInvalid::DropField,
            ..Limits::default()
        };
        let verdict = judge(&mut judged, Vec::new(), None, &limits);
        assert_eq!(verdict.problems, []);
        assert_eq!(judged.get(Field::FirstName), Some("Ada"));
        assert_eq!(judged.get(Field::LastName), Some("Lovelace"));
    }
}

#[test]
fn a_whole_name_in_one_part_is_read_when_the_other_part_is_left_out() {
    // Given a first name that is too long, and both parts in the last name
    let mut lead = lead(&[
        (Field::Email, "ada@example.com"),
        (Field::FirstName, &"A".repeat(500)),
        (Field::LastName, "Lovelace, Ada"),
    ]);
    let limits = Limits {
        on_invalid: OnInvalid::DropField,
        ..Limits::default()
    };

    // When it is judged, then the last name tells both
    let verdict = judge(&mut lead, Vec::new(), None, &limits);
    assert!(verdict.problems.is_empty(), "{verdict:?}");
    let name = [Field::FirstName, Field::LastName, Field::FullName].map(|field| lead.get(field));
    assert_eq!(name, [Some("Ada"), Some("Lovelace"), Some("Lovelace, Ada")]);
}
