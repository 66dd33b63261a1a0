//! The operator: makes receivers of LeadWebhooks, and says in the status of LeadWebhooks and CrmSinks what became of
//! them and of their leads.
//!
//! Each kind has a folder, each step a file: `dereference` (reads) -> `validate` (pure) -> `build` (pure) -> `apply`
//! (server-side, one field manager) -> `status` (always written, failures too, only when changed).
//!
//! ```text
//! leadgate-operator --receiver-image IMAGE              LEADGATE_RECEIVER_IMAGE, required
//!                   --redis-image IMAGE                 LEADGATE_REDIS_IMAGE
//!                   --watch-namespaces a,b              LEADGATE_WATCH_NAMESPACES; empty: all
//!                   --leader-election-namespace NAME    LEADGATE_LEADER_ELECTION_NAMESPACE; empty: no election
//!                   --identity NAME                     LEADGATE_IDENTITY; in the Lease
//!                   --health-listen 0.0.0.0:8080        LEADGATE_HEALTH_LISTEN: /livez /readyz /metrics
//!                   --require-secret-label              LEADGATE_REQUIRE_SECRET_LABEL
//!                   --allowed-hosts a,ns/*.b            LEADGATE_ALLOWED_HOSTS; empty: any host
//!                   --allowed-ingress-annotations a/,b  LEADGATE_ALLOWED_INGRESS_ANNOTATIONS; empty: none
//!                   --concurrency 8                     LEADGATE_CONCURRENCY
//!                   --log-format text|json --log info   LEADGATE_LOG_FORMAT, LEADGATE_LOG
//! ```
//!
//! The rights that it needs are the table in [`rbac`]. The image of receivers must hold `/leadgate-receiver`; that of
//! Redis `redis-server` in the path, usable by user 999.
//!
//! Objects of a LeadWebhook `website` are called `leadgate-website` (ConfigMap, Deployment, Service, ServiceAccount,
//! NetworkPolicy, PodDisruptionBudget, HorizontalPodAutoscaler, Ingress, HTTPRoute) and `leadgate-website-admin`
//! (headless Service of the admin port, Secret with the admin token); those of a namespace's Redis `leadgate-redis`.

pub mod apply;
pub mod backoff;
pub mod cli;
pub mod conditions;
pub mod context;
pub mod crm_sink;
pub mod events;
pub mod health;
pub mod index;
pub mod kinds;
pub mod lead_webhook;
pub mod leader;
pub mod metrics;
pub mod names;
pub mod rbac;
pub mod reasons;
pub mod receivers;
pub mod rules;
pub mod run;
pub mod secrets;
pub mod stats;
pub mod watch;
pub mod workloads;
