//! Where the database is: a `postgres://` address as libpq reads it.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, Host, SslMode, SslNegotiation};

use crate::tls::Verify;

/// Longest wait for a TCP connection, over all hosts that the address names: a machine that is gone
/// shall leave time for the next one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that answers nothing for about so long, not even on the wire, is gone.
const SILENCE: Duration = Duration::from_secs(10);

/// What every session is told. Commits are durable before they are answered; nothing waits for
/// ever; a transaction whose client fell silent gives its locks back. Every statement has an index for
/// what may grow, and looks for few rows: a plan that is made while a table is all but empty, and kept,
/// shall look for them one by one already.
const SESSION: &str = "-c synchronous_commit=on -c default_transaction_isolation=read\\ committed \
     -c timezone=UTC -c row_security=on -c client_min_messages=warning -c lock_timeout=10s -c statement_timeout=30s \
     -c idle_in_transaction_session_timeout=3s -c jit=off \
     -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off \
     -c random_page_cost=1.1";

/// Where the database is, and how the server is to be trusted.
#[derive(Clone)]
pub struct Address {
    pub(crate) config: Config,
    pub(crate) tls: Option<(Verify, Option<PathBuf>)>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

/// An address that cannot be used. Never repeats the address: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the database address is not usable: {0}")]
pub struct AddressError(String);

fn refuse<T>(why: impl Into<String>) -> Result<T, AddressError> {
    Err(AddressError(why.into()))
}

impl Address {
    /// Whether a text is meant as an address of PostgreSQL.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// Host, port and database, without user and password.
    pub fn shown(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let database = self.config.get_dbname().unwrap_or_default();
        format!("postgres://{host}:{port}/{database}")
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if !Self::is_meant(text) {
            return refuse("it begins with postgres:// or postgresql://");
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let mut kept = Vec::new();
        let (mut mode, mut roots) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(decode(value)?),
                Some(("sslrootcert", value)) => roots = Some(decode(value)?),
                _ => kept.push(pair),
            }
        }
        let plain = if kept.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", kept.join("&"))
        };
        let mut config = Config::from_str(&plain).map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            AddressError(cause.unwrap_or_else(|| error.to_string()))
        })?;
        if config.get_dbname().is_none() {
            return refuse("it names no database: postgres://user@host/database");
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return refuse("it names no host: postgres://user@host/database");
        }
        if config.get_hosts().is_empty() {
            // What is reached by its number alone is known, and certified, by that number.
            for number in config.get_hostaddrs().to_vec() {
                config.host(number.to_string());
            }
        }
        let roots = roots.filter(|path| !path.is_empty());
        let tls = tls(mode.as_deref(), roots.as_deref(), &mut config)?;
        refuse_what_is_not_kept(&config)?;
        let options = match config.get_options() {
            Some(own) => format!("{SESSION} {own}"),
            None => SESSION.to_owned(),
        };
        let patience = CONNECT_TIMEOUT / hosts(&config);
        config
            .options(options)
            .application_name("campanile")
            .connect_timeout(patience)
            .keepalives_idle(SILENCE)
            .keepalives_interval(SILENCE / 2)
            .keepalives_retries(2)
            .tcp_user_timeout(SILENCE);
        Ok(Self { config, tls })
    }
}

type Tls = Option<(Verify, Option<PathBuf>)>;

/// Values are percent-encoded, as those that the driver reads.
fn decode(value: &str) -> Result<String, AddressError> {
    match percent_decode_str(value).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => refuse("its parameters are not UTF-8"),
    }
}

fn hosts(config: &Config) -> u32 {
    u32::try_from(config.get_hosts().len())
        .unwrap_or(u32::MAX)
        .max(1)
}

/// A promise of the address that nobody would keep.
fn refuse_what_is_not_kept(config: &Config) -> Result<(), AddressError> {
    if config.get_channel_binding() == ChannelBinding::Require {
        return refuse(
            "channel_binding=require is not supported: leave it out and say sslmode=verify-full, which lets nobody in between either",
        );
    }
    if config.get_ssl_negotiation() == SslNegotiation::Direct {
        return refuse("sslnegotiation=direct is not supported: leave it out");
    }
    Ok(())
}

/// libpq's meanings: `require` with a file of roots checks the chain, as `verify-ca` does, and the
/// roots that everybody trusts prove something only together with the host's name.
fn tls(mode: Option<&str>, roots: Option<&str>, config: &mut Config) -> Result<Tls, AddressError> {
    let public = roots == Some("system");
    let roots = roots.filter(|_| !public).map(PathBuf::from);
    let mode = mode.unwrap_or(if public { "verify-full" } else { "prefer" });
    let (ssl_mode, verify) = match mode {
        "disable" => (SslMode::Disable, None),
        "prefer" | "allow" => (SslMode::Prefer, Some(Verify::Nothing)),
        "require" if roots.is_some() => (SslMode::Require, Some(Verify::Chain)),
        "require" => (SslMode::Require, Some(Verify::Nothing)),
        "verify-ca" => (SslMode::Require, Some(Verify::Chain)),
        "verify-full" => (SslMode::Require, Some(Verify::ChainAndHost)),
        _ => {
            return refuse(
                "sslmode is one of disable, allow, prefer, require, verify-ca, verify-full",
            );
        }
    };
    if public && mode != "verify-full" {
        return refuse("sslrootcert=system goes with sslmode=verify-full alone: say that");
    }
    match sockets(config) {
        Sockets::All => {
            // Nobody else is on the way there: libpq ignores sslmode then.
            config.ssl_mode(SslMode::Disable);
            return Ok(None);
        }
        Sockets::Some if ssl_mode == SslMode::Require => {
            return refuse(
                "some of its hosts are sockets of the file system, which know no TLS, and others are not: name either kind alone, or say sslmode=prefer where nobody can listen on the way",
            );
        }
        Sockets::Some | Sockets::None => {}
    }
    if verify == Some(Verify::Chain) && roots.is_none() {
        return refuse(
            "sslmode=verify-ca wants the certificate of the authority: name its file with sslrootcert, or say sslmode=verify-full",
        );
    }
    config.ssl_mode(ssl_mode);
    Ok(verify.map(|verify| (verify, roots)))
}

