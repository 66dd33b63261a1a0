//! The cluster of the kubeconfig, or the URL of a receiver that runs without one.

use std::fmt::Debug;
use std::path::Path;

use anyhow::Context as _;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource};
use leadgate_crds::lenient::{Definition, Lenient};
use serde::de::DeserializeOwned;

use crate::Usage;
use crate::args::Global;

/// Where `make run` and a receiver without options listen.
const LOCAL: &str = "http://127.0.0.1:9090";
/// As kubectl: a list of any length arrives in pieces.
const PAGE: u32 = 500;

/// What a command talks to.
pub(crate) enum Place {
    /// A cluster.
    Cluster(Cluster),
    /// The admin port of a receiver.
    Server(String),
}

/// A cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: Client,
    /// Where what is named without a namespace is.
    pub(crate) namespace: String,
    /// Whether lists are of all namespaces.
    all: bool,
}

impl Place {
    /// As the arguments say it.
    pub(crate) async fn of(global: &Global) -> anyhow::Result<Self> {
        if let Some(url) = &global.server {
            return Ok(Self::Server(url.trim_end_matches('/').to_owned()));
        }
        let options = KubeConfigOptions {
            context: global.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = if let Some(path) = &global.kubeconfig {
            let kubeconfig =
                Kubeconfig::read_from(path).with_context(|| format!("--kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await?
        } else if global.context.is_some() || has_kubeconfig() {
            Config::from_kubeconfig(&options).await?
        } else if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
            Config::incluster()?
        } else {
            return Ok(Self::Server(LOCAL.to_owned()));
        };
        let namespace = global.namespace.clone();
        Ok(Self::Cluster(Cluster {
            namespace: namespace.unwrap_or_else(|| config.default_namespace.clone()),
            all: global.all_namespaces,
            client: Client::try_from(config)?,
        }))
    }

    /// For what only Kubernetes can tell.
    pub(crate) async fn cluster(global: &Global, command: &str) -> anyhow::Result<Cluster> {
        match Self::of(global).await? {
            Self::Cluster(cluster) => Ok(cluster),
            Self::Server(_) => Err(Usage(format!(
                "{command} needs a cluster: set KUBECONFIG or --kubeconfig, and leave --server out"
            ))
            .into()),
        }
    }
}

fn has_kubeconfig() -> bool {
    let named = std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty());
    let home = std::env::var_os("HOME");
    named || home.is_some_and(|home| Path::new(&home).join(".kube/config").exists())
}

impl Cluster {
    /// The objects of a kind in the namespace, or with -A in all.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        if self.all {
            Api::all(self.client.clone())
        } else {
            Api::namespaced(self.client.clone(), &self.namespace)
        }
    }

    /// The objects of a kind in one namespace.
    pub(crate) fn within<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The two parts of NAME, or NAMESPACE/NAME.
    pub(crate) fn named<'a>(&'a self, name: &'a str) -> (&'a str, &'a str) {
        name.split_once('/').unwrap_or((&self.namespace, name))
    }

    /// Who the API server says that this is.
    pub(crate) async fn user(&self) -> anyhow::Result<String> {
        let review = Api::<SelfSubjectReview>::all(self.client.clone())
            .create(&PostParams::default(), &SelfSubjectReview::default())
            .await
            .map_err(told)?;
        let user = review.status.and_then(|status| status.user_info);
        Ok(user.and_then(|user| user.username).unwrap_or_default())
    }
}

/// All objects of Leadgate's of a kind, as far as this version knows them, and the version at which a watch goes on.
pub(crate) async fn resources<K>(cluster: &Cluster) -> anyhow::Result<(Vec<K>, String)>
where
    K: Definition<Scope = NamespaceResourceScope> + Clone + Debug,
{
    let (found, version) = list(&cluster.api::<Lenient<K>>(), ListParams::default()).await?;
    Ok((found.into_iter().map(|found| found.object).collect(), version))
}

/// All objects, and the version at which a watch goes on.
pub(crate) async fn list<K>(api: &Api<K>, params: ListParams) -> anyhow::Result<(Vec<K>, String)>
where
    K: Clone + DeserializeOwned + Debug,
{
    let mut params = params.limit(PAGE);
    let mut items = Vec::new();
    loop {
        let page = api.list(&params).await.map_err(told)?;
        items.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok((items, page.metadata.resource_version.unwrap_or_default())),
        }
    }
}

/// The API server's own words.
pub(crate) fn told(error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => anyhow::anyhow!("{}", status.message),
        other => anyhow::Error::new(other).context("the API server does not answer as it should"),
    }
}
