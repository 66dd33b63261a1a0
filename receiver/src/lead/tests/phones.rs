//! Phone numbers.

use super::*;

#[test]
fn a_phone_number_is_read_with_certainty_or_kept_as_typed() {
    let (de, us, se) = (Some("DE"), Some("US"), Some("SE"));
    for (typed, region, number, extension) in [
        // Extensions stand apart.
        ("+1 650 253 0000 x136", None, "+16502530000", Some("136")),
        ("+1 650-253-0000ext.136", None, "+16502530000", Some("136")),
        ("(650) 253-0000, Ext: 136", us, "+16502530000", Some("136")),
        ("650 253 0000 (ext 136)", us, "+16502530000", Some("136")),
        ("650 253 0000 #136", us, "+16502530000", Some("136")),
        ("tel:+1-650-253-0000;ext=22", None, "+16502530000", Some("22")),
        ("030 901820 App. 12", de, "+4930901820", Some("12")),
        ("030 901820 - Durchwahl 12", de, "+4930901820", Some("12")),
        ("+33 1 42 68 53 00 poste 12", None, "+33142685300", Some("12")),
        ("+7 495 123-45-67 доб. 123", None, "+74951234567", Some("123")),
        ("03-1234-5678（内線１２）", Some("JP"), "+81312345678", Some("12")),
        ("(650) 253-0000 x136", None, "(650) 253-0000", Some("136")),
        ("+1 650 253 0000 fax 136", None, "+1 650 253 0000 fax 136", None),
        // Words are no digits.
        ("070 123 45 67 (Axel)", se, "070 123 45 67 (Axel)", None),
        ("0170 123456 Tel", de, "+49170123456", None),
        ("1-800-FLOWERS", us, "1-800-FLOWERS", None),
        ("Tel.: 030 901820", de, "+4930901820", None),
        ("Mobile 030 901820", None, "030 901820", None),
        ("'030 901820", de, "+4930901820", None),
        // What spreadsheets make of a number.
        ("491701234568.0", de, "491701234568", None),
        ("491701234568,00", de, "491701234568", None),
        ("4.91701234568E+11", de, "491701234568", None),
        ("4,91701234568E+11", None, "491701234568", None),
        ("4.917E+11", de, "4.917E+11", None),
        ("030.901820", de, "+4930901820", None),
        // Digits of every script; what nobody sees.
        ("０９０－１２３４－５６７８", Some("JP"), "+819012345678", None),
        ("０９０－１２３４－５６７８", None, "090-1234-5678", None),
        ("+٤٩ ٣٠ ٩٠١٨٢٠", None, "+4930901820", None),
        ("०३० ९०१८२०", de, "+4930901820", None),
        (
            "\u{202a}+49 30\u{a0}90\u{200b}1820\u{202c}",
            None,
            "+4930901820",
            None,
        ),
        // Two numbers are not one.
        ("030 901820 / 0170 1234567", de, "030 901820 / 0170 1234567", None),
        ("030 901820/21", de, "030 901820/21", None),
        ("030/901820", de, "+4930901820", None),
        ("030 901820, 030 901821", de, "030 901820, 030 901821", None),
        (
            "+49 30 901820 +49 30 901821",
            None,
            "+49 30 901820 +49 30 901821",
            None,
        ),
        // A number without its area code is another one in E.164.
        ("253-0000", us, "253-0000", None),
        ("+49 (0)30 901820", None, "+4930901820", None),
        // Without its plus, a foreign number is none of the region's, however its digits fit.
        ("44 20 7183 8750", de, "44 20 7183 8750", None),
        ("33612345678", de, "33612345678", None),
        ("16502530000", de, "16502530000", None),
        ("79161234567", de, "79161234567", None),
        ("8613800138000", de, "8613800138000", None),
        ("8 (495) 123-45-67", de, "8 (495) 123-45-67", None),
        ("491701234567", Some("IT"), "491701234567", None),
        ("16502530000", Some("JP"), "16502530000", None),
        ("971501234567", Some("IN"), "971501234567", None),
        ("32475123456", Some("NL"), "32475123456", None),
        ("32665", de, "32665", None),
        // The region's own, with or without the prefix of calls within the country.
        ("1701234567", de, "+491701234567", None),
        ("0170 1234567", de, "+491701234567", None),
        ("6502530000", us, "+16502530000", None),
        ("1 650 253 0000", us, "+16502530000", None),
        ("8 495 123-45-67", Some("RU"), "+74951234567", None),
        ("06 12345678", Some("NL"), "+31612345678", None),
        ("02 1234 5678", Some("IT"), "+390212345678", None),
        ("18293484081", Some("CN"), "+8618293484081", None),
        ("150 2234 5678", Some("CN"), "+8615022345678", None),
        ("(51) 97578-9559", Some("BR"), "+5551975789559", None),
        ("(62) 3351-7187", Some("BR"), "+556233517187", None),
        ("533 374 04 61", Some("TR"), "+905333740461", None),
        ("1512 3456789", de, "+4915123456789", None),
        ("630293054", Some("FR"), "+33630293054", None),
        ("(555) 123-4567", us, "+15551234567", None),
        ("(321) 234-5678", us, "+13212345678", None),
        ("612 345 678", Some("ES"), "+34612345678", None),
        ("512 345 678", Some("PL"), "+48512345678", None),
        ("98765 43210", Some("IN"), "+919876543210", None),
        // Calls abroad begin with the region's own prefix, and with 00.
        ("00 44 20 7183 8750", de, "+442071838750", None),
        ("0011 49 30 901820", Some("AU"), "+4930901820", None),
        ("0049 30 901820", Some("AU"), "+4930901820", None),
        ("001 49 30 901820", Some("HK"), "+4930901820", None),
        ("001 49 30 901820", Some("SG"), "+4930901820", None),
        ("008 49 30 901820", Some("ID"), "+4930901820", None),
        ("011 49 30 901820", us, "+4930901820", None),
        ("0049 30 901820", None, "+4930901820", None),
        ("(+49) 30 901820", None, "+4930901820", None),
    ] {
        let expected = Phone {
            number: number.to_owned(),
            extension: extension.map(str::to_owned),
        };
        assert_eq!(phone(typed, region), expected, "{typed}");
    }
    let refused = |text: &str| {
        validate(&lead(&[(Field::Phone, text)]), &Limits::default())
            .iter()
            .any(|p| p.reason == "InvalidPhone")
    };
    assert!(refused("4.917E+11") && refused("1e16") && refused("ab") && !refused("call 030 901820"));
}

