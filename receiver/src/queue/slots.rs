//! Hash slots, as Redis Cluster counts them: how leads are spread over shards, and shards over primaries.

use crc::{CRC_16_XMODEM, Crc};

/// A cluster has so many (Redis Cluster specification, "Key distribution model").
const SLOTS: u16 = 16384;

/// How far a shard may be from its place: near enough to be on the primary that it is meant for, and quickly found.
const NEAR: u16 = 8;

const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// The slot of a hash tag.
pub(super) fn slot(tag: &str) -> u16 {
    CRC.checksum(tag.as_bytes()) % SLOTS
}

/// Which of so many shards a text belongs to: always the same one.
pub(super) fn shard_of(text: &str, shards: usize) -> usize {
    usize::from(slot(text)) % shards.max(1)
}

/// The prefixes of the keys of so many shards. The first is the one that is given. The slots of all are equally far from
/// one another, so that primaries with equal parts of the slots have equal numbers of shards.
pub(super) fn prefixes(prefix: &str, shards: u16) -> Vec<String> {
    let first = slot(prefix);
    let others = (1..shards).map(|shard| {
        let place =
            (u32::from(first) + u32::from(SLOTS) * u32::from(shard) / u32::from(shards)) % u32::from(SLOTS);
        let is_near = |tag: &String| {
            let away = (u32::from(slot(tag)) + u32::from(SLOTS) - place) % u32::from(SLOTS);
            away < u32::from(NEAR)
        };
        let mut tags = (0_u32..).map(|number| format!("{prefix}#{shard}.{number}"));
        tags.find(is_near).unwrap_or_default()
    });
    std::iter::once(prefix.to_owned()).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis_cluster() {
        // CLUSTER KEYSLOT of Redis 7.0.15.
        for (tag, expected) in [("leadgate", 234), ("123456789", 12739), ("foo", 12182), ("", 0)] {
            assert_eq!(slot(tag), expected, "{tag}");
        }
    }

    #[test]
    fn shards_are_spread_evenly_and_always_the_same_way() {
        for shards in [1, 2, 3, 6, 16, 128] {
            let all = prefixes("leadgate-shop", shards);
            assert_eq!(all, prefixes("leadgate-shop", shards));
            assert_eq!(all[0], "leadgate-shop");
            let mut slots: Vec<u16> = all.iter().map(|prefix| slot(prefix)).collect();
            slots.sort_unstable();
            assert_eq!(slots.len(), usize::from(shards));
            let even = SLOTS / shards;
            for pair in slots.windows(2) {
                assert!((pair[1] - pair[0]).abs_diff(even) <= NEAR, "{shards}: {slots:?}");
            }
        }
    }

    #[test]
    fn texts_are_spread_over_all_shards() {
        let mut counts = [0; 5];
        for number in 0..5000 {
            counts[shard_of(&format!("contact {number}"), 5)] += 1;
        }
        assert!(
            counts.iter().all(|count| (900..1100).contains(count)),
            "{counts:?}"
        );
    }
}
