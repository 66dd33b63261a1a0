//! What forms call their fields, in the most common languages of websites.
//!
//! Labels are compared folded: in lower case, without accents, blanks and punctuation (see [`super::find_field`]).

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use super::words::is_unspaced;
use crate::lead::Field;

/// The labels of each field, folded and without small words ([`is_small`](super::words::is_small)), in this order: English,
/// German, French, Spanish, Portuguese, Italian, Dutch, Polish, Turkish, Swedish, Russian, Japanese, Chinese, Arabic; then
/// Finnish, Greek, Korean, Hebrew, Thai, Hindi, Ukrainian, Danish, Norwegian, Czech, Slovak, Hungarian, Romanian,
/// Vietnamese, Indonesian, and more of the first.
pub(super) const LABELS: &[(Field, &str)] = &[
    (
        Field::Email,
        "email emailaddress mail mailaddress emailid emailadresse mailadresse courriel adresseemail adressemail \
         adressecourriel adresseelectronique correo correoe correoelectronico direccioncorreo direccionemail \
         direccioncorreoelectronico correioeletronico enderecoemail enderecoeletronico indirizzoemail indirizzomail \
         postaelettronica indirizzopostaelettronica emailadres mailadres adresemail adrespocztyelektronicznej eposta \
         epostaadresi emailadresi epost epostadress emailadress почта электроннаяпочта адресэлектроннойпочты емейл имейл \
         эмейл emailадрес メール メールアドレス eメール 电子邮箱 电子邮件 电子邮件地址 邮箱 邮箱地址 电邮 電子郵件 電郵 郵箱 \
         البريدالالكتروني بريدالكتروني الايميل ايميل \
         sahkoposti sahkopostiosoite ηλεκτρονικοταχυδρομειο διευθυνσηηλεκτρονικουταχυδρομειου ηλεκτρονικηδιευθυνση \
         διευθυνσηemail 이메일 이메일주소 메일 메일주소 전자우편 אימייל מייל דואראלקטרוני דואל כתובתאימייל כתובתמייל כתובתדואראלקטרוני \
         כתובתדואל อีเมล ทีอยูอีเมล ईमेल ईमेलपता ईमेलआईडी मेल електроннапошта елпошта пошта адресаелектронноїпошти \
         електроннаадреса імейл элпочта электронныйадрес epostadresse emailovaadresa emailcim adresaemail diachiemail \
         thudientu alamatemail surel epostaadresiniz mailadresi mailadresiniz 電子信箱 信箱 電子郵箱 電子郵件地址 eメールアドレス \
         عنوانالبريدالالكتروني البريد adresmail",
    ),
    (
        Field::Phone,
        "phone phonenumber telephone telephonenumber tel telnumber telno mobile mobilenumber mobilephone \
         mobilephonenumber cell cellphone cellnumber cellphonenumber contactnumber whatsapp whatsappnumber telefon \
         telefonnummer telefonnr rufnummer ruckrufnummer handy handynummer handynr mobil mobilnummer mobiltelefon \
         numerotelephone portable numeroportable telephoneportable telefono numerotelefono movil numeromovil \
         telefonomovil celular numerocelular telefone numerotelefone telemovel cellulare numerocellulare telefoon \
         telefoonnummer mobielnummer mobiel gsm numertelefonu telefonkontaktowy telefonkomorkowy komorka telefonno \
         telefonnumarasi telefonnumaraniz ceptelefonu mobilnr телефон номертелефона контактныйтелефон мобильныйтелефон \
         電話 電話番号 携帯 携帯電話 携帯番号 携帯電話番号 电话 电话号码 联系电话 手机 手机号 手机号码 電話號碼 手機 手機號碼 \
         الهاتف رقمالهاتف الجوال رقمالجوال \
         puhelin puhelinnumero matkapuhelin matkapuhelinnumero puh kannykka τηλεφωνο αριθμοστηλεφωνου κινητο κινητοτηλεφωνο \
         τηλεφωνοεπικοινωνιασ 전화번호 전화 연락처 휴대폰 휴대폰번호 휴대전화 휴대전화번호 핸드폰 핸드폰번호 טלפון מספרטלפון מסטלפון נייד טלפוןנייד מספרנייד \
         פלאפון סלולרי โทรศัพท เบอรโทรศัพท เบอรโทร หมายเลขโทรศัพท เบอรมือถือ มือถือ फोन फोननंबर मोबाइल मोबाइलनंबर दूरभाष \
         номертелефону контактнийтелефон мобільнийтелефон мобильный номермобильного tlf tlfnr telefonnicislo mobilnitelefon \
         mobilnicislo telefonnecislo telefonucislo cislotelefonu telefonszam mobilszam numartelefon numartelefonmobil \
         dienthoai sodienthoai dienthoaididong sdt didong sodidong telepon nomortelepon telp nomortelp nohp nomorhp \
         nomorwhatsapp ponsel nomorponsel handphone nomorhandphone cepnumarasi telefonnumaram nrtelefonu nrtel telefoonnr \
         mobielenummer 行動電話 聯絡電話 联系手机 お電話 お電話番号 tel番号 هاتف رقمهاتف الموبايل رقمالموبايل جوال رقمجوال الهاتفالمحمول \
         numerotelemovel",
    ),
    (
        Field::FirstName,
        "firstname first firstnames givenname forename fname vorname vornamen prenom prenoms primernombre nombrepila \
         nombres primeironome voornaam imie adi adiniz fornamn 下の名前 名 الاسمالاول \
         etunimi fornavn krestnijmeno krstnemeno keresztnev utonev prenume namadepan ชือจริง पहलानाम परथमनाम שםפרטי namefirst \
         下のお名前 imiona",
    ),
    (
        Field::LastName,
        "lastname last surname familyname lname nachname familienname zuname nomfamille apellido apellidos \
         primerapellido sobrenome apelido ultimonome cognome achternaam familienaam nazwisko soyad soyadi soyadiniz \
         soyisim efternamn фамилия 姓 苗字 姓氏 اسمالعائلة اللقب \
         sukunimi επωνυμο επιθετο 성 שםמשפחה นามสกุล अंतिमनाम उपनाम कुलनाम прізвище efternavn etternavn prijmeni priezvisko \
         prezime priimek vezeteknev csaladnev numefamilie ho namabelakang namelast الاسمالاخير الاسمالعائلي",
    ),
    (
        Field::FullName,
        "name fullname names completename firstandlastname firstlastname contactname vollername vollstandigername \
         vorundnachname vornachname vornamenachname vornameundnachname namevorname ansprechpartner nom nomcomplet \
         nometprenom prenometnom nomprenom prenomnom nomprenoms nombre nombrecompleto nombreyapellido nombreyapellidos \
         nombreapellidos nombreapellido nome nomecompleto nomeecognome nomecognome nomeesobrenome nomesobrenome naam \
         volledigenaam voorenachternaam imieinazwisko imienazwisko adsoyad adisoyadi adinizsoyadiniz isim isimsoyisim \
         namn forochefternamn имя фио полноеимя имяифамилия имяфамилия фамилияимя お名前 名前 氏名 ご氏名 姓名 名字 您的姓名 \
         全名 الاسم الاسمالكامل \
         nimi kokonimi ονομα ονοματεπωνυμο πληρεσονομα ονομακαιεπωνυμο 이름 성명 성함 שם שםמלא ชือ ชือนามสกุล ชือและนามสกุล ชือเตม \
         नाम पूरानाम імя піб повнеімя імятапрізвище прізвищетаімя navn fuldenavn fulltnavn fullstandigtnamn jmeno \
         jmenoaprijmeni jmenoprijmeni celejmeno meno menoapriezvisko menopriezvisko celemeno nev teljesnev nume numecomplet \
         numesiprenume numeprenume prenumesinume ime imeiprezime imeprezime imeinpriimek imepriimek име имеифамилия имефамилия ten hovaten hoten tendaydu nama namalengkap ご担当者名 担当者名 ご担当者様 担当者 称呼 联系人 \
         联系人姓名 聯絡人 您的称呼 الاسمبالكامل اسم اسمك whatshouldwecallyou howshouldweaddressyou wieheissensie wieheisstdu \
         commentvousappelezvous comosellama comotellamas comesichiama cometichiami hoeheetje hoeheetu каквасзовут \
         jaksejmenujete jaksienazywasz hvadhedderdu hvaheterdu vadheterdu",
    ),
    (
        Field::Company,
        "company companyname organization organisation organizationname organisationname companyorganization \
         companyorganisation business businessname employer firm firma firmenname unternehmen unternehmensname betrieb \
         societe nomsociete entreprise nomentreprise raisonsociale organisme empresa nombreempresa compania \
         nombrecompania nomeempresa azienda nomeazienda societa ragionesociale bedrijf bedrijfsnaam organisatie \
         nazwafirmy firmaadi sirket sirketadi foretag foretagsnamn компания организация названиекомпании \
         названиеорганизации 会社 会社名 御社名 貴社名 企業名 公司 公司名 公司名称 企业名称 单位 單位 公司名稱 الشركة اسمالشركة \
         yritys yrityksennimi organisaatio εταιρεια εταιρια επωνυμιαεταιρειασ ονομαεταιρειασ επιχειρηση 회사 회사명 회사이름 기업명 업체명 \
         소속 חברה שםהחברה שםחברה ארגון บริษัท ชือบริษัท องคกร หนวยงาน कंपनी कंपनीकानाम कंपनीनाम संगठन компанія організація \
         назвакомпанії предприятие фирма virksomhed virksomhedsnavn firmanavn bedrift bedriftsnavn selskap selskapsnavn \
         organisasjon spolecnost nazevspolecnosti nazevfirmy spolocnost nazovspolocnosti nazovfirmy ceg cegnev cegneve \
         vallalat companie numecompanie numefirma denumirefirma congty tencongty doanhnghiep perusahaan namaperusahaan \
         instansi sirketiniz kurum 社名 法人名 団体名 公司名字 企业 شركة المؤسسة nomedaorganizacao organizacao organizacaonome \
         organizacion organizzazione przedsiebiorstwo",
    ),
    (
        Field::JobTitle,
        "jobtitle job jobrole jobposition position role occupation profession beruf funktion berufsbezeichnung \
         stellenbezeichnung fonction poste cargo puesto funcao ruolo posizione functie functietitel stanowisko gorev \
         unvan yrkestitel должность 役職 職種 职位 职务 職位 المسمىالوظيفي",
    ),
    (
        Field::Website,
        "website websiteurl websiteaddress webpage web url homepage site companywebsite webseite webadresse \
         internetseite siteweb siteinternet sitioweb paginaweb sitoweb stronawww stronainternetowa websitesi webbplats \
         сайт вебсайт ウェブサイト 网站 網站 الموقعالالكتروني",
    ),
    (
        Field::Address,
        "address streetaddress street addressline postaladdress adresse anschrift strasse strassehausnummer \
         strasseundhausnummer strasseundnr strassenr adressepostale rue direccion calle endereco rua indirizzo via \
         adres straat ulica sokak adress gatuadress адрес улица 住所 ご住所 地址 العنوان",
    ),
    (
        Field::City,
        "city town citytown towncity ort stadt wohnort ville commune ciudad localidad poblacion cidade citta comune \
         stad plaats woonplaats miasto miejscowosc sehir город 市区町村 市 城市 المدينة",
    ),
    (
        Field::State,
        "state province region stateprovince stateregion county bundesland provincia estado regione provincie \
         wojewodztwo область регион 都道府県 省份 省 المنطقة",
    ),
    (
        Field::PostalCode,
        "postalcode postcode zip zipcode zippostalcode postalzipcode zippostcode plz postleitzahl codepostal \
         codigopostal cep cap codicepostale kodpocztowy postakodu postnummer индекс почтовыйиндекс 郵便番号 邮编 邮政编码 \
         郵遞區號 الرمزالبريدي",
    ),
    (
        Field::Country,
        "country countryname countryregion land pays pais paese nazione kraj ulke страна 国 国名 国家 國家 الدولة البلد",
    ),
    (
        Field::Message,
        "message messages comment comments question questions questionscomments commentsquestions note notes enquiry \
         inquiry details description body textarea additionalinformation howcanwehelp howcanwehelpyou nachricht \
         mitteilung anfrage anliegen kommentar bemerkung bemerkungen frage fragen notiz commentaire commentaires \
         demande mensaje comentario comentarios consulta mensagem messaggio commento richiesta bericht opmerking \
         opmerkingen vraag wiadomosc tresc trescwiadomosci uwagi mesaj mesajiniz meddelande сообщение комментарий вопрос \
         メッセージ お問い合わせ内容 お問合せ内容 ご質問 内容 留言 备注 備註 信息 الرسالة رسالة \
         viesti viestisi lisatiedot kommentti μηνυμα σχολια σχολιο 메시지 문의내용 문의사항 문의 내용 הודעה תוכןההודעה הערות תגובה ขอความ \
         รายละเอียด ความคิดเหน संदेश सनदेश टिपपणी повідомлення коментар запитання питання текстсообщения вопросилисообщение \
         примечание besked bemaerkninger melding zprava vzkaz poznamka dotaz komentar sprava otazka uzenet megjegyzes mesajul \
         comentarii observatii tinnhan loinhan noidung ghichu pesan catatan keterangan aciklama yorum pytanie zapytanie \
         komentarz vraagopmerking お問い合わせ お問い合わせの内容 ご相談内容 ご要望 備考 本文 コメント 留言内容 留言內容 訊息 消息 咨询内容 需求 رسالتك ملاحظات استفسار تعليق \
         duvida",
    ),
];

