//! What a service manager hears (sd_notify(3)), as systemd would hear it.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::harness::patience;
use crate::harness::sluice::Builder;
use crate::tls::Site;

/// The manager's end of `NOTIFY_SOCKET`.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(name: &str) -> Self {
        // Not in the folder of cargo's: a socket's path has 108 bytes.
        let path = std::env::temp_dir().join(format!("sluice-{}-{name}", std::process::id()));
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(patience())).unwrap();
        Self { socket, path }
    }

    /// The next news, line by line.
    fn hears(&self) -> Vec<String> {
        let mut news = [0; 512];
        let size = self.socket.recv(&mut news).expect("news for the service manager");
        str::from_utf8(&news[..size]).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn builder(site: &Site, manager: &Manager) -> Builder {
    let flags = ["--kernel-relay", "false"];
    Builder::new(&site.documents).flags(&flags).variable("NOTIFY_SOCKET", manager.path.clone())
}

#[test]
fn a_manager_hears_of_start_reload_and_end() {
    let manager = Manager::new("life");
    let site = Site::new();
    let service = site.at(7001);
    let site = site.mapping("pay", &service, "");
    let mut sluice = builder(&site, &manager).spawn();
    assert_eq!(manager.hears(), ["READY=1", "STATUS=serving on 1 addresses"]);
    // Whoever is started after it finds it listening.
    drop(crate::harness::client::connect(&site.front()));
    sluice.closed();

    sluice.signal(Signal::HUP);
    let reloading = manager.hears();
    assert_eq!(reloading[0], "RELOADING=1");
    let time = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(time.parse::<u64>().unwrap() > 0);
    assert_eq!(manager.hears()[0], "READY=1");

    sluice.signal(Signal::TERM);
    assert_eq!(manager.hears(), ["STOPPING=1", "STATUS=draining 0 connections"]);
    assert!(sluice.wait().success());
}

#[test]
fn a_manager_that_is_gone_stops_nothing() {
    let gone = Manager::new("gone");
    let site = Site::new();
    let service = site.at(7001);
    let site = site.mapping("pay", &service, "");
    fs::remove_file(&gone.path).unwrap();
    let mut sluice = builder(&site, &gone).start();
    sluice.expect_log("the service manager was not told");
}
