//! What endpoints are asked, and how often.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use super::{ADMIN, MAPPING, answers, await_state, endpoint, hosts, shares, start};
use crate::harness::backend::Backend;
use crate::harness::eventually;
use crate::harness::tls::{Ca, Server};
use crate::relay::ready;

/// The status that is answered, and the last request.
#[derive(Clone, Default)]
struct Clinic {
    status: Arc<AtomicU16>,
    request: Arc<Mutex<String>>,
}

impl Clinic {
    fn says(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn answer(&self, stream: &mut (impl Read + Write)) {
        let mut request = [0; 1024];
        let Ok(n) = stream.read(&mut request) else { return };
        *self.request.lock().unwrap() = String::from_utf8_lossy(&request[..n]).into_owned();
        let status = self.status.load(Ordering::SeqCst);
        let _ = write!(stream, "HTTP/1.1 {status} So\r\ncontent-length: 2\r\n\r\nok");
    }

    fn heard(&self) -> String {
        self.request.lock().unwrap().clone()
    }
}

fn checks(result: &str) -> f64 {
    ADMIN.metric(&format!("sluice_endpoint_checks_total{{mapping=\"{MAPPING}\",result=\"{result}\"}}"))
}

#[test]
fn http_is_asked_on_another_port_and_its_status_counts() {
    if !ready("http_is_asked_on_another_port_and_its_status_counts") {
        return;
    }
    hosts(&["127.0.0.2"]);
    Backend::named("127.0.0.2:7001", "a");
    let clinic = Clinic::default();
    clinic.says(204);
    let doctor = clinic.clone();
    Backend::serve("127.0.0.2:7003", move |mut stream: TcpStream| doctor.answer(&mut stream));
    let _sluice = start(
        "sluice.dev/check-interval-ms: 50, sluice.dev/check-port: 7003, sluice.dev/check-http: '/healthz?full=1 204,400-404', \
         sluice.dev/check-healthy: 1, sluice.dev/check-unhealthy: 1, sluice.dev/quorum: 0,",
    );
    eventually("a check", || (checks("success") >= 1.0).then_some(()));
    assert_eq!(answers(2), shares([("a", 2)]));
    let request = clinic.heard();
    assert!(request.starts_with("GET /healthz?full=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("host: svc:7003\r\n") && request.contains("user-agent: sluice/"), "{request}");
    for (status, state) in [(200, "down"), (400, "up"), (405, "down"), (404, "up"), (503, "down")] {
        clinic.says(status);
        await_state("127.0.0.2:7001", state);
    }
    let shown =
        ADMIN.json("/config")["listeners"][0]["routes"][0]["mappings"][0]["balancing"]["check"].clone();
    assert_eq!((&shown["port"], &shown["question"]["get"]), (&7003.into(), &"/healthz?full=1".into()));
}

#[test]
fn https_is_asked_of_whoever_answers() {
    if !ready("https_is_asked_of_whoever_answers") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3"]);
    Backend::named("127.0.0.3:7001", "clear");
    let clinic = Clinic::default();
    clinic.says(200);
    let doctor = clinic.clone();
    // Its certificate is nobody's who is known, for another name.
    let config = Arc::new(Ca::new().leaf(&["elsewhere.test"]).server());
    Backend::serve("127.0.0.2:7001", move |stream: TcpStream| {
        let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut server = Server::new(session, stream);
        doctor.answer(&mut server);
        server.conn.send_close_notify();
        let _ = server.flush();
    });
    let _sluice = start(
        "sluice.dev/check-interval-ms: 50, sluice.dev/check-https: /, sluice.dev/check-healthy: 1, \
         sluice.dev/check-unhealthy: 1,",
    );
    await_state("127.0.0.3:7001", "down");
    eventually("a check", || (checks("success") >= 2.0).then_some(()));
    assert_eq!(endpoint("127.0.0.2:7001").unwrap()["state"], "up");
    assert!(clinic.heard().contains("host: svc:7001\r\n"), "{}", clinic.heard());
    clinic.says(500);
    await_state("127.0.0.2:7001", "down");
}

#[test]
fn checks_that_are_late_are_counted_apart() {
    if !ready("checks_that_are_late_are_counted_apart") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3"]);
    // Says nothing until its client goes; the other says something else.
    let silent = Backend::serve("127.0.0.2:7001", |mut stream| {
        let _ = stream.read(&mut [0; 1]);
    });
    Backend::named("127.0.0.3:7001", "b");
    let checked = "sluice.dev/check-interval-ms: 30, sluice.dev/check-timeout-ms: 20, sluice.dev/check-unhealthy: 2, \
                   sluice.dev/check-expect: PONG,";
    let mut sluice = start(&format!("{checked} sluice.dev/check-unhealthy-timeouts: 0,"));
    await_state("127.0.0.3:7001", "down");
    eventually("several checks", || (silent.accepted() >= 5).then_some(()));
    assert_eq!(endpoint("127.0.0.2:7001").unwrap()["state"], "up");
    sluice.reload(&super::mapping(&format!("{checked} sluice.dev/check-unhealthy-timeouts: 3,")));
    await_state("127.0.0.2:7001", "down");
}

#[test]
fn with_an_interval_for_the_unhealthy_alone_the_healthy_are_left_in_peace() {
    if !ready("with_an_interval_for_the_unhealthy_alone_the_healthy_are_left_in_peace") {
        return;
    }
    hosts(&["127.0.0.2", "127.0.0.3"]);
    let well = Backend::named("127.0.0.2:7001", "a");
    let _sluice = start(
        "sluice.dev/check-interval-ms: 0, sluice.dev/check-unhealthy-interval-ms: 50, sluice.dev/check-healthy: 2, \
         sluice.dev/eject-after: 1, sluice.dev/eject-ms: 0,",
    );
    assert_eq!(answers(4), shares([("a", 4)]));
    assert_eq!(endpoint("127.0.0.3:7001").unwrap()["state"], "ejected");
    eventually("failed checks", || (checks("failure") >= 3.0).then_some(()));
    let back = Backend::named("127.0.0.3:7001", "b");
    await_state("127.0.0.3:7001", "up");
    assert_eq!((back.accepted(), checks("success")), (2, 2.0), "as many as it takes, and no more");
    assert_eq!(answers(4), shares([("a", 2), ("b", 2)]));
    assert_eq!((well.accepted(), back.accepted()), (6, 4), "nobody else asks");
}