/// What form builders call the kind of such a question, folded.
const TYPES: &[(Field, &str)] = &[
    (Field::Email, "email emailaddress inputemail controlemail"),
    (
        Field::Phone,
        "phone tel telephone phonenumber inputphone inputphonenumber controlphone",
    ),
    (Field::Website, "url website inputlink link"),
    (
        Field::Message,
        "textarea longtext paragraph paragraphtext multilinetext controltextarea",
    ),
    (Field::FirstName, "firstname"),
    (Field::LastName, "lastname"),
    (Field::FullName, "name fullname controlfullname"),
    (Field::Address, "address controladdress"),
    (Field::Company, "company companyname"),
];

/// Questions of these kinds ask for no field of a lead, whatever they are called.
const OTHER_TYPES: &str = "acceptance boolean captcha checkbox checkboxes consent file fileupload gdpr html legal password \
     radio recaptcha rating signature submit termsconditions toggle upload yesno";

/// Under these names builders put the answers of a form.
pub(super) const CONTAINERS: &[&str] = &[
    "answers",
    "changes",
    "contact",
    "customer",
    "data",
    "fields",
    "field_data",
    "form_data",
    "form_fields",
    "form_response",
    "lead",
    "lead_data",
    "merges",
    "names",
    "object",
    "person",
    "profile",
    "questions",
    "response",
    "responses",
    "submission",
    "submitted_data",
    "user",
    "user_column_data",
    "values",
];

