//! A user's own document, end to end: a certificate of ACM, a TCPRoute, and a pod that signed for itself.

use std::io::Read;
use std::sync::Arc;

use super::{arn, secret_in, service, start};
use crate::command::sluice;
use crate::harness::program::file;
use crate::harness::tls::{Ca, backend, echoed, finish, greeting, hello};
use crate::tls::Site;

/// As it stands there; what it leaves to the reader is here too: that the Gateway refers to its configuration, and
/// where the certificate is.
fn documents() -> String {
    format!(
        r#"---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata:
  name: nlb
spec:
  controllerName: gateway.k8s.aws/nlb
  parametersRef:
    group: gateway.k8s.aws
    kind: LoadBalancerConfiguration
    name: mylbc
    namespace: whatever
---
apiVersion: gateway.k8s.aws/v1beta1
kind: LoadBalancerConfiguration
metadata:
  name: mylbc
  namespace: whatever
spec:
  scheme: internet-facing
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: mygateway
  namespace: wherethegatewayis
spec:
  gatewayClassName: nlb
  infrastructure:
    parametersRef:
      group: gateway.k8s.aws
      kind: LoadBalancerConfiguration
      name: mygateway
  listeners:
    - name: mylistener
      protocol: TLS
      port: 5432
      hostname: "myroute.my-domain.com"
      allowedRoutes:
        namespaces:
          from: All
        kinds:
          - kind: TCPRoute
            group: gateway.networking.k8s.io
      tls:
        mode: Terminate
        certificateRefs:
          - name: fake
---
apiVersion: gateway.k8s.aws/v1beta1
kind: LoadBalancerConfiguration
metadata:
  name: mygateway
  namespace: wherethegatewayis
spec:
  loadBalancerName: mygateway
  listenerConfigurations:
    - protocolPort: "TLS:5432"
      defaultCertificate: {arn}
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata:
  name: myroute
  annotations:
    external-dns.alpha.kubernetes.io/hostname: myroute.my-domain.com
spec:
  parentRefs:
    - name: mygateway
      sectionName: mylistener
      namespace: wherethegatewayis
  rules:
    - backendRefs:
        - name: myservice
          port: 5432
---
apiVersion: gateway.k8s.aws/v1beta1
kind: TargetGroupConfiguration
metadata:
  name: myroute
spec:
  targetReference:
    name: myservice
  defaultConfiguration:
    targetType: ip
    protocol: TLS
"#,
        arn = arn("5f0e")
    )
}

/// Without what the document leaves to whoever runs the cluster: the class's configuration is not there, and the
/// Gateway refers to none.
fn as_printed() -> String {
    let text = documents();
    let (class, rest) = text.split_once("---\napiVersion: gateway.k8s.aws/v1beta1").unwrap();
    let (_, gateway) = rest.split_once("---\n").unwrap();
    let (before, infrastructure) = gateway.split_once("  infrastructure:\n").unwrap();
    let (_, listeners) = infrastructure.split_once("  listeners:\n").unwrap();
    format!("{class}---\n{before}  listeners:\n{listeners}")
}

#[test]
fn the_document_as_printed_finds_its_certificate_by_name() {
    let ca = Ca::new();
    let site = Site::new();
    let _pod = backend(&site.at(7001), "pod", Ca::new().leaf(&["nobody"]).server());
    let service = service(&site, "default", "myservice", 5432);
    let secret = secret_in("wherethegatewayis", "acm", &ca.leaf(&["myroute.my-domain.com"]));
    let site = site.with(&as_printed()).with(&service).with(&secret);
    let map = format!("{}=wherethegatewayis/acm", arn("5f0e"));
    let said = sluice(&["check", "--certificate-map", &map, &file("seed", &site.documents)]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for told in ["the class refers to LoadBalancerConfiguration", "nobody refers to it", "said once"] {
        assert!(said.stdout.contains(told), "{told}: {said:?}");
    }
    let _sluice = start(&site, &map);
    let mut client = hello(&site.at(5432), "myroute.my-domain.com", &Arc::new(ca.client(None))).unwrap();
    assert_eq!(greeting(&mut client), "pod - unknown");
    assert_eq!(echoed(&mut client, b"hello"), b"hello");
}

#[test]
fn a_listener_of_acm_leads_to_a_pod_that_signed_for_itself() {
    let ca = Ca::new();
    let leaf = ca.leaf(&["myroute.my-domain.com"]);
    // Nobody who is asked vouches for it, nor for its name.
    let pods = Ca::new().leaf_until(&["nobody"], 2000);
    let site = Site::new();
    let _pod = backend(&site.at(7001), "pod", pods.server());
    let service = service(&site, "default", "myservice", 5432);
    let secret = secret_in("wherethegatewayis", "acm", &leaf);
    let site = site.with(&documents()).with(&service).with(&secret);
    let map = format!("{}=acm", arn("5f0e"));
    let path = file("seed", &site.documents);
    let said = sluice(&["check", "--certificate-map", &map, &path]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stdout.contains("TCPRoute default/myroute") && said.stdout.contains("said once"),
        "{said:?}"
    );
    assert!(said.stdout.ends_with("0 errors, 1 warning\n"), "{said:?}");
    let mut sluice = start(&site, &map);
    let config = Arc::new(ca.client(None));
    // A load balancer goes by no name; the client looks at the certificate's.
    for _ in 0..2 {
        let mut client = hello(&site.at(5432), "myroute.my-domain.com", &config).unwrap();
        assert_eq!(greeting(&mut client), "pod - unknown", "no name is sent");
        assert_eq!(echoed(&mut client, b"hello"), b"hello");
        finish(&mut client);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        let record = sluice.closed();
        assert_eq!((&record["reason"], &record["relay"]), (&"finished".into(), &"tls".into()), "{record}");
        assert_eq!(record["mapping"], "TCPRoute default/myroute backend myservice:5432");
        assert_eq!(record["sni"], "myroute.my-domain.com");
        assert_eq!(record["upstream_tls_version"], "TLSv1.3");
    }
}

#[test]
fn a_certificate_that_is_nowhere_is_told_with_the_line_to_add() {
    let site = Site::new();
    let service = service(&site, "default", "myservice", 5432);
    let site = site.with(&documents()).with(&service);
    let said = sluice(&["check", &file("seed", &site.documents)]);
    let line = format!(
        "in the setting certificate-map, with the line {0}=SECRET, or {0}=CHAIN.pem,KEY.pem",
        arn("5f0e")
    );
    assert!(format!("{said:?}").contains(&line), "{said:?}");
}

#[test]
fn the_example_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/examples/aws/nlb.yaml");
    let ca = Ca::new();
    let site = Site::new();
    let _pod = backend(&site.at(7331), "pod", Ca::new().leaf(&["nobody"]).server());
    let text = std::fs::read_to_string(path).unwrap().replace("127.0.0.1", &site.host);
    let site = site.with(&text).with(&ca.leaf(&["orders.example.com"]).secret("server-cert"));
    let _sluice = start(&site, &format!("{}=server-cert", arn("5f0e")));
    let mut client = hello(&site.at(7330), "orders.example.com", &Arc::new(ca.client(None))).unwrap();
    assert_eq!(greeting(&mut client), "pod - unknown");
}
