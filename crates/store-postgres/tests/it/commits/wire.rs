//! A wire between a store and the server that is cut at a COMMIT.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The name of a server's socket in its folder.
const SOCKET: &str = ".s.PGSQL.5432";
/// How the driver asks for it.
const COMMIT: &[u8] = b"COMMIT\0";

/// What happens to the connection that commits next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The server never hears of the commit.
    Before,
    /// The server has answered, and the answer is lost.
    After,
    /// The client is gone while the server still commits.
    During,
    /// The answer is lost, and with it every other connection.
    AfterWithAll,
}

/// Carries connections to the server, and cuts one when told to.
pub(crate) struct Wire {
    folder: TempDir,
    next: Arc<Mutex<Option<Cut>>>,
    _carrying: JoinSet<()>,
}

impl Wire {
    /// A wire to the server whose socket is in this folder.
    pub(crate) fn to(server: &Path) -> Self {
        let folder = TempDir::new().unwrap();
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let next: Arc<Mutex<Option<Cut>>> = Arc::default();
        let carried = Arc::clone(&next);
        let server = server.join(SOCKET);
        let mut carrying = JoinSet::new();
        carrying.spawn(async move {
            let all = Arc::new(Mutex::new(CancellationToken::new()));
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let connection = Connection {
                    server: server.clone(),
                    next: Arc::clone(&carried),
                    stop: all.lock().unwrap().clone(),
                    all: Arc::clone(&all),
                };
                connections.spawn(connection.carry(client));
            }
        });
        Self {
            folder,
            next,
            _carrying: carrying,
        }
    }

    /// Its end, which is a host to whatever connects.
    pub(crate) fn host(&self) -> &Path {
        self.folder.path()
    }

    /// Cuts the next connection that commits.
    pub(crate) fn cut_next(&self, cut: Cut) {
        *self.next.lock().unwrap() = Some(cut);
    }

    /// Whether what was to be cut was.
    pub(crate) fn was_cut(&self) -> bool {
        self.next.lock().unwrap().is_none()
    }
}

struct Connection {
    server: PathBuf,
    next: Arc<Mutex<Option<Cut>>>,
    /// Ends it together with all others.
    stop: CancellationToken,
    /// What ends those that are there.
    all: Arc<Mutex<CancellationToken>>,
}

impl Connection {
    async fn carry(self, client: UnixStream) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.carry_until_cut(client) => {}
        }
    }

    async fn carry_until_cut(self, mut client: UnixStream) {
        let Ok(mut server) = UnixStream::connect(&self.server).await else {
            return;
        };
        let (mut asked, mut told) = (vec![0; 65_536], vec![0; 65_536]);
        loop {
            tokio::select! {
                read = client.read(&mut asked) => {
                    let Ok(length @ 1..) = read else { return };
                    let chunk = &asked[..length];
                    if let Some(cut) = self.cuts(chunk) {
                        return self.end(cut, chunk, client, server).await;
                    }
                    if server.write_all(chunk).await.is_err() {
                        return;
                    }
                }
                read = server.read(&mut told) => {
                    let Ok(length @ 1..) = read else { return };
                    if client.write_all(&told[..length]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn cuts(&self, chunk: &[u8]) -> Option<Cut> {
        if !chunk.windows(COMMIT.len()).any(|window| window == COMMIT) {
            return None;
        }
        self.next.lock().unwrap().take()
    }

    async fn end(&self, cut: Cut, chunk: &[u8], client: UnixStream, mut server: UnixStream) {
        if cut == Cut::Before {
            return;
        }
        server.write_all(chunk).await.unwrap();
        if cut == Cut::During {
            drop(client);
        }
        // Also what is asked in front of it is answered in front of it.
        let mut answers = Vec::new();
        while !answers.windows(COMMIT.len()).any(|window| window == COMMIT)
            && let Ok(1..) = server.read_buf(&mut answers).await
        {}
        if cut == Cut::AfterWithAll {
            let those = std::mem::take(&mut *self.all.lock().unwrap());
            those.cancel();
        }
    }
}
