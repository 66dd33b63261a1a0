//! Normalising and judging: whatever is typed into a lead's fields.

use leadgate_crds::lead_webhook::OnInvalid;
use leadgate_receiver::lead::{Field, Lead, Limits, Verdict, judge};

use super::choices::Choices;
use super::in_time;

/// What people, phones and spreadsheets put in.
const PIECES: &[&str] = &[
    "+49 30 901820",
    "1 650 253 0000",
    " x136",
    ";ext=",
    "Durchwahl ",
    "E+11",
    ".0",
    "/",
    ",",
    "(Axel)",
    "FLOWERS",
    "٣",
    "１",
    "tel:",
    "ada@example.com",
    "mailto:",
    "<",
    ">",
    "\"",
    "İ",
    "köln.example",
    "\u{200b}",
    "\u{feff}",
    "\u{202e}",
    "\0",
    "\n",
    "Lovelace",
    ", ",
    "Jr.",
    "PhD",
    "van ",
    "de la ",
    "Dr. ",
    "山田 ",
    "ジョン",
    "y ",
    "& ",
    "n/a",
    "-",
    "keine",
    "2026-11-23",
    "1790000000.5",
];

#[test]
fn leads_are_brought_to_one_form_once() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let mut choices = Choices::new(bytes);
        let mut lead = Lead::new();
        for field in Field::ALL {
            let mut text = String::new();
            for _ in 0..choices.below(6) {
                if choices.once_in(4) {
                    text.push_str(&String::from_utf8_lossy(&choices.rest(8)));
                } else {
                    text.push_str(choices.of::<&'static str>(PIECES));
                }
            }
            lead.set(*field, text);
        }
        let region = *choices.of(&[None, Some("DE"), Some("US"), Some("JP"), Some("IT")]);
        let limits = Limits {
            on_invalid: *choices.of(&[OnInvalid::Reject, OnInvalid::DropField]),
            truncate: vec!["message".to_owned(), "lastName".to_owned()],
            ..Limits::default()
        };
        in_time("judging a lead", || {
            let Verdict { problems, .. } = judge(&mut lead, Vec::new(), region, &limits);
            if problems.is_empty() {
                let mut again = lead.clone();
                assert_eq!(judge(&mut again, Vec::new(), region, &limits), Verdict::default());
                assert_eq!(again, lead);
            }
        });
    });
}
