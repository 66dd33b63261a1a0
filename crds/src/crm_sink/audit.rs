//! The audit for second records of one person.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::common::{Duration, between};

/// How the CRM is audited for second records of the people whose leads were delivered. An audit uses at most a tenth of
/// `delivery.rateLimit`, and only calls that no lead needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Audit {
    /// The time from the end of an audit to the next one. From `1m` to `8760h`. Default: `24h`.
    #[serde(default = "default_interval")]
    #[x_kube(validation = between("audit.interval", "1m", "8760h"))]
    pub interval: Duration,
    /// The maximum number of records that an audit looks at, 1 to 10000. The next audit continues with older records, and
    /// begins again with the newest after the oldest that the ledger knows. Default: 1000.
    #[serde(default = "default_max_records")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_records: i32,
}

fn default_interval() -> Duration {
    Duration::hours(24)
}

fn default_max_records() -> i32 {
    1000
}