static FIELD_OF: LazyLock<HashMap<&str, Field, FixedState>> = LazyLock::new(|| by_word(LABELS));
static FIELD_OF_TYPE: LazyLock<HashMap<&str, Field, FixedState>> = LazyLock::new(|| by_word(TYPES));
static OTHER_KINDS: LazyLock<HashSet<&str, FixedState>> =
    LazyLock::new(|| OTHER_TYPES.split_ascii_whitespace().collect());
/// Labels in scripts without blanks between words, of more than one letter.
static UNSPACED: LazyLock<Vec<(&str, Field)>> = LazyLock::new(|| {
    let is_unspaced = |label: &&str| label.starts_with(is_unspaced) && label.chars().count() > 1;
    let all = LABELS.iter().flat_map(|(field, labels)| {
        let labels = labels.split_ascii_whitespace().filter(is_unspaced);
        labels.map(|label| (label, *field))
    });
    all.collect()
});

fn by_word(table: &[(Field, &'static str)]) -> HashMap<&'static str, Field, FixedState> {
    let words = table
        .iter()
        .flat_map(|(field, words)| words.split_ascii_whitespace().map(|word| (word, *field)));
    words.collect()
}

/// The longest label, in bytes.
static LONGEST: LazyLock<usize> =
    LazyLock::new(|| FIELD_OF.keys().map(|label| label.len()).max().unwrap_or(0));

/// The field whose label this is, whole and folded.
pub(super) fn field_of(label: &str) -> Option<Field> {
    if label.len() > *LONGEST {
        return None;
    }
    FIELD_OF.get(label).copied()
}

/// The field that questions of this type ask for.
pub(super) fn field_of_type(kind: &str) -> Option<Field> {
    FIELD_OF_TYPE.get(kind).copied()
}

/// Whether questions of this type ask for no field.
pub(super) fn is_other_type(kind: &str) -> bool {
    OTHER_KINDS.contains(kind)
}

/// Whether a text without blanks between words holds a label of this field.
pub(super) fn holds_label(text: &str, field: Field) -> bool {
    text.contains(is_unspaced)
        && UNSPACED
            .iter()
            .any(|(label, of)| *of == field && text.contains(label))
}
