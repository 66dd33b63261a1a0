//! Objects and what becomes of them: judged by a real API server, and by the receiver without one.

use serde_json::{Value, json};

pub(crate) fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// RFC 7396.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key.as_str()], value);
        }
    }
}

/// Which minimal spec a row's patch is merged into.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Base {
    /// A LeadWebhook with hmac and one sink.
    Webhook,
    /// A LeadReceiver without any fields.
    Receiver,
    /// A CrmSink with hubspot.
    HubSpot,
    /// A CrmSink with salesforce and clientCredentials.
    Salesforce,
    /// A CrmSink with rest, bearer and upsert.
    Rest,
}
use Base::{HubSpot, Receiver, Rest, Salesforce, Webhook};

impl Base {
    pub(crate) fn spec(self) -> Value {
        yaml(match self {
            Webhook => "{auth: {hmac: {secretRefs: [{name: s, key: k}]}}, sinks: [{name: hubspot}]}",
            Receiver => "{}",
            HubSpot => "{hubspot: {tokenSecretRef: {name: s, key: k}}}",
            Salesforce => {
                "{salesforce: {instanceUrl: 'https://x.my.salesforce.com', auth: {clientCredentials:
                {clientId: {name: s, key: i}, clientSecret: {name: s, key: s}}}}}"
            }
            Rest => {
                "{rest: {baseUrl: 'https://crm.example.com', auth: {bearer: {token: {name: s, key: k}}},
                upsert: {path: \"'/contacts'\"}}}"
            }
        })
    }

    pub(crate) fn kind(self) -> (&'static str, &'static str) {
        match self {
            Webhook => ("LeadWebhook", "leadwebhooks"),
            Receiver => ("LeadReceiver", "leadreceivers"),
            HubSpot | Salesforce | Rest => ("CrmSink", "crmsinks"),
        }
    }
}

/// What the API server does with an object.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    /// It takes it.
    Taken,
    /// It refuses it with a message that contains this.
    Refused(&'static str),
}
use Verdict::{Refused, Taken};

const AUTH: Verdict = Refused("auth needs exactly one of hmac, token, basic and none");
const PATH: Verdict = Refused("path must start with '/' and be a plain URL path");
const RESERVED: Verdict = Refused("path must not be /livez, /readyz, /metrics or /status");
const CRM: Verdict = Refused("a CrmSink needs exactly one of hubspot, salesforce and rest");
const CALLS: Verdict = Refused("rest needs either upsert alone or all three of lookup, create and update");
const REST_AUTH: Verdict =
    Refused("rest.auth needs exactly one of bearer, header, basic and oauth2ClientCredentials");
const FLOW: Verdict =
    Refused("salesforce.auth needs exactly one of clientCredentials, jwtBearer and refreshToken");
const PLACE: Verdict = Refused("set exactly one of header, query and json");
const DURATION: Verdict = Refused("should match '^([0-9]{1,5}(h|m|s|ms)){1,4}$'");

