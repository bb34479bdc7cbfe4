//! Upstreams: real sockets, a thread per connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::net::{Shutdown, shutdown};

/// A listening upstream. Its threads end with the test's process.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    listener: TcpListener,
}

impl Backend {
    /// Serves each connection with `handler` in a thread of its own.
    ///
    /// # Panics
    /// When the address cannot be bound.
    pub(crate) fn serve(address: &str, handler: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        let (address, handler) = (listener.local_addr().unwrap(), Arc::new(handler));
        let accepted = Arc::new(AtomicUsize::new(0));
        let kept = listener.try_clone().unwrap();
        let count = Arc::clone(&accepted);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                let handler = Arc::clone(&handler);
                thread::spawn(move || handler(stream));
            }
        });
        Self { address, accepted, listener: kept }
    }

    /// Listens no longer: who connects is refused, and another may have the address.
    ///
    /// # Panics
    /// When the kernel does not let it.
    pub(crate) fn stop(self) {
        // The thread waits in accept(2), which this ends.
        shutdown(&self.listener, Shutdown::Both).unwrap();
    }

    /// Sends back what comes, and the end of it.
    pub(crate) fn echo(address: &str) -> Self {
        Self::serve(address, |mut stream| {
            let mut chunk = vec![0; 256 << 10];
            while let Ok(n @ 1..) = stream.read(&mut chunk) {
                if stream.write_all(&chunk[..n]).is_err() {
                    return;
                }
            }
            let _ = stream.shutdown(std::net::Shutdown::Write);
        })
    }

    /// Says who it is, and ends.
    pub(crate) fn named(address: &str, name: &'static str) -> Self {
        Self::serve(address, move |mut stream| {
            let _ = stream.write_all(name.as_bytes());
        })
    }

    /// Connections accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}