#[test]
fn an_extension_belongs_to_its_number_and_to_the_contact() {
    let normal = |fields: &[(Field, &str)]| {
        let mut lead = lead(fields);
        normalise(&mut lead, None);
        lead
    };
    let typed = normal(&[(Field::Phone, "+1 650 253 0000 x136")]);
    let given = normal(&[(Field::Phone, "+16502530000"), (Field::PhoneExtension, "136")]);
    assert_eq!(typed, given);
    assert_eq!(contact(&typed, "1"), contact(&given, "2"));
    assert_ne!(
        contact(&typed, "1"),
        contact(&normal(&[(Field::Phone, "+16502530000")]), "1")
    );
    let doubtful = normal(&[(Field::Phone, "+16502530000 x1"), (Field::PhoneExtension, "2")]);
    assert_eq!(doubtful.get(Field::Phone), Some("+16502530000 x1"));
}

#[test]
fn a_word_that_says_which_number_it_is_is_no_part_of_it() {
    for typed in [
        "+49 170 1234567 (WhatsApp)",
        "+49 170 1234567 (mobil)",
        "+49 170 1234567 mobile",
        "+49 170 1234567 - work",
        "Tel. +49 170 1234567 (privat)",
    ] {
        assert_eq!(phone(typed, None).number, "+491701234567", "{typed}");
    }
    for kept in ["+49 170 1234567 ask for Ada", "1-800-FLOWERS"] {
        assert_ne!(phone(kept, Some("US")).number, "+491701234567", "{kept}");
    }
}
