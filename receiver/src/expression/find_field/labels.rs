//! What forms call their fields, in the ten most common languages of websites and some more.
//!
//! Labels are compared folded: in lower case, without accents, blanks and punctuation (see [`super::find_field`]).

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use crate::lead::Field;

/// The labels of each field, folded and without small words ([`is_small`]), in this order: English, German, French,
/// Spanish, Portuguese, Italian, Dutch, Polish, Turkish, Swedish, Russian, Japanese, Chinese, Arabic.
pub(super) const LABELS: &[(Field, &str)] = &[
    (
        Field::Email,
        "email emailaddress mail mailaddress emailid emailadresse mailadresse courriel adresseemail adressemail \
         adressecourriel adresseelectronique correo correoe correoelectronico direccioncorreo direccionemail \
         direccioncorreoelectronico correioeletronico enderecoemail enderecoeletronico indirizzoemail indirizzomail \
         postaelettronica indirizzopostaelettronica emailadres mailadres adresemail adrespocztyelektronicznej eposta \
         epostaadresi emailadresi epost epostadress emailadress почта электроннаяпочта адресэлектроннойпочты емейл имейл \
         эмейл emailадрес メール メールアドレス eメール 电子邮箱 电子邮件 电子邮件地址 邮箱 邮箱地址 电邮 電子郵件 電郵 郵箱 \
         البريدالالكتروني بريدالكتروني الايميل ايميل",
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
         الهاتف رقمالهاتف الجوال رقمالجوال",
    ),
    (
        Field::FirstName,
        "firstname first firstnames givenname forename fname vorname vornamen prenom prenoms primernombre nombrepila \
         nombres primeironome voornaam imie adi adiniz fornamn 下の名前 名 الاسمالاول",
    ),
    (
        Field::LastName,
        "lastname last surname familyname lname nachname familienname zuname nomfamille apellido apellidos \
         primerapellido sobrenome apelido ultimonome cognome achternaam familienaam nazwisko soyad soyadi soyadiniz \
         soyisim efternamn фамилия 姓 苗字 姓氏 اسمالعائلة اللقب",
    ),
    (
        Field::FullName,
        "name fullname names completename firstandlastname firstlastname contactname vollername vollstandigername \
         vorundnachname vornachname vornamenachname vornameundnachname namevorname ansprechpartner nom nomcomplet \
         nometprenom prenometnom nomprenom prenomnom nomprenoms nombre nombrecompleto nombreyapellido nombreyapellidos \
         nombreapellidos nombreapellido nome nomecompleto nomeecognome nomecognome nomeesobrenome nomesobrenome naam \
         volledigenaam voorenachternaam imieinazwisko imienazwisko adsoyad adisoyadi adinizsoyadiniz isim isimsoyisim \
         namn forochefternamn имя фио полноеимя имяифамилия имяфамилия фамилияимя お名前 名前 氏名 ご氏名 姓名 名字 您的姓名 \
         全名 الاسم الاسمالكامل",
    ),
    (
        Field::Company,
        "company companyname organization organisation organizationname organisationname companyorganization \
         companyorganisation business businessname employer firm firma firmenname unternehmen unternehmensname betrieb \
         societe nomsociete entreprise nomentreprise raisonsociale organisme empresa nombreempresa compania \
         nombrecompania nomeempresa azienda nomeazienda societa ragionesociale bedrijf bedrijfsnaam organisatie \
         nazwafirmy firmaadi sirket sirketadi foretag foretagsnamn компания организация названиекомпании \
         названиеорганизации 会社 会社名 御社名 貴社名 企業名 公司 公司名 公司名称 企业名称 单位 單位 公司名稱 الشركة اسمالشركة",
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
         メッセージ お問い合わせ内容 お問合せ内容 ご質問 内容 留言 备注 備註 信息 الرسالة رسالة",
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

/// Words that say nothing about which field it is.
const SMALL: &str = "a al applicant client contact customer d da das de dein deine del della den der di die do du een el \
     enter erforderlich field het ihr ihre il je jouw l la label le lead lo my no obbligatorio obligatoire obligatorio \
     obrigatorio of optional our pflichtfeld please provide required requis seu su sua the ton tu tuo twoj type user uw \
     verplicht visitor votre wymagane your zorunlu ваш ваша ваше обязательно 必須 必填 任意 选填";

/// Words that make it another question: a consent, a repetition, somebody else, a file, the form itself.
const OTHER: &str = "accept acceptance accepte accepto accetto acepto agree agreement akkoord again ami amigo author \
     bestatigen bestatigung bevestig bevestigen campaign captcha cc bcc confirm confirmar confirmation confirmer conferma \
     consent consentement consentimiento consenso datenschutz domain einwilligung emergency event fax file form formular \
     freund friend friends gdpr host image manager marketing newsletter notfall onay opt optin page password permission \
     plan privacidad privacy potwierdz product recommend referral referred referrer repeat spouse subscribe subscribed \
     subscription supervisor template terms toestemming upload utm verify wiederholen zgoda zustimmung подтвердите \
     подтверждение согласие";

/// The same in scripts without blanks between words, where it may stand anywhere.
const OTHER_WITHIN: &str = "同意 確認 确认";

/// Under these names builders put the answers of a form.
pub(super) const CONTAINERS: &[&str] = &[
    "answers",
    "changes",
    "data",
    "fields",
    "field_data",
    "form_data",
    "form_fields",
    "form_response",
    "lead_data",
    "merges",
    "names",
    "response",
    "responses",
    "submission",
    "submitted_data",
    "user_column_data",
    "values",
];

static FIELD_OF: LazyLock<HashMap<&str, Field, FixedState>> = LazyLock::new(|| by_word(LABELS));
static FIELD_OF_TYPE: LazyLock<HashMap<&str, Field, FixedState>> = LazyLock::new(|| by_word(TYPES));
static OTHER_KINDS: LazyLock<HashSet<&str, FixedState>> =
    LazyLock::new(|| OTHER_TYPES.split_ascii_whitespace().collect());
static SMALL_WORDS: LazyLock<HashSet<&str, FixedState>> =
    LazyLock::new(|| SMALL.split_ascii_whitespace().collect());
static OTHER_WORDS: LazyLock<HashSet<&str, FixedState>> =
    LazyLock::new(|| OTHER.split_ascii_whitespace().collect());
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

/// Chinese and Japanese.
pub(super) fn is_unspaced(letter: char) -> bool {
    letter >= '\u{2E80}'
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

/// Whether a word says nothing about which field it is.
pub(super) fn is_small(word: &str) -> bool {
    SMALL_WORDS.contains(word)
}

/// Whether a word makes it another question.
pub(super) fn is_other(word: &str) -> bool {
    OTHER_WORDS.contains(word)
        || word.contains(is_unspaced)
            && OTHER_WITHIN
                .split_ascii_whitespace()
                .any(|other| word.contains(other))
}

/// Whether a text without blanks between words holds a label of this field.
pub(super) fn holds_label(text: &str, field: Field) -> bool {
    text.contains(is_unspaced)
        && UNSPACED
            .iter()
            .any(|(label, of)| *of == field && text.contains(label))
}

/// The letter without its accent; nothing where it has none.
pub(super) fn without_accent(letter: char) -> Option<&'static str> {
    Some(match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ą' => "a",
        'ç' | 'ć' | 'č' => "c",
        'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ě' => "e",
        'ğ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ı' => "i",
        'ł' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => "o",
        'ř' => "r",
        'ś' | 'š' | 'ş' => "s",
        'ß' => "ss",
        'ù' | 'ú' | 'û' | 'ü' | 'ů' => "u",
        'ý' => "y",
        'ź' | 'ż' | 'ž' => "z",
        'æ' => "ae",
        'œ' => "oe",
        'أ' | 'إ' | 'آ' => "ا",
        'ё' => "е",
        _ => return None,
    })
}
