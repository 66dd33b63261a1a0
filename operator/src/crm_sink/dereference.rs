//! Reads what a sink refers to, and what is said of it.

use std::collections::{BTreeMap, BTreeSet};

use leadgate_crds::CrmSink;
use leadgate_crds::lead_webhook::QueueMode;

use crate::context::{Context, name_of};
use crate::lead_webhook::observe::last_figures;
use crate::lead_webhook::waiting;
use crate::secrets::{self, Found};
use crate::stats::SinkFigures;

/// What the cluster says about a sink.
#[derive(Clone, Debug, Default)]
pub struct Dereferenced {
    /// The Secrets that it names.
    pub secrets: Found,
    /// How many webhooks deliver to it.
    pub webhooks: usize,
    /// What receivers say of it, one for each store: a store counts for all webhooks that share it.
    pub figures: Vec<SinkFigures>,
}

/// Reads.
pub async fn dereference(sink: &CrmSink, context: &Context) -> kube::Result<Dereferenced> {
    let (namespace, name) = name_of(sink);
    let names: BTreeSet<String> = secrets::of_sink(&sink.spec)
        .into_iter()
        .map(|reference| reference.name)
        .collect();
    let secrets = context.secrets.find(&context.client, &namespace, names).await?;
    let mut users = context.webhooks_of(&namespace, |webhook| waiting::feeds(webhook, &name, context));
    users.sort_by_key(|user| name_of(user.as_ref()));
    let mut stores: BTreeMap<Option<(String, String)>, SinkFigures> = BTreeMap::new();
    for user in &users {
        let store = match user.spec.queue.mode() {
            QueueMode::Managed => None,
            QueueMode::Own(redis) => {
                let reference = &redis.url_secret_ref;
                Some((reference.name.clone(), reference.key.clone()))
            }
        };
        let (_, webhook) = name_of(user.as_ref());
        let figures = last_figures(context, &namespace, &webhook).and_then(|mut f| f.sinks.remove(&name));
        if let Some(figures) = figures {
            let known = stores.entry(store).or_insert_with(|| figures.clone());
            *known = newer(known.clone(), figures);
        }
    }
    Ok(Dereferenced {
        secrets,
        webhooks: users.iter().filter(|user| waiting::names(user, &name)).count(),
        figures: stores.into_values().collect(),
    })
}

/// Of two views of one store: counts of deliveries only grow, so the one with more of them is the newer one.
fn newer(a: SinkFigures, b: SinkFigures) -> SinkFigures {
    let error = crate::stats::newest(a.last_error.iter().chain(&b.last_error));
    let newest = if b.leads.deliveries.delivered > a.leads.deliveries.delivered {
        b
    } else {
        a
    };
    SinkFigures {
        last_error: error,
        ..newest
    }
}
