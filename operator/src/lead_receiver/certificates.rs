//! The certificate of the managed Redis's servers and the authority that signs it: what is due, and how it is made. [`due`] is pure.
//!
//! The authority's key stays in the Secret, so a renewed certificate is trusted by whatever runs. An authority that is to end is
//! joined by its successor, which signs nothing before the next renewal of the certificate: by then everybody has read it.

use std::collections::BTreeMap;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

use crate::names;
use crate::secrets::Value;

/// The key of the authorities in the Secret: the one that signs, then former ones. PEM, as is all of this.
pub const AUTHORITIES: &str = "ca.crt";
/// The key of the private key of the authority that signs. No pod is given it.
pub const AUTHORITY_KEY: &str = "ca.key";
/// The key of the servers' certificate.
pub const CERTIFICATE: &str = "tls.crt";
/// The key of its private key.
pub const KEY: &str = "tls.key";

const DAY: Duration = Duration::from_hours(24);
/// How long a certificate is valid.
const LIFE: Duration = DAY.saturating_mul(90);
/// How long before its end it is renewed.
const RENEWAL: Duration = DAY.saturating_mul(30);
/// How long an authority is valid.
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3650);
/// How long before its end it gets a successor.
const SUCCESSION: Duration = DAY.saturating_mul(365);
/// A clock may be slow by so much.
const SKEW: Duration = Duration::from_hours(1);
/// How many authorities are trusted at most.
const MAX_AUTHORITIES: usize = 3;

/// What is to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Another authority, beside those that there are.
    pub authority: bool,
    /// Another certificate.
    pub certificate: bool,
}

impl Due {
    /// Whether anything is.
    pub fn any(self) -> bool {
        self.authority || self.certificate
    }
}

/// The names of the servers for receivers, for each other, and for people and backups.
fn hosts(namespace: &str) -> Vec<String> {
    let services = [names::REDIS.to_owned(), names::REDIS_PEERS.to_owned()];
    let servers = (0..names::MAX_REDIS).map(names::redis_host);
    let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    for host in servers.chain(services) {
        all.push(format!("{host}.{namespace}"));
        all.push(format!("{host}.{namespace}.svc"));
        all.push(host);
    }
    all
}

/// What is due of the keys of a Secret. Whatever a receiver would not trust 30 days from now is.
pub fn due(keys: &BTreeMap<String, Value>, namespace: &str, now: UnixTime) -> Due {
    let authorities = authorities(keys.get(AUTHORITIES));
    let signs_until = authorities
        .first()
        .filter(|first| is_ours(first, keys.get(AUTHORITY_KEY)))
        .map(Authority::end);
    let lasts = |time: Duration| is_trusted(keys, &authorities, namespace, after(now, time));
    let ends_within = |time: Duration| signs_until.is_none_or(|end| end < since_1970(now) + time);
    Due {
        authority: ends_within(LIFE) || ends_within(SUCCESSION) && lasts(RENEWAL.saturating_mul(2)),
        certificate: !lasts(RENEWAL),
    }
}

/// Makes what is due, and gives the keys of the Secret. `trusted`: the authorities that receivers know, for a Secret that has
/// lost its own.
pub fn made(
    due: Due,
    keys: &BTreeMap<String, Value>,
    trusted: Option<&Value>,
    namespace: &str,
    now: UnixTime,
) -> Result<BTreeMap<String, String>, Error> {
    let text = |key: &str| keys.get(key).and_then(text).unwrap_or_default().to_owned();
    let mut known = authorities(keys.get(AUTHORITIES).or(trusted));
    known.retain(|authority| authority.end() > since_1970(now));
    let mut pem: Vec<String> = known.into_iter().map(|authority| authority.pem).collect();
    let mut authority_key = text(AUTHORITY_KEY);
    if due.authority {
        let key = KeyPair::generate()?;
        pem.insert(0, authority(&key, now).self_signed(&key)?.pem());
        authority_key = key.serialize_pem();
    }
    pem.truncate(MAX_AUTHORITIES);
    let (mut certificate, mut key) = (text(CERTIFICATE), text(KEY));
    if due.certificate {
        let signs = KeyPair::from_pem(&authority_key)?;
        let issuer = Issuer::new(authority(&signs, now), signs);
        let own = KeyPair::generate()?;
        certificate = server(namespace, now)?.signed_by(&own, &issuer)?.pem();
        key = own.serialize_pem();
    }
    let all = [
        (AUTHORITIES, pem.concat()),
        (AUTHORITY_KEY, authority_key),
        (CERTIFICATE, certificate),
        (KEY, key),
    ];
    Ok(all.map(|(name, value)| (name.to_owned(), value)).into())
}

