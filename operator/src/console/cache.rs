//! What was found out a moment ago. Bounded in time, so that a right that was taken away is gone within seconds, and in
//! size, so that nobody fills the memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Values that count for a while.
pub(super) struct Cache<K, V> {
    life: Duration,
    most: usize,
    known: Mutex<HashMap<K, (V, Instant)>>,
}

impl<K: Eq + Hash + Clone, V: Clone> Cache<K, V> {
    /// Of at most so many values, each for so long.
    pub(super) fn new(life: Duration, most: usize) -> Self {
        Self {
            life,
            most,
            known: Mutex::default(),
        }
    }

    /// What is known and not too old.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, since) = known.get(key)?;
        (since.elapsed() < self.life).then(|| value.clone())
    }

    /// Remembers; what is too old, or else the oldest, makes room.
    pub(super) fn put(&self, key: K, value: V) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.most {
            known.retain(|_, (_, since)| since.elapsed() < self.life);
        }
        if known.len() >= self.most
            && let Some(oldest) = known.iter().min_by_key(|(_, (_, since))| *since)
        {
            let oldest = oldest.0.clone();
            known.remove(&oldest);
        }
        known.insert(key, (value, Instant::now()));
    }

    /// Forgets.
    pub(super) fn forget(&self, key: &K) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_what_is_old_and_never_grows() {
        let cache = Cache::new(Duration::from_mins(1), 2);
        for n in 0..5 {
            cache.put(n, n * 10);
        }
        assert_eq!(
            (cache.get(&2), cache.get(&3), cache.get(&4)),
            (None, Some(30), Some(40))
        );
        cache.forget(&4);
        assert_eq!(cache.get(&4), None);
        let gone = Cache::new(Duration::ZERO, 2);
        gone.put(1, 1);
        assert_eq!(gone.get(&1), None);
    }
}