/// Base, what is merged into its spec, what happens.
#[rustfmt::skip]
pub(crate) const TABLE: &[(Base, &str, Verdict)] = &[
    // LeadWebhook: auth
    (Webhook, "{}", Taken),
    (Webhook, "{auth: null}", Refused("spec.auth: Required value")),
    (Webhook, "{auth: {hmac: null}}", AUTH),
    (Webhook, "{auth: {basic: {secretRef: {name: s}}}}", AUTH),
    (Webhook, "{auth: {hmac: null, allowedCidrs: [10.0.0.0/8]}}", AUTH),
    (Webhook, "{auth: {hmac: null, token: {secretRefs: [{name: s, key: k}]}}}", Taken),
    (Webhook, "{auth: {hmac: null, basic: {secretRef: {name: s}}}}", Taken),
    (Webhook, "{auth: {hmac: null, none: {allowUnauthenticated: true}, allowedCidrs: ['10.0.0.0/8', '2001:db8::/32']}}", Taken),
    (Webhook, "{auth: {hmac: null, none: {allowUnauthenticated: false}}}", Refused("auth.none.allowUnauthenticated must be true")),
    (Webhook, "{auth: {hmac: null, none: {}}}", Refused("allowUnauthenticated: Required value")),
    (Webhook, "{auth: {allowedCidrs: ['10.0.0.7']}}", Refused("allowedCidrs holds address ranges in CIDR notation")),
    (Webhook, "{auth: {allowedCidrs: ['example.com/24']}}", Refused("allowedCidrs holds address ranges in CIDR notation")),
    (Webhook, "{auth: {trustedProxies: 16}}", Taken),
    (Webhook, "{auth: {trustedProxies: 17}}", Refused("spec.auth.trustedProxies in body should be less than or equal to 16")),
    (Webhook, "{auth: {trustedProxies: -1}}", Refused("should be greater than or equal to 0")),
    (Webhook, "{auth: {hmac: {secretRefs: []}}}", Refused("spec.auth.hmac.secretRefs in body should have at least 1 items")),
    (Webhook, "{auth: {hmac: {secretRefs: null}}}", Refused("spec.auth.hmac.secretRefs: Required value")),
    (Webhook, "{auth: {hmac: {secretRefs: [{name: Not_A_Name, key: k}]}}}", Refused("spec.auth.hmac.secretRefs[0].name in body should match")),
    (Webhook, "{auth: {hmac: {secretRefs: [{name: s, key: 'a/b'}]}}}", Refused("spec.auth.hmac.secretRefs[0].key in body should match")),
    (Webhook, "{auth: {hmac: {algorithm: md5}}}", Refused(r#"Unsupported value: "md5": supported values: "sha1", "sha256", "sha512", "ed25519""#)),
    (Webhook, "{auth: {hmac: {algorithm: keyed-sha256}}}", Taken),
    (Webhook, "{auth: {hmac: {algorithm: ed25519, secret: {prefix: whpk_, encoding: base64}}}}", Taken),
    (Webhook, "{auth: {hmac: {algorithm: ed25519, generateSecret: true}}}", Refused("hmac.generateSecret cannot be used with algorithm ed25519")),
    (Webhook, "{auth: {hmac: {algorithm: sha256, generateSecret: true}}}", Taken),
    (Webhook, "{auth: {hmac: {signature: {header: X-Sig, prefix: v1=, split: ',', encoding: base64}}}}", Taken),
    (Webhook, "{auth: {hmac: {signature: {encoding: hex}}}}", PLACE),
    (Webhook, "{auth: {hmac: {signature: {header: X-Sig, query: sig}}}}", PLACE),
    (Webhook, "{auth: {hmac: {signature: {header: 'X Sig'}}}}", Refused("spec.auth.hmac.signature.header in body should match")),
    (Webhook, "{auth: {hmac: {signature: {header: X-Sig, encoding: text}}}}", Refused(r#"supported values: "hex", "base64""#)),
    (Webhook, "{auth: {hmac: {timestamp: {unit: seconds}}}}", PLACE),
    (Webhook, "{auth: {hmac: {timestamp: {header: X-T, unit: minutes}}}}", Refused(r#"supported values: "seconds", "milliseconds""#)),
    (Webhook, "{auth: {hmac: {timestamp: {header: X-T, toleranceSeconds: 0}}}}", Refused("toleranceSeconds in body should be greater than or equal to 1")),
    (Webhook, "{auth: {hmac: {id: {header: X-Id, json: /id}}}}", PLACE),
    (Webhook, "{auth: {hmac: {bodyDigest: {json: id}}}}", Refused("spec.auth.hmac.bodyDigest.json in body should match '^/'")),
    (Webhook, "{auth: {hmac: {signed: '{method}{url}{body}{timestamp}'}}}", Taken),
    (Webhook, "{auth: {hmac: {signed: 't.body'}}}", Refused("hmac.signed must contain {body}")),
    (Webhook, "{publicUrl: 'https://leads.example.com/in', auth: {hmac: {signed: '{timestamp}.{url}'}}}", Refused("otherwise one signature would be valid for every lead")),
    (Webhook, "{publicUrl: 'https://leads.example.com/in', auth: {hmac: {signed: '{url}{params}'}}}", Taken),
    (Webhook, "{publicUrl: 'https://leads.example.com/in', auth: {hmac: {signed: '{url}', bodyDigest: {query: bodySHA256}}}}", Taken),
    (Webhook, "{auth: {hmac: {signed: '{time}.{body}'}}}", Refused("hmac.signed may refer only to {body}, {timestamp}")),
    (Webhook, "{publicUrl: 'https://leads.example.com/in', auth: {hmac: {messageSignature: {}}}}", Taken),
    (Webhook, "{publicUrl: 'https://leads.example.com/in', auth: {hmac: {algorithm: ed25519, secret: {encoding: base64}, messageSignature: {label: sig1, keyIds: [a, b], toleranceSeconds: 60, skewSeconds: 0}}}}", Taken),
    (Webhook, "{publicUrl: 'https://leads.example.com/in', auth: {hmac: {messageSignature: {components: ['@method', '@target-uri', '@authority', '@scheme', '@path', '@query', '@request-target', content-digest, x-id]}}}}", Taken),
    (Webhook, "{auth: {hmac: {messageSignature: {components: ['@method', '@query', content-digest]}}}}", Taken),
    (Webhook, "{auth: {hmac: {messageSignature: {}}}}", Refused("publicUrl is missing: auth.hmac.messageSignature.components names a part of the URL")),
    (Webhook, "{auth: {hmac: {messageSignature: {components: ['@path', content-digest]}}}}", Refused("publicUrl is missing")),
    (Webhook, "{auth: {hmac: {messageSignature: {components: ['@method']}}}}", Refused("messageSignature.components must name content-digest")),
    (Webhook, "{auth: {hmac: {messageSignature: {components: []}}}}", Refused("messageSignature.components in body should have at least 1 items")),
    (Webhook, "{auth: {hmac: {messageSignature: {components: [content-digest, Content-Type]}}}}", Refused("messageSignature.components holds names of headers in lower case")),
    (Webhook, "{auth: {hmac: {messageSignature: {components: [content-digest, '@query-param']}}}}", Refused("messageSignature.components holds names of headers in lower case")),
    (Webhook, "{auth: {hmac: {messageSignature: {components: [content-digest, 'x-id;sf']}}}}", Refused("all without parameters")),
    (Webhook, "{auth: {hmac: {messageSignature: {components: [content-digest], label: Sig1}}}}", Refused("messageSignature.label in body should match")),
    (Webhook, "{auth: {hmac: {messageSignature: {components: [content-digest], keyIds: ['']}}}}", Refused("messageSignature.keyIds[0] in body should be at least 1 chars long")),
    (Webhook, "{auth: {hmac: {messageSignature: {components: [content-digest], toleranceSeconds: 0}}}}", Refused("toleranceSeconds in body should be greater than or equal to 1")),
    (Webhook, "{auth: {hmac: {messageSignature: {components: [content-digest], skewSeconds: 301}}}}", Refused("skewSeconds in body should be less than or equal to 300")),
    (Webhook, "{auth: {hmac: {algorithm: sha512, messageSignature: {components: [content-digest]}}}}", Refused("hmac.messageSignature is made with sha256 (hmac-sha256) or ed25519")),
    (Webhook, "{auth: {hmac: {signed: '{body}', messageSignature: {components: [content-digest]}}}}", Refused("hmac.messageSignature says itself where the signature is and what is signed")),
    (Webhook, "{auth: {hmac: {timestamp: {header: X-T}, messageSignature: {components: [content-digest]}}}}", Refused("hmac.messageSignature says itself where the signature is and what is signed")),
    (Webhook, "{auth: {hmac: null, token: {secretRefs: [{name: s, key: k}], header: X-A, query: a}}}", Refused("token takes only one of header, query and json")),
    (Webhook, "{auth: {hmac: null, token: {secretRefs: [{name: s, key: k}], json: /google_key}}}", Taken),
    (Webhook, "{auth: {hmac: null, token: {secretRefs: []}}}", Refused("spec.auth.token.secretRefs in body should have at least 1 items")),
    (Webhook, "{auth: {hmac: null, token: {secretRefs: [{name: s, key: k}], encoding: hex}}}", Refused(r#"supported values: "text", "base64""#)),
    // LeadWebhook: client certificates
    (Webhook, "{auth: {clientCertificate: {dnsNames: [client.example.com]}}}", Taken),
    (Webhook, "{auth: {hmac: null, clientCertificate: {uris: ['spiffe://example.com/forms']}}}", Taken),
    (Webhook, "{auth: {hmac: null, none: {allowUnauthenticated: true}, clientCertificate: {dnsNames: [a.example.com]}}}", Refused("auth.none cannot be combined with auth.clientCertificate: remove none")),
    (Webhook, "{auth: {clientCertificate: {}}}", Refused("clientCertificate must say whose certificates may post")),
    (Webhook, "{auth: {clientCertificate: {dnsNames: []}}}", Refused("clientCertificate must say whose certificates may post")),
    (Webhook, "{auth: {clientCertificate: {dnsNames: ['*.example.com']}}}", Refused("clientCertificate.dnsNames[0] in body should match")),
    (Webhook, "{auth: {clientCertificate: {fingerprints: ['00112233445566778899aabbccddeeff0011223344556677889900112233abcd']}}}", Taken),
    (Webhook, "{auth: {clientCertificate: {fingerprints: ['00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33']}}}", Taken),
    (Webhook, "{auth: {clientCertificate: {fingerprints: ['00112233445566778899aabbccddeeff001122334455']}}}", Refused("clientCertificate.fingerprints[0] in body should match")),
    (Webhook, "{auth: {clientCertificate: {subjects: ['CN=a']}}}", Refused("clientCertificate.subjects needs forwarded")),
    (Webhook, "{auth: {clientCertificate: {subjects: ['CN=a'], forwarded: {header: X-S, format: Subject, proxies: [10.0.0.0/8]}}}}", Taken),
    (Webhook, "{auth: {clientCertificate: {uris: ['a:b'], forwarded: {header: X-S, format: Subject, proxies: [10.0.0.0/8]}}}}", Refused("format Subject passes nothing but a subject")),
    (Webhook, "{auth: {clientCertificate: {uris: ['a:b'], forwarded: {header: X-S, format: Fingerprint, proxies: [10.0.0.0/8]}}}}", Refused("format Fingerprint passes nothing but a fingerprint")),
    (Webhook, "{auth: {clientCertificate: {uris: ['a:b'], forwarded: {header: X-S, format: Envoy, proxies: []}}}}", Refused("proxies in body should have at least 1 items")),
    (Webhook, "{auth: {clientCertificate: {uris: ['a:b'], forwarded: {header: X-S, format: Envoy}}}}", Refused("proxies: Required value")),
    (Webhook, "{auth: {clientCertificate: {uris: ['a:b'], forwarded: {header: X-S, format: Envoy, proxies: [edge]}}}}", Refused("forwarded.proxies holds address ranges in CIDR notation")),
    (Webhook, "{auth: {clientCertificate: {uris: ['a:b'], forwarded: {header: X-S, format: Pem, proxies: [10.0.0.0/8]}}}}", Refused(r#"supported values: "Envoy", "Certificate", "Fingerprint", "Subject""#)),
    (Webhook, "{auth: {clientCertificate: {uris: ['a:b'], forwarded: {header: X-S, format: Certificate, proxies: [10.0.0.0/8], verified: {header: ssl-client-verify, value: SUCCESS}}}}}", Taken),
    (Webhook, "{auth: {clientCertificate: {uris: ['a:b'], forwarded: {header: X-S, format: Certificate, proxies: [10.0.0.0/8], verified: {header: ssl-client-verify}}}}}", Refused("verified.value: Required value")),
    // LeadWebhook: handshakes
    (Webhook, "{auth: {challenges: [{method: GET, extract: {query: c}, pattern: '[a-z]+', answer: Echo}]}}", Taken),
    (Webhook, "{auth: {challenges: [{method: GET, verified: true, answer: Ok}]}}", Taken),
    (Webhook, "{auth: {challenges: [{method: POST, when: {json: {/type: ping}}, extract: {json: /c}, pattern: '[a-z]+', answer: Hmac, fields: [a, b]}]}}", Taken),
    (Webhook, "{auth: {challenges: [{method: POST, when: {body: 'ping=1'}, answer: Ok}]}}", Taken),
    (Webhook, "{auth: {challenges: [{method: PUT, answer: Ok}]}}", Refused(r#"supported values: "GET", "POST""#)),
    (Webhook, "{auth: {challenges: [{method: GET, answer: Echo}]}}", Refused("needs extract (where the challenge is) and pattern")),
    (Webhook, "{auth: {challenges: [{method: GET, extract: {query: c}, answer: Echo}]}}", Refused("needs extract (where the challenge is) and pattern")),
    (Webhook, "{auth: {challenges: [{method: GET, extract: {query: c}, pattern: a, answer: Ok}]}}", Refused("answers Ok sends nothing back")),
    (Webhook, "{auth: {challenges: [{method: GET, extract: {query: c}, pattern: a, answer: Hmac}]}}", Refused("fields belongs to answer Hmac")),
    (Webhook, "{auth: {challenges: [{method: GET, extract: {query: c}, pattern: a, answer: Echo, fields: [a, b]}]}}", Refused("fields belongs to answer Hmac")),
    (Webhook, "{auth: {challenges: [{method: GET, when: {body: a}, answer: Ok}]}}", Refused("method GET has no body")),
    (Webhook, "{auth: {challenges: [{method: POST, answer: Ok}]}}", Refused("method POST must be distinguishable from a lead")),
    (Webhook, "{auth: {challenges: [{method: POST, when: {query: {a: b}}, answer: Ok}]}}", Refused("method POST must be distinguishable from a lead")),
    (Webhook, "{auth: {challenges: [{method: POST, when: {json: {/a: b}, body: a}, answer: Ok}]}}", Refused("method POST must be distinguishable from a lead")),
    (Webhook, "{auth: {challenges: [{method: POST, when: {body: a}, extract: {query: c}, pattern: a, answer: Echo}]}}", Refused("an unauthenticated probe (when.body) can be answered with Ok only")),
    (Webhook, "{auth: {challenges: [{method: GET, otherwise: 200, answer: Ok}]}}", Refused("otherwise in body should be greater than or equal to 400")),
    (Webhook, "{auth: {hmac: null, token: {secretRefs: [{name: s, key: k}]}, challenges: [{method: GET, verified: true, extract: {query: c}, pattern: a, answer: Hmac, fields: [a, b]}]}}", Refused("answers Hmac is signed with the key of auth.hmac")),
    (Webhook, "{auth: {challenges: [{method: GET, token: {query: t}, extract: {query: c}, pattern: a, answer: Echo}]}}", Refused("a challenge with a token needs auth.challengeTokenSecretRef")),
    (Webhook, "{auth: {challengeTokenSecretRef: {name: s, key: t}, challenges: [{method: GET, token: {query: t}, extract: {query: c}, pattern: a, answer: Echo}]}}", Taken),
    // LeadWebhook: path and URL
    (Webhook, "{path: /webhooks/leads}", Taken),
    (Webhook, "{path: /statuses}", Taken),
    (Webhook, "{path: webhooks}", PATH),
    (Webhook, "{path: ''}", PATH),
    (Webhook, "{path: /a//b}", PATH),
    (Webhook, "{path: /a/../b}", PATH),
    (Webhook, "{path: '/a?b=c'}", PATH),
    (Webhook, "{path: '/a#b'}", PATH),
    (Webhook, "{path: '/a b'}", PATH),
    (Webhook, "{path: /livez}", RESERVED),
    (Webhook, "{path: /readyz/x}", RESERVED),
    (Webhook, "{path: /metrics}", RESERVED),
    (Webhook, "{path: /status/}", RESERVED),
    (Webhook, "{publicUrl: 'https://leads.example.com/webhooks/leads', path: /webhooks/leads}", Taken),
    (Webhook, "{publicUrl: 'https://leads.example.com/other'}", Taken),
    (Webhook, "{publicUrl: 'http://localhost:8080/webhooks/leads'}", Taken),
    (Webhook, "{publicUrl: 'http://leads.example.com/webhooks/leads'}", Refused("publicUrl must be an https:// URL")),
    (Webhook, "{publicUrl: 'http://localhost.example.com/'}", Refused("publicUrl must be an https:// URL")),
    (Webhook, "{publicUrl: 'https://leads.example.com/other', path: /webhooks/leads}", Refused("publicUrl must end with path")),
    // LeadWebhook: payload and idempotency
    (Webhook, "{payload: {format: Xml}}", Refused(r#"supported values: "Auto", "Json", "Form", "Multipart""#)),
    (Webhook, "{payload: {maxBytes: 1023}}", Refused("spec.payload.maxBytes in body should be greater than or equal to 1024")),
    (Webhook, "{payload: {maxBytes: 16777217}}", Refused("spec.payload.maxBytes in body should be less than or equal to 16777216")),
    (Webhook, "{payload: {accept: ''}}", Refused("spec.payload.accept in body should be at least 1 chars long")),
    (Webhook, "{payload: {accept: 'LONG2048'}}", Taken),
    (Webhook, "{payload: {accept: 'LONG2049'}}", Refused("may not be more than 2048")),
    (Webhook, "{payload: {defaultRegion: de}}", Refused("spec.payload.defaultRegion in body should match '^[A-Z]{2}$'")),
    (Webhook, "{payload: {required: [email, custom.budget]}}", Taken),
    (Webhook, "{payload: {required: [emial]}}", Refused("payload.required holds names of lead fields")),
    (Webhook, "{payload: {required: [email, email]}}", Refused("Duplicate value")),
    (Webhook, "{payload: {maxLengths: {firstName: 65536, custom.budget: 1}}}", Taken),
    (Webhook, "{payload: {maxLengths: {firstName: 65537}}}", Refused("should be less than or equal to 65536")),
    (Webhook, "{payload: {maxLengths: {firstName: 0}}}", Refused("should be greater than or equal to 1")),
    (Webhook, "{payload: {maxLengths: {name: 10}}}", Refused("payload.maxLengths has names of lead fields as keys")),
    (Webhook, "{payload: {lead: {custom: {utm_source: payload.utm}}}}", Taken),
    (Webhook, "{payload: {lead: {custom: {'utm-source': payload.utm}}}}", Refused("payload.lead.custom has names as keys")),
    (Webhook, "{payload: {lead: {mail: payload.mail}}}", Refused(r#"unknown field "spec.payload.lead.mail""#)),
    (Webhook, "{payload: {rules: [{expression: 'true', message: ''}]}}", Refused("spec.payload.rules[0].message in body should be at least 1 chars long")),
    (Webhook, "{payload: {rules: [{expression: 'true'}]}}", Refused("spec.payload.rules[0].message: Required value")),
    (Webhook, "{payload: {schema: {type: object, properties: {a: {$comment: x, oneOf: [true]}}}}}", Taken),
    (Webhook, "{payload: {schema: text}}", Refused("spec.payload.schema in body must be of type object")),
    (Webhook, "{idempotency: {window: 24h, key: payload.id}}", Taken),
    (Webhook, "{idempotency: {window: 0s}}", Refused("idempotency.window must be at least 1s and at most 720h")),
    (Webhook, "{idempotency: {window: 721h}}", Refused("idempotency.window must be at least 1s and at most 720h")),
    (Webhook, "{idempotency: {window: 1d}}", DURATION),
    (Webhook, "{idempotency: {window: '24'}}", DURATION),
    (Webhook, "{idempotency: {window: 1h30m}}", Taken),
    // LeadWebhook: sinks
    (Webhook, "{sinks: null}", Refused("spec.sinks: Required value")),
    (Webhook, "{sinks: []}", Refused("spec.sinks in body should have at least 1 items")),
    (Webhook, "{sinks: [{name: a}, {name: a}]}", Refused(r#"Duplicate value: {"name":"a"}"#)),
    (Webhook, "{sinks: [{name: Hub_Spot}]}", Refused("spec.sinks[0].name in body should match")),
    (Webhook, "{sinks: [{name: a, when: lead.x}, {name: b, otherwise: true}]}", Taken),
    (Webhook, "{sinks: [{name: a, otherwise: true}]}", Taken),
    (Webhook, "{sinks: [{name: a}, {name: b, otherwise: false}]}", Taken),
    (Webhook, "{sinks: [{name: a, when: lead.x, otherwise: true}]}", Refused("a sink cannot have both when and otherwise")),
    (Webhook, "{sinks: [{name: a}, {name: b, otherwise: true}]}", Refused("give every other sink a when")),
    (Webhook, "{sinks: [{name: a1},{name: a2},{name: a3},{name: a4},{name: a5},{name: a6},{name: a7},{name: a8},{name: a9},{name: b1},{name: b2},{name: b3},{name: b4},{name: b5},{name: b6},{name: b7}]}", Taken),
    (Webhook, "{sinks: [{name: a1},{name: a2},{name: a3},{name: a4},{name: a5},{name: a6},{name: a7},{name: a8},{name: a9},{name: b1},{name: b2},{name: b3},{name: b4},{name: b5},{name: b6},{name: b7},{name: b8}]}", Refused("must have at most 16 items")),
    // LeadReceiver, and how a LeadWebhook names it and is reached
    (Receiver, "{queue: {durability: Never}}", Refused(r#"supported values: "Always", "EverySecond""#)),
    (Receiver, "{queue: {storage: {size: lots}}}", Refused("queue.storage.size must be a quantity")),
    (Receiver, "{queue: {storage: {size: 500Mi}}}", Taken),
    (Receiver, "{queue: {redis: {}}}", Taken),
    (Receiver, "{queue: {redis: {replicas: 1, acknowledge: {replicas: 0}}}}", Taken),
    (Receiver, "{queue: {redis: {replicas: 3, acknowledge: {replicas: 2}, acceptTimeout: 8s}}}", Taken),
    (Receiver, "{queue: {redis: {replicas: 3, acknowledge: {replicas: 0}}, durability: EverySecond}}", Taken),
    (Receiver, "{queue: {redis: {replicas: 2}}}", Refused("queue.redis.replicas must be 1 or 3")),
    (Receiver, "{queue: {redis: {replicas: 3, acknowledge: {replicas: 3}}}}", Refused("queue.redis.acknowledge.replicas must be less than queue.redis.replicas")),
    (Receiver, "{queue: {redis: {acknowledge: {replicas: 1}}}}", Refused("queue.redis.acknowledge.replicas must be less than queue.redis.replicas")),
    (Receiver, "{queue: {redis: {urlSecretRef: {name: r, key: url}, acknowledge: {replicas: 2}, durability: Provider}}}", Taken),
    (Receiver, "{queue: {redis: {urlSecretRef: {name: r, key: url}, acknowledge: {replicas: 6}}}}", Refused("should be less than or equal to 5")),
    (Receiver, "{queue: {redis: {urlSecretRef: {name: r, key: url}, replicas: 3}}}", Refused("queue.redis.replicas is the number of servers that the operator manages")),
    (Receiver, "{queue: {redis: {urlSecretRef: {name: r, key: url}, shards: 6}}}", Taken),
    (Receiver, "{queue: {redis: {urlSecretRef: {name: r, key: url}, shards: 129}}}", Refused("should be less than or equal to 128")),
    (Receiver, "{queue: {redis: {shards: 3}}}", Refused("queue.redis.shards is for your own Redis Cluster")),
    (Receiver, "{queue: {redis: {durability: Provider}}}", Refused("queue.redis.durability is for your own Redis")),
    (Receiver, "{queue: {redis: {acceptTimeout: 500ms}}}", Refused("queue.redis.acceptTimeout must be at least 1s and at most 15s")),
    (Receiver, "{replicas: 0}", Taken),
    (Receiver, "{replicas: 101}", Refused("spec.replicas in body should be less than or equal to 100")),
    // An autoscaler of the user's own and `kubectl scale` need a number in the object, whatever else is set.
    (Receiver, "{replicas: 2, autoscaling: {maxReplicas: 3}}", Taken),
    (Receiver, "{queue: {resources: {requests: {cpu: 100m}, limits: {cpu: 1}}}}", Taken),
    (Receiver, "{queue: {resources: {limits: {memory: 1Gi}}}}", Refused("queue.resources must not set memory")),
    (Receiver, "{queue: {resources: {requests: {memory: 1Gi}}}}", Refused("queue.resources must not set memory")),
    (Receiver, "{queue: {podTemplate: {priorityClassName: high, tolerations: [{operator: Exists}], imagePullSecrets: [{name: r}]}}}", Taken),
    (Receiver, "{podTemplate: {securityContext: {runAsUser: 1000, fsGroup: 1000}}}", Taken),
    (Receiver, "{podTemplate: {securityContext: {runAsUser: root}}}", Refused("must be of type integer")),
    (Receiver, "{outbound: {proxy: {url: 'http://proxy.example.com:3128', noProxy: [.example.com, 10.0.0.0/8]}}}", Taken),
    (Receiver, "{outbound: {proxy: {urlSecretRef: {name: proxy, key: url}}, caSecretRef: {name: corporate-ca}}}", Taken),
    (Receiver, "{outbound: {proxy: {url: 'http://user:word@proxy.example.com:3128'}}}", Refused("spec.outbound.proxy.url in body should match")),
    (Receiver, "{outbound: {proxy: {url: 'http://proxy:1', urlSecretRef: {name: proxy, key: url}}}}", Refused("only one of proxy.url and proxy.urlSecretRef can be set")),
    (Receiver, "{outbound: {proxy: {noProxy: [.example.com]}}}", Refused("proxy.url is missing")),
    (Receiver, "{outbound: {proxy: {url: 'http://proxy:1', noProxy: ['a,b']}}}", Refused("spec.outbound.proxy.noProxy[0] in body should match")),
    (Receiver, "{autoscaling: {maxReplicas: 3}}", Taken),
    (Receiver, "{autoscaling: {minReplicas: 4, maxReplicas: 3}}", Refused("autoscaling.minReplicas must not exceed autoscaling.maxReplicas")),
    (Receiver, "{autoscaling: {maxReplicas: 1}}", Refused("autoscaling.minReplicas must not exceed autoscaling.maxReplicas")),
    (Receiver, "{autoscaling: {maxReplicas: 3, targetCPU: 0}}", Refused("targetCPU in body should be greater than or equal to 1")),
    (Receiver, "{tls: {secretRef: {name: leads-tls}}}", Taken),
    (Receiver, "{tls: {secretRef: {name: leads-tls}, clientCaSecretRef: {name: senders-ca}}}", Taken),
    (Receiver, "{tls: {secretRef: {name: leads-tls}, clientCaSecretRef: {name: senders-ca, key: bundle.pem}}}", Taken),
    (Receiver, "{tls: {secretRef: {name: leads-tls}, clientCaSecretRef: {key: ca.crt}}}", Refused("spec.tls.clientCaSecretRef.name: Required value")),
    (Receiver, "{tls: {secretRef: {name: leads-tls}, clientCaSecretRef: {name: senders-ca, key: 'a/b'}}}", Refused("spec.tls.clientCaSecretRef.key in body should match")),
    (Receiver, "{tls: {clientCaSecretRef: {name: senders-ca}}}", Refused("spec.tls.secretRef: Required value")),
    (Webhook, "{ingress: {host: a.example.com}, gateway: {parentRefs: [{name: g}]}}", Refused("only one of ingress and gateway can be set")),
    (Webhook, "{ingress: {host: 'https://a.example.com'}}", Refused("spec.ingress.host in body should match")),
    (Webhook, "{gateway: {parentRefs: []}}", Refused("spec.gateway.parentRefs in body should have at least 1 items")),
    (Webhook, "{gateway: {parentRefs: [{name: g}], hostnames: ['*.example.com']}}", Taken),
    (Receiver, "{resources: {limits: {memory: 128Mi}, requests: {cpu: 1}}}", Taken),
    (Receiver, "{podTemplate: {affinity: {nodeAffinity: {}}, topologySpreadConstraints: [{maxSkew: 1}], imagePullSecrets: [{name: r}]}}", Taken),
    (Webhook, "{retention: {dead: 30m}}", Refused("retention.dead must be at least 1h and at most 8760h")),
    (Webhook, "{retention: {rejected: 0s}}", Taken),
    (Webhook, "{objectives: {speedToLead: 30s, successRate: '99.9'}}", Taken),
    (Webhook, "{objectives: {successRate: '100'}}", Taken),
    (Webhook, "{objectives: {successRate: '100.1'}}", Refused("objectives.successRate must be a percentage")),
    (Webhook, "{objectives: {successRate: 99.9}}", Refused("must be of type string")),
    (Webhook, "{objectives: {speedToLead: 25h}}", Refused("objectives.speedToLead must be at least 100ms and at most 24h")),
    (Receiver, "{limits: {bodyMemory: 1Ki}}", Refused("limits.bodyMemory must be a quantity of at least 64Ki")),
    (Receiver, "{limits: {bodyMemory: much}}", Refused("limits.bodyMemory must be a quantity of at least 64Ki")),
    (Receiver, "{limits: {bodyMemory: 1Mi, pendingDeliveries: 1000, rejectedCopies: 8Mi}}", Taken),
    (Receiver, "{limits: {pendingDeliveries: 0}}", Refused("spec.limits.pendingDeliveries in body should be greater than or equal to 1")),
    (Receiver, "{limits: {rejectedCopies: 1}}", Refused("limits.rejectedCopies must be a quantity of at least 64Ki")),
    (Receiver, "{networkPolicy: {senders: [{ipBlock: {cidr: 203.0.113.0/24}}], admins: [{namespaceSelector: {}}]}}", Taken),
    (Receiver, "{networkPolicy: {enabled: false}}", Taken),
    (Receiver, "{source: generic}", Refused("source")),
    (Webhook, "{receiverRef: {name: edge}}", Taken),
    (Webhook, "{receiverRef: {}}", Taken),
    (Webhook, "{receiverRef: {name: 'Edge!'}}", Refused("spec.receiverRef.name in body should match")),
    (Webhook, "{receiver: {replicas: 2}}", Refused("receiver")),
    (Receiver, "{drainTimeout: 169h}", Refused("drainTimeout must be at least 0s and at most 168h")),
    (Webhook, "{source: Type Form}", Refused("spec.source in body should match")),
    (Webhook, "{suspended: true}", Refused(r#"unknown field "spec.suspended""#)),
    // CrmSink: which CRM
    (HubSpot, "{}", Taken),
    (HubSpot, "{hubspot: null}", CRM),
    (HubSpot, "{rest: {baseUrl: 'https://a.example.com', auth: {bearer: {token: {name: s, key: k}}}, upsert: {path: \"'/'\"}}}", CRM),
    // CrmSink: HubSpot
    (HubSpot, "{hubspot: {tokenSecretRef: null}}", Refused("spec.hubspot.tokenSecretRef: Required value")),
    (HubSpot, "{hubspot: {baseUrl: 'http://127.0.0.1:9000'}}", Taken),
    (HubSpot, "{hubspot: {baseUrl: 'http://[::1]:9000/x'}}", Taken),
    (HubSpot, "{hubspot: {baseUrl: 'http://api.hubapi.com'}}", Refused("hubspot.baseUrl must be an https:// URL")),
    (HubSpot, "{hubspot: {baseUrl: 'http://127.0.0.1.example.com'}}", Refused("hubspot.baseUrl must be an https:// URL")),
    (HubSpot, "{hubspot: {baseUrl: 'https://user@api.hubapi.com'}}", Refused("hubspot.baseUrl must be an https:// URL")),
    (HubSpot, "{hubspot: {apiVersion: 2026-03}}", Taken),
    (HubSpot, "{hubspot: {apiVersion: latest}}", Refused("spec.hubspot.apiVersion in body should match")),
    (HubSpot, "{hubspot: {upsert: Sometimes}}", Refused(r#"supported values: "Auto", "Single", "Batch""#)),
    (HubSpot, "{hubspot: {uniqueProperty: 'a b'}}", Refused("spec.hubspot.uniqueProperty in body should match")),
    // CrmSink: Salesforce
    (Salesforce, "{}", Taken),
    (Salesforce, "{salesforce: {auth: null}}", Refused("spec.salesforce.auth: Required value")),
    (Salesforce, "{salesforce: {auth: {clientCredentials: null}}}", FLOW),
    (Salesforce, "{salesforce: {auth: {refreshToken: {clientId: {name: s, key: i}, refreshToken: {name: s, key: r}}}}}", FLOW),
    (Salesforce, "{salesforce: {auth: {clientCredentials: null, refreshToken: {clientId: {name: s, key: i}, refreshToken: {name: s, key: r}}}}}", Taken),
    (Salesforce, "{salesforce: {auth: {clientCredentials: null, jwtBearer: {clientId: {name: s, key: i}, privateKey: {name: s, key: p}, username: u@example.com, loginUrl: 'https://test.salesforce.com'}}}}", Taken),
    (Salesforce, "{salesforce: {auth: {clientCredentials: null, jwtBearer: {clientId: {name: s, key: i}, privateKey: {name: s, key: p}, username: u, loginUrl: 'http://test.salesforce.com'}}}}", Refused("loginUrl must be an https:// URL")),
    (Salesforce, "{salesforce: {auth: {clientCredentials: null, jwtBearer: {clientId: {name: s, key: i}, username: u}}}}", Refused("privateKey: Required value")),
    (Salesforce, "{salesforce: {instanceUrl: x.my.salesforce.com}}", Refused("salesforce.instanceUrl must be an https:// URL")),
    (Salesforce, "{salesforce: {apiVersion: '62'}}", Refused("spec.salesforce.apiVersion in body should match")),
    (Salesforce, "{salesforce: {externalId: {field: Submission__c}}}", Taken),
    (Salesforce, "{salesforce: {externalId: {value: lead.submissionId}}}", Refused("spec.salesforce.externalId.field: Required value")),
    (Salesforce, "{salesforce: {duplicateRule: Ignore}}", Refused(r#"supported values: "Respect", "AllowSave""#)),
    (Salesforce, "{salesforce: {fallbacks: {lastName: '[unknown]', company: '[unknown]'}}}", Taken),
    // CrmSink: REST
    (Rest, "{}", Taken),
    (Rest, "{rest: {upsert: null}}", CALLS),
    (Rest, "{rest: {create: {path: a}}}", CALLS),
    (Rest, "{rest: {upsert: null, lookup: {path: a, records: b, match: 'true', id: c}, create: {path: a}}}", CALLS),
    (Rest, "{rest: {upsert: null, lookup: {path: a, records: b, match: 'true', id: c}, create: {path: a}, update: {path: a}}}", Taken),
    (Rest, "{rest: {upsert: null, lookup: {path: a, records: b, id: c}, create: {path: a}, update: {path: a}}}", Refused("spec.rest.lookup.match: Required value")),
    (Rest, "{rest: {upsert: null, lookup: {path: a, records: b, match: 'true', id: c, lag: 2h}, create: {path: a}, update: {path: a}}}", Refused("rest.lookup.lag must be at least 0s and at most 1h")),
    (Rest, "{rest: {upsert: null, lookup: {path: a, records: b, match: 'true', id: c, lag: 0s}, create: {path: a}, update: {path: a}}}", Taken),
    (Rest, "{rest: {upsert: {method: DELETE}}}", Refused(r#"supported values: "GET", "POST", "PUT", "PATCH""#)),
    (Rest, "{rest: {delete: {path: a}}}", Taken),
    (Rest, "{rest: {delete: {path: a, method: GET}}}", Refused(r#"supported values: "DELETE", "POST""#)),
    (Rest, "{privacy: {crm: Delete}}", Refused("rest.delete is missing")),
    (Rest, "{privacy: {crm: Delete}, rest: {delete: {path: a}}}", Taken),
    (HubSpot, "{privacy: {crm: Delete}}", Taken),
    (HubSpot, "{audit: {}}", Taken),
    (HubSpot, "{audit: {interval: 1s}}", Refused("audit.interval must be at least 1m")),
    (HubSpot, "{audit: {maxRecords: 0}}", Refused("maxRecords")),
    (Rest, "{audit: {}}", Refused("audit needs rest.lookup")),
    (Rest, "{audit: {}, rest: {read: {path: a, lead: b}}}", Refused("audit needs rest.lookup")),
    (Rest, "{audit: {}, rest: {upsert: null, lookup: {path: a, records: b, match: 'true', id: c}, create: {path: a}, update: {path: a}, read: {path: a, lead: b}}}", Taken),
    (Salesforce, "{privacy: {}}", Taken),
    (HubSpot, "{privacy: {crm: Erase}}", Refused(r#"supported values: "None", "Delete""#)),
    (Webhook, "{payload: {keep: Mapped}}", Taken),
    (Webhook, "{payload: {keep: Some}}", Refused(r#"supported values: "Mapped", "Whole""#)),
    (Rest, "{rest: {auth: {bearer: null}}}", REST_AUTH),
    (Rest, "{rest: {auth: {basic: {secretRef: {name: s}}}}}", REST_AUTH),
    (Rest, "{rest: {auth: {bearer: null, basic: {secretRef: {name: s, usernameKey: u, passwordKey: p}}}}}", Taken),
    (Rest, "{rest: {auth: {bearer: null, header: {name: X-Api-Key, value: {name: s, key: k}}}}}", Taken),
    (Rest, "{rest: {auth: {bearer: null, oauth2ClientCredentials: {tokenUrl: 'https://l.example.com', clientId: {name: s, key: i}, clientSecret: {name: s, key: s}, scopes: ['a b']}}}}", Refused("scopes[0] in body should match")),
    (Rest, "{rest: {auth: {bearer: null, oauth2ClientCredentials: {tokenUrl: 'http://l.example.com', clientId: {name: s, key: i}, clientSecret: {name: s, key: s}}}}}", Refused("tokenUrl must be an https:// URL")),
    (Rest, "{rest: {auth: {bearer: null, oauth2ClientCredentials: {tokenUrl: 'https://l.example.com', clientId: {name: s, key: i}, clientSecret: {name: s, key: s}, scheme: Zoho-oauthtoken, parameters: {soid: Zoho.1}}}}}", Taken),
    (Rest, "{rest: {auth: {bearer: null, oauth2ClientCredentials: {tokenUrl: 'https://l.example.com', clientId: {name: s, key: i}, clientSecret: {name: s, key: s}, scheme: 'Bearer '}}}}", Refused("scheme in body should match")),
    (Rest, "{rest: {auth: {bearer: null, oauth2ClientCredentials: {tokenUrl: 'https://l.example.com', clientId: {name: s, key: i}, clientSecret: {name: s, key: s}, parameters: {client_secret: x}}}}}", Refused("these have fields of their own")),
    (Rest, "{rest: {baseUrl: 'http://crm.example.com'}}", Refused("rest.baseUrl must be an https:// URL")),
    (Rest, "{rest: {baseUrl: 'https://crm.example.com/?a=b'}}", Refused("rest.baseUrl must be an https:// URL")),
    (Rest, "{rest: {headers: {Accept: application/json, X-Skip: 'true'}}}", Taken),
    (Rest, "{rest: {headers: {authorization: secret}}}", Refused("use rest.auth for credentials")),
    (Rest, "{rest: {upsert: null, lookup: {path: a, records: b, match: 'true', id: c}, create: {path: a}, update: {path: a, headers: {If-Match: '*'}}}}", Taken),
    (Rest, "{rest: {upsert: null, lookup: {path: a, records: b, match: 'true', id: c}, create: {path: a}, update: {path: a, headers: {Cookie: a}}}}", Refused("rest.update.headers has names of headers as keys")),
    (Rest, "{rest: {headers: {X-A: \"a\\nb\"}}}", Refused("spec.rest.headers.X-A in body should match")),
    // CrmSink: matching, delivery, properties
    (HubSpot, "{matching: {keys: [Phone]}}", Taken),
    (HubSpot, "{matching: {keys: []}}", Refused("spec.matching.keys in body should have at least 1 items")),
    (HubSpot, "{matching: {keys: [Email, Email]}}", Refused("Duplicate value")),
    (HubSpot, "{matching: {keys: [Name]}}", Refused(r#"supported values: "Email", "Phone""#)),
    (HubSpot, "{matching: {onPartialMatch: Merge}}", Refused(r#"supported values: "Update", "Create", "Hold""#)),
    (HubSpot, "{matching: {overwrite: Never}}", Refused(r#"supported values: "Always", "IfEmpty""#)),
    (HubSpot, "{matching: {overwriteProperties: {firstname: Sometimes}}}", Refused(r#"supported values: "Always", "IfEmpty""#)),
    (HubSpot, "{delivery: {timeout: 6m}}", Refused("delivery.timeout must be at least 100ms and at most 5m")),
    (HubSpot, "{delivery: {retry: {initialBackoff: 30m}}}", Refused("initialBackoff must not exceed delivery.retry.maxBackoff")),
    (HubSpot, "{delivery: {retry: {maxAge: 10s}}}", Refused("delivery.retry.maxAge must be at least 1m and at most 2160h")),
    (HubSpot, "{delivery: {retry: {maxBackoff: soon}}}", DURATION),
    (HubSpot, "{delivery: {rateLimit: {requests: 0}}}", Refused("requests in body should be greater than or equal to 1")),
    (HubSpot, "{delivery: {rateLimit: {per: 1ms}}}", Refused("delivery.rateLimit.per must be at least 100ms and at most 24h")),
    (HubSpot, "{delivery: {batch: {maxSize: 201}}}", Refused("maxSize in body should be less than or equal to 200")),
    (HubSpot, "{delivery: {batch: {linger: 11s}}}", Refused("delivery.batch.linger must be at least 0s and at most 10s")),
    (HubSpot, "{delivery: {circuitBreaker: {failures: 0}}}", Refused("failures in body should be greater than or equal to 1")),
    (HubSpot, "{delivery: {circuitBreaker: {cooldown: 2h}}}", Refused("delivery.circuitBreaker.cooldown must be at least 1s and at most 1h")),
    (HubSpot, "{delivery: {concurrency: 257}}", Refused("spec.delivery.concurrency in body should be less than or equal to 256")),
    (HubSpot, "{delivery: {concurency: 8}}", Refused(r#"unknown field "spec.delivery.concurency""#)),
    (HubSpot, "{properties: {email: ''}}", Refused("spec.properties.email in body should be at least 1 chars long")),
    (HubSpot, "{createOnly: {lifecyclestage: \"'lead'\"}}", Taken),
    (HubSpot, "{createOnly: {'': lead.email}}", Refused("createOnly has the CRM's property names as keys")),
    (HubSpot, "{matching: {contacts: Update}}", Taken),
    (HubSpot, "{matching: {contacts: Merge}}", Refused(r#"supported values: "Create", "Update", "Hold""#)),
    (HubSpot, "{properties: {'': lead.email}}", Refused("properties has the CRM's property names as keys")),
];

/// A row's object, under this name.
pub(crate) fn object(base: Base, patch: &str, name: &str) -> Value {
    let patch = patch
        .replace("LONG2048", &"x".repeat(2048))
        .replace("LONG2049", &"x".repeat(2049));
    let mut spec = base.spec();
    merge(&mut spec, &yaml(&patch));
    json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": base.kind().0, "metadata": {"name": name}, "spec": spec
    })
}
