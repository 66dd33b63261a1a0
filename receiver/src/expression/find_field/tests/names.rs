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
