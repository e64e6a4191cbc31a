//! The demo's random numbers, by SplitMix64: the same seed gives the same rows on every machine, for ever. They are
//! no source of secrets.

/// The increment of SplitMix64: 2^64 divided by the golden ratio, made odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers that its seed determines.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// The stream of one item of a kind. A row's stream does not depend on earlier rows.
    pub(super) fn of(seed: u64, kind: u64, index: u64) -> Self {
        let kind = mix(kind.wrapping_mul(GOLDEN).wrapping_add(1));
        Random(mix(seed ^ kind).wrapping_add(index.wrapping_mul(GOLDEN)))
    }

    /// Any number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        // Mixed twice: streams with close starts must not echo each other.
        mix(mix(self.0))
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the high half of a product with a u64 fits")
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).cast_unsigned()).cast_signed()
    }

    /// True in this percentage of calls.
    pub(super) fn percent(&mut self, chance: u8) -> bool {
        self.below(100) < u64::from(chance)
    }

    /// One of `items`, which is not empty.
    pub(super) fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len() as u64) as usize]
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let mut stream = Random::of(1, 2, 3);
        let first: Vec<u64> = (0..3).map(|_| stream.next()).collect();
        let mut again = Random::of(1, 2, 3);
        assert_eq!(first, [again.next(), again.next(), again.next()]);
        let others = [
            Random::of(2, 2, 3).next(),
            Random::of(1, 3, 3).next(),
            Random::of(1, 2, 4).next(),
        ];
        assert!(others.iter().all(|other| *other != first[0]));
    }

    #[test]
    fn numbers_stay_in_their_bounds_and_reach_them() {
        let mut stream = Random::of(7, 0, 0);
        let drawn: Vec<i64> = (0..1000).map(|_| stream.between(-2, 2)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&-2), Some(&2)));
    }
}
