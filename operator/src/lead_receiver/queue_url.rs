//! The URL of a queue, which the pods read from a file: what they are given when the Secret behind it changes or is lost. Pure.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use sha2::{Digest as _, Sha256};

use super::certificates;
use crate::names;
use crate::secrets::{Found, Seen, Value};
use crate::stores::StoreKey;

/// The key of the password in the Secret of the managed Redis.
pub const PASSWORD: &str = "password";
/// The key of its configuration.
pub const CONFIG: &str = "redis.conf";
/// What the sentinels call the managed Redis.
const PRIMARY: &str = "leadgate";
/// As receivers take them.
const SCHEMES: [&str; 6] = [
    "redis",
    "rediss",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
];
const SCHEME: &str = "rediss+sentinel://";

/// What is to become of the managed Redis's Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Password {
    /// It stays as it is.
    Kept(String),
    /// Its other keys have to follow the password in it.
    Follow(String),
    /// It was lost, and the pods still know the password.
    Restore(String),
    /// It was never made, or nobody knows it any more.
    #[default]
    New,
}

impl Password {
    /// The password, if there is one.
    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Kept(password) | Self::Follow(password) | Self::Restore(password) => Some(password),
            Self::New => None,
        }
    }
}

/// `secret`: that of the managed Redis. `projected`: what the pods read.
pub fn password(secret: Option<&Seen>, projected: Option<&Seen>) -> Password {
    let text = |seen: Option<&Seen>, key: &str| -> Option<String> {
        let value = seen?.keys.get(key)?;
        String::from_utf8(value.bytes().to_vec()).ok()
    };
    if let Some(password) = text(secret, PASSWORD).filter(|password| is_usable(password)) {
        return if text(secret, CONFIG).as_deref() == Some(&configuration(&password)) {
            Password::Kept(password)
        } else {
            Password::Follow(password)
        };
    }
    let url = text(projected, &StoreKey::Managed.file()).unwrap_or_default();
    let password = url
        .strip_prefix(SCHEME)
        .and_then(|rest| rest.strip_prefix(':'))
        .and_then(|rest| rest.split_once('@'))
        .map(|(password, _)| password.to_owned());
    match password.filter(|password| is_usable(password)) {
        Some(password) => Password::Restore(password),
        None => Password::New,
    }
}

/// Neither Redis's configuration nor a URL has to quote it.
fn is_usable(password: &str) -> bool {
    !password.is_empty()
        && password
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
}

/// The password stands in the file: arguments can be read by everybody on the node.
pub fn configuration(password: &str) -> String {
    format!("requirepass {password}\nmasterauth {password}\n")
}

/// The same for one server and for several: it names all that there may be. Its scheme is `rediss`: no server listens without TLS.
fn managed_url(password: &str) -> String {
    let sentinels: Vec<String> = (0..names::MAX_REDIS)
        .map(|n| format!("{}:26379", names::redis_host(n)))
        .collect();
    format!(
        "{SCHEME}:{password}@{}/{PRIMARY}/0?sentinelPassword={password}",
        sentinels.join(",")
    )
}

/// The files with the URLs of these queues, and the authorities of the managed Redis. `of_redis`: its Secret.
pub fn files<'s>(
    stores: impl IntoIterator<Item = &'s StoreKey>,
    password: Option<&str>,
    of_redis: Option<&Seen>,
    secrets: &Found,
    projected: Option<&Seen>,
    loss_allowed: bool,
) -> BTreeMap<String, ByteString> {
    let mut files = BTreeMap::new();
    for store in stores {
        let file = store.file();
        let known = |file: &str| projected.and_then(|seen| seen.keys.get(file));
        // What no process could use holds no lead.
        let before = known(&file).filter(|url| is_usable_url(url));
        if *store == StoreKey::Managed {
            let file = store.authorities_file();
            let now = of_redis.and_then(|seen| seen.keys.get(certificates::AUTHORITIES));
            if let Some(value) = now.or_else(|| known(&file)) {
                files.insert(file, ByteString(value.bytes().to_vec()));
            }
        }
        let now = match store {
            StoreKey::Managed => password.map(|password| Value::new(managed_url(password))),
            StoreKey::Own { secret, key } => own(secrets, secret, key)
                .filter(|now| loss_allowed || before.is_none_or(|before| server(before) == server(now)))
                .cloned(),
        };
        if let Some(value) = now.as_ref().or(before) {
            files.insert(file, ByteString(value.bytes().to_vec()));
        }
    }
    files
}

