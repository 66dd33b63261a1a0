//! Every e-mail address and phone number in what a sender posted, whichever field it stands in. Pure.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::addresses::addresses;
use super::decoded::{decoded, unescaped};
use super::{Field, email_identity, phone_identity};
use crate::queue::Identity;

/// The fewest digits of a phone number.
const FEWEST_DIGITS: usize = 7;

/// A shorter text is no address in base64.
const SHORTEST_ENCODED: usize = 8;

/// Words of a rejected request that are tried.
const MOST_TRIED: usize = 1000;

/// Whom something that is held names: a stored lead, or a request that was rejected. Numbers without a country code are read
/// as those of `region`.
pub fn named_in(body: &[u8], region: Option<&str>) -> Vec<Identity> {
    look_in(body, Search::new(region, usize::MAX, usize::MAX))
}

/// The first people that it names, of the first words that look like an address or a number: for what a stranger may make as
/// large as it likes.
pub(crate) fn first_named_in(body: &[u8], region: Option<&str>, people: usize) -> Vec<Identity> {
    look_in(body, Search::new(region, people, MOST_TRIED))
}

fn look_in(body: &[u8], mut search: Search<'_>) -> Vec<Identity> {
    match serde_json::from_slice::<Value>(body) {
        Ok(body) => {
            if let Some(phone) = body.get("lead").and_then(|lead| lead.get(Field::Phone.name())) {
                search.add(phone.as_str().map(Identity::phone));
            }
            search.value(&body);
            let encoded = body.get("body_base64").and_then(Value::as_str);
            if let Some(bytes) = encoded.and_then(|text| STANDARD.decode(text).ok()) {
                search.text(&String::from_utf8_lossy(&bytes));
            }
        }
        Err(_) => search.text(&String::from_utf8_lossy(body)),
    }
    search.found
}

/// The same of a text, such as a CRM's answer.
pub fn named_in_text(text: &str, region: Option<&str>) -> Vec<Identity> {
    let mut search = Search::new(region, usize::MAX, usize::MAX);
    search.text(text);
    search.found
}

/// What was found so far.
struct Search<'r> {
    region: Option<&'r str>,
    found: Vec<Identity>,
    known: HashSet<Identity>,
    /// So many people, and so many words, are still to be found and tried.
    people: usize,
    words: usize,
}

impl<'r> Search<'r> {
    fn new(region: Option<&'r str>, people: usize, words: usize) -> Self {
        Self {
            region,
            found: Vec::new(),
            known: HashSet::new(),
            people,
            words,
        }
    }

