//! Secrets at rest: XChaCha20-Poly1305 with one installation key.
//!
//! Each sealed value is bound to where it belongs (`context`), so that a ciphertext moved to
//! another row or column does not open. The format is `1 ‖ nonce (24 bytes) ‖ ciphertext`.

use std::fmt::Write as _;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// Seals and opens secrets.
#[derive(Clone)]
pub struct Vault {
    cipher: XChaCha20Poly1305,
    tagger: Hmac<Sha256>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(••••)")
    }
}

/// A secret that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a stored secret does not open with this key file; use the key file the database was made with"
)]
pub struct VaultError;

/// Tags are made with a key of their own, derived from the installation's.
fn tagger(key: &[u8; 32]) -> Hmac<Sha256> {
    let keyed = |key: &[u8]| {
        <Hmac<Sha256> as Mac>::new_from_slice(key).unwrap_or_else(|_| {
            // HMAC takes keys of every length.
            unreachable!("a key that HMAC does not take")
        })
    };
    let mut derived = keyed(key);
    derived.update(b"campanile tags");
    keyed(&derived.finalize().into_bytes())
}

impl Vault {
    /// A vault with this key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            cipher: XChaCha20Poly1305::new(Key::from_slice(key)),
            tagger: tagger(key),
        }
    }

    /// A tag of `text` for `context` that only this key makes: tells our own texts from others'.
    pub fn tag(&self, text: &str, context: &str) -> [u8; 32] {
        let mut tagger = self.tagger.clone();
        tagger.update(context.as_bytes());
        tagger.update(&[0]);
        tagger.update(text.as_bytes());
        tagger.finalize().into_bytes().into()
    }

    /// Tells this key from another, and nothing else of it: 64 hexadecimal digits.
    pub fn mark(&self) -> String {
        let mut mark = String::with_capacity(64);
        for byte in self.tag("mark", "key") {
            // Writing to a string does not fail.
            let _ = write!(mark, "{byte:02x}");
        }
        mark
    }

    /// Seals `plain` for `context`. `nonce` must be fresh randomness.
    pub fn seal(&self, plain: &[u8], context: &str, nonce: [u8; NONCE_BYTES]) -> Vec<u8> {
        let payload = Payload {
            msg: plain,
            aad: context.as_bytes(),
        };
        // Encryption fails only for messages of hundreds of gigabytes; bodies are capped at 1 MiB.
        let sealed = self
            .cipher
            .encrypt(XNonce::from_slice(&nonce), payload)
            .unwrap_or_default();
        let mut out = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out
    }

    /// Opens what [`Vault::seal`] made for the same `context`.
    pub fn open(&self, sealed: &[u8], context: &str) -> Result<Vec<u8>, VaultError> {
        let (version, rest) = sealed.split_first().ok_or(VaultError)?;
        if *version != VERSION || rest.len() < NONCE_BYTES {
            return Err(VaultError);
        }
        let (nonce, ciphertext) = rest.split_at(NONCE_BYTES);
        let payload = Payload {
            msg: ciphertext,
            aad: context.as_bytes(),
        };
        self.cipher
            .decrypt(XNonce::from_slice(nonce), payload)
            .map_err(|_| VaultError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_a_mark_of_its_own() {
        let mark = Vault::new(&[7; 32]).mark();
        assert_eq!(mark.len(), 64);
        assert_eq!(mark, Vault::new(&[7; 32]).mark());
        assert_ne!(mark, Vault::new(&[8; 32]).mark());
    }

    #[test]
    fn a_secret_opens_only_with_its_key_and_in_its_place() {
        let vault = Vault::new(&[7; 32]);
        let sealed = vault.seal(b"secret", "line/1/credentials", [3; 24]);
        assert_eq!(
            vault.open(&sealed, "line/1/credentials"),
            Ok(b"secret".to_vec())
        );
        assert_eq!(vault.open(&sealed, "line/2/credentials"), Err(VaultError));
        assert_eq!(
            Vault::new(&[8; 32]).open(&sealed, "line/1/credentials"),
            Err(VaultError)
        );
        assert_eq!(
            vault.open(&sealed[..10], "line/1/credentials"),
            Err(VaultError)
        );
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
    }
}
