//! The examples of Ambassador's own documentation, as they stand there. Only their Secrets are ours.

use super::tls::{secret, shown};
use super::*;

const SSH: &str = "
apiVersion: getambassador.io/v3alpha1
kind: TCPMapping
metadata:
  name:  ssh
spec:
  port: 2222
  service: upstream:22
";

const COCKROACH: &str = "
apiVersion: getambassador.io/v3alpha1
kind: TCPMapping
metadata:
  name:  cockroach
spec:
  port: 26257
  service: cockroach:26257
";

const CONTEXT: &str = "
apiVersion: getambassador.io/v3alpha1
kind:  TLSContext
metadata:
  name:  my-context
spec:
  hosts:
  - my-host-1
  - my-host-2
  secret: supersecret
---
";

const ORIGINATION: &str = "
apiVersion: getambassador.io/v3alpha1
kind:  TLSContext
metadata:
  name:  origination-context
spec:
  secret: othersecret
---
";

const TERMINATE: &str = "
apiVersion: getambassador.io/v3alpha1
kind: TCPMapping
metadata:
  name:  my-host-1
spec:
  port: 2222
  host: my-host-1
  service: upstream-host-1:9999
---
apiVersion: getambassador.io/v3alpha1
kind: TCPMapping
metadata:
  name:  my-host-2
spec:
  port: 2222
  host: my-host-2
  service: upstream-host-2:9999
";

const BOTH: &str = "
apiVersion: getambassador.io/v3alpha1
kind: TCPMapping
metadata:
  name:  test-1
spec:
  port: 2222
  host: my-host-1
  service: https://upstream-host-1:9999
---
apiVersion: getambassador.io/v3alpha1
kind: TCPMapping
metadata:
  name:  test-2
spec:
  port: 2222
  host: my-host-2
  tls: origination-context
  service: https://upstream-host-2:9999
";

/// Of the older page.
const BOTH_V2: &str = "
apiVersion: getambassador.io/v2
kind: TCPMapping
metadata:
  name: test-1
spec:
  port: 2222
  host: my-host-1
  tls: true
  service: upstream-host-1:9999
---
apiVersion: getambassador.io/v2
kind: TCPMapping
metadata:
  name: test-2
spec:
  port: 2222
  host: my-host-2
  tls: origination-context
  service: upstream-host-2:9999
";

const ORIGINATE: &str = "
apiVersion: getambassador.io/v3alpha1
kind: TCPMapping
metadata:
  name:  test
spec:
  port: 2222
  service: https://upstream-host:9999
";

const ORIGINATE_V2: &str = "
apiVersion: getambassador.io/v2
kind: TCPMapping
metadata:
  name: test
spec:
  port: 2222
  tls: true
  service: upstream-host:9999
";

/// The page about mutual TLS, with a `TCPMapping` for its HTTP one.
const MUTUAL: &str = "
apiVersion: getambassador.io/v3alpha1
kind: TLSContext
metadata:
  name: upstream-context
spec:
  hosts: []
  secret: upstream-certs
---
apiVersion: getambassador.io/v3alpha1
kind: Mapping
metadata:
  name: upstream-mapping
spec:
  hostname: \"*\"
  prefix: /upstream/
  service: upstream-service
  tls: upstream-context
---
apiVersion: getambassador.io/v3alpha1
kind: TCPMapping
metadata:
  name: upstream-mapping
spec:
  port: 2222
  service: upstream-service
  tls: upstream-context
";

/// The documents behind every Secret that the pages name.
fn page(documents: &[&str]) -> String {
    let secrets = ["supersecret", "othersecret", "upstream-certs"].map(secret);
    secrets.concat() + &documents.concat()
}

/// TLS to each upstream, in order.
fn originations(outcome: &Outcome) -> Vec<String> {
    let listeners = outcome.config.listeners.iter();
    let mappings = listeners.flat_map(|listener| &listener.routes).flat_map(|route| &route.mappings);
    mappings
        .map(|mapping| mapping.originate.as_ref().map_or_else(|| "clear".to_owned(), |tls| shown(tls)))
        .collect()
}

#[test]
fn neither_terminating_nor_originating() {
    for version in ["v3alpha1", "v2"] {
        let outcome = lower(&format!("---{SSH}---{COCKROACH}").replace("v3alpha1", version));
        let expected = [
            "0.0.0.0:2222 default/ssh 100 upstream:22",
            "0.0.0.0:26257 default/cockroach 100 cockroach:26257",
        ];
        assert_eq!(outcome.served(), expected);
        assert_eq!(outcome.routes(), ["0.0.0.0:2222 any raw ssh", "0.0.0.0:26257 any raw cockroach"]);
        assert_eq!(outcome.all(), [""; 0]);
    }
}

