//! What single words of a label say, whichever field it is.

use std::collections::HashSet;
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use super::form::MAX_LABEL;
use super::question::Words;

/// Words that say nothing about which field it is.
const SMALL: &str = "a al and anda ange anna are best ban can contact cual cuales cua d da das de dein deine del della den \
     der deres di die din dit ditt do du dumneavoastra e ein el en enter er erforderlich es est field give have het ihr ihre \
     il ist is je jouw l la label lautet le lead lo main may my no obbligatorio obligatoire obligatorio obrigatorio of \
     optional our pflichtfeld please preferred primary provide qual quale quel quelle required requis s sender seu share absender expediteur mittente remetente remitente \
     sinun su sua tell the their ton tu tua tuo twoj twoja twoje unser us uw vas vase verplicht visitor vos votre was \
     we what whats wie wymagane your yours zorunlu σασ το ваш ваша ваше ваші вашият обязательно שלך आपका आपकी आपके का की \
     필수 선택 必須 必填 任意 选填";

/// Words of somebody who may be who fills in the form, but is not if anything else answers the question.
const WEAK: &str = "account applicant billing client conta customer factuur facturacion facturation fatturazione faturamento \
     konto kunde kunden cliente clientes convidado gast gaste guest guests invitado invitee login \
     ospite patient pupil student students rechnung rechnungs shipping user";

/// Words that make it another question: a consent, a repetition, a file, the form itself, what is not asked of a person.
const OTHER: &str = "accept acceptance accepte accepto accetto acepto admin administrator agree agreement akkoord again anzahl \
     author bestatigen bestatigung bevestig bevestigen brand campaign captcha cc bcc combien confirm confirmar confirmation \
     confirmer conferma consent consentement consentimiento consenso count cuando cuantos cuantas date datenschutz datum \
     domain einwilligung event fax file form formular gdpr heure hora host image manager many marketing model \
     newsletter nickname noreply onay opt optin orario page password permission plan privacidad privacy potwierdz product \
     provider quand quando quantos recommend repeat subscribe subscribed subscription template terms time toestemming \
     uhrzeit upload utm verify wann when wiederholen wieviele zeit zgoda zustimmung подтвердите подтверждение согласие";

/// Other people than who fills in the form.
const OTHERS: &str = "agent agents accountant anwalt attorney broker doctor gp hausarzt kin landlady landlord lawyer makler \
     physician realtor recipient recipients solicitor steuerberater vermieter destinataire destinatario empfanger \
     alumno alumna aluno aluna ami amie amigo amiga animal arkadas asistente assistant assistent assistente \
     assistentin assistenz bambina bambino beneficiary boss brother child children childrens childs cat cats colleague coworker \
     coniuge conjoint conjointe copil copilului corka corki crianca dieta ditete dochter dog dogs dziecka dziecko \
     ehefrau ehemann emergencia emergencias emergency emergenza eleve enfant enfants epouse epoux esposa esposo \
     estudante estudiante estudiantes etudiant father figlia figlio filha filho fille fils freund freundin friend friends \
     geschwister girlfriend boyfriend dog dogs gosc gyermek haustier hermana hermano hija hijo horse \
     huisdier hund hundes husband husbands invite katze kid kids kind kinder kindes kindern kolega \
     kollege kollegin lapsen leerling mascota marido mari mascot mother mutter nina nino nominee noodgeval notfall \
     notfallkontakt ogrenci pareja partner partners partnerin pet pets referral referred referrer roommate \
     schuler schulerin sibling sister sohn sohnes son sons spouse spouses studente supervisor syn syna \
     tochter daughter daughters urgence vater wife wives zoon zona дочери дочь друга жена жены муж мужа ребенка ребенок \
     сын сына ученик ученика дитини дитина طفل الطفل الطوارئ";

/// The same in scripts without blanks between words, where it may stand anywhere.
const OTHER_WITHIN: &str = "同意 確認 确认 동의 확인 子ども 子供 お子様 お子さま 緊急 紧急 配偶 孩子 子女 学生 学員 學生 生徒 \
     家族 友達 友人 朋友 ペット 宠物 フリガナ ふりがな 자녀 아이 학생 배우자 보호자 비상";

/// What is called a name and is that of an account.
const ACCOUNT_NAMES: [&str; 3] = ["username", "accountname", "screenname"];

/// Questions that an e-mail address or a phone number answers, folded and without small words.
const WAYS: &str = "howreachyou howtoreachyou howyou howtoyou howshouldyou waytoreachyou waytoyou howgetintouchwithyou \
     contact contactinfo contactinformation contactdetails emailorphone phoneoremail emailphone phoneemail \
     emailoderphone emailodertelefon telefonoderemail kontakt kontaktdaten kontaktmoglichkeit erreichenwirsie \
     erreichenwirdich konnenwirsieerreichen konnenwirdicherreichen konnenwirsiekontaktieren commentvousjoindre commentpouvonsnousvousjoindre \
     commentvouscontacter coordonnees comopodemoscontactarte comopodemoscontactarlo comopodemoscontactarle datoscontacto \
     contacto comopodemosentraremcontato contato contatos contatti recapiti comepossiamocontattarti contactgegevens \
     kontakty контакты контакти 联系方式 聯絡方式 連絡先 ご連絡先 연락방법";

