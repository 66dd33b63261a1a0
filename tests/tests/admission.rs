//! What a real API server makes of the two resources: which objects it takes, which it refuses and
//! what it says, which defaults it sets, and what `kubectl get` shows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fmt::Write as _;

use axum::http::Method;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use leadgate_crds::{CrmSink, LeadWebhook};
use leadgate_tests::cluster::{call, client, install_crds};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const JSON: &str = "application/json";
const GROUP: &str = "/apis/leadgate.dev/v1alpha1";

/// The definitions are applied once for all tests.
async fn ready() -> Client {
    static INSTALLED: OnceCell<Vec<String>> = OnceCell::const_new();
    let client = client().await.unwrap();
    INSTALLED
        .get_or_init(|| async { install_crds(&client).await.unwrap() })
        .await;
    client
}

async fn namespace(client: &Client) -> String {
    let namespace =
        serde_json::from_value(json!({"metadata": {"generateName": "leadgate-admission-"}})).unwrap();
    Api::<Namespace>::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap()
        .name_any()
}

async fn remove(client: &Client, namespace: &str) {
    Api::<Namespace>::all(client.clone())
        .delete(namespace, &DeleteParams::default())
        .await
        .unwrap();
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
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
enum Base {
    /// A LeadWebhook with hmac and one sink.
    Webhook,
    /// A CrmSink with hubspot.
    HubSpot,
    /// A CrmSink with salesforce and clientCredentials.
    Salesforce,
    /// A CrmSink with rest, bearer and upsert.
    Rest,
}
use Base::{HubSpot, Rest, Salesforce, Webhook};

impl Base {
    fn spec(self) -> Value {
        yaml(match self {
            Webhook => "{auth: {hmac: {secretRefs: [{name: s, key: k}]}}, sinks: [{name: hubspot}]}",
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

    fn kind(self) -> (&'static str, &'static str) {
        match self {
            Webhook => ("LeadWebhook", "leadwebhooks"),
            HubSpot | Salesforce | Rest => ("CrmSink", "crmsinks"),
        }
    }
}

/// None: the API server takes it. Some: it refuses it with a message that contains this.
type Verdict = Option<&'static str>;
const TAKEN: Verdict = None;
const fn refused(part: &'static str) -> Verdict {
    Some(part)
}

const AUTH: Verdict = refused("auth needs exactly one of hmac, token, basic and none");
const PATH: Verdict = refused("path must start with '/' and be a plain URL path");
const RESERVED: Verdict = refused("path must not be /livez, /readyz, /metrics or /status");
const CRM: Verdict = refused("a CrmSink needs exactly one of hubspot, salesforce and rest");
const CALLS: Verdict = refused("rest needs either upsert alone or all three of lookup, create and update");
const REST_AUTH: Verdict =
    refused("rest.auth needs exactly one of bearer, header, basic and oauth2ClientCredentials");
const FLOW: Verdict =
    refused("salesforce.auth needs exactly one of clientCredentials, jwtBearer and refreshToken");
const PLACE: Verdict = refused("set exactly one of header, query and json");
const DURATION: Verdict = refused("should match '^([0-9]{1,5}(h|m|s|ms)){1,4}$'");

/// Base, what is merged into its spec, what happens.
#[rustfmt::skip]
const TABLE: &[(Base, &str, Verdict)] = &[
    // LeadWebhook: auth
    (Webhook, "{}", TAKEN),
    (Webhook, "{auth: null}", refused("spec.auth: Required value")),
    (Webhook, "{auth: {hmac: null}}", AUTH),
    (Webhook, "{auth: {basic: {secretRef: {name: s}}}}", AUTH),
    (Webhook, "{auth: {hmac: null, allowedCidrs: [10.0.0.0/8]}}", AUTH),
    (Webhook, "{auth: {hmac: null, token: {secretRefs: [{name: s, key: k}]}}}", TAKEN),
    (Webhook, "{auth: {hmac: null, basic: {secretRef: {name: s}}}}", TAKEN),
    (Webhook, "{auth: {hmac: null, none: {allowUnauthenticated: true}, allowedCidrs: ['10.0.0.0/8', '2001:db8::/32']}}", TAKEN),
    (Webhook, "{auth: {hmac: null, none: {allowUnauthenticated: false}}}", refused("auth.none.allowUnauthenticated must be true")),
    (Webhook, "{auth: {hmac: null, none: {}}}", refused("allowUnauthenticated: Required value")),
    (Webhook, "{auth: {allowedCidrs: ['10.0.0.7']}}", refused("allowedCidrs holds address ranges in CIDR notation")),
    (Webhook, "{auth: {allowedCidrs: ['example.com/24']}}", refused("allowedCidrs holds address ranges in CIDR notation")),
    (Webhook, "{auth: {trustedProxies: 16}}", TAKEN),
    (Webhook, "{auth: {trustedProxies: 17}}", refused("spec.auth.trustedProxies in body should be less than or equal to 16")),
    (Webhook, "{auth: {trustedProxies: -1}}", refused("should be greater than or equal to 0")),
    (Webhook, "{auth: {hmac: {secretRefs: []}}}", refused("spec.auth.hmac.secretRefs in body should have at least 1 items")),
    (Webhook, "{auth: {hmac: {secretRefs: null}}}", refused("spec.auth.hmac.secretRefs: Required value")),
    (Webhook, "{auth: {hmac: {secretRefs: [{name: Not_A_Name, key: k}]}}}", refused("spec.auth.hmac.secretRefs[0].name in body should match")),
    (Webhook, "{auth: {hmac: {secretRefs: [{name: s, key: 'a/b'}]}}}", refused("spec.auth.hmac.secretRefs[0].key in body should match")),
    (Webhook, "{auth: {hmac: {algorithm: md5}}}", refused(r#"Unsupported value: "md5": supported values: "sha1", "sha256", "sha512", "ed25519""#)),
    (Webhook, "{auth: {hmac: {algorithm: ed25519, secret: {prefix: whpk_, encoding: base64}}}}", TAKEN),
    (Webhook, "{auth: {hmac: {algorithm: ed25519, generateSecret: true}}}", refused("hmac.generateSecret cannot be used with algorithm ed25519")),
    (Webhook, "{auth: {hmac: {algorithm: sha256, generateSecret: true}}}", TAKEN),
    (Webhook, "{auth: {hmac: {signature: {header: X-Sig, prefix: v1=, split: ',', encoding: base64}}}}", TAKEN),
    (Webhook, "{auth: {hmac: {signature: {encoding: hex}}}}", PLACE),
    (Webhook, "{auth: {hmac: {signature: {header: X-Sig, query: sig}}}}", PLACE),
    (Webhook, "{auth: {hmac: {signature: {header: 'X Sig'}}}}", refused("spec.auth.hmac.signature.header in body should match")),
    (Webhook, "{auth: {hmac: {signature: {header: X-Sig, encoding: text}}}}", refused(r#"supported values: "hex", "base64""#)),
    (Webhook, "{auth: {hmac: {timestamp: {unit: seconds}}}}", PLACE),
    (Webhook, "{auth: {hmac: {timestamp: {header: X-T, unit: minutes}}}}", refused(r#"supported values: "seconds", "milliseconds""#)),
    (Webhook, "{auth: {hmac: {timestamp: {header: X-T, toleranceSeconds: 0}}}}", refused("toleranceSeconds in body should be greater than or equal to 1")),
    (Webhook, "{auth: {hmac: {id: {header: X-Id, json: /id}}}}", PLACE),
    (Webhook, "{auth: {hmac: {bodyDigest: {json: id}}}}", refused("spec.auth.hmac.bodyDigest.json in body should match '^/'")),
    (Webhook, "{auth: {hmac: {signed: '{method}{url}{body}{timestamp}'}}}", TAKEN),
    (Webhook, "{auth: {hmac: {signed: '{time}.{body}'}}}", refused("hmac.signed may refer only to {body}, {timestamp}")),
    (Webhook, "{auth: {hmac: null, token: {secretRefs: [{name: s, key: k}], header: X-A, query: a}}}", refused("token takes only one of header, query and json")),
    (Webhook, "{auth: {hmac: null, token: {secretRefs: [{name: s, key: k}], json: /google_key}}}", TAKEN),
    (Webhook, "{auth: {hmac: null, token: {secretRefs: []}}}", refused("spec.auth.token.secretRefs in body should have at least 1 items")),
    (Webhook, "{auth: {hmac: null, token: {secretRefs: [{name: s, key: k}], encoding: hex}}}", refused(r#"supported values: "text", "base64""#)),
    // LeadWebhook: path and URL
    (Webhook, "{path: /webhooks/leads}", TAKEN),
    (Webhook, "{path: /statuses}", TAKEN),
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
    (Webhook, "{publicUrl: 'https://leads.example.com/webhooks/leads', path: /webhooks/leads}", TAKEN),
    (Webhook, "{publicUrl: 'https://leads.example.com/other'}", TAKEN),
    (Webhook, "{publicUrl: 'http://localhost:8080/webhooks/leads'}", TAKEN),
    (Webhook, "{publicUrl: 'http://leads.example.com/webhooks/leads'}", refused("publicUrl must be an https:// URL")),
    (Webhook, "{publicUrl: 'http://localhost.example.com/'}", refused("publicUrl must be an https:// URL")),
    (Webhook, "{publicUrl: 'https://leads.example.com/other', path: /webhooks/leads}", refused("publicUrl must end with path")),
    // LeadWebhook: payload and idempotency
    (Webhook, "{payload: {format: Xml}}", refused(r#"supported values: "Auto", "Json", "Form", "Multipart""#)),
    (Webhook, "{payload: {maxBytes: 1023}}", refused("spec.payload.maxBytes in body should be greater than or equal to 1024")),
    (Webhook, "{payload: {maxBytes: 16777217}}", refused("spec.payload.maxBytes in body should be less than or equal to 16777216")),
    (Webhook, "{payload: {accept: ''}}", refused("spec.payload.accept in body should be at least 1 chars long")),
    (Webhook, "{payload: {accept: 'LONG2048'}}", TAKEN),
    (Webhook, "{payload: {accept: 'LONG2049'}}", refused("may not be more than 2048")),
    (Webhook, "{payload: {defaultRegion: de}}", refused("spec.payload.defaultRegion in body should match '^[A-Z]{2}$'")),
    (Webhook, "{payload: {required: [email, custom.budget]}}", TAKEN),
    (Webhook, "{payload: {required: [emial]}}", refused("payload.required holds names of lead fields")),
    (Webhook, "{payload: {required: [email, email]}}", refused("Duplicate value")),
    (Webhook, "{payload: {maxLengths: {firstName: 65536, custom.budget: 1}}}", TAKEN),
    (Webhook, "{payload: {maxLengths: {firstName: 65537}}}", refused("should be less than or equal to 65536")),
    (Webhook, "{payload: {maxLengths: {firstName: 0}}}", refused("should be greater than or equal to 1")),
    (Webhook, "{payload: {maxLengths: {name: 10}}}", refused("payload.maxLengths has names of lead fields as keys")),
    (Webhook, "{payload: {lead: {custom: {utm_source: payload.utm}}}}", TAKEN),
    (Webhook, "{payload: {lead: {custom: {'utm-source': payload.utm}}}}", refused("payload.lead.custom has names as keys")),
    (Webhook, "{payload: {lead: {mail: payload.mail}}}", refused(r#"unknown field "spec.payload.lead.mail""#)),
    (Webhook, "{payload: {rules: [{expression: 'true', message: ''}]}}", refused("spec.payload.rules[0].message in body should be at least 1 chars long")),
    (Webhook, "{payload: {rules: [{expression: 'true'}]}}", refused("spec.payload.rules[0].message: Required value")),
    (Webhook, "{payload: {schema: {type: object, properties: {a: {$comment: x, oneOf: [true]}}}}}", TAKEN),
    (Webhook, "{payload: {schema: text}}", refused("spec.payload.schema in body must be of type object")),
    (Webhook, "{idempotency: {window: 24h, key: payload.id}}", TAKEN),
    (Webhook, "{idempotency: {window: 0s}}", refused("idempotency.window must be at least 1s and at most 720h")),
    (Webhook, "{idempotency: {window: 721h}}", refused("idempotency.window must be at least 1s and at most 720h")),
    (Webhook, "{idempotency: {window: 1d}}", DURATION),
    (Webhook, "{idempotency: {window: '24'}}", DURATION),
    (Webhook, "{idempotency: {window: 1h30m}}", TAKEN),
    // LeadWebhook: sinks
    (Webhook, "{sinks: null}", refused("spec.sinks: Required value")),
    (Webhook, "{sinks: []}", refused("spec.sinks in body should have at least 1 items")),
    (Webhook, "{sinks: [{name: a}, {name: a}]}", refused(r#"Duplicate value: {"name":"a"}"#)),
    (Webhook, "{sinks: [{name: Hub_Spot}]}", refused("spec.sinks[0].name in body should match")),
    (Webhook, "{sinks: [{name: a1},{name: a2},{name: a3},{name: a4},{name: a5},{name: a6},{name: a7},{name: a8},{name: a9},{name: b1},{name: b2},{name: b3},{name: b4},{name: b5},{name: b6},{name: b7}]}", TAKEN),
    (Webhook, "{sinks: [{name: a1},{name: a2},{name: a3},{name: a4},{name: a5},{name: a6},{name: a7},{name: a8},{name: a9},{name: b1},{name: b2},{name: b3},{name: b4},{name: b5},{name: b6},{name: b7},{name: b8}]}", refused("must have at most 16 items")),
    // LeadWebhook: queue, receiver and the rest
    (Webhook, "{queue: {durability: Never}}", refused(r#"supported values: "Always", "EverySecond""#)),
    (Webhook, "{queue: {storage: {size: lots}}}", refused("queue.storage.size must be a quantity")),
    (Webhook, "{queue: {storage: {size: 500Mi}}}", TAKEN),
    (Webhook, "{queue: {redis: {}}}", refused("spec.queue.redis.urlSecretRef: Required value")),
    (Webhook, "{receiver: {replicas: 0}}", TAKEN),
    (Webhook, "{receiver: {replicas: 101}}", refused("spec.receiver.replicas in body should be less than or equal to 100")),
    (Webhook, "{receiver: {replicas: 2, autoscaling: {maxReplicas: 3}}}", refused("receiver takes only one of replicas and autoscaling")),
    (Webhook, "{receiver: {autoscaling: {maxReplicas: 3}}}", TAKEN),
    (Webhook, "{receiver: {autoscaling: {minReplicas: 4, maxReplicas: 3}}}", refused("autoscaling.minReplicas must not exceed autoscaling.maxReplicas")),
    (Webhook, "{receiver: {autoscaling: {maxReplicas: 1}}}", refused("autoscaling.minReplicas must not exceed autoscaling.maxReplicas")),
    (Webhook, "{receiver: {autoscaling: {maxReplicas: 3, targetCPU: 0}}}", refused("targetCPU in body should be greater than or equal to 1")),
    (Webhook, "{receiver: {ingress: {host: a.example.com}, gateway: {parentRefs: [{name: g}]}}}", refused("receiver takes only one of ingress and gateway")),
    (Webhook, "{receiver: {ingress: {host: 'https://a.example.com'}}}", refused("spec.receiver.ingress.host in body should match")),
    (Webhook, "{receiver: {gateway: {parentRefs: []}}}", refused("spec.receiver.gateway.parentRefs in body should have at least 1 items")),
    (Webhook, "{receiver: {gateway: {parentRefs: [{name: g}], hostnames: ['*.example.com']}}}", TAKEN),
    (Webhook, "{receiver: {resources: {limits: {memory: 128Mi}, requests: {cpu: 1}}}}", TAKEN),
    (Webhook, "{receiver: {podTemplate: {affinity: {nodeAffinity: {}}, topologySpreadConstraints: [{maxSkew: 1}], imagePullSecrets: [{name: r}]}}}", TAKEN),
    (Webhook, "{retention: {dead: 30m}}", refused("retention.dead must be at least 1h and at most 8760h")),
    (Webhook, "{retention: {rejected: 0s}}", TAKEN),
    (Webhook, "{objectives: {speedToLead: 30s, successRate: '99.9'}}", TAKEN),
    (Webhook, "{objectives: {successRate: '100'}}", TAKEN),
    (Webhook, "{objectives: {successRate: '100.1'}}", refused("objectives.successRate must be a percentage")),
    (Webhook, "{objectives: {successRate: 99.9}}", refused("must be of type string")),
    (Webhook, "{objectives: {speedToLead: 25h}}", refused("objectives.speedToLead must be at least 100ms and at most 24h")),
    (Webhook, "{drainTimeout: 169h}", refused("drainTimeout must be at least 0s and at most 168h")),
    (Webhook, "{source: Type Form}", refused("spec.source in body should match")),
    (Webhook, "{suspended: true}", refused(r#"unknown field "spec.suspended""#)),
    // CrmSink: which CRM
    (HubSpot, "{}", TAKEN),
    (HubSpot, "{hubspot: null}", CRM),
    (HubSpot, "{rest: {baseUrl: 'https://a.example.com', auth: {bearer: {token: {name: s, key: k}}}, upsert: {path: \"'/'\"}}}", CRM),
    // CrmSink: HubSpot
    (HubSpot, "{hubspot: {tokenSecretRef: null}}", refused("spec.hubspot.tokenSecretRef: Required value")),
    (HubSpot, "{hubspot: {baseUrl: 'http://127.0.0.1:9000'}}", TAKEN),
    (HubSpot, "{hubspot: {baseUrl: 'http://[::1]:9000/x'}}", TAKEN),
    (HubSpot, "{hubspot: {baseUrl: 'http://api.hubapi.com'}}", refused("hubspot.baseUrl must be an https:// URL")),
    (HubSpot, "{hubspot: {baseUrl: 'http://127.0.0.1.example.com'}}", refused("hubspot.baseUrl must be an https:// URL")),
    (HubSpot, "{hubspot: {baseUrl: 'https://user@api.hubapi.com'}}", refused("hubspot.baseUrl must be an https:// URL")),
    (HubSpot, "{hubspot: {apiVersion: 2026-03}}", TAKEN),
    (HubSpot, "{hubspot: {apiVersion: latest}}", refused("spec.hubspot.apiVersion in body should match")),
    (HubSpot, "{hubspot: {upsert: Sometimes}}", refused(r#"supported values: "Auto", "Single", "Batch""#)),
    (HubSpot, "{hubspot: {uniqueProperty: 'a b'}}", refused("spec.hubspot.uniqueProperty in body should match")),
    // CrmSink: Salesforce
    (Salesforce, "{}", TAKEN),
    (Salesforce, "{salesforce: {auth: null}}", refused("spec.salesforce.auth: Required value")),
    (Salesforce, "{salesforce: {auth: {clientCredentials: null}}}", FLOW),
    (Salesforce, "{salesforce: {auth: {refreshToken: {clientId: {name: s, key: i}, refreshToken: {name: s, key: r}}}}}", FLOW),
    (Salesforce, "{salesforce: {auth: {clientCredentials: null, refreshToken: {clientId: {name: s, key: i}, refreshToken: {name: s, key: r}}}}}", TAKEN),
    (Salesforce, "{salesforce: {auth: {clientCredentials: null, jwtBearer: {clientId: {name: s, key: i}, privateKey: {name: s, key: p}, username: u@example.com, loginUrl: 'https://test.salesforce.com'}}}}", TAKEN),
    (Salesforce, "{salesforce: {auth: {clientCredentials: null, jwtBearer: {clientId: {name: s, key: i}, privateKey: {name: s, key: p}, username: u, loginUrl: 'http://test.salesforce.com'}}}}", refused("loginUrl must be an https:// URL")),
    (Salesforce, "{salesforce: {auth: {clientCredentials: null, jwtBearer: {clientId: {name: s, key: i}, username: u}}}}", refused("privateKey: Required value")),
    (Salesforce, "{salesforce: {instanceUrl: x.my.salesforce.com}}", refused("salesforce.instanceUrl must be an https:// URL")),
    (Salesforce, "{salesforce: {apiVersion: '62'}}", refused("spec.salesforce.apiVersion in body should match")),
    (Salesforce, "{salesforce: {externalId: {field: Submission__c}}}", TAKEN),
    (Salesforce, "{salesforce: {externalId: {value: lead.submissionId}}}", refused("spec.salesforce.externalId.field: Required value")),
    (Salesforce, "{salesforce: {duplicateRule: Ignore}}", refused(r#"supported values: "Respect", "AllowSave""#)),
    (Salesforce, "{salesforce: {fallbacks: {lastName: '[unknown]', company: '[unknown]'}}}", TAKEN),
    // CrmSink: REST
    (Rest, "{}", TAKEN),
    (Rest, "{rest: {upsert: null}}", CALLS),
    (Rest, "{rest: {create: {path: a}}}", CALLS),
    (Rest, "{rest: {upsert: null, lookup: {path: a, records: b, match: 'true', id: c}, create: {path: a}}}", CALLS),
    (Rest, "{rest: {upsert: null, lookup: {path: a, records: b, match: 'true', id: c}, create: {path: a}, update: {path: a}}}", TAKEN),
    (Rest, "{rest: {upsert: null, lookup: {path: a, records: b, id: c}, create: {path: a}, update: {path: a}}}", refused("spec.rest.lookup.match: Required value")),
    (Rest, "{rest: {upsert: {method: DELETE}}}", refused(r#"supported values: "GET", "POST", "PUT", "PATCH""#)),
    (Rest, "{rest: {auth: {bearer: null}}}", REST_AUTH),
    (Rest, "{rest: {auth: {basic: {secretRef: {name: s}}}}}", REST_AUTH),
    (Rest, "{rest: {auth: {bearer: null, basic: {secretRef: {name: s, usernameKey: u, passwordKey: p}}}}}", TAKEN),
    (Rest, "{rest: {auth: {bearer: null, header: {name: X-Api-Key, value: {name: s, key: k}}}}}", TAKEN),
    (Rest, "{rest: {auth: {bearer: null, oauth2ClientCredentials: {tokenUrl: 'https://l.example.com', clientId: {name: s, key: i}, clientSecret: {name: s, key: s}, scopes: ['a b']}}}}", refused("scopes[0] in body should match")),
    (Rest, "{rest: {auth: {bearer: null, oauth2ClientCredentials: {tokenUrl: 'http://l.example.com', clientId: {name: s, key: i}, clientSecret: {name: s, key: s}}}}}", refused("tokenUrl must be an https:// URL")),
    (Rest, "{rest: {baseUrl: 'http://crm.example.com'}}", refused("rest.baseUrl must be an https:// URL")),
    (Rest, "{rest: {baseUrl: 'https://crm.example.com/?a=b'}}", refused("rest.baseUrl must be an https:// URL")),
    (Rest, "{rest: {headers: {Accept: application/json, X-Skip: 'true'}}}", TAKEN),
    (Rest, "{rest: {headers: {authorization: secret}}}", refused("credentials belong into rest.auth")),
    (Rest, "{rest: {headers: {X-A: \"a\\nb\"}}}", refused("spec.rest.headers.X-A in body should match")),
    // CrmSink: matching, delivery, properties
    (HubSpot, "{matching: {keys: [Phone]}}", TAKEN),
    (HubSpot, "{matching: {keys: []}}", refused("spec.matching.keys in body should have at least 1 items")),
    (HubSpot, "{matching: {keys: [Email, Email]}}", refused("Duplicate value")),
    (HubSpot, "{matching: {keys: [Name]}}", refused(r#"supported values: "Email", "Phone""#)),
    (HubSpot, "{matching: {onPartialMatch: Merge}}", refused(r#"supported values: "Update", "Create", "Hold""#)),
    (HubSpot, "{matching: {overwrite: Never}}", refused(r#"supported values: "Always", "IfEmpty""#)),
    (HubSpot, "{matching: {overwriteProperties: {firstname: Sometimes}}}", refused(r#"supported values: "Always", "IfEmpty""#)),
    (HubSpot, "{delivery: {timeout: 6m}}", refused("delivery.timeout must be at least 100ms and at most 5m")),
    (HubSpot, "{delivery: {retry: {initialBackoff: 30m}}}", refused("initialBackoff must not exceed delivery.retry.maxBackoff")),
    (HubSpot, "{delivery: {retry: {maxAge: 10s}}}", refused("delivery.retry.maxAge must be at least 1m and at most 2160h")),
    (HubSpot, "{delivery: {retry: {maxBackoff: soon}}}", DURATION),
    (HubSpot, "{delivery: {rateLimit: {requests: 0}}}", refused("requests in body should be greater than or equal to 1")),
    (HubSpot, "{delivery: {rateLimit: {per: 1ms}}}", refused("delivery.rateLimit.per must be at least 100ms and at most 24h")),
    (HubSpot, "{delivery: {batch: {maxSize: 201}}}", refused("maxSize in body should be less than or equal to 200")),
    (HubSpot, "{delivery: {batch: {linger: 11s}}}", refused("delivery.batch.linger must be at least 0s and at most 10s")),
    (HubSpot, "{delivery: {circuitBreaker: {failures: 0}}}", refused("failures in body should be greater than or equal to 1")),
    (HubSpot, "{delivery: {circuitBreaker: {cooldown: 2h}}}", refused("delivery.circuitBreaker.cooldown must be at least 1s and at most 1h")),
    (HubSpot, "{delivery: {concurrency: 257}}", refused("spec.delivery.concurrency in body should be less than or equal to 256")),
    (HubSpot, "{delivery: {concurency: 8}}", refused(r#"unknown field "spec.delivery.concurency""#)),
    (HubSpot, "{properties: {email: ''}}", refused("spec.properties.email in body should be at least 1 chars long")),
    (HubSpot, "{properties: {'': lead.email}}", refused("properties has the CRM's property names as keys")),
];

async fn dry_run(client: &Client, kind: (&str, &str), namespace: &str, object: &Value) -> (u16, String) {
    let path = format!(
        "{GROUP}/namespaces/{namespace}/{}?dryRun=All&fieldValidation=Strict",
        kind.1
    );
    let answer = call(client, Method::POST, &path, JSON, Some((JSON, object)))
        .await
        .unwrap();
    let message = answer.body["message"].as_str().unwrap_or_default().to_owned();
    (answer.status, message)
}

#[tokio::test]
async fn the_api_server_takes_and_refuses_what_it_should() {
    let client = ready().await;
    let namespace = namespace(&client).await;
    let mut wrong = String::new();
    for (base, patch, verdict) in TABLE {
        let patch = patch
            .replace("LONG2048", &"x".repeat(2048))
            .replace("LONG2049", &"x".repeat(2049));
        let mut spec = base.spec();
        merge(&mut spec, &yaml(&patch));
        let object = json!({
            "apiVersion": "leadgate.dev/v1alpha1", "kind": base.kind().0,
            "metadata": {"name": "row"}, "spec": spec
        });
        let (status, message) = dry_run(&client, base.kind(), &namespace, &object).await;
        let as_expected = match verdict {
            None => status == 201,
            Some(part) => (400..500).contains(&status) && message.contains(part),
        };
        if !as_expected {
            let _ = writeln!(
                wrong,
                "{base:?} {patch:.300}\n  expected {verdict:?}\n  got {status} {message}"
            );
        }
        // Whatever the API server takes, the types must read.
        if verdict.is_none() {
            let read = match base {
                Webhook => serde_json::from_value::<LeadWebhook>(object).err(),
                HubSpot | Salesforce | Rest => serde_json::from_value::<CrmSink>(object).err(),
            };
            if let Some(error) = read {
                let _ = writeln!(wrong, "{base:?} {patch:.300}\n  is taken, but: {error}");
            }
        }
    }
    remove(&client, &namespace).await;
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[tokio::test]
async fn complete_objects_are_taken() {
    let client = ready().await;
    let namespace = namespace(&client).await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds/tests/objects");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let mut object = yaml(&std::fs::read_to_string(&file).unwrap());
        object["metadata"]["namespace"] = json!(namespace);
        let kind = match object["kind"].as_str() {
            Some("LeadWebhook") => ("LeadWebhook", "leadwebhooks"),
            Some("CrmSink") => ("CrmSink", "crmsinks"),
            other => panic!("{file:?}: {other:?}"),
        };
        let (status, message) = dry_run(&client, kind, &namespace, &object).await;
        assert_eq!(status, 201, "{file:?}: {message}");
        seen += 1;
    }
    assert!(seen >= 8, "only {seen} objects");
    remove(&client, &namespace).await;
}

#[tokio::test]
async fn a_null_is_as_good_as_an_absent_field() {
    let client = ready().await;
    let namespace = namespace(&client).await;
    let object = yaml(
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: nulls}, spec: {source: null,
        auth: {hmac: null, token: {secretRefs: [{name: s, key: k}]}}, sinks: [{name: a, when: null}],
        queue: {storage: {storageClassName: null}}}}",
    );
    let (status, message) = dry_run(&client, Webhook.kind(), &namespace, &object).await;
    assert_eq!(status, 201, "{message}");
    remove(&client, &namespace).await;
}

#[tokio::test]
async fn the_definitions_cause_no_warnings() {
    let client = ready().await;
    assert_eq!(install_crds(&client).await.unwrap(), Vec::<String>::new());
}

async fn create<T>(client: &Client, namespace: &str, name: &str, base: Base) -> Value
where
    T: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + serde::Serialize,
{
    let object: Value = json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": base.kind().0,
        "metadata": {"name": name}, "spec": base.spec()
    });
    let path = format!("{GROUP}/namespaces/{namespace}/{}", base.kind().1);
    let answer = call(client, Method::POST, &path, JSON, Some((JSON, &object)))
        .await
        .unwrap();
    assert_eq!(answer.status, 201, "{}", answer.body);
    // What the API server made of it is what serde makes of it.
    let mut local = serde_json::to_value(serde_json::from_value::<T>(object).unwrap()).unwrap();
    assert_eq!(
        local["spec"].take(),
        serde_json::to_value(serde_json::from_value::<T>(answer.body.clone()).unwrap()).unwrap()["spec"]
    );
    answer.body
}

#[tokio::test]
async fn defaults_are_set() {
    let client = ready().await;
    let namespace = namespace(&client).await;

    let webhook = create::<LeadWebhook>(&client, &namespace, "w", Webhook).await;
    assert_eq!(webhook["status"]["observedGeneration"], -1);
    assert_eq!(
        webhook["spec"],
        json!({
            "source": "generic",
            "auth": {"hmac": {"secretRefs": [{"name": "s", "key": "k"}]}, "trustedProxies": 0},
            "payload": {"maxBytes": 1_048_576},
            "sinks": [{"name": "hubspot"}],
            "queue": {"durability": "Always", "storage": {"size": "1Gi"}},
            "retention": {"dead": "720h", "held": "720h", "rejected": "24h"},
            "drainTimeout": "10m",
            "suspend": false
        })
    );

    let common = json!({
        "matching": {"keys": ["Email", "Phone"], "onPartialMatch": "Hold", "overwrite": "Always"},
        "delivery": {
            "timeout": "10s",
            "retry": {"maxAge": "72h", "initialBackoff": "1s", "maxBackoff": "15m"},
            "rateLimit": {"requests": 100, "per": "10s"},
            "batch": {"maxSize": 100, "linger": "50ms"},
            "circuitBreaker": {"failures": 5, "cooldown": "30s"},
            "concurrency": 8
        },
        "suspend": false
    });
    let own = [
        (
            HubSpot,
            "hubspot",
            json!({
                "tokenSecretRef": {"name": "s", "key": "k"}, "baseUrl": "https://api.hubapi.com", "apiVersion": "v3",
                "object": "contacts", "upsert": "Auto", "uniqueProperty": "email", "ensureProperties": false
            }),
        ),
        (
            Salesforce,
            "salesforce",
            json!({
                "instanceUrl": "https://x.my.salesforce.com", "apiVersion": "62.0", "object": "Lead",
                "auth": {"clientCredentials": {"clientId": {"name": "s", "key": "i"}, "clientSecret": {"name": "s", "key": "s"}}},
                "duplicateRule": "Respect", "assignmentRule": false
            }),
        ),
        (
            Rest,
            "rest",
            json!({
                "baseUrl": "https://crm.example.com", "auth": {"bearer": {"token": {"name": "s", "key": "k"}}},
                "upsert": {"method": "PUT", "path": "'/contacts'"},
                "answers": {"delivered": "status < 300", "conflict": "status == 409", "retry": "status == 429 || status >= 500"}
            }),
        ),
    ];
    for (base, name, own) in own {
        let sink = create::<CrmSink>(&client, &namespace, name, base).await;
        let mut expected = common.clone();
        expected[name] = own;
        assert_eq!(sink["spec"], expected);
        assert_eq!(sink["status"]["observedGeneration"], -1);
    }
    remove(&client, &namespace).await;
}

#[tokio::test]
async fn the_scale_subresource_works() {
    let client = ready().await;
    let namespace = namespace(&client).await;
    create::<LeadWebhook>(&client, &namespace, "w", Webhook).await;
    let api: Api<LeadWebhook> = Api::namespaced(client.clone(), &namespace);
    let status = json!({"status": {"replicas": 3, "selector": "app.kubernetes.io/instance=w"}});
    api.patch_status("w", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    let five = json!({"spec": {"replicas": 5}});
    api.patch_scale("w", &PatchParams::default(), &Patch::Merge(five))
        .await
        .unwrap();

    let scale = api.get_scale("w").await.unwrap();
    assert_eq!(scale.spec.and_then(|s| s.replicas), Some(5));
    let status = scale.status.unwrap();
    assert_eq!(status.replicas, 3);
    assert_eq!(status.selector.as_deref(), Some("app.kubernetes.io/instance=w"));
    assert_eq!(api.get("w").await.unwrap().spec.receiver.replicas, Some(5));
    remove(&client, &namespace).await;
}

#[tokio::test]
async fn names_and_categories_are_served() {
    let client = ready().await;
    let answer = call(&client, Method::GET, GROUP, JSON, None).await.unwrap();
    let resources = answer.body["resources"].as_array().unwrap();
    for (name, kind, short) in [
        ("leadwebhooks", "LeadWebhook", "lw"),
        ("crmsinks", "CrmSink", "crm"),
    ] {
        let resource = resources.iter().find(|r| r["name"] == name).unwrap();
        assert_eq!(resource["kind"], kind);
        assert_eq!(resource["namespaced"], true);
        assert_eq!(resource["shortNames"], json!([short]));
        assert_eq!(resource["categories"], json!(["leadgate"]));
        assert!(resources.iter().any(|r| r["name"] == format!("{name}/status")));
    }
    assert!(resources.iter().any(|r| r["name"] == "leadwebhooks/scale"));
    assert!(!resources.iter().any(|r| r["name"] == "crmsinks/scale"));
}

/// Name, whether only `-o wide` shows it, and what the row has.
type Cell = (String, bool, Value);

async fn table(client: &Client, namespace: &str, plural: &str) -> Vec<Cell> {
    let path = format!("{GROUP}/namespaces/{namespace}/{plural}");
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let answer = call(client, Method::GET, &path, accept, None).await.unwrap();
    assert_eq!(answer.body["kind"], "Table", "{}", answer.body);
    let columns = answer.body["columnDefinitions"].as_array().unwrap();
    let cells = answer.body["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(columns.len(), cells.len());
    columns
        .iter()
        .zip(cells)
        .map(|(c, cell)| {
            (
                c["name"].as_str().unwrap().to_owned(),
                c["priority"] == 1,
                cell.clone(),
            )
        })
        .filter(|(name, ..)| !matches!(name.as_str(), "Age" | "Last-Lead"))
        .collect()
}

fn cells(expected: &[(&str, bool, Value)]) -> Vec<Cell> {
    expected
        .iter()
        .map(|(n, wide, v)| ((*n).to_owned(), *wide, v.clone()))
        .collect()
}

#[tokio::test]
async fn kubectl_get_shows_what_matters() {
    let client = ready().await;
    let namespace = namespace(&client).await;
    let now = "2026-11-23T09:00:00Z";
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "Delivering", "message": "leads are delivered",
        "lastTransitionTime": now
    });

    create::<LeadWebhook>(&client, &namespace, "w", Webhook).await;
    let status = json!({"status": {
        "observedGeneration": 1, "conditions": [condition], "url": "https://leads.example.com/webhooks/leads",
        "leads": {"accepted": 130, "delivered": 128, "pending": 1, "dead": 2, "lastAcceptedTime": now},
        "sinkNames": "hubspot,sf", "successRate": "99.2", "p99": "900ms"
    }});
    let webhooks: Api<LeadWebhook> = Api::namespaced(client.clone(), &namespace);
    webhooks
        .patch_status("w", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    assert_eq!(
        table(&client, &namespace, "leadwebhooks").await,
        cells(&[
            ("Name", false, json!("w")),
            ("Ready", false, json!("True")),
            ("Sinks", false, json!("hubspot,sf")),
            ("Accepted", false, json!(130)),
            ("Delivered", false, json!(128)),
            ("Pending", false, json!(1)),
            ("Dead", false, json!(2)),
            ("Success", false, json!("99.2")),
            ("URL", true, json!("https://leads.example.com/webhooks/leads")),
            ("Reason", true, json!("Delivering")),
            ("Message", true, json!("leads are delivered")),
            ("P99", true, json!("900ms")),
        ])
    );

    create::<CrmSink>(&client, &namespace, "s", HubSpot).await;
    let status = json!({"status": {
        "observedGeneration": 1, "conditions": [condition], "type": "HubSpot", "webhooks": 3, "paused": true,
        "leads": {"pending": 1, "delivered": 120, "dead": 2}
    }});
    let sinks: Api<CrmSink> = Api::namespaced(client.clone(), &namespace);
    sinks
        .patch_status("s", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    assert_eq!(
        table(&client, &namespace, "crmsinks").await,
        cells(&[
            ("Name", false, json!("s")),
            ("Ready", false, json!("True")),
            ("Type", false, json!("HubSpot")),
            ("Webhooks", false, json!(3)),
            ("Delivered", false, json!(120)),
            ("Pending", false, json!(1)),
            ("Dead", false, json!(2)),
            ("Paused", false, json!(true)),
            ("Reason", true, json!("Delivering")),
            ("Message", true, json!("leads are delivered")),
        ])
    );
    remove(&client, &namespace).await;
}
