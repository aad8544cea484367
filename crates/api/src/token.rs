//! The format of bearer tokens, shared with the command line.
//!
//! `cmp_` + 32 random base62 characters (190 bits) + 6 base62 characters of the CRC-32 of what
//! stands before. The checksum lets scanners and the server reject what cannot be a token without
//! asking the store. Only the SHA-256 of a token is kept.

use std::fmt::Write as _;

use domain::ambient::Entropy;
use sha2::{Digest, Sha256};

const PREFIX: &str = "cmp_";
const RANDOM_CHARS: usize = 32;
const CHECKSUM_CHARS: usize = 6;
const TOKEN_BYTES: usize = PREFIX.len() + RANDOM_CHARS + CHECKSUM_CHARS;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new token.
pub fn generate(entropy: &dyn Entropy) -> String {
    // Eight bytes a character make the modulo's bias too small to matter.
    let mut bytes = [0_u8; 8 * RANDOM_CHARS];
    entropy.fill(&mut bytes);
    let mut token = String::with_capacity(TOKEN_BYTES);
    token.push_str(PREFIX);
    for chunk in bytes.chunks_exact(8) {
        let number = chunk
            .iter()
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        token.push(base62(number));
    }
    let checksum = checksum(&token);
    token.push_str(&checksum);
    token
}

/// Whether `text` has the form of a token and its checksum fits.
pub fn is_well_formed(text: &str) -> bool {
    if text.len() != TOKEN_BYTES || !text.is_ascii() || !text.starts_with(PREFIX) {
        return false;
    }
    let (first, sum) = text.split_at(PREFIX.len() + RANDOM_CHARS);
    first[PREFIX.len()..]
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric())
        && checksum(first) == sum
}

/// What is stored of a token.
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// What is shown of a token after it was made: enough to recognise it.
pub fn mask(text: &str) -> String {
    let shown = PREFIX.len() + 4;
    match (
        text.get(..shown),
        text.len()
            .checked_sub(4)
            .and_then(|start| text.get(start..)),
    ) {
        (Some(head), Some(tail)) if text.len() >= 2 * shown => format!("{head}…{tail}"),
        _ => "…".to_owned(),
    }
}

fn checksum(text: &str) -> String {
    let mut rest = u64::from(crc32(text.as_bytes()));
    let mut reversed = [b'0'; CHECKSUM_CHARS];
    for place in reversed.iter_mut().rev() {
        *place = BASE62[usize::try_from(rest % 62).unwrap_or(0)];
        rest /= 62;
    }
    let mut sum = String::with_capacity(CHECKSUM_CHARS);
    for byte in reversed {
        let _ = sum.write_char(char::from(byte));
    }
    sum
}

fn base62(number: u64) -> char {
    char::from(BASE62[usize::try_from(number % 62).unwrap_or(0)])
}

/// CRC-32 as in zip and PNG, bit by bit: a token has 36 bytes.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1;
            crc >>= 1;
            if carry == 1 {
                crc ^= 0xEDB8_8320;
            }
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FixedEntropy;

    #[test]
    fn the_checksum_is_the_usual_crc32() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_generated_token_is_well_formed_and_any_change_breaks_it() {
        let token = generate(&FixedEntropy::seeded(7));
        assert_eq!(token.len(), TOKEN_BYTES);
        assert!(is_well_formed(&token));
        for position in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[position] = if bytes[position] == b'a' { b'b' } else { b'a' };
            assert!(!is_well_formed(&String::from_utf8(bytes).unwrap()));
        }
        for text in ["", "cmp_", "Bearer x", &token[1..], &format!("{token}0")] {
            assert!(!is_well_formed(text));
        }
    }

    #[test]
    fn a_mask_shows_only_the_ends() {
        let token = generate(&FixedEntropy::seeded(8));
        let masked = mask(&token);
        assert_eq!(
            masked,
            format!("{}…{}", &token[..8], &token[token.len() - 4..])
        );
        assert_eq!(mask("short"), "…");
    }
}
