//! The examples of the Gateway API, with somebody behind every name.

use std::path::Path;
use std::process::Command;

use super::*;
use crate::harness::tls::Ca;

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The example at the test's own address, with these names in its hosts file.
fn start(site: &Site, text: &str, hosts: &[&str]) -> Sluice {
    let own = format!("gatewayClassName: sluice\n  addresses: [{{value: {}}}]", site.host);
    let text = text.replace("gatewayClassName: sluice", &own);
    let hosts =
        crate::command::file(&hosts.iter().map(|name| format!("{} {name}\n", site.host)).collect::<String>());
    Builder::new(&text).flags(&["--kernel-relay", "false", "--hosts-file", &hosts]).start()
}

#[test]
fn the_canary_and_the_names_are_served() {
    let (site, ca) = (Site::new(), Ca::new());
    // Both of the canary's names are the same address here, so they share an upstream.
    let orders = Backend::named(&site.at(7301), "orders");
    let names = ["pay.example.com", "else.example.com"];
    let _pay = tls::backend(&site.at(7344), "pay", ca.leaf(&names).server());
    let _others = tls::backend(&site.at(7345), "others", ca.leaf(&names).server());
    let mut sluice = start(&site, &example("gateway.yaml"), &["orders", "orders-next", "pay", "others"]);
    let mut canary = 0;
    for _ in 0..100 {
        assert_eq!(heard(&site.at(7300)).unwrap(), "orders");
        canary +=
            usize::from(sluice.closed()["mapping"] == "TCPRoute default/orders backend orders-next:7301");
    }
    assert_eq!((orders.accepted(), canary), (100, 10));
    let config = Arc::new(ca.client(None));
    for (name, who) in [("pay.example.com", "pay"), ("else.example.com", "others")] {
        assert_eq!(dialled(&site.at(7343), name, &config).unwrap(), format!("{who} {name} unknown"));
    }
}

#[test]
fn tls_ends_and_begins_again() {
    let site = Site::new();
    let folder = std::env::temp_dir().join(format!("sluice-gateway-{}", std::process::id()));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples/tls/certificates.sh");
    let made = Command::new("sh").arg(script).arg(&folder).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let secrets = String::from_utf8(made.stdout).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let (chain, key, root) = (read("cert-chain.pem"), read("key.pem"), read("root-cert.pem"));
    std::fs::remove_dir_all(&folder).unwrap();
    let _orders = tls::backend(&site.at(7444), "orders", Leaf { chain, key }.server());
    let _sluice = start(&site, &format!("{}\n{secrets}", example("tls/gateway.yaml")), &["orders"]);
    let config = Arc::new(tls::client_trusting(&root));
    let said = dialled(&site.at(7443), "orders.example.com", &config).unwrap();
    assert_eq!(said, "orders internal.example.com unknown");
}
