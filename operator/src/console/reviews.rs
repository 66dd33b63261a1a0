//! What Kubernetes says of tokens and rights.

use std::fmt::Debug;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::ClusterResourceScope;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client, Resource};
use leadgate_console::{Failure, Rights};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::cache::Cache;
use super::rights::{Right, rights};
use super::who::Person;

/// How long an answer counts: as long, a right that was taken away still works.
const LIFE: Duration = Duration::from_secs(10);
/// Answers that are remembered.
const MOST: usize = 20_000;
/// Reviews at once, of one visitor.
const AT_ONCE: usize = 16;
/// Reviews at once, of all: whoever tries tokens does not keep the API server busy.
const MOST_AT_ONCE: usize = 64;

/// The API server's answers.
pub(super) struct Reviews {
    client: Client,
    turns: Semaphore,
    /// By a token's digest.
    tokens: Cache<[u8; 32], Option<Person>>,
    /// By a person, a namespace (empty: all) and a right.
    access: Cache<(String, String, Right), bool>,
}

impl Reviews {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            turns: Semaphore::new(MOST_AT_ONCE),
            tokens: Cache::new(LIFE, MOST),
            access: Cache::new(LIFE, MOST),
        }
    }

    /// Whose token this is; `None`: nobody's.
    pub(super) async fn person(&self, token: &str) -> Result<Option<Person>, Failure> {
        let digest = Sha256::digest(token).into();
        if let Some(known) = self.tokens.get(&digest) {
            return Ok(known);
        }
        let asked = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                ..TokenReviewSpec::default()
            },
            ..TokenReview::default()
        };
        let status = self.ask(&asked).await?.status.unwrap_or_default();
        let is_valid = status.authenticated == Some(true);
        let person = status.user.filter(|_| is_valid).map(Person::new);
        let person = person.filter(|person| !person.name().is_empty());
        self.tokens.put(digest, person.clone());
        Ok(person)
    }

    /// What a person may do in a namespace.
    pub(super) async fn rights(&self, person: &Person, namespace: &str) -> Result<Rights, Failure> {
        let asked =
            Right::ALL.map(|right| async move { Ok((right, self.may(person, namespace, right).await?)) });
        let granted: Result<Vec<_>, Failure> =
            futures::stream::iter(asked).buffered(AT_ONCE).try_collect().await;
        Ok(rights(granted?))
    }

    /// The namespaces among these whose leads a person may see.
    pub(super) async fn seen(
        &self,
        person: &Person,
        namespaces: Vec<String>,
    ) -> Result<Vec<String>, Failure> {
        // Else each would ask for all of them.
        self.review(person, "", Right::See).await?;
        let asked = namespaces.into_iter().map(|namespace| async move {
            let may = self.may(person, &namespace, Right::See).await?;
            Ok(Some(namespace).filter(|_| may))
        });
        let seen: Result<Vec<_>, Failure> =
            futures::stream::iter(asked).buffered(AT_ONCE).try_collect().await;
        Ok(seen?.into_iter().flatten().collect())
    }

    async fn may(&self, person: &Person, namespace: &str, right: Right) -> Result<bool, Failure> {
        Ok(self.review(person, "", right).await? || self.review(person, namespace, right).await?)
    }

    async fn review(&self, person: &Person, namespace: &str, right: Right) -> Result<bool, Failure> {
        let key = (person.key.clone(), namespace.to_owned(), right);
        if let Some(known) = self.access.get(&key) {
            return Ok(known);
        }
        let info = person.info.clone();
        let asked = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: info.username,
                uid: info.uid,
                groups: info.groups,
                extra: info.extra,
                resource_attributes: Some(right.attributes(namespace)),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let status = self.ask(&asked).await?.status.unwrap_or_default();
        let is_allowed = status.allowed && status.denied != Some(true);
        self.access.put(key, is_allowed);
        Ok(is_allowed)
    }

    async fn ask<K>(&self, review: &K) -> Result<K, Failure>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        // It is never closed.
        let _turn = self.turns.acquire().await;
        let api: Api<K> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), review).await;
        answer.map_err(|error| away(&error))
    }
}

/// Nobody gets in while the API server cannot be asked.
pub(super) fn away(error: &kube::Error) -> Failure {
    let error = crate::api_error::words(error);
    tracing::warn!(error, "the API server cannot be asked");
    Failure::new(503, format!("the API server cannot be asked: {error}"))
}
