//! What form builders send, in many languages, and what must not be taken for a field.

mod languages;
mod names;
mod people;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::labels::LABELS;
use super::question::Words;
use super::{Form, Forms, Found, named};
use crate::expression::budget::Meter;
use crate::lead::Field;

fn text(form: &Value, name: &str) -> Option<String> {
    let found = Found::of(Form::of(form)?);
    let found = found.get(named(name).unwrap())?;
    Some(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
}

#[test]
fn a_label_is_known_in_ten_languages() {
    #[rustfmt::skip]
    let languages = [
        // e-mail, phone, first name, last name, company, message
        ("en", ["E-mail address", "Phone number", "First name", "Last name", "Company name", "Message"]),
        ("de", ["E-Mail-Adresse", "Telefonnummer", "Vorname", "Nachname", "Firma", "Nachricht"]),
        ("fr", ["Adresse e-mail", "Numéro de téléphone", "Prénom", "Nom de famille", "Société", "Commentaires"]),
        ("es", ["Correo electrónico", "Teléfono móvil", "Nombre de pila", "Apellidos", "Empresa", "Mensaje"]),
        ("pt", ["Endereço de e-mail", "Telemóvel", "Primeiro nome", "Sobrenome", "Empresa", "Mensagem"]),
        ("it", ["Indirizzo e-mail", "Numero di telefono", "Nome", "Cognome", "Azienda", "Messaggio"]),
        ("nl", ["E-mailadres", "Telefoonnummer", "Voornaam", "Achternaam", "Bedrijfsnaam", "Bericht"]),
        ("pl", ["Adres e-mail", "Numer telefonu", "Imię", "Nazwisko", "Nazwa firmy", "Wiadomość"]),
        ("tr", ["E-posta", "Telefon numarası", "Adınız", "Soyadınız", "Şirket", "Mesajınız"]),
        ("ru", ["Электронная почта", "Номер телефона", "Имя", "Фамилия", "Компания", "Сообщение"]),
        ("ja", ["メールアドレス", "電話番号", "名", "姓", "会社名", "お問い合わせ内容"]),
        ("zh", ["电子邮箱", "手机号码", "名字", "姓氏", "公司名称", "留言"]),
        ("ar", ["البريد الإلكتروني", "رقم الهاتف", "الاسم الأول", "اسم العائلة", "الشركة", "الرسالة"]),
    ];
    all_are_known(&languages);
}

/// Forms with these labels, however they are written: for e-mail, phone, first name, last name, company and message.
fn all_are_known(languages: &[(&str, [&str; 6])]) {
    let fields = ["email", "phone", "firstName", "lastName", "company", "message"];
    let values = [
        "ada@example.com",
        "+49 30 901820",
        "Ada",
        "Lovelace",
        "Engines",
        "Call me",
    ];
    for (language, names) in languages {
        for written in [str::to_owned as fn(&str) -> String, str::to_uppercase, |l| {
            format!("{l} *:")
        }] {
            let form: serde_json::Map<String, Value> = names
                .iter()
                .zip(values)
                .map(|(label, value)| (written(label), json!(value)))
                .collect();
            let form = Value::Object(form);
            for (field, value) in fields.into_iter().zip(values) {
                assert_eq!(
                    text(&form, field).as_deref(),
                    Some(value),
                    "{language} {field}: {form}"
                );
            }
        }
    }
}

#[test]
fn a_name_alone_is_the_whole_name_and_beside_another_what_is_left() {
    #[rustfmt::skip]
    let table = [
        (json!({"Name": "Ada Lovelace"}), [None, None, Some("Ada Lovelace")]),
        (json!({"Nom": "Lovelace", "Prénom": "Ada"}), [Some("Ada"), Some("Lovelace"), None]),
        (json!({"Name": "Lovelace", "Vorname": "Ada"}), [Some("Ada"), Some("Lovelace"), None]),
        (json!({"Nombre": "Ada", "Apellidos": "Lovelace"}), [Some("Ada"), Some("Lovelace"), None]),
        (json!({"Name": "Ada Lovelace", "First Name": "Ada"}), [Some("Ada"), None, Some("Ada Lovelace")]),
        (json!({"your-name": "Ada", "your-surname": "Lovelace"}), [Some("Ada"), Some("Lovelace"), None]),
        (json!({"Company name": "Engines", "form_name": "Contact", "page name": "Home"}), [None, None, None]),
    ];
    for (form, names) in table {
        let found = ["firstName", "lastName", "fullName"].map(|field| text(&form, field));
        assert_eq!(found, names.map(|name| name.map(str::to_owned)), "{form}");
    }
}

#[test]
fn other_questions_do_not_hide_the_field() {
    #[rustfmt::skip]
    let table = [
        // Jotform: numbered, of ten and more questions.
        (json!({"q3_fullName": {"first": "Ada", "last": "Lovelace"}, "q4_email": "ada@example.com",
            "q10_emailConsent": "Yes, send me e-mails", "q12_companyName": "Engines"}), "email", Some("ada@example.com")),
        (json!({"q3_fullName": {"first": "Ada"}, "q12_companyName": "Engines"}), "firstName", Some("Ada")),
        (json!({"q3_fullName": {"first": "Ada"}, "q12_companyName": "Engines"}), "company", Some("Engines")),
        (json!({"q10_email": "second@example.com", "q9_email": "first@example.com"}), "email", Some("first@example.com")),
        (json!({"q5_phoneNumber": {"area": "020", "phone": "123-4567"}}), "phone", Some("020 123-4567")),
        (json!({"q5_phoneNumber": {"country": "44", "area": "20", "phone": "71838750"}}), "phone", Some("+44 20 71838750")),
        (json!({"q5_phoneNumber": {"full": "(020) 123-4567"}}), "phone", Some("(020) 123-4567")),
        (json!({"q5_phoneNumber": {"area": "", "phone": ""}}), "phone", None),
        (json!({"q6_address": {"addr_line1": "1 Main St", "city": "York", "postal": "YO1"}}), "city", Some("York")),
        (json!({"q6_address": {"addr_line1": "1 Main St", "city": "York", "postal": "YO1"}}), "address", Some("1 Main St")),
        (json!({"Friend's e-mail": "bob@example.com"}), "email", None),
        (json!({"Confirm e-mail": "typo@example.com", "Work e-mail": "ada@example.com"}), "email", Some("ada@example.com")),
        (json!({"メールアドレス（確認用）": "typo@example.com", "メールアドレス（必須）": "ada@example.com"}), "email", Some("ada@example.com")),
        (json!({"Fax number": "030 1", "Handynummer": "0170 1234"}), "phone", Some("0170 1234")),
        (json!({"Company size": "50-100"}), "company", None),
        (json!({"Company e-mail": "ada@example.com"}), "company", None),
        (json!({"Company e-mail": "ada@example.com"}), "email", Some("ada@example.com")),
        // A typing error is said, not hidden; a consent is no address where there is one.
        (json!({"Email": "ada.example.com"}), "email", Some("ada.example.com")),
        (json!({"Email": "Yes", "Your e-mail address, please": "ada@example.com"}), "email", Some("ada@example.com")),
        (json!({"email": true}), "email", None),
        (json!({"email": ["", "ada@example.com"]}), "email", Some("ada@example.com")),
        (json!({"phone": 4_930_901_820_u64}), "phone", Some("4930901820")),
        (json!({"1.3": "Ada", "2": "ada@example.com"}), "fullName", None),
        (json!([]), "email", None),
        (json!("email"), "email", None),
        (Value::Null, "email", None),
    ];
    for (form, field, expected) in table {
        assert_eq!(text(&form, field).as_deref(), expected, "{field} of {form}");
    }
}

#[test]
fn each_builder_is_understood() {
    let elementor = json!({
        "form[id]": "f1", "form[name]": "Contact",
        "fields[field_9a1][id]": "field_9a1", "fields[field_9a1][type]": "email", "fields[field_9a1][title]": "",
        "fields[field_9a1][value]": "ada@example.com", "fields[field_9a1][raw_value]": "ada@example.com",
        "fields[name][type]": "text", "fields[name][title]": "Wie heißen Sie?", "fields[name][value]": "Ada Lovelace",
        "fields[ok][type]": "acceptance", "fields[ok][title]": "E-mail", "fields[ok][value]": "on",
        "meta[remote_ip][value]": "203.0.113.4",
    });
    let typeform = json!({
        "definition": {"fields": [{"id": "f1", "title": "What's your first name?"}, {"id": "f2", "title": "Vorname"}]},
        "answers": [
            {"type": "text", "text": "Ada", "field": {"id": "f2", "ref": "9c2e", "type": "short_text"}},
            {"type": "email", "email": "ada@example.com", "field": {"id": "f3", "ref": "1b", "type": "email"}},
            {"type": "phone_number", "phone_number": "+4930901820", "field": {"id": "f4", "type": "phone_number"}},
            {"type": "choice", "choice": {"label": "Engines"}, "field": {"id": "f5", "ref": "company"}},
            {"type": "boolean", "boolean": true, "field": {"id": "f6", "ref": "email_ok", "type": "yes_no"}},
        ],
    });
    #[rustfmt::skip]
    let table = [
        (&elementor, "email", Some("ada@example.com")),
        (&elementor, "fullName", Some("Ada Lovelace")),
        (&elementor, "phone", None),
        (&typeform, "email", Some("ada@example.com")),
        (&typeform, "firstName", Some("Ada")),
        (&typeform, "phone", Some("+4930901820")),
        (&typeform, "company", Some("Engines")),
        (&json!({"No Label email": "ada@example.com"}), "email", Some("ada@example.com")),
        (&json!({"email-123": "ada@example.com"}), "email", Some("ada@example.com")),
        (&json!({"tel-456": "030 901820"}), "phone", Some("030 901820")),
        (&json!({"names": {"first_name": "Ada", "last_name": "L"}}), "lastName", Some("L")),
        (&json!({"names[first_name]": "Ada"}), "firstName", Some("Ada")),
        (&json!({"data[merges][EMAIL]": "ada@example.com"}), "email", Some("ada@example.com")),
        (&json!({"fields": {"a": {"label": "Correo", "value": "ada@example.com"}}}), "email", Some("ada@example.com")),
        (&json!([{"name": "work_email", "values": ["ada@example.com"]}]), "email", Some("ada@example.com")),
        (&json!([{"column_id": "WORK_EMAIL", "string_value": "ada@example.com"}]), "email", Some("ada@example.com")),
        (&json!([{"field": "email", "value": "ada@example.com"}]), "email", Some("ada@example.com")),
        (&json!([{"label": "E-Mail", "type": "INPUT_EMAIL", "value": null}]), "email", None),
        (&json!([{"label": "Wie erreichen wir Sie?", "type": "INPUT_PHONE_NUMBER", "value": "+49301"}]), "phone", Some("+49301")),
    ];
    for (form, field, expected) in table {
        assert_eq!(text(form, field).as_deref(), expected, "{field} of {form}");
    }
}

#[test]
fn the_tables_hold_what_a_label_is_folded_to_and_each_for_one_field() {
    let mut known = BTreeMap::new();
    for (field, labels) in LABELS {
        for label in labels.split_whitespace() {
            assert_eq!(Words::of(label).text, label, "{field:?}");
            let other = known.insert(label, field);
            assert!(
                other.is_none_or(|other| other == field),
                "{label}: {field:?} and {other:?}"
            );
        }
    }
    assert!(named("email").is_some());
    assert!(named("capturedAt").is_none() && named("emial").is_none());
}

#[test]
fn forms_of_one_scope_are_told_apart_and_read_once() {
    let answers = json!([{"label": "Email", "value": "ada@example.com", "phone": "+442071838750"}]);
    let list = Form::of(&answers).unwrap();
    let first = Form::of(answers.get(0).unwrap()).unwrap();
    let forms = Forms::default();
    let meter = Meter::new();
    let read = |form| forms.find(form, &meter).unwrap();
    let (of_list, of_first) = (read(list), read(first));
    assert_eq!(of_list.get(Field::Email), Some(&json!("ada@example.com")));
    assert_eq!(of_list.get(Field::Phone), None);
    assert_eq!(of_first.get(Field::Phone), Some(&json!("+442071838750")));
    assert!(std::rc::Rc::ptr_eq(&read(list), &of_list) && std::rc::Rc::ptr_eq(&read(first), &of_first));
}

#[test]
fn a_number_of_a_question_is_no_label_and_an_answer_lies_where_builders_put_it() {
    let numbered = json!({"question_1": "Ada Lovelace", "Frage 2": "yes", "Question 3: your e-mail?": "ada@example.com"});
    let found = Found::of(Form::of(&numbered).unwrap());
    assert_eq!(found.get(Field::Message), None);
    assert_eq!(found.get(Field::Email), Some(&json!("ada@example.com")));
    // Fillout.
    let fillout = json!({"submission": {"submissionId": "s", "questions": [
        {"id": "n", "name": "What is your email?", "type": "EmailInput", "value": "ada@example.com"},
        {"id": "p", "name": "Phone number", "type": "PhoneNumber", "value": "+16502530000"}]}});
    let found = Found::of(Form::of(&fillout).unwrap());
    assert_eq!(found.get(Field::Email), Some(&json!("ada@example.com")));
    assert_eq!(found.get(Field::Phone), Some(&json!("+16502530000")));
    // A country's dial code in a question or a part of its own.
    for form in [
        json!({"Country code": "+49", "Telefon": "030 901820"}),
        json!({"phone": {"countryCode": "+49", "number": "030 901820"}}),
        json!([{"label": "Dial code", "value": "Germany (+49)"}, {"label": "Phone", "value": "030 901820"}]),
    ] {
        let found = Found::of(Form::of(&form).unwrap());
        assert_eq!(found.get(Field::Phone), Some(&json!("+49 030 901820")), "{form}");
    }
}
