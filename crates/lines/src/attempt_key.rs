//! Keys of attempts that tell their own from others'.
//!
//! A key travels to the provider and comes back in callbacks and lists. Its end is a tag of the
//! rest under the installation's key file: so a call at a provider that carries a key of ours, and
//! that the database does not know, proves that the database has forgotten it. Another installation
//! on the same account, or a user who makes keys up, proves nothing.

use domain::ambient::{Entropy, random_key};
use store::Vault;

/// What the tag is for.
const CONTEXT: &str = "attempt key";
/// Letters of the tag: fifty bits, and with them a key has the forty characters that all vendors
/// take.
const TAG_CHARS: usize = 10;
/// Letters of [`tag`], as in [`random_key`].
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A fresh key: unguessable, and known as ours by [`is_ours`].
pub fn attempt_key(entropy: &dyn Entropy, vault: &Vault) -> String {
    let mut key = random_key(entropy, "att_");
    let tag = tag(vault, &key);
    key.push_str(&tag);
    key
}

/// Whether this installation made the key.
pub fn is_ours(vault: &Vault, key: &str) -> bool {
    let split = key.len().checked_sub(TAG_CHARS);
    let parts = split.and_then(|split| key.split_at_checked(split));
    parts.is_some_and(|(random, tagged)| random.starts_with("att_") && tag(vault, random) == tagged)
}

fn tag(vault: &Vault, random: &str) -> String {
    let bytes = vault.tag(random, CONTEXT);
    let letters = bytes.iter().take(TAG_CHARS);
    letters
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    struct Counting(AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0.fetch_add(7, Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn a_key_is_ours_under_our_key_file_only() {
        let (ours, theirs) = (Vault::new(&[1; 32]), Vault::new(&[2; 32]));
        let entropy = Counting(3.into());
        let key = attempt_key(&entropy, &ours);
        assert_eq!(key.len(), 40);
        assert_ne!(key, attempt_key(&entropy, &ours));
        assert!(is_ours(&ours, &key));
        assert!(!is_ours(&theirs, &key));
    }

    #[test]
    fn what_was_made_up_or_changed_is_not_ours() {
        let vault = Vault::new(&[1; 32]);
        let key = attempt_key(&Counting(3.into()), &vault);
        let mut changed = key.clone().into_bytes();
        changed[10] = if changed[10] == b'a' { b'b' } else { b'a' };
        let changed = String::from_utf8(changed).unwrap_or_default();
        let short = key.get(..30).unwrap_or_default();
        for text in ["", "att_", "att_ÄÖÜÄÖÜÄÖÜ", short, &changed, "key-1"] {
            assert!(!is_ours(&vault, text), "{text}");
        }
    }
}
