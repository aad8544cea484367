//! Why a database cannot be opened, in one line each that ends with the remedy.
//!
//! What the server says is told apart by its SQLSTATE alone: its words may be in any language.

use std::error::Error as _;
use std::io;

use rustls::CertificateError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::address::Address;
use crate::error::describe;
use crate::migrate::MigrateError;
use crate::tls::TlsError;

/// Why a database cannot be opened. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nobody answers.
    #[error(
        "cannot reach the database {address}: {cause}; check that the server runs and the address is right"
    )]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What went wrong.
        cause: String,
    },
    /// The server has no place for one more.
    #[error(
        "the database {address} takes no further connection: {cause}; raise the server's max_connections (or the connection limit of user or database), or lower --database-connections of the processes"
    )]
    Full {
        /// Where it is.
        address: String,
        /// What the server said.
        cause: String,
    },
    /// The server does not let us in.
    #[error("the database {address} refused the login: {cause}; {remedy}")]
    Login {
        /// Where it is.
        address: String,
        /// What the server said.
        cause: String,
        /// What to do.
        remedy: &'static str,
    },
    /// There is no such database.
    #[error(
        "the server has no such database ({address}): {cause}; create it first: createdb --owner <user> <name>"
    )]
    Missing {
        /// Where it should be.
        address: String,
        /// What the server said.
        cause: String,
    },
    /// None of the servers takes writes, and only one that does was asked for.
    #[error(
        "no server of the database {address} takes writes: {cause}; start or promote the primary, name it in the address if it is missing there, and see that default_transaction_read_only is off"
    )]
    NoPrimary {
        /// Where it should be.
        address: String,
        /// What the driver found.
        cause: String,
    },
    /// TLS cannot be set up.
    #[error("the database {address} cannot be reached over TLS: {cause}; {remedy}")]
    Tls {
        /// Where it is.
        address: String,
        /// What went wrong.
        cause: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The schema does not fit.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
}

impl OpenError {
    /// Whether the same may succeed later without anybody changing it: the server is down, starting,
    /// or full, or a standby is being promoted.
    pub const fn passes(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Full { .. } | Self::NoPrimary { .. }
        )
    }

    /// No connection came about.
    pub(crate) fn of(address: &Address, error: &Error) -> Self {
        let (shown, cause) = (address.shown(), describe(error));
        let Some(state) = error.code() else {
            return Self::without_answer(shown, cause, error);
        };
        let login = |remedy| Self::Login {
            address: shown.clone(),
            cause: cause.clone(),
            remedy,
        };
        if *state == SqlState::INVALID_PASSWORD {
            login(CHECK_LOGIN)
        } else if *state == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
            // Also what a server says that wants TLS, or does not want it.
            login(if address.tls.is_some() {
                CHECK_LOGIN
            } else {
                CHECK_LOGIN_OR_TLS
            })
        } else if *state == SqlState::INSUFFICIENT_PRIVILEGE {
            login("run GRANT CONNECT ON DATABASE <name> TO <user> as an administrator")
        } else if *state == SqlState::INVALID_CATALOG_NAME {
            Self::Missing {
                address: shown,
                cause,
            }
        } else if *state == SqlState::TOO_MANY_CONNECTIONS {
            Self::Full {
                address: shown,
                cause,
            }
        } else {
            Self::Unreachable {
                address: shown,
                cause,
            }
        }
    }

    /// The driver's own words: the server said nothing that has a code.
    fn without_answer(address: String, cause: String, error: &Error) -> Self {
        if cause.contains("TLS handshake") {
            let remedy = remedy_of_handshake(error);
            Self::Tls {
                address,
                cause,
                remedy,
            }
        } else if cause.contains("password") {
            Self::Login {
                address,
                cause,
                remedy: CHECK_LOGIN,
            }
        } else if cause.contains("does not allow writes") {
            Self::NoPrimary { address, cause }
        } else {
            Self::Unreachable { address, cause }
        }
    }

    /// Our side of TLS.
    pub(crate) fn of_tls(address: &Address, error: &TlsError) -> Self {
        Self::Tls {
            address: address.shown(),
            cause: error.to_string(),
            remedy: match error {
                TlsError::Roots { .. } => {
                    "sslrootcert names a file with certificates in PEM form that this user may read"
                }
                TlsError::Refused(_) => "check the certificates of sslrootcert",
            },
        }
    }
}

const CHECK_LOGIN: &str = "check user, password and the server's pg_hba.conf";

const CHECK_LOGIN_OR_TLS: &str = "check user, password and the server's pg_hba.conf; where that asks for TLS say sslmode=verify-full with sslrootcert=<file>";

fn remedy_of_handshake(error: &Error) -> &'static str {
    let source = error.source();
    let refused = source
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .and_then(io::Error::get_ref)
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match refused {
        Some(rustls::Error::InvalidCertificate(why)) => remedy_of_certificate(why),
        Some(_) => "check that the server speaks TLS 1.2 or 1.3, and what its log says",
        None => match source.map(ToString::to_string) {
            Some(said) if said.contains("does not support TLS") => {
                "switch it on at the server (ssl = on), or say sslmode=disable where nobody can listen on the way"
            }
            Some(said) if said.contains("dns name") => "check the host of the address",
            _ => "check what the server's log says",
        },
    }
}

fn remedy_of_certificate(why: &CertificateError) -> &'static str {
    use CertificateError as E;
    match why {
        E::UnknownIssuer | E::BadSignature => {
            "name the certificate of the authority that signed the server's with sslrootcert=<file>"
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "connect to a name that stands in the certificate's subjectAltName, or have one made for this name; sslmode=verify-ca leaves the name unchecked"
        }
        E::Expired | E::ExpiredContext { .. } | E::NotValidYet | E::NotValidYetContext { .. } => {
            "renew the server's certificate, and check this machine's clock"
        }
        // An authority's own certificate, or one of the first version, is taken by OpenSSL.
        _ => {
            "have the server's certificate made by an authority as an X.509 v3 one (not its own authority) with the host in subjectAltName"
        }
    }
}
