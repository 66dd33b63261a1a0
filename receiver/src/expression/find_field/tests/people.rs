//! Whose answer it is, and which of several is taken.

use serde_json::json;

use super::text;

#[test]
fn the_nearest_label_wins_and_other_people_do_not_count() {
    let ada = || Some("Ada Lovelace");
    #[rustfmt::skip]
    let table = [
        // A label as it stands, before one with small words, before a part of one.
        (json!({"Name": "Ada Lovelace", "Your name": "ada99"}), "fullName", ada()),
        (json!({"Name": "Ada Lovelace", "Client name": "Bob Boss"}), "fullName", ada()),
        (json!({"Your name": "Ada Lovelace", "Customer name": "Bob Boss"}), "fullName", ada()),
        (json!({"Customer name": "Ada Lovelace"}), "fullName", ada()),
        (json!({"Your name": "Ada Lovelace", "User name": "ada99"}), "fullName", ada()),
        (json!({"user_name": "ada99", "Account name": "ACME-7"}), "fullName", None),
        (json!({"Your email address": "ada@example.com", "Company general email": "info@example.com"}), "email", Some("ada@example.com")),
        // A list has the order of the form, a map the shortest label.
        (json!([{"label": "Your phone", "value": "030 901820"}, {"label": "A phone", "value": "040 901820"}]), "phone", Some("030 901820")),
        (json!([{"label": "Work Email", "value": "ada@example.com"}, {"label": "Billing Email", "value": "pay@example.com"}]), "email", Some("ada@example.com")),
        (json!({"Work Email": "ada@example.com", "Billing Email": "pay@example.com"}), "email", Some("ada@example.com")),
        (json!({"Billing Email": "ada@example.com"}), "email", Some("ada@example.com")),
        (json!({"tel-main-office": "040 901820", "tel-x": "030 901820"}), "phone", Some("030 901820")),
        (json!({"email": "ada@example.com", "customer": {"email": "bob@example.com"}}), "email", Some("ada@example.com")),
        // Other people.
        (json!({"Assistant email": "bob@example.com"}), "email", None),
        (json!({"Emergency contact phone": "030 901820"}), "phone", None),
        (json!({"Child's first name": "Tim", "First name": "Ada"}), "firstName", Some("Ada")),
        (json!({"Telefon des Ehemanns": "030 1", "E-Mail des Kindes": "tim@example.com"}), "email", None),
        (json!({"Prénom de l'enfant": "Tim"}), "firstName", None),
        (json!({"Correo del hijo": "tim@example.com"}), "email", None),
        (json!({"緊急連絡先の電話番号": "03-1234-5678"}), "phone", None),
        (json!([{"label": "Guest e-mail", "type": "INPUT_EMAIL", "value": "bob@example.com"}]), "email", Some("bob@example.com")),
        (json!({"guest_email": "bob@example.com", "email": "ada@example.com"}), "email", Some("ada@example.com")),
        (json!({"Login email": "ada@example.com"}), "email", Some("ada@example.com")),
    ];
    for (form, field, expected) in table {
        assert_eq!(text(&form, field).as_deref(), expected, "{field} of {form}");
    }
}

#[test]
fn a_full_name_beats_parts_of_a_name_in_longer_labels() {
    #[rustfmt::skip]
    let table = [
        (json!({"Full name": "Ada Lovelace", "Child first name": "Tim", "Child last name": "Kid"}), [None, None, Some("Ada Lovelace")]),
        (json!({"Name": "Ada Lovelace", "First name of your contact there": "Tim"}), [None, None, Some("Ada Lovelace")]),
        (json!({"Name": "Ada Lovelace", "First name on the badge": "Ada"}), [Some("Ada"), None, Some("Ada Lovelace")]),
        (json!({"Name": "Lovelace", "Vorname (laut Ausweis)": "Ada"}), [Some("Ada"), Some("Lovelace"), None]),
        (json!({"Name": "Ada", "Landlord first name": "Bob", "Landlord last name": "Boss"}), [None, None, Some("Ada")]),
        (json!({"Name": "Ada", "Client first name": "Bob"}), [None, None, Some("Ada")]),
        (json!({"How did you first hear of us?": "Google", "When did you last visit?": "Monday"}), [None, None, None]),
        (json!({"Name (First)": "Ada", "Name (Last)": "Lovelace"}), [Some("Ada"), Some("Lovelace"), None]),
    ];
    for (form, names) in table {
        let found = ["firstName", "lastName", "fullName"].map(|field| text(&form, field));
        assert_eq!(found, names.map(|name| name.map(str::to_owned)), "{form}");
    }
}

