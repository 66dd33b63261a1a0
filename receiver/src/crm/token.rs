//! An access token that all callers of a process share: fetched once, kept until it ends or is refused.

use std::time::{Duration, Instant};

use http::HeaderValue;
use tokio::sync::Mutex;

/// A token is renewed this long before its end, but not before half of its life.
const RENEW_BEFORE_END: Duration = Duration::from_mins(1);

/// An access token.
#[derive(Debug, Clone)]
pub(super) struct AccessToken {
    /// The header's value, marked sensitive.
    pub(super) header: HeaderValue,
    /// Which of the cache's tokens it is.
    pub(super) generation: u64,
}

/// Why there is no token.
#[derive(Debug)]
pub(super) struct Failed<E> {
    pub(super) why: E,
    /// For so long nobody asks again; `None`: somebody has just asked.
    pub(super) left: Option<Duration>,
}

/// The token, or why there is none.
#[derive(Debug)]
pub(super) struct TokenCache<E> {
    hold: fn(&E) -> Duration,
    state: Mutex<State<E>>,
}

#[derive(Debug)]
struct State<E> {
    generation: u64,
    /// With its end, if it has one.
    token: Option<(HeaderValue, Option<Instant>)>,
    /// The last fetch's failure and its time.
    failed: Option<(Instant, E)>,
}

impl<E: Clone> TokenCache<E> {
    /// Nothing yet. `hold`: how long after a failure nobody asks again.
    pub(super) fn new(hold: fn(&E) -> Duration) -> Self {
        Self {
            hold,
            state: Mutex::new(State {
                generation: 0,
                token: None,
                failed: None,
            }),
        }
    }

    /// The token. If there is none, the first caller fetches it and the others wait: they share its failure too, instead
    /// of asking again one by one. `fetch` gives the header's value and how long the token lives, if it says so.
    pub(super) async fn get(
        &self,
        fetch: impl Future<Output = Result<(HeaderValue, Option<Duration>), E>>,
    ) -> Result<AccessToken, Failed<E>> {
        let asked = Instant::now();
        // Held while the token is fetched: one call for all who need it.
        let mut state = self.state.lock().await;
        if let Some((header, end)) = &state.token
            && end.is_none_or(|end| Instant::now() < end)
        {
            return Ok(AccessToken {
                header: header.clone(),
                generation: state.generation,
            });
        }
        if let Some((when, why)) = &state.failed {
            let left = (self.hold)(why)
                .checked_sub(when.elapsed())
                .filter(|left| !left.is_zero());
            if left.is_some() || *when >= asked {
                let why = why.clone();
                return Err(Failed { why, left });
            }
        }
        match fetch.await {
            Ok((header, life)) => {
                let end = life.and_then(|life| Instant::now().checked_add(usable(life)));
                state.generation += 1;
                state.failed = None;
                state.token = Some((header.clone(), end));
                Ok(AccessToken {
                    header,
                    generation: state.generation,
                })
            }
            Err(why) => {
                state.failed = Some((Instant::now(), why.clone()));
                Err(Failed { why, left: None })
            }
        }
    }

    /// This token was refused: the next caller fetches a new one, unless another has already.
    pub(super) async fn invalidate(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.token = None;
        }
    }
}

/// How long a token of this life is used.
fn usable(life: Duration) -> Duration {
    life.saturating_sub(RENEW_BEFORE_END).max(life / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(
        life: Option<Duration>,
    ) -> impl Future<Output = Result<(HeaderValue, Option<Duration>), &'static str>> {
        std::future::ready(Ok((HeaderValue::from_static("Bearer t"), life)))
    }

    #[tokio::test]
    async fn a_token_is_fetched_once_for_each_refusal() {
        let cache = TokenCache::new(|_| Duration::ZERO);
        // A life that no clock can hold is as good as none.
        let first = cache.get(given(Some(Duration::MAX))).await.unwrap();
        assert_eq!(cache.get(given(None)).await.unwrap().generation, first.generation);
        cache.invalidate(first.generation).await;
        let second = cache.get(given(None)).await.unwrap();
        assert_eq!(second.generation, first.generation + 1);
        // Who is slow to hear of the first one's end takes nobody's new one away.
        cache.invalidate(first.generation).await;
        assert_eq!(
            cache.get(given(None)).await.unwrap().generation,
            second.generation
        );
    }

    #[tokio::test]
    async fn a_failure_stands_for_as_long_as_it_holds() {
        let cache = TokenCache::new(|hold: &Duration| *hold);
        let failing = |millis| async move { Err(Duration::from_millis(millis)) };
        let first = cache.get(failing(50)).await.unwrap_err();
        assert_eq!(first.left, None);
        let second = cache.get(failing(0)).await.unwrap_err();
        assert_eq!(second.why, first.why);
        assert!(second.left.is_some_and(|left| left <= first.why));
        tokio::time::sleep(first.why).await;
        let third = cache.get(failing(0)).await.unwrap_err();
        assert_eq!((third.why, third.left), (Duration::ZERO, None));
    }

    #[test]
    fn a_token_is_renewed_before_its_end_but_not_at_once() {
        for (life, used) in [(3600, 3540), (90, 45), (1, 0)] {
            assert_eq!(usable(Duration::from_secs(life)).as_secs(), used, "{life}");
        }
    }
}