/// How many of the hosts are reached through the file system.
enum Sockets {
    None,
    Some,
    All,
}

fn sockets(config: &Config) -> Sockets {
    let is_socket = |host: &&Host| match host {
        Host::Tcp(_) => false,
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    let hosts = config.get_hosts();
    match hosts.iter().filter(is_socket).count() {
        0 => Sockets::None,
        all if all == hosts.len() => Sockets::All,
        _ => Sockets::Some,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls_of(text: &str) -> (SslMode, Option<Verify>) {
        let address = Address::from_str(text).unwrap();
        let mode = address.config.get_ssl_mode();
        (mode, address.tls.map(|(verify, _)| verify))
    }

    #[test]
    fn sslmode_means_what_libpq_means() {
        let with = |query: &str| tls_of(&format!("postgres://u@h/d{query}"));
        assert_eq!(with(""), (SslMode::Prefer, Some(Verify::Nothing)));
        assert_eq!(with("?sslmode=disable"), (SslMode::Disable, None));
        assert_eq!(
            with("?sslmode=require"),
            (SslMode::Require, Some(Verify::Nothing))
        );
        assert_eq!(
            with("?sslrootcert=/ca.pem&sslmode=require"),
            (SslMode::Require, Some(Verify::Chain))
        );
        assert_eq!(
            with("?sslmode=verify-full&target_session_attrs=read-write"),
            (SslMode::Require, Some(Verify::ChainAndHost))
        );
    }

    #[test]
    fn a_socket_of_the_file_system_needs_no_tls_whatever_is_asked_for() {
        for query in ["", "&sslmode=require", "&sslmode=verify-full"] {
            for place in ["u@/d?host=/run/postgresql", "%2Frun%2Fpostgresql/d?user=u"] {
                let text = format!("postgres://{place}{query}");
                assert_eq!(tls_of(&text), (SslMode::Disable, None), "{text}");
            }
        }
        let both = "postgres://u@%2Frun%2Fpostgresql,db.example/d";
        assert_eq!(tls_of(both), (SslMode::Prefer, Some(Verify::Nothing)));
        let refused = Address::from_str(&format!("{both}?sslmode=verify-full")).unwrap_err();
        assert!(refused.to_string().contains("either kind"), "{refused}");
        assert!(Address::from_str("postgres://u@/d?host=/run&sslmode=maybe").is_err());
    }

    #[test]
    fn roots_that_everybody_trusts_go_with_the_name_of_the_host() {
        for query in ["sslrootcert=system", "sslmode=verify-full"] {
            let address = format!("postgres://u@h/d?{query}");
            let tls = Address::from_str(&address).unwrap().tls;
            assert_eq!(tls, Some((Verify::ChainAndHost, None)), "{query}");
        }
    }

    #[test]
    fn a_file_of_roots_may_be_percent_encoded() {
        let text = "postgres://u@h/d?sslmode=verify%2Dca&sslrootcert=%2Fan%20authority.pem";
        let tls = Address::from_str(text).unwrap().tls;
        let file = PathBuf::from("/an authority.pem");
        assert_eq!(tls, Some((Verify::Chain, Some(file))));
    }

    #[test]
    fn a_host_that_is_gone_leaves_time_for_the_next() {
        let text = "postgres://u@one,two/d?target_session_attrs=read-write";
        let address = Address::from_str(text).unwrap();
        let patience = address.config.get_connect_timeout().copied();
        assert_eq!(patience, Some(CONNECT_TIMEOUT / 2));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (text, why) in [
            ("sqlite:x", "begins with"),
            ("postgres://u:secret@h", "names no database"),
            ("postgres://u:secret@h/d?sslmode=maybe", "sslmode is one of"),
            ("postgres://u:secret@h:port/d", "port"),
            ("postgres:///d?user=u&password=secret", "names no host"),
            (
                "postgres://u:secret@h/d?sslmode=verify-ca",
                "with sslrootcert",
            ),
            (
                "postgres://u:secret@h/d?sslmode=require&sslrootcert=system",
                "sslmode=verify-full",
            ),
            (
                "postgres://u:secret@h/d?channel_binding=require",
                "leave it out",
            ),
            (
                "postgres://u:secret@h/d?sslmode=require&sslnegotiation=direct",
                "leave it out",
            ),
            ("postgres://u:secret@h/d?sslcert=/a.pem", "sslcert"),
            ("postgres://u:secret@h/d?sslmode=%ff", "UTF-8"),
        ] {
            let error = Address::from_str(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_address_is_shown_without_user_and_password() {
        let address = Address::from_str("postgresql://u:secret@db.example:6432/dial").unwrap();
        assert_eq!(format!("{address:?}"), "postgres://db.example:6432/dial");
    }
}