type Set = LazyLock<HashSet<&'static str, FixedState>>;

static SMALL_WORDS: Set = LazyLock::new(|| SMALL.split_ascii_whitespace().collect());
static WEAK_WORDS: Set = LazyLock::new(|| WEAK.split_ascii_whitespace().collect());
static OTHER_WORDS: Set = LazyLock::new(|| {
    let words = [OTHER, OTHERS].into_iter();
    words.flat_map(str::split_ascii_whitespace).collect()
});
static DIAL_CODE_LABELS: Set = LazyLock::new(|| DIAL_CODES.split_ascii_whitespace().collect());
static WAY_LABELS: Set = LazyLock::new(|| WAYS.split_ascii_whitespace().collect());

/// Chinese, Japanese and Korean.
pub(super) fn is_unspaced(letter: char) -> bool {
    letter >= '\u{2E80}'
}

/// Whether a word says nothing about which field it is.
pub(super) fn is_small(word: &str) -> bool {
    SMALL_WORDS.contains(word)
}

/// Whether a word names somebody who may be another.
pub(super) fn is_weak(word: &str) -> bool {
    WEAK_WORDS.contains(word)
}

/// Whether a word makes it another question.
pub(super) fn is_other(word: &str) -> bool {
    OTHER_WORDS.contains(word)
        || word.contains(is_unspaced)
            && OTHER_WITHIN
                .split_ascii_whitespace()
                .any(|other| word.contains(other))
}

/// Whether a folded label asks for the name of an account.
pub(super) fn is_account_name(label: &str) -> bool {
    ACCOUNT_NAMES.iter().any(|name| label.contains(name))
}

/// Whether an e-mail address and a phone number both answer this, folded.
pub(super) fn is_way(label: &str) -> bool {
    WAY_LABELS.contains(label)
}

/// What forms call the field of a country's dial code, folded.
const DIAL_CODES: &str = "countrycode countrydialcode countrycallingcode countryphonecode countryprefix dialcode dialingcode diallingcode \
     callingcode phonecode phonecountrycode phonecountry phoneprefix phonedialcode isdcode isd mobilecode mobilecountrycode \
     mobileprefix telcode telcountrycode telprefix landervorwahl landesvorwahl landervorwahlnummer indicatif indicatifpays \
     indicatiftelephonique prefijopais prefijotelefonico codigopais prefissointernazionale prefissotelefonico codigodopais ddi \
     landcode landnummer numerkierunkowy ulkekodu landskod landekode predvolba kodstrany кодстраны 国番号 国际区号 国家代码";

/// Whether a label, as a whole, asks for the dial code of a phone number.
pub(super) fn is_dial_code(label: &str) -> bool {
    if label.len() > MAX_LABEL {
        return false;
    }
    let folded = Words::of(label).text;
    DIAL_CODE_LABELS.contains(folded.as_str())
}

/// Whether a folded name is that of a mail's sender or recipient.
pub(super) fn is_of_mail(label: &str) -> bool {
    matches!(
        label,
        "from" | "fromemail" | "to" | "toemail" | "sender" | "recipient" | "replyto"
    )
}

/// The letter without its accent; nothing where it has none.
pub(super) fn without_accent(letter: char) -> Option<&'static str> {
    if letter.is_ascii() {
        return None;
    }
    Some(match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' | 'ạ' | 'ả' | 'ấ' | 'ầ' | 'ẩ' | 'ẫ' | 'ậ'
        | 'ắ' | 'ằ' | 'ẳ' | 'ẵ' | 'ặ' => "a",
        'ç' | 'ć' | 'č' => "c",
        'ð' | 'ď' | 'đ' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' | 'ẹ' | 'ẻ' | 'ẽ' | 'ế' | 'ề' | 'ể' | 'ễ' | 'ệ' => {
            "e"
        }
        'ğ' | 'ģ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ĩ' | 'ī' | 'į' | 'ı' | 'ỉ' | 'ị' => "i",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ő' | 'ơ' | 'ọ' | 'ỏ' | 'ố' | 'ồ' | 'ổ' | 'ỗ' | 'ộ' | 'ớ'
        | 'ờ' | 'ở' | 'ỡ' | 'ợ' => "o",
        'ŕ' | 'ř' => "r",
        'ś' | 'ş' | 'š' | 'ș' => "s",
        'ß' => "ss",
        'ţ' | 'ť' | 'ț' => "t",
        'ù' | 'ú' | 'û' | 'ü' | 'ũ' | 'ū' | 'ů' | 'ű' | 'ų' | 'ư' | 'ụ' | 'ủ' | 'ứ' | 'ừ' | 'ử' | 'ữ'
        | 'ự' => "u",
        'ý' | 'ÿ' | 'ỳ' | 'ỵ' | 'ỷ' | 'ỹ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ά' => "α",
        'έ' => "ε",
        'ή' => "η",
        'ΐ' | 'ί' | 'ϊ' => "ι",
        'ό' => "ο",
        'ΰ' | 'ϋ' | 'ύ' => "υ",
        'ώ' => "ω",
        'ς' => "σ",
        'ё' => "е",
        'آ' | 'أ' | 'إ' => "ا",
        '\u{95E}' => "फ",
        _ => return None,
    })
}