/// The parameters of the authority with this key. Its name follows from the key: OpenSSL tells authorities apart by name.
fn authority(key: &KeyPair, now: UnixTime) -> CertificateParams {
    let mut params = valid(
        now,
        AUTHORITY_LIFE,
        &authority_name(&key.subject_public_key_info()),
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn authority_name(public_key: &[u8]) -> String {
    let digest = hex::encode(Sha256::digest(public_key));
    format!("{} {}", names::REDIS, digest.get(..8).unwrap_or(&digest))
}

fn server(namespace: &str, now: UnixTime) -> Result<CertificateParams, Error> {
    let mut params = valid(now, LIFE, names::REDIS);
    params.subject_alt_names = CertificateParams::new(hosts(namespace))?.subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
        .distinguished_name
        .push(DnType::OrganizationName, namespace);
    Ok(params)
}

fn valid(now: UnixTime, life: Duration, name: &str) -> CertificateParams {
    let epoch = date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.not_before = epoch + since_1970(now).saturating_sub(SKEW);
    params.not_after = epoch + since_1970(now) + life;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A certificate in a bundle.
struct Authority {
    pem: String,
    der: CertificateDer<'static>,
    parsed: Certificate,
}

impl Authority {
    /// The end of its validity since 1970.
    fn end(&self) -> Duration {
        self.parsed
            .tbs_certificate()
            .validity()
            .not_after
            .to_unix_duration()
    }
}

fn text(value: &Value) -> Option<&str> {
    str::from_utf8(value.bytes()).ok()
}

/// The certificates that can be read.
fn authorities(bundle: Option<&Value>) -> Vec<Authority> {
    let blocks = bundle
        .and_then(text)
        .unwrap_or_default()
        .split_inclusive("-----END CERTIFICATE-----");
    let read = |block: &str| {
        let der = CertificateDer::from_pem_slice(block.as_bytes()).ok()?;
        Some(Authority {
            pem: format!("{}\n", block.trim()),
            parsed: Certificate::from_der(&der).ok()?,
            der,
        })
    };
    blocks.filter_map(read).collect()
}

/// Whether this is the key of a certificate.
fn is_pair(certificate: &Certificate, key: Option<&Value>) -> bool {
    let key = key.and_then(text).and_then(|key| KeyPair::from_pem(key).ok());
    let public = certificate.tbs_certificate().subject_public_key_info().to_der();
    key.zip(public.ok())
        .is_some_and(|(key, public)| key.subject_public_key_info() == public)
}

/// Whether an authority signs with this key under the name that is given to what it signs.
fn is_ours(authority: &Authority, key: Option<&Value>) -> bool {
    let certificate = authority.parsed.tbs_certificate();
    let public = certificate.subject_public_key_info().to_der().unwrap_or_default();
    certificate.subject().to_string() == format!("CN={}", authority_name(&public))
        && is_pair(&authority.parsed, key)
}

/// Whether whoever trusts the authorities would believe the certificate at a time, for each of its names.
fn is_trusted(
    keys: &BTreeMap<String, Value>,
    authorities: &[Authority],
    namespace: &str,
    time: UnixTime,
) -> bool {
    let Some(own) = self::authorities(keys.get(CERTIFICATE)).into_iter().next() else {
        return false;
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.iter().map(|authority| authority.der.clone()));
    let algorithms = default_provider().signature_verification_algorithms.all;
    let is_named = |certificate: &ParsedCertificate<'_>, host: String| {
        ServerName::try_from(host).is_ok_and(|name| verify_server_name(certificate, &name).is_ok())
    };
    is_pair(&own.parsed, keys.get(KEY))
        && ParsedCertificate::try_from(&own.der).is_ok_and(|certificate| {
            verify_server_cert_signed_by_trust_anchor(&certificate, &roots, &[], time, algorithms).is_ok()
                && hosts(namespace)
                    .into_iter()
                    .all(|host| is_named(&certificate, host))
        })
}

fn since_1970(time: UnixTime) -> Duration {
    Duration::from_secs(time.as_secs())
}

fn after(time: UnixTime, more: Duration) -> UnixTime {
    UnixTime::since_unix_epoch(since_1970(time) + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Keys = BTreeMap<String, Value>;

    const NOTHING: Due = Due {
        authority: false,
        certificate: false,
    };
    const CERTIFICATE_DUE: Due = Due {
        authority: false,
        certificate: true,
    };
    const AUTHORITY_DUE: Due = Due {
        authority: true,
        certificate: false,
    };
    const ALL_DUE: Due = Due {
        authority: true,
        certificate: true,
    };

    fn day(number: u32) -> UnixTime {
        UnixTime::since_unix_epoch(DAY.saturating_mul(20_000 + number))
    }

    fn of(keys: BTreeMap<String, String>) -> Keys {
        let keys = keys.into_iter();
        keys.map(|(key, value)| (key, Value::new(value))).collect()
    }

    /// What becomes of a Secret on a day.
    fn renewed(keys: &Keys, day: UnixTime) -> Keys {
        of(made(due(keys, "leads", day), keys, None, "leads", day).unwrap())
    }

    #[test]
    fn a_certificate_is_renewed_thirty_days_before_its_end_by_the_same_authority() {
        let first = renewed(&Keys::new(), day(0));
        assert_eq!(due(&first, "leads", day(0)), NOTHING);
        assert_eq!(due(&first, "leads", day(59)), NOTHING);
        assert_eq!(due(&first, "leads", day(61)), CERTIFICATE_DUE);
        let second = renewed(&first, day(61));
        assert_eq!(due(&second, "leads", day(61)), NOTHING);
        for key in [AUTHORITIES, AUTHORITY_KEY] {
            assert_eq!(first[key], second[key], "{key}");
        }
        assert_ne!(first[CERTIFICATE], second[CERTIFICATE]);
    }

    #[test]
    fn a_successor_of_the_authority_is_trusted_for_a_month_before_it_signs() {
        let mut keys = renewed(&Keys::new(), day(0));
        let mut joined = None;
        for now in 1..3650 {
            let due = due(&keys, "leads", day(now));
            if !due.any() {
                continue;
            }
            let next = of(made(due, &keys, None, "leads", day(now)).unwrap());
            if due.authority {
                assert_eq!(due, AUTHORITY_DUE, "day {now}");
                assert_eq!(authorities(next.get(AUTHORITIES)).len(), 2);
                joined = Some(now);
            } else if joined.is_some() {
                assert!(now - joined.unwrap() > 25, "{now} {joined:?}");
            }
            // What was shown before is trusted by those who read the new file, and the other way round.
            let mixed = Keys::from_iter(
                [(AUTHORITIES, &keys), (CERTIFICATE, &next), (KEY, &next)]
                    .map(|(key, of)| (key.to_owned(), of[key].clone())),
            );
            for read in [&mixed, &next] {
                let trusted = authorities(read.get(AUTHORITIES));
                assert!(is_trusted(read, &trusted, "leads", day(now)), "day {now}");
            }
            keys = next;
        }
        let day_of = joined.unwrap();
        assert!(day_of > 3650 - 366 && day_of < 3650 - 300, "{day_of}");
        // The first authority has ended.
        let keys = renewed(&keys, day(3700));
        assert_eq!(authorities(keys.get(AUTHORITIES)).len(), 1);
        assert_eq!(due(&keys, "leads", day(3700)), NOTHING);
    }

    #[test]
    fn whatever_is_lost_or_does_not_fit_is_made_again_and_what_was_trusted_stays_so() {
        let good = renewed(&Keys::new(), day(0));
        let other = renewed(&Keys::new(), day(0));
        let without = |key: &str| {
            let mut keys = good.clone();
            keys.remove(key);
            keys
        };
        let mixed = |key: &str| {
            let mut keys = good.clone();
            keys.insert(key.to_owned(), other[key].clone());
            keys
        };
        let mut garbage = good.clone();
        garbage.insert(CERTIFICATE.to_owned(), Value::new("no PEM"));
        for (case, keys, expected) in [
            ("deleted", Keys::new(), ALL_DUE),
            ("no authority", without(AUTHORITIES), ALL_DUE),
            ("no key of the authority", without(AUTHORITY_KEY), AUTHORITY_DUE),
            ("no certificate", without(CERTIFICATE), CERTIFICATE_DUE),
            ("no key", without(KEY), CERTIFICATE_DUE),
            ("another key", mixed(KEY), CERTIFICATE_DUE),
            ("another certificate", mixed(CERTIFICATE), CERTIFICATE_DUE),
            ("another authority", mixed(AUTHORITIES), ALL_DUE),
            (
                "another key of the authority",
                mixed(AUTHORITY_KEY),
                AUTHORITY_DUE,
            ),
            ("garbage", garbage, CERTIFICATE_DUE),
        ] {
            let found = due(&keys, "leads", day(1));
            assert_eq!(found, expected, "{case}");
            let again = of(made(found, &keys, good.get(AUTHORITIES), "leads", day(1)).unwrap());
            assert_eq!(due(&again, "leads", day(1)), NOTHING, "{case}");
            let trusted = authorities(again.get(AUTHORITIES));
            if case != "another authority" {
                assert!(is_trusted(&good, &trusted, "leads", day(1)), "{case}");
            }
        }
        assert_eq!(due(&good, "other", day(0)), CERTIFICATE_DUE, "another namespace");
    }

    #[test]
    fn a_secret_that_is_lost_again_and_again_does_not_grow() {
        let mut trusted = None;
        for _ in 0..5 {
            let keys = of(made(ALL_DUE, &Keys::new(), trusted.as_ref(), "leads", day(0)).unwrap());
            trusted = keys.get(AUTHORITIES).cloned();
        }
        assert_eq!(authorities(trusted.as_ref()).len(), MAX_AUTHORITIES);
    }
}