fn own<'f>(secrets: &'f Found, secret: &str, key: &str) -> Option<&'f Value> {
    secrets.get(secret)?.as_ref()?.keys.get(key)
}

/// Whether the Secret of a queue names another server than the pods use.
pub fn moved(store: &StoreKey, secrets: &Found, projected: Option<&Seen>) -> bool {
    let StoreKey::Own { secret, key } = store else {
        return false;
    };
    let before = projected.and_then(|seen| seen.keys.get(&store.file()));
    let before = before.filter(|url| is_usable_url(url));
    let now = own(secrets, secret, key);
    before
        .zip(now)
        .is_some_and(|(before, now)| server(before) != server(now))
}

/// Whether the Secret of a queue of the user's own holds what is no URL of a Redis.
pub fn is_mistaken(store: &StoreKey, secrets: &Found) -> bool {
    let StoreKey::Own { secret, key } = store else {
        return false;
    };
    own(secrets, secret, key).is_some_and(|url| !is_usable_url(url))
}

fn is_usable_url(url: &Value) -> bool {
    let text = String::from_utf8_lossy(url.bytes());
    let Some((scheme, rest)) = text.trim().split_once("://") else {
        return false;
    };
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    SCHEMES.contains(&scheme.to_ascii_lowercase().as_str())
        && !place.starts_with(['/', '?'])
        && !place.is_empty()
}

/// A digest of the server that a queue of the user's own is on; a process keeps its server.
pub fn server_digest(store: &StoreKey, secrets: &Found) -> Option<String> {
    let StoreKey::Own { secret, key } = store else {
        return None;
    };
    Some(digest(server(own(secrets, secret, key)?).as_bytes()))
}

/// A URL without what signs in, to servers or sentinels: which sentinels are named first does not matter.
fn server(url: &Value) -> String {
    let text = String::from_utf8_lossy(url.bytes());
    let text = text.trim();
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let (hosts, path) = place.split_once('/').unwrap_or((place, ""));
    let mut hosts: Vec<String> = hosts.split(',').map(str::to_ascii_lowercase).collect();
    hosts.sort();
    let asked = query
        .split('&')
        .filter(|part| !part.is_empty() && !part.starts_with("sentinel"));
    let query: Vec<&str> = asked.collect();
    let scheme = scheme.to_ascii_lowercase();
    format!(
        "{scheme}://{}/{}?{}",
        hosts.join(","),
        path.trim_end_matches('/'),
        query.join("&")
    )
}

