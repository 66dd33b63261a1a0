//! Labels in more languages, and questions in whole sentences.

use serde_json::json;

use super::{all_are_known, text};

#[test]
fn a_label_is_known_in_more_languages() {
    #[rustfmt::skip]
    let languages = [
        // e-mail, phone, first name, last name, company, message
        ("fi", ["Sähköposti", "Puhelinnumero", "Etunimi", "Sukunimi", "Yritys", "Viesti"]),
        ("el", ["Διεύθυνση email", "Τηλέφωνο", "Όνομα", "Επώνυμο", "Εταιρεία", "Μήνυμα"]),
        ("ko", ["이메일 주소", "전화번호", "이름", "성", "회사명", "문의 내용"]),
        ("he", ["דוא\"ל", "מספר טלפון", "שם פרטי", "שם משפחה", "שם החברה", "הודעה"]),
        ("th", ["อีเมล", "เบอร์โทรศัพท์", "ชื่อ", "นามสกุล", "บริษัท", "ข้อความ"]),
        ("hi", ["ईमेल", "मोबाइल नंबर", "पहला नाम", "उपनाम", "कंपनी", "संदेश"]),
        ("uk", ["Електронна пошта", "Номер телефону", "Ім'я", "Прізвище", "Компанія", "Повідомлення"]),
        ("da", ["E-mailadresse", "Telefonnummer", "Fornavn", "Efternavn", "Virksomhed", "Besked"]),
        ("no", ["E-postadresse", "Mobilnummer", "Fornavn", "Etternavn", "Bedrift", "Melding"]),
        ("sv", ["E-postadress", "Telefonnummer", "Förnamn", "Efternamn", "Företag", "Meddelande"]),
        ("cs", ["E-mailová adresa", "Telefonní číslo", "Jméno", "Příjmení", "Společnost", "Zpráva"]),
        ("sk", ["E-mailová adresa", "Telefónne číslo", "Meno", "Priezvisko", "Spoločnosť", "Správa"]),
        ("hu", ["E-mail cím", "Telefonszám", "Keresztnév", "Vezetéknév", "Cégnév", "Üzenet"]),
        ("ro", ["Adresă de e-mail", "Număr de telefon", "Prenume", "Nume", "Companie", "Mesaj"]),
        ("vi", ["Địa chỉ email", "Số điện thoại", "Tên", "Họ", "Công ty", "Lời nhắn"]),
        ("id", ["Alamat email", "Nomor telepon", "Nama depan", "Nama belakang", "Perusahaan", "Pesan"]),
        ("tr", ["E-posta adresiniz", "Cep telefonu", "Adı", "Soyadı", "Firma adı", "Mesaj"]),
        ("pl", ["Adres email", "Nr telefonu", "Imię", "Nazwisko", "Firma", "Zapytanie"]),
        ("nl", ["Mailadres", "Mobiel nummer", "Voornaam", "Achternaam", "Bedrijf", "Opmerking"]),
        ("pt", ["Correio eletrónico", "Número de telemóvel", "Primeiro nome", "Apelido", "Organização", "Dúvida"]),
        ("ja", ["Eメールアドレス", "お電話番号", "下のお名前", "姓", "法人名", "ご相談内容"]),
        ("zh", ["電子信箱", "聯絡電話", "名字", "姓氏", "公司名字", "留言內容"]),
        ("ar", ["عنوان البريد الإلكتروني", "رقم الموبايل", "الاسم الأول", "الاسم الأخير", "المؤسسة", "ملاحظات"]),
        ("ru", ["Эл. почта", "Мобильный", "Имя", "Фамилия", "Фирма", "Текст сообщения"]),
    ];
    all_are_known(&languages);
}

#[test]
fn a_whole_name_is_known_in_more_languages() {
    for label in [
        "Koko nimi",
        "Ονοματεπώνυμο",
        "성함",
        "שם מלא",
        "ชื่อ-นามสกุล",
        "पूरा नाम",
        "ПІБ",
        "Fulde navn",
        "Fullt navn",
        "Fullständigt namn",
        "Jméno a příjmení",
        "Meno a priezvisko",
        "Teljes név",
        "Nume și prenume",
        "Họ và tên",
        "Nama lengkap",
        "Ad Soyad",
        "ご担当者名",
        "联系人",
    ] {
        let form = json!({label: "Ada Lovelace"});
        assert_eq!(
            text(&form, "fullName").as_deref(),
            Some("Ada Lovelace"),
            "{label}"
        );
    }
}

#[test]
fn a_question_asks_for_what_its_label_would() {
    #[rustfmt::skip]
    let table = [
        ("What's your name?", "fullName", "Ada Lovelace"),
        ("What’s your full name?", "fullName", "Ada Lovelace"),
        ("What should we call you?", "fullName", "Ada Lovelace"),
        ("Wie ist Ihr Name?", "fullName", "Ada Lovelace"),
        ("Wie heißen Sie?", "fullName", "Ada Lovelace"),
        ("Quel est votre nom ?", "fullName", "Ada Lovelace"),
        ("¿Cuál es su nombre?", "fullName", "Ada Lovelace"),
        ("What is your email address?", "email", "ada@example.com"),
        ("What's the best email to use?", "email", "ada@example.com"),
        ("Wie lautet deine E-Mail-Adresse?", "email", "ada@example.com"),
        ("What is your phone number?", "phone", "+49 30 901820"),
        ("How can we reach you?", "phone", "+49 30 901820"),
        ("How can we reach you?", "email", "ada@example.com"),
        ("What is the best way to contact you?", "email", "ada@example.com"),
        ("Wie können wir Sie erreichen?", "phone", "+49 30 901820"),
        ("Comment vous joindre ?", "email", "ada@example.com"),
        ("联系方式", "phone", "+86 10 6552 9988"),
        ("What company do you work for?", "company", "-"),
        ("What is your company?", "company", "Engines"),
        ("What is your message?", "message", "Call me"),
    ];
    for (label, field, value) in table {
        let form = json!({label: value});
        let expected = Some(value).filter(|value| *value != "-");
        assert_eq!(text(&form, field).as_deref(), expected, "{label}");
    }
    // How, not where.
    for way in ["By phone", "E-mail", "any time"] {
        let form = json!({"How can we reach you?": way});
        assert_eq!(
            (text(&form, "phone"), text(&form, "email")),
            (None, None),
            "{way}"
        );
    }
}
