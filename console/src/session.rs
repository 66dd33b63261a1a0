//! Sessions: a signed cookie that ends soon. Nothing is kept of them; whoever has the key can check one.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use http::header::{COOKIE as COOKIE_HEADER, HeaderValue};
use sha2::Sha256;

/// The cookie's name.
pub const COOKIE: &str = "leadgate-console";

/// What is signed besides the content, so that the key's signatures serve nothing else.
const PURPOSE: &[u8] = b"leadgate console session\n";

/// Signs and checks sessions.
#[derive(Clone)]
pub struct Sessions(Hmac<Sha256>);

impl Sessions {
    /// How long a session is.
    pub const LIFE: Duration = Duration::from_hours(1);

    /// With a key of at least 32 random bytes.
    pub fn new(key: &[u8]) -> Option<Self> {
        Some(Self(Hmac::new_from_slice(key).ok().filter(|_| key.len() >= 32)?))
    }

    /// A `Set-Cookie` that opens a session. `now` is in seconds since 1970. `None`: the subject does not fit into one.
    pub fn open(&self, subject: &str, now: u64, secure: bool) -> Option<HeaderValue> {
        let content = URL_SAFE_NO_PAD.encode(format!("{} {subject}", now + Self::LIFE.as_secs()));
        let tag = URL_SAFE_NO_PAD.encode(self.mac(&content).finalize().into_bytes());
        cookie(&format!("{content}.{tag}"), Self::LIFE.as_secs(), secure)
    }

    /// A `Set-Cookie` that ends it.
    pub fn close(secure: bool) -> Option<HeaderValue> {
        cookie("", 0, secure)
    }

    /// The subject of a request's session, if it has one that has not ended.
    pub fn subject(&self, headers: &HeaderMap, now: u64) -> Option<String> {
        let values = headers.get_all(COOKIE_HEADER).iter();
        let mut pairs = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'));
        let value = pairs.find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))?;
        let (content, tag) = value.split_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        self.mac(content).verify_slice(&tag).ok()?;
        let content = String::from_utf8(URL_SAFE_NO_PAD.decode(content).ok()?).ok()?;
        let (end, subject) = content.split_once(' ')?;
        (end.parse::<u64>().ok()? > now).then(|| subject.to_owned())
    }

    fn mac(&self, content: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(PURPOSE);
        mac.update(content.as_bytes());
        mac
    }
}

fn cookie(value: &str, seconds: u64, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={value}; Path=/console; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    // Browsers drop what is longer.
    HeaderValue::from_str(&text).ok().filter(|_| text.len() < 4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(cookie: &HeaderValue) -> HeaderMap {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        HeaderMap::from_iter([(COOKIE_HEADER, format!("other=1; {pair}").parse().unwrap())])
    }

    #[test]
    fn a_session_is_believed_until_it_ends_and_only_as_it_was_signed() {
        let sessions = Sessions::new(&[7; 32]).unwrap();
        let cookie = sessions.open("Zoë Müller", 1000, true).unwrap();
        for attribute in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/console"] {
            assert!(cookie.to_str().unwrap().contains(attribute), "{cookie:?}");
        }
        assert_eq!(
            sessions.subject(&sent(&cookie), 4599).as_deref(),
            Some("Zoë Müller")
        );
        assert_eq!(sessions.subject(&sent(&cookie), 4600), None);
        assert_eq!(
            Sessions::new(&[8; 32]).unwrap().subject(&sent(&cookie), 1000),
            None
        );
        let forged = cookie.to_str().unwrap().replacen("console=", "console=A", 1);
        assert_eq!(sessions.subject(&sent(&forged.parse().unwrap()), 1000), None);
        assert!(Sessions::new(&[7; 31]).is_none());
        assert!(sessions.open(&"x".repeat(4000), 0, false).is_none());
    }
}