#[test]
fn what_is_called_phone_in_part_has_the_digits_of_one() {
    #[rustfmt::skip]
    let table = [
        (json!({"How many phone lines do you have?": "150"}), None),
        (json!({"How many phone lines do you have?": "150000"}), None),
        (json!({"Phone type": "Mobile 123"}), None),
        (json!({"Phone model": "3310", "Telefon privat": "030 901820"}), Some("030 901820")),
        (json!({"Best time to phone you": "2026-11-27 10:00"}), None),
        (json!({"Phone": "ext. 150"}), Some("ext. 150")),
    ];
    for (form, expected) in table {
        assert_eq!(text(&form, "phone").as_deref(), expected, "{form}");
    }
}

/// Jotform names `Wie heißen Sie?` `q3_wieHeien`.
#[test]
fn answers_in_parts_are_known_by_their_parts() {
    let form = json!({
        "q3_wieHeien": {"first": "Ada", "last": "Lovelace"}, "q5_unterWelcher5": {"full": "(020) 123-4567"},
        "q6_woWohnen": {"addr_line1": "1 Main St", "city": "York", "postal": "YO1"}, "q4_anWelche4": "ada@example.com",
        "q7_wann": {"day": "1", "month": "2", "year": "2026"}, "q8_kind": {"first": "Tim", "last": "Kid"},
    });
    #[rustfmt::skip]
    let table = [
        (form.clone(), "firstName", Some("Ada")),
        (form.clone(), "lastName", Some("Lovelace")),
        (form.clone(), "phone", Some("(020) 123-4567")),
        (form.clone(), "address", Some("1 Main St")),
        (form.clone(), "postalCode", Some("YO1")),
        // Beside another contact nothing is guessed.
        (form, "email", None),
        (json!({"q5_unterWelcher5": {"area": "020", "phone": "123-4567"}}), "phone", Some("020 123-4567")),
        (json!({"q5_was": {"full": "Everything"}}), "phone", None),
        (json!({"q8_kind": {"first": "Tim", "last": "Kid"}}), "firstName", None),
        (json!({"q3_x": {"first": "Tim", "last": "Kid"}, "q9_fullName": {"first": "Ada", "last": "L"}}), "firstName", Some("Ada")),
    ];
    for (form, field, expected) in table {
        assert_eq!(text(&form, field).as_deref(), expected, "{field} of {form}");
    }
}

#[test]
fn the_only_address_in_a_form_without_contact_is_its_email() {
    #[rustfmt::skip]
    let table = [
        (json!({"q4_anWelche4": "ada@example.com"}), Some("ada@example.com")),
        (json!({"field_7": " ada@example.com "}), Some("ada@example.com")),
        (json!({"a": "ada@example.com", "b": "ada@example.com"}), Some("ada@example.com")),
        (json!([{"label": "Wohin?", "type": "INPUT_TEXT", "value": "ada@example.com"}]), Some("ada@example.com")),
        (json!({"a": "ada@example.com", "b": "bob@example.com"}), None),
        (json!({"a": "ada@example.com", "Telefon": "030 901820"}), None),
        (json!({"a": "write to ada@example.com", "b": "https://x@example.com/", "c": "@ada"}), None),
        (json!({"Friend": "ada@example.com", "admin_email": "bob@example.com"}), None),
        (json!({"from": "shop@example.com", "to": ["bob@example.com"]}), None),
        (json!([{"label": "x", "type": "file", "value": "ada@example.com"}]), None),
    ];
    for (form, expected) in table {
        assert_eq!(text(&form, "email").as_deref(), expected, "{form}");
    }
}

#[test]
fn a_choice_stands_for_its_text() {
    let options = json!([{"id": "e2a4", "text": "Germany"}, {"id": "f3b5", "text": "France"}]);
    let chosen =
        |value| json!([{"label": "Country", "type": "DROPDOWN", "value": value, "options": options}]);
    #[rustfmt::skip]
    let table = [
        (chosen(json!(["e2a4"])), Some("Germany")),
        (chosen(json!("f3b5")), Some("France")),
        (chosen(json!(["gone", "f3b5"])), Some("France")),
        (chosen(json!(["gone"])), None),
        (chosen(json!([])), None),
        (chosen(json!(null)), None),
        (chosen(json!("Germany")), Some("Germany")),
        (json!([{"label": "Country", "value": "de", "options": [{"value": "de", "label": "Germany"}]}]), Some("Germany")),
        (json!([{"label": "Country", "value": "Germany", "options": ["Germany", "France"]}]), Some("Germany")),
        // Typeform.
        (json!([{"type": "choice", "choice": {"other": "Andorra"}, "field": {"ref": "country"}}]), Some("Andorra")),
        (json!([{"type": "choices", "choices": {"labels": ["Spain"]}, "field": {"ref": "country"}}]), Some("Spain")),
    ];
    for (form, expected) in table {
        assert_eq!(text(&form, "country").as_deref(), expected, "{form}");
    }
}
