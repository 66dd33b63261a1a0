//! Questions that one answer cannot be in two fields of.

use serde_json::json;

use super::text;

#[test]
fn a_question_for_both_parts_of_a_name_is_the_whole_name() {
    for label in [
        "Vorname und Nachname",
        "Vor- und Nachname",
        "Vorname / Nachname",
        "Vorname, Name",
        "Imię i nazwisko",
        "Adınız Soyadınız",
        "Ad Soyad",
        "First name / Last name",
        "Last name, first name",
        "First and last name",
        "First & Last Name",
        "Name (first, last)",
        "Name and surname",
        "Fornavn og etternavn",
        "För- och efternamn",
        "Nombre y apellidos",
        "Nome e cognome",
        "Nome e sobrenome",
        "Jméno a příjmení",
        "Meno a priezvisko",
        "Имя и фамилия",
        "Voor- en achternaam",
        "Họ và tên",
        "Nom et prénom",
        "Prénom & Nom",
        "Nume și prenume",
        "Ime i prezime",
        "Ime in priimek",
        "Име и фамилия",
    ] {
        let form = json!({label: "Ada Lovelace", "Email": "ada@example.com"});
        let found = ["fullName", "firstName", "lastName"].map(|name| text(&form, name));
        assert_eq!(found, [Some("Ada Lovelace".to_owned()), None, None], "{label}");
    }
}

#[test]
fn a_question_for_one_part_stays_that_part() {
    for (label, field) in [
        ("Your first name", "firstName"),
        ("Last name of the contact", "lastName"),
        ("Prénom (obligatoire)", "firstName"),
        ("Nachname *", "lastName"),
    ] {
        let form = json!({label: "Lovelace", "Email": "ada@example.com"});
        assert_eq!(text(&form, field).as_deref(), Some("Lovelace"), "{label}");
        assert_eq!(text(&form, "fullName"), None, "{label}");
    }
}

#[test]
fn an_id_is_no_address_and_an_answer_to_two_questions_no_number() {
    for id in [
        "56761188-7520-42d8-8898-ff6fc54ce618",
        "49a3999c0ce14ea6ab68afcd1d6b4c9e",
        "1234567",
    ] {
        assert_eq!(text(&json!({"email_id": id}), "email"), None, "{id}");
    }
    // A typing error is told, not left out.
    assert_eq!(
        text(&json!({"email_id": "ada.example.com"}), "email").as_deref(),
        Some("ada.example.com")
    );
    let both = json!({"Name und Telefonnummer": "Ada L 030901820"});
    assert_eq!(text(&both, "phone"), None);
    for number in [
        "030 901820 ext. 12",
        "Tel. 030 901820",
        "mobil 0170 5551234",
        "+49 30 901820",
    ] {
        let form = json!({"Name oder Telefonnummer": number});
        assert_eq!(text(&form, "phone").as_deref(), Some(number));
    }
}

#[test]
fn the_answers_about_other_people_are_left_out() {
    let gift = json!({"Recipient name": "Bob", "Sender name": "Ada", "Sender email": "ada@example.com"});
    assert_eq!(text(&gift, "fullName").as_deref(), Some("Ada"));
    assert_eq!(text(&gift, "email").as_deref(), Some("ada@example.com"));
    for label in [
        "Agent phone",
        "Landlord phone number",
        "Next of kin phone",
        "Telefon Ihres Maklers, Makler",
    ] {
        let form = json!({"Email": "ada@example.com", label: "+49 30 901820"});
        assert_eq!(text(&form, "phone"), None, "{label}");
    }
}

#[test]
fn parts_that_are_written_in_lines_are_parts() {
    let form = json!({
        "Name": "first = John\n\nlast = Smith",
        "Address": "address = 123 Main St\ncity = Springfield\nstate = IL\nzip = 62701",
        "Email": "value = john@example.com\n\nfield_type = email",
        "Phone": "value = 234-555-6789\n\nfield_type = phone",
        "Message": "a = b\nand more",
    });
    for (field, expected) in [
        ("firstName", "John"),
        ("lastName", "Smith"),
        ("email", "john@example.com"),
        ("phone", "234-555-6789"),
        ("address", "123 Main St"),
        ("city", "Springfield"),
        ("state", "IL"),
        ("postalCode", "62701"),
        ("message", "a = b\nand more"),
    ] {
        assert_eq!(text(&form, field).as_deref(), Some(expected), "{field}");
    }
}

#[test]
fn a_figure_under_a_name_that_holds_a_word_for_phone_is_no_number() {
    for (label, figure) in [
        ("Monthly mobile visitors", "1500000"),
        ("Cell line number", "20240117"),
        ("Numéro de série du portable", "123456789"),
        ("Telefon-Budget pro Jahr", "250000"),
    ] {
        let form = json!({"Email": "ada@example.com", label: figure});
        assert_eq!(text(&form, "phone"), None, "{label}");
    }
    for number in ["5551234567", "0170 555123", "(555) 010-99", "+49301234"] {
        let form = json!({"Best mobile to reach you on": number});
        assert_eq!(text(&form, "phone").as_deref(), Some(number));
    }
}

#[test]
fn what_links_carry_is_no_answer() {
    let form = json!({"email": "ada@example.com", "via": "partner42", "cap": "500", "url": "https://example.com/lp", "country": "+49"});
    for field in ["address", "postalCode", "website", "country"] {
        assert_eq!(text(&form, field), None, "{field}");
    }
    let form = json!({"Via": "Via Roma 1", "CAP": "00100", "Country": "IT"});
    for (field, expected) in [
        ("address", "Via Roma 1"),
        ("postalCode", "00100"),
        ("country", "IT"),
    ] {
        assert_eq!(text(&form, field).as_deref(), Some(expected), "{field}");
    }
}

#[test]
fn the_parts_of_a_question_have_titles_of_their_own() {
    let form = json!({
        "definition": {"fields": [{"id": "q1", "type": "contact_info", "title": "Who are you?", "properties": {"fields": [
            {"id": "a1", "title": "First name", "type": "short_text"}, {"id": "a2", "title": "Company", "type": "short_text"}]}}]},
        "answers": [
            {"type": "text", "text": "Ada", "field": {"id": "a1", "type": "short_text"}},
            {"type": "text", "text": "Engines", "field": {"id": "a2", "type": "short_text"}}],
    });
    assert_eq!(text(&form, "firstName").as_deref(), Some("Ada"));
    assert_eq!(text(&form, "company").as_deref(), Some("Engines"));
}
