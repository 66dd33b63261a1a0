//! Reads what a sink refers to, and what is said of it.

use std::collections::{BTreeMap, BTreeSet};

use leadgate_crds::CrmSink;

use crate::context::{Context, name_of};
use crate::lead_webhook::waiting;
use crate::secrets::Found;
use crate::stats::SinkFigures;
use crate::stores::{StoreKey, Stores};

/// What the cluster says about a sink.
#[derive(Clone, Debug, Default)]
pub struct Dereferenced {
    /// The Secrets that it names.
    pub secrets: Found,
    /// How many webhooks deliver to it.
    pub webhooks: usize,
    /// What receivers say of it, one for each store: a store counts for all webhooks that share it.
    pub figures: Vec<SinkFigures>,
    /// Why receivers do not run it as it is written.
    pub problems: Vec<String>,
}

/// Reads.
pub async fn dereference(sink: &CrmSink, context: &Context) -> kube::Result<Dereferenced> {
    let (namespace, name) = name_of(sink);
    let names: BTreeSet<String> = sink
        .spec
        .secret_refs()
        .into_iter()
        .map(|reference| reference.name)
        .collect();
    let secrets = context.secrets.find(&context.client, &namespace, names).await?;
    let receivers = context.receivers.of(&namespace);
    let stores = Stores::of(&receivers);
    let mut by_store: BTreeMap<StoreKey, SinkFigures> = BTreeMap::new();
    let mut problems = Vec::new();
    let object = format!("CrmSink {namespace}/{name}");
    for receiver in &receivers {
        let receiver = name_of(receiver.as_ref());
        let (figures, said) = context.of_receivers.with(&receiver, |state| {
            let figures = state.figures.as_ref();
            let said: Vec<String> = figures
                .iter()
                .flat_map(|figures| &figures.problems)
                .filter(|(about, _)| *about == object)
                .map(|(_, message)| message.clone())
                .collect();
            (
                figures.and_then(|figures| figures.sinks.get(&name).cloned()),
                said,
            )
        });
        problems.extend(said);
        if let Some(figures) = figures {
            let known = by_store
                .entry(stores.key(&receiver.1))
                .or_insert_with(|| figures.clone());
            *known = newer(known.clone(), figures);
        }
    }
    problems.dedup();
    let users = context.webhooks_of(&namespace, |webhook| waiting::names(webhook, &name));
    Ok(Dereferenced {
        secrets,
        webhooks: users.len(),
        figures: by_store.into_values().collect(),
        problems,
    })
}

/// Of two views of one store: counts of deliveries only grow, so the one with more of them is the newer one.
fn newer(a: SinkFigures, b: SinkFigures) -> SinkFigures {
    let error = crate::stats::newest(a.last_error.iter().chain(&b.last_error));
    let audit = crate::stats::last_audit(a.audit.iter().chain(&b.audit));
    let newest = if b.leads.deliveries.delivered > a.leads.deliveries.delivered {
        b
    } else {
        a
    };
    SinkFigures {
        last_error: error,
        audit,
        ..newest
    }
}
