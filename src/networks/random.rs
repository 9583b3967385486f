//! Random numbers that depend on a seed, a purpose and an index only.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

/// A random generator for one purpose and index (such as an epoch). Generators for different purposes or indexes are
/// independent, so nothing but the epoch number is needed to go on after an interruption.
pub fn generator(seed: u64, purpose: &str, index: u64) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&index.to_le_bytes());
    // FNV-1a of the purpose: it only has to be different for different short names.
    let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    bytes[16..24].copy_from_slice(&hash.to_le_bytes());
    ChaCha8Rng::from_seed(bytes)
}

/// The numbers `0..count` in a random order.
pub fn shuffled(count: usize, random: &mut ChaCha8Rng) -> Vec<i64> {
    use rand::seq::SliceRandom;
    let mut order: Vec<i64> = (0..count as i64).collect();
    order.shuffle(random);
    order
}

/// Normal random numbers of the given shape times `scale`, float64, on the CPU.
pub fn normal(shape: &[i64], scale: f64, random: &mut ChaCha8Rng) -> Tensor {
    use rand_distr::{Distribution, StandardNormal};
    let count = shape.iter().product::<i64>() as usize;
    let values: Vec<f64> = (0..count)
        .map(|_| {
            let value: f64 = StandardNormal.sample(random);
            value * scale
        })
        .collect();
    Tensor::from_slice(&values).view(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generators_differ_by_seed_purpose_and_index() {
        let first = |seed, purpose, index| shuffled(50, &mut generator(seed, purpose, index));
        let reference = first(1, "batches", 1);
        assert_eq!(reference, first(1, "batches", 1));
        for other in [first(2, "batches", 1), first(1, "weights", 1), first(1, "batches", 2)] {
            assert_ne!(reference, other);
        }
    }
}