/// Changes with a value, and is too short to find the value out by trying.
pub fn digest(value: &[u8]) -> String {
    let digest = hex::encode(Sha256::digest(value));
    digest.get(..4).unwrap_or(&digest).to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn seen(keys: &[(&str, &str)]) -> Seen {
        let keys = keys
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Value::new(*value)));
        Seen {
            keys: keys.collect(),
            ..Seen::default()
        }
    }

    #[test]
    fn the_password_outlives_its_secret() {
        let file = StoreKey::Managed.file();
        let projected = seen(&[(&file, &managed_url("old"))]);
        let kept = |password: &str| Password::Kept(password.to_owned());
        let follow = |password: &str| Password::Follow(password.to_owned());
        let restore = Password::Restore("old".to_owned());
        #[rustfmt::skip]
        let table = [
            ("as it was made", Some(seen(&[("password", "p"), ("redis.conf", "requirepass p\nmasterauth p\n")])), Some(&projected), kept("p")),
            ("another password", Some(seen(&[("password", "q"), ("redis.conf", "requirepass p\nmasterauth p\n")])), Some(&projected), follow("q")),
            ("no configuration", Some(seen(&[("password", "q")])), None, follow("q")),
            ("deleted", None, Some(&projected), restore.clone()),
            ("emptied", Some(seen(&[])), Some(&projected), restore.clone()),
            ("one that would end the line", Some(seen(&[("password", "a\nsave 1")])), Some(&projected), restore),
            ("never made", None, None, Password::New),
        ];
        for (case, secret, projected, expected) in table {
            assert_eq!(password(secret.as_ref(), projected), expected, "{case}");
        }
    }

    #[test]
    fn what_no_process_could_use_holds_no_lead_and_can_be_corrected() {
        let store = StoreKey::Own {
            secret: "queue".to_owned(),
            key: "url".to_owned(),
        };
        let given =
            |url: &str| -> Found { [("queue".to_owned(), Some(Arc::new(seen(&[("url", url)]))))].into() };
        let right = "redis://:p@redis.example.com:6379/0";
        for (before, now, moved, mistaken) in [
            ("redis.example.com:6379", right, false, false),
            ("rediss://?x", right, false, false),
            (right, right, false, false),
            ("redis://other.example.com:6379/0", right, true, false),
            (right, "redis.example.com:6379", true, true),
            ("http://a", "redis:/b", false, true),
        ] {
            let projected = seen(&[(&store.file(), before)]);
            let secrets = given(now);
            assert_eq!(
                super::moved(&store, &secrets, Some(&projected)),
                moved,
                "{before} -> {now}"
            );
            assert_eq!(is_mistaken(&store, &secrets), mistaken, "{before} -> {now}");
            let files = files([&store], None, None, &secrets, Some(&projected), false);
            let kept = if moved { before } else { now };
            assert_eq!(files[&store.file()].0, kept.as_bytes(), "{before} -> {now}");
        }
    }

    #[test]
    fn the_authorities_outlive_their_secret() {
        let file = StoreKey::Managed.authorities_file();
        let projected = seen(&[(&file, "former")]);
        for (secret, expected) in [
            (Some(seen(&[("ca.crt", "newest")])), "newest"),
            (Some(seen(&[])), "former"),
            (None, "former"),
        ] {
            let files = files(
                [&StoreKey::Managed],
                None,
                secret.as_ref(),
                &Found::new(),
                Some(&projected),
                false,
            );
            assert_eq!(files[&file].0, expected.as_bytes());
        }
    }

    #[test]
    fn another_user_is_taken_and_another_server_is_not() {
        let store = StoreKey::Own {
            secret: "redis".to_owned(),
            key: "url".to_owned(),
        };
        let file = store.file();
        let projected = seen(&[(&file, "rediss://u:p@redis.example.com:6380/1")]);
        #[rustfmt::skip]
        let table = [
            ("as it was", "rediss://u:p@redis.example.com:6380/1", true),
            ("another password", "rediss://u:q%40@redis.example.com:6380/1\n", true),
            ("another host", "rediss://u:p@other.example.com:6380/1", false),
            ("another database", "rediss://u:p@redis.example.com:6380/2", false),
            ("in clear", "redis://u:p@redis.example.com:6380/1", false),
        ];
        for (case, url, taken) in table {
            let found = Found::from([("redis".to_owned(), Some(Arc::new(seen(&[("url", url)]))))]);
            let given = |loss: bool| {
                let files = files([&store], None, None, &found, Some(&projected), loss);
                String::from_utf8(files[&file].0.clone()).unwrap()
            };
            assert_eq!(given(false) == url, taken, "{case}");
            assert_eq!(given(true), url, "{case}");
            assert_eq!(moved(&store, &found, Some(&projected)), !taken, "{case}");
        }
        let gone = Found::from([("redis".to_owned(), None)]);
        assert_eq!(
            files([&store], None, None, &gone, Some(&projected), false)[&file].0,
            projected.keys[&file].bytes(),
            "a Secret that is gone takes nothing from running pods"
        );
    }
}
