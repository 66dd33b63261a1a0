//! The watch of HTTPRoutes. Where the cluster does not know them, it begins when a webhook asks for one.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, pin_mut};
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::secondary::{child_gone, ours, route_seen};
use crate::api_error::watch_words;
use crate::cli::Scope;
use crate::context::{Context, name_of};
use crate::kinds::Kind;

/// After a failed watch, or when the cluster does not know HTTPRoutes.
const RETRY: Duration = Duration::from_secs(30);

/// Starts it.
pub(super) fn start(context: &Arc<Context>, stop: &CancellationToken, tasks: &mut JoinSet<()>) {
    let (context, stop) = (Arc::clone(context), stop.clone());
    tasks.spawn(async move {
        loop {
            let again = async {
                if follow(&context).await == Ended::Unknown {
                    wanted(&context).await;
                }
                tokio::time::sleep(RETRY).await;
            };
            tokio::select! {
                () = again => {}
                () = stop.cancelled() => return,
            }
        }
    });
}

/// Why the watch ended.
#[derive(PartialEq, Eq)]
enum Ended {
    /// The cluster does not know HTTPRoutes.
    Unknown,
    Failed,
}

/// Returns when a webhook asks for an HTTPRoute.
async fn wanted(context: &Context) {
    let mut wanted = context.routes_wanted.subscribe();
    // The sender lives as long as the context.
    let _ = wanted.wait_for(|wanted| *wanted).await;
}

/// Returns when the watch fails.
async fn follow(context: &Context) -> Ended {
    let resource = Kind::HttpRoute.api_resource();
    let api: Api<DynamicObject> = match &context.scope {
        Scope::All => Api::all_with(context.client.clone(), &resource),
        Scope::Namespace(namespace) => Api::namespaced_with(context.client.clone(), namespace, &resource),
    };
    let events = watch(api, ours()).default_backoff();
    pin_mut!(events);
    let mut listed = std::collections::HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(route)) => {
                listed.insert(name_of(&route));
                route_seen(context, &route);
            }
            Ok(Event::InitDone) => {
                context.index.keep_only(Kind::HttpRoute, &listed);
                context.workloads.keep_edges(Kind::HttpRoute, &listed);
                // What webhooks were told before the watch was there may be wrong by now.
                context.wake_all();
            }
            Ok(Event::Apply(route)) => route_seen(context, &route),
            Ok(Event::Delete(route)) => {
                context.workloads.edge_gone(Kind::HttpRoute, &name_of(&route));
                child_gone(context, Kind::HttpRoute, &route.metadata);
            }
            Err(error) => {
                if let watcher::Error::InitialListFailed(kube::Error::Api(status)) = &error
                    && status.code == 404
                {
                    return Ended::Unknown;
                }
                tracing::warn!(
                    kind = "HTTPRoute",
                    error = watch_words(&error),
                    "watch failed, restarting"
                );
                return Ended::Failed;
            }
        }
    }
    Ended::Failed
}
