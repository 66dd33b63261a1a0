//! The signature base and keys against the examples of RFC 9421, appendix B.2.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use leadgate_crds::lead_webhook::{Encoding, HmacAlgorithm, SecretFormat};

use super::base::{Target, signature_base};
use super::fields::{byte_sequences, inputs};
use super::{Keys, RawRequest};

const HEADERS: [(&str, &str); 5] = [
    ("host", "example.com"),
    ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("content-type", "application/json"),
    (
        "content-digest",
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
    ),
    ("content-length", "18"),
];

/// The base, and whether the signature under `label` is one of `key` over it.
fn judged(input: &str, signature: &str, algorithm: HmacAlgorithm, key: &str) -> (String, bool) {
    let headers: HeaderMap = HEADERS
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_static(value))
        })
        .collect();
    let request = RawRequest {
        method: &Method::POST,
        query: Some("param=Value&Pet=dog"),
        headers: &headers,
        body: br#"{"hello": "world"}"#,
        now: 1_618_884_480_000,
    };
    let target = Target::compile("https://example.com/foo").unwrap();
    let inputs = inputs(input).unwrap();
    let base = signature_base(inputs.first().unwrap(), &request, Some(&target)).unwrap();
    let format = SecretFormat {
        prefix: None,
        encoding: Some(Encoding::Base64),
    };
    let secrets = [("s".to_owned(), key.as_bytes().to_vec())];
    let keys = Keys::compile(algorithm, Some(&format), &secrets).unwrap();
    let signature = byte_sequences(signature, "").unwrap().remove(0).1.unwrap();
    let verified = keys.verify(&[Cow::Borrowed(base.as_slice())], &[signature]);
    (String::from_utf8(base).unwrap(), verified.is_some())
}

#[test]
fn the_example_with_a_shared_secret() {
    let (base, verified) = judged(
        r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
        "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
        HmacAlgorithm::Sha256,
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==",
    );
    assert_eq!(
        base,
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@authority\": example.com\n\
         \"content-type\": application/json\n\"@signature-params\": (\"date\" \"@authority\" \"content-type\")\
         ;created=1618884473;keyid=\"test-shared-secret\""
    );
    assert!(verified);
}

#[test]
fn the_example_with_ed25519() {
    let (_, verified) = judged(
        r#"sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
        HmacAlgorithm::Ed25519,
        "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=",
    );
    assert!(verified);
}

#[test]
fn what_is_signed_does_not_depend_on_how_a_proxy_writes_the_header() {
    let write = |input: &str| judged(input, "a=::", HmacAlgorithm::Sha256, &STANDARD.encode("key")).0;
    assert_eq!(
        write(r#"a=( "@query"   "@scheme" ); created=01;   x=1.50;y;z=?1;t=*tok;b=:AQI=:"#),
        write(r#"a=("@query" "@scheme");created=1;x=1.5;y;z;t=*tok;b=:AQI=:"#),
    );
}

#[test]
fn the_public_url_has_its_parts() {
    #[rustfmt::skip]
    let table = [
        ("https://Leads.Example.com:443/in", "https://Leads.Example.com:443/in", "https", "leads.example.com", "/in"),
        ("https://leads.example.com", "https://leads.example.com/", "https", "leads.example.com", "/"),
        ("http://localhost:8080/a/b/", "http://localhost:8080/a/b/", "http", "localhost:8080", "/a/b/"),
        ("http://[::1]:80/a", "http://[::1]:80/a", "http", "[::1]", "/a"),
    ];
    for (public, url, scheme, authority, path) in table {
        let target = Target::compile(public).unwrap();
        let parts = [&target.url, &target.scheme, &target.authority, &target.path];
        assert_eq!(parts, [url, scheme, authority, path], "{public}");
    }
    for wrong in ["", "leads.example.com", "/in", "https://", "https://a b/"] {
        assert!(Target::compile(wrong).is_err(), "{wrong}");
    }
}
