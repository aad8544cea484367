//! Stand-ins for unit tests.

use std::sync::Mutex;

use domain::ambient::Entropy;

/// Repeatable randomness.
pub(crate) struct FixedEntropy(Mutex<u64>);

impl FixedEntropy {
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Entropy for FixedEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for byte in bytes {
            // SplitMix64, one byte a step.
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *byte = u8::try_from((z ^ (z >> 31)) & 0xFF).unwrap();
        }
    }
}
