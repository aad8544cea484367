//! Randomness that follows from what it is for.
//!
//! A [`Dice`] is seeded by (seed, purpose, key, index), so that a draw for one phone or one
//! callback is the same however many draws were made for others before it. The generator is written
//! out here (SplitMix64, FNV-1a) because a library's small generators may change between versions,
//! and recorded seeds must not.

/// A stream of random numbers for one purpose.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    /// A stream for the `index`-th use of `purpose` on `key`.
    pub(crate) fn new(seed: u64, purpose: &str, key: &str, index: u64) -> Self {
        let mut state = mix(seed);
        state = mix(state ^ fnv1a(purpose.as_bytes()));
        state = mix(state ^ fnv1a(key.as_bytes()));
        state = mix(state ^ index);
        Self { state }
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// Uniform in `[0, 1)`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with probability `rate`: never at 0, always at 1.
    pub(crate) fn strikes(&mut self, rate: f64) -> bool {
        self.unit() < rate
    }

    /// Uniform in `0..count`; `count` must not be 0.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        let wide = u128::from(self.bits()) * (count as u128);
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    /// A version-4 UUID's 128 bits.
    pub(crate) fn uuid(&mut self) -> u128 {
        let raw = (u128::from(self.bits()) << 64) | u128::from(self.bits());
        let version = (raw & !(0xF << 76)) | (0x4 << 76);
        (version & !(0x3 << 62)) | (0x2 << 62)
    }
}

/// The hyphenated text of 128 bits.
pub(crate) fn uuid_text(bits: u128) -> String {
    let hex = format!("{bits:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// Reads what [`uuid_text`] wrote; anything else is `None`.
pub(crate) fn uuid_bits(text: &str) -> Option<u128> {
    let hyphens = [8, 13, 18, 23];
    if text.len() != 36 || hyphens.iter().any(|&at| text.as_bytes()[at] != b'-') {
        return None;
    }
    let hex: String = text.split('-').collect();
    if hex.len() != 32 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(&hex, 16).ok()
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// SplitMix64's finaliser.
fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_fixed_for_ever() {
        // Recorded seeds in regression tests rely on these.
        let mut dice = Dice::new(7, "behaviour", "+14155550100", 0);
        let first = dice.bits();
        assert_eq!(first, 0x148F_EC9A_4FE1_CA2B);
        assert_eq!(first, Dice::new(7, "behaviour", "+14155550100", 0).bits());
        assert_ne!(first, Dice::new(7, "behaviour", "+14155550100", 1).bits());
        assert_ne!(first, Dice::new(7, "behaviour", "+14155550101", 0).bits());
        assert_ne!(first, Dice::new(8, "behaviour", "+14155550100", 0).bits());
        assert_ne!(first, Dice::new(7, "ids", "+14155550100", 0).bits());
    }

    #[test]
    fn rates_hold_roughly_and_at_their_ends_exactly() {
        let struck = (0..10_000)
            .filter(|&n| Dice::new(1, "rate", "", n).strikes(0.3))
            .count();
        assert!((2_800..3_200).contains(&struck), "{struck}");
        assert!((0..1_000).all(|n| Dice::new(1, "one", "", n).strikes(1.0)));
        assert!(!(0..1_000).any(|n| Dice::new(1, "none", "", n).strikes(0.0)));
    }

    #[test]
    fn uuids_read_back() {
        let bits = Dice::new(1, "ids", "x", 0).uuid();
        let text = uuid_text(bits);
        assert_eq!(&text[14..15], "4");
        assert_eq!(uuid_bits(&text), Some(bits));
        assert_eq!(uuid_bits("not-a-uuid"), None);
        assert_eq!(uuid_bits(&"é".repeat(18)), None);
    }
}
