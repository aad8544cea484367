//! The way to the database, which can be cut in the middle of anything.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A port of this machine whose connections end at a server's socket.
pub(super) struct Wire {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Where connections end; nowhere: they are refused.
    target: Mutex<Option<PathBuf>>,
    /// What is connected.
    pairs: Mutex<Vec<(TcpStream, UnixStream)>>,
    /// Whether what the server says is lost.
    is_deaf: AtomicBool,
    is_over: AtomicBool,
}

impl Wire {
    pub(super) fn to(target: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        *shared.target.lock().unwrap() = Some(target);
        let accepting = Arc::clone(&shared);
        spawn(move || {
            for stream in listener.incoming() {
                if accepting.is_over.load(Ordering::SeqCst) {
                    return;
                }
                // One that is gone already needs nothing.
                if let Ok(stream) = stream {
                    let _ = connect(&accepting, stream);
                }
            }
        });
        Self { port, shared }
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection, whatever is under way in it.
    pub(super) fn cut(&self) {
        for (client, server) in self.shared.pairs.lock().unwrap().drain(..) {
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    /// From now on questions arrive and answers do not.
    pub(super) fn lose_answers(&self) {
        self.shared.is_deaf.store(true, Ordering::SeqCst);
    }

    /// From now on nobody is let through; who was is cut off.
    pub(super) fn close(&self) {
        *self.shared.target.lock().unwrap() = None;
        self.cut();
    }

    /// From now on the way leads there.
    pub(super) fn lead_to(&self, target: PathBuf) {
        self.shared.is_deaf.store(false, Ordering::SeqCst);
        *self.shared.target.lock().unwrap() = Some(target);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.close();
        // It only looks when somebody comes.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn connect(shared: &Arc<Shared>, client: TcpStream) -> std::io::Result<()> {
    // Held until the pair is known: whoever closes the way afterwards finds it.
    let target = shared.target.lock().unwrap();
    let Some(path) = target.as_ref() else {
        return client.shutdown(Shutdown::Both);
    };
    client.set_nodelay(true)?;
    let server = UnixStream::connect(path)?;
    let ways = (client.try_clone()?, server.try_clone()?);
    shared
        .pairs
        .lock()
        .unwrap()
        .push((client.try_clone()?, server.try_clone()?));
    drop(target);
    let (mut from_client, mut to_server) = (client, server);
    spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let (mut to_client, mut from_server) = ways;
    let shared = Arc::clone(shared);
    spawn(move || {
        let _ = answers(&shared, &mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    Ok(())
}

fn answers(shared: &Shared, from: &mut UnixStream, to: &mut TcpStream) -> std::io::Result<()> {
    let mut piece = [0_u8; 4096];
    loop {
        let length = from.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        if !shared.is_deaf.load(Ordering::SeqCst) {
            to.write_all(&piece[..length])?;
        }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name("wire".to_owned());
    let _ = thread.spawn(work).unwrap();
}