    /// Counts a word that is tried; whether it may be.
    fn tries(&mut self) -> bool {
        let may = self.words > 0 && self.people > 0;
        self.words = self.words.saturating_sub(1);
        may
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Number(number) => self.text(&number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| self.value(item)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.text(name);
                    self.value(value);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// A text may be JSON, a form or base64 itself, such as a request that was rejected.
    fn text(&mut self, text: &str) {
        let is_json = text.trim_start().starts_with(['{', '[']);
        if is_json && let Ok(inner) = serde_json::from_str::<Value>(text) {
            self.value(&inner);
            return;
        }
        // Of JSON that was cut or is broken, an escape is no letter of what stands behind it; of other texts it may be.
        let plain = unescaped(text);
        self.words(&plain);
        if !is_json && plain != text {
            self.words(text);
        }
        for reading in decoded(&plain) {
            self.words(&reading);
        }
        let encoded = (text.len() >= SHORTEST_ENCODED).then(|| STANDARD.decode(text.trim()).ok());
        if let Some(inner) = encoded.flatten().and_then(|bytes| String::from_utf8(bytes).ok()) {
            self.words(&inner);
        }
    }

    fn words(&mut self, text: &str) {
        for address in addresses(text) {
            self.email(&address);
        }
        let digits = |part: &str| part.chars().filter(|c| c.is_numeric()).count();
        if digits(text) < FEWEST_DIGITS {
            return;
        }
        let parts = text
            .split(|c: char| c.is_alphabetic() || c.is_control() || "\"'<>[]{},;:=&?|\\@!#*_".contains(c));
        for part in parts.filter(|part| digits(part) >= FEWEST_DIGITS) {
            self.number(part.trim());
            // Several stand behind each other, with blanks, dots and brackets around them; some senders leave the plus out.
            for number in part.split('+').filter(|number| digits(number) >= FEWEST_DIGITS) {
                let number = number.trim_matches(|c: char| !c.is_numeric());
                self.number(number);
                self.number(&format!("+{number}"));
            }
        }
    }

    fn email(&mut self, typed: &str) {
        if !self.tries() {
            return;
        }
        self.add(email_identity(typed));
    }

    /// As it is written, and as people in the webhook's region write it.
    fn number(&mut self, typed: &str) {
        if !self.tries() {
            return;
        }
        self.add(phone_identity(typed, None));
        if self.region.is_some() {
            self.add(phone_identity(typed, self.region));
        }
    }

    fn add(&mut self, found: Option<Identity>) {
        if let Some(person) = found
            && self.people > 0
            && self.known.insert(person.clone())
        {
            self.people -= 1;
            self.found.push(person);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn named_by(body: &str) -> Vec<Identity> {
        named_in(body.as_bytes(), None)
    }

    #[test]
    fn an_address_is_found_wherever_it_stands() {
        let ada = email_identity("ada@example.com").unwrap();
        for body in [
            r#"{"lead":{"email":"ada@example.com"},"payload":{}}"#,
            r#"{"lead":{},"payload":{"answers":[{"text":"write to Ada@Example.com, please"}]}}"#,
            r#"{"content_type":null,"body":"{\"mail\":\"ada@example.com\"}"}"#,
            r#"{"body":"name=Ada&mail=ada%40example.com"}"#,
            r#"{"body":"<lead mail='ada@example.com'/>"}"#,
            r#"{"body_base64":"/yBhZGFAZXhhbXBsZS5jb20="}"#,
            "ada@example.com",
            r#"{"text":"really ada@example.com!"}"#,
            r#"{"text":"**ada@example.com**"}"#,
            r#"{"text":"„ada@example.com“"}"#,
            r#"{"text":"mailto:ada@example.com?subject=x"}"#,
        ] {
            assert!(named_by(body).contains(&ada), "{body}");
        }
        assert!(named_in_text("contact ada@example.com exists", None).contains(&ada));
        assert!(!named_by(r#"{"lead":{"email":"bada@example.com"}}"#).contains(&ada));
        let brian = email_identity("o'brien@example.com").unwrap();
        assert!(named_by(r#"{"text":"(o'brien@example.com)"}"#).contains(&brian));
        assert!(named_by(r#"{"text":"from o'brien@example.com"}"#).contains(&brian));
    }

    #[test]
    fn an_address_is_found_whatever_touches_it_and_however_it_is_encoded() {
        let zoe = email_identity("zoe@example.com").unwrap();
        for body in [
            "请联系zoe@example.com谢谢",
            "mail—zoe@example.com—danke",
            "zoe&#64;example.com",
            "zoe&#x40;example&period;com",
            "zoe&commat;example.com",
            "zoe\u{FF20}example.com",
            "zoe @ example.com",
            "Mail: zoe@example.comTel: 030",
            "zoe@example.com.Danke",
            "zoe%2540example.com",
            "To: zoe=40example.com",
            "zoe@exam=\r\nple.com",
            r#"{"a":"Hello,\nzoe@example.com"#,
            r#"{"a":"Hello\tzoe\u0040example.com"#,
            r#"{"a":"DOMAIN\\zoe@example.com","#,
            r#"{"file":"em9lQGV4YW1wbGUuY29t"}"#,
            r#"{"body":"{\"a\":\"Hello,\\nzoe@example.com and it is cut her"}"#,
        ] {
            assert!(named_by(body).contains(&zoe), "{body}");
        }
        let cut = named_by(r#"{"a":"Hello,\nzoe@example.com"#);
        assert_eq!(cut, [zoe], "and nobody else");
    }

    #[test]
    fn a_number_is_found_however_it_is_written() {
        let number = phone_identity("+49 30 901820", None).unwrap();
        for body in [
            r#"{"lead":{"phone":"+4930901820"},"payload":{}}"#,
            r#"{"lead":{},"payload":{"tel":"+49 (30) 901-820"}}"#,
            r#"{"body":"tel=%2B4930901820"}"#,
            r#"{"body":"{\"tel\":4930901820}"}"#,
            r#"{"text":"Tel. +49 30 901820"}"#,
            r#"{"text":"+49 30 901820\n10115 Berlin"}"#,
            r#"{"text":"+49 30 901820 / +49 170 1234567"}"#,
            r#"{"text":"+49 170 1234567 / +49 30 901820"}"#,
            r#"{"text":"+49 30 901820!"}"#,
            r#"{"text":"(privat) +49 (30) 901-820."}"#,
        ] {
            assert!(named_by(body).contains(&number), "{body}");
        }
        assert!(!named_by(r#"{"lead":{"phone":"+4930901821"}}"#).contains(&number));
    }

    #[test]
    fn what_a_stranger_makes_as_large_as_it_likes_is_looked_through_in_part() {
        let many: String = (0..100_000)
            .map(|n| format!("p{n}@example.com +4930{n:06} "))
            .collect();
        assert_eq!(first_named_in(many.as_bytes(), Some("DE"), 64).len(), 64);
        let none: String = (0..100_000).map(|n| format!("{n}@ 99999{n:06} ")).collect();
        assert!(first_named_in(none.as_bytes(), Some("DE"), 64).len() <= 64);
        let ada = email_identity("ada@example.com").unwrap();
        assert_eq!(first_named_in(b"ada@example.com", None, 64), [ada]);
    }

    #[test]
    fn a_number_without_its_country_code_is_found_by_the_webhooks_region() {
        let number = phone_identity("+49 30 901820", None).unwrap();
        for body in [
            r#"{"lead":{},"payload":{"tel":"030 901820"}}"#,
            r#"{"body":"tel=030%2F901820"}"#,
            r#"{"text":"Tel. (030) 901-820, abends"}"#,
        ] {
            assert!(!named_by(body).contains(&number), "{body}");
            assert!(named_in(body.as_bytes(), Some("DE")).contains(&number), "{body}");
            assert!(!named_in(body.as_bytes(), Some("US")).contains(&number), "{body}");
        }
    }
}