#[test]
fn terminating_but_not_originating() {
    for version in ["v3alpha1", "v2"] {
        let outcome = lower(&page(&[CONTEXT, TERMINATE]).replace("v3alpha1", version));
        let expected = [
            "0.0.0.0:2222 my-host-1 TLSContext default/my-context (Secret default/supersecret) my-host-1",
            "0.0.0.0:2222 my-host-2 TLSContext default/my-context (Secret default/supersecret) my-host-2",
        ];
        assert_eq!(outcome.routes(), expected);
        assert_eq!(originations(&outcome), ["clear", "clear"]);
        assert_eq!(outcome.all(), [""; 0]);
    }
}

#[test]
fn terminating_and_originating_with_and_without_a_client_certificate() {
    for mappings in [BOTH, BOTH_V2] {
        let outcome = lower(&page(&[CONTEXT, ORIGINATION, mappings]));
        let expected = [
            "0.0.0.0:2222 my-host-1 TLSContext default/my-context (Secret default/supersecret) test-1",
            "0.0.0.0:2222 my-host-2 TLSContext default/my-context (Secret default/supersecret) test-2",
        ];
        assert_eq!(outcome.routes(), expected);
        let expected = [
            "TCPMapping default/test-1, upstream-host-1, -, none",
            "TLSContext default/origination-context, upstream-host-2, Secret default/othersecret, none",
        ];
        assert_eq!(originations(&outcome), expected);
        assert_eq!(outcome.faults().len(), 1, "that nobody is verified: {:?}", outcome.faults());
    }
}

#[test]
fn originating_but_not_terminating() {
    for mapping in [ORIGINATE, ORIGINATE_V2] {
        let outcome = lower(&page(&[ORIGINATION, mapping]));
        assert_eq!(outcome.routes(), ["0.0.0.0:2222 any raw test"]);
        assert_eq!(originations(&outcome), ["TCPMapping default/test, upstream-host, -, none"]);
        assert_eq!(outcome.faults().len(), 1, "that nobody is verified: {:?}", outcome.faults());
    }
}

#[test]
fn mutual_tls_to_the_upstream() {
    let outcome = lower(&page(&[MUTUAL]));
    let expected =
        "TLSContext default/upstream-context, upstream-service, Secret default/upstream-certs, none";
    assert_eq!(originations(&outcome), [expected]);
    assert_eq!(outcome.served(), ["0.0.0.0:2222 default/upstream-mapping 100 upstream-service:443"]);

    let mut settings = Settings::default();
    settings.ambassador.force_secret_validation = true;
    let outcome = lower_with(&(page(&[MUTUAL]).replace("BEGIN CERT", "BEGIN CRET")), &settings);
    assert_eq!(outcome.served(), [""; 0], "an invalid certificate is rejected");
}

#[test]
fn without_their_secrets_they_say_so() {
    let outcome = lower(&[CONTEXT, TERMINATE].concat());
    assert_eq!(outcome.served(), [""; 0]);
    let expected = [
        "test.yaml#2: TCPMapping default/my-host-1: spec.host: TLSContext default/my-context matches \"my-host-1\" and \
         is in error, and nobody else does; the mapping is discarded",
        "test.yaml#3: TCPMapping default/my-host-2: spec.host: TLSContext default/my-context matches \"my-host-2\" and \
         is in error, and nobody else does; the mapping is discarded",
        "test.yaml#1: TLSContext default/my-context: spec.secret: there is no Secret default/supersecret; the TLSContext \
         is discarded",
    ];
    assert_eq!(outcome.all(), expected);
}

#[test]
fn gateway_and_http_examples_are_told_apart() {
    let text = "apiVersion: gateway.k8s.aws/v1beta1\nkind: TargetGroupConfiguration\nmetadata: {name: myroute}\n\
                spec: {targetReference: {name: myservice}}\n---\n\
                apiVersion: getambassador.io/v3alpha1\nkind: TLSContext\nmetadata: {name: upstream-context}\n\
                spec: {hosts: [], secret: upstream-certs}\n---\n\
                apiVersion: getambassador.io/v3alpha1\nkind: Mapping\nmetadata: {name: upstream-mapping}\n\
                spec: {hostname: '*', prefix: /upstream/, service: upstream-service, tls: upstream-context}\n";
    let expected = [
        "test.yaml#1: TargetGroupConfiguration default/myroute: spec.targetReference: no route through a Gateway of AWS' class goes by it",
        "test.yaml#3: kind Mapping (getambassador.io/v3alpha1) is not one that sluice serves; 1 resource passed over",
    ];
    assert_eq!(lower(text).all(), expected);
}
