//! Callbacks of providers.

use http::{HeaderMap, HeaderValue};
use providers::{CallbackError, ProviderKind, RawCallback};

const SECRET: &str = "a-secret-of-the-line";

/// Any body with the secret is read or refused, the same way each time; without it, it is not even
/// looked at.
pub fn callback(data: &[u8]) {
    for kind in [ProviderKind::Vapi, ProviderKind::Sandbox] {
        let adapter = kind.adapter();
        let mut headers = HeaderMap::new();
        headers.insert("x-vapi-secret", HeaderValue::from_static(SECRET));
        let raw = RawCallback {
            headers: &headers,
            body: data,
        };
        match adapter.verify_callback(raw, SECRET) {
            Ok(verified) => {
                let read = adapter.read_callback(&verified);
                let again = adapter.read_callback(&verified);
                assert_eq!(format!("{read:?}"), format!("{again:?}"));
            }
            Err(error) => panic!("the right secret was refused: {error:?}"),
        }
        for (headers, secret) in [
            (&HeaderMap::new(), SECRET),
            (&headers, "another-secret"),
            (&headers, ""),
        ] {
            let raw = RawCallback {
                headers,
                body: data,
            };
            assert!(matches!(
                adapter.verify_callback(raw, secret),
                Err(CallbackError::Unauthentic)
            ));
        }
    }
}
