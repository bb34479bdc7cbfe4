//! Kong's files: which of their connections the kernel relays.

use std::sync::Arc;

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::sluice::Builder;
use crate::harness::tls::{Ca, backend, echoed, finish, greeting, hello};
use crate::relay::ready;

const DOCUMENT: &str = "
_format_version: '3.0'
services:
- name: echo
  url: tcp://127.0.0.1:7001
  routes: [{protocols: [tcp], destinations: [{port: 7000}]}]
- name: secret
  url: tls_passthrough://127.0.0.1:7002
  routes: [{protocols: [tls_passthrough], snis: [pay.test]}]
";

#[test]
fn tcp_and_tls_passthrough_are_relayed_in_the_kernel() {
    if !ready("tcp_and_tls_passthrough_are_relayed_in_the_kernel") {
        return;
    }
    let ca = Ca::new();
    let _echo = Backend::echo("127.0.0.1:7001");
    let _secret = backend("127.0.0.1:7002", "secret", ca.leaf(&["pay.test"]).server());
    let listen = "127.0.0.1:7000, 127.0.0.1:7443 ssl";
    let mut sluice = Builder::new(DOCUMENT).flags(&["--kong-stream-listen", listen]).start();

    let mut client = connect("127.0.0.1:7000");
    assert_eq!(echoed(&mut client, &[7; 100_000]).len(), 100_000);
    drop(client);
    let record = sluice.closed();
    assert_eq!(
        (&record["mapping"], &record["relay"]),
        (&"service echo".into(), &"kernel".into()),
        "{record}"
    );

    let mut client = hello("127.0.0.1:7443", "pay.test", &Arc::new(ca.client(None))).unwrap();
    assert_eq!(greeting(&mut client), "secret pay.test unknown");
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
    finish(&mut client);
    let record = sluice.closed();
    assert_eq!(
        (&record["mapping"], &record["relay"]),
        (&"service secret".into(), &"kernel".into()),
        "{record}"
    );
}
