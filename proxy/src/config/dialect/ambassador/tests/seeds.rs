//! The examples of Ambassador's own documentation.

use super::*;

const TERMINATE: &str = "
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
apiVersion: getambassador.io/v2
kind: TCPMapping
metadata:
  name:  test-2
spec:
  port: 2222
  host: my-host-2
  tls: origination-context
  service: upstream-host-2:9999
---
apiVersion: getambassador.io/v2
kind: TCPMapping
metadata:
  name: test-3
spec:
  port: 2222
  tls: true
  service: upstream-host:9999
";

#[test]
fn cleartext_examples_are_served_in_both_versions() {
    let ssh = "---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata:\n  name:  ssh\nspec:\n  \
               port: 2222\n  service: upstream:22\n";
    let cockroach = "apiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\nmetadata:\n  name:  cockroach\nspec:\n  \
                     port: 26257\n  service: cockroach:26257\n";
    for version in ["v3alpha1", "v2"] {
        let text = format!("{ssh}---\n{cockroach}").replace("v3alpha1", version);
        let outcome = lower(&text);
        let expected = [
            "0.0.0.0:2222 default/ssh 100 upstream:22",
            "0.0.0.0:26257 default/cockroach 100 cockroach:26257",
        ];
        assert_eq!(outcome.served(), expected);
        assert_eq!(outcome.all(), [""; 0]);
    }
}

#[test]
fn examples_with_tls_are_discarded_plainly() {
    let discarded = "is not served by this version of sluice; the mapping is discarded";
    let outcome = lower(TERMINATE);
    assert_eq!(outcome.served(), [""; 0]);
    let expected = [
        format!(
            "test.yaml#2: TCPMapping default/my-host-1: spec.host: TLS termination (host: \"my-host-1\") {discarded}"
        ),
        format!(
            "test.yaml#3: TCPMapping default/my-host-2: spec.host: TLS termination (host: \"my-host-2\") {discarded}"
        ),
    ];
    assert_eq!(outcome.faults(), expected);

    let outcome = lower(BOTH);
    assert_eq!(outcome.served(), [""; 0]);
    let expected = [
        format!(
            "test.yaml#1: TCPMapping default/test-1: spec.host: TLS termination (host: \"my-host-1\") {discarded}"
        ),
        format!(
            "test.yaml#1: TCPMapping default/test-1: spec.service: TLS to the upstream (https://) {discarded}"
        ),
        format!(
            "test.yaml#2: TCPMapping default/test-2: spec.host: TLS termination (host: \"my-host-2\") {discarded}"
        ),
        format!(
            "test.yaml#2: TCPMapping default/test-2: spec.tls: TLS to the upstream (tls: \"origination-context\") {discarded}"
        ),
        format!(
            "test.yaml#3: TCPMapping default/test-3: spec.tls: TLS to the upstream (tls: true) {discarded}"
        ),
    ];
    assert_eq!(outcome.faults(), expected);
}

#[test]
fn gateway_and_http_examples_are_told_apart() {
    let text = "apiVersion: gateway.k8s.aws/v1beta1\nkind: TargetGroupConfiguration\nmetadata: {name: myroute}\n---\n\
                apiVersion: getambassador.io/v3alpha1\nkind: TLSContext\nmetadata: {name: upstream-context}\n\
                spec: {hosts: [], secret: upstream-certs}\n---\n\
                apiVersion: getambassador.io/v3alpha1\nkind: Mapping\nmetadata: {name: upstream-mapping}\n\
                spec: {hostname: '*', prefix: /upstream/, service: upstream-service, tls: upstream-context}\n";
    let expected = [
        "test.yaml#1: kind TargetGroupConfiguration (gateway.k8s.aws/v1beta1) is not served by this version of sluice; 1 resource discarded",
        "test.yaml#2: kind TLSContext (getambassador.io/v3alpha1) takes effect once sluice serves TLS; 1 resource passed over",
        "test.yaml#3: kind Mapping (getambassador.io/v3alpha1) is not one that sluice serves; 1 resource passed over",
    ];
    assert_eq!(lower(text).all(), expected);
}
