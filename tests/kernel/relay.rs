//! The suite runs over every relay: what they deliver must not differ.

use serde_json::Value;

use crate::harness::client::connect;
use crate::harness::sluice::{Builder, Sluice};
use crate::harness::{eventually, net};

/// Where sluice listens in every test's own network.
pub(crate) const FRONT: &str = "127.0.0.1:7000";

/// Where the upstream listens.
pub(crate) const BACK: &str = "127.0.0.1:7001";

/// Which relay a test is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relay {
    Kernel,
    Splice,
}

impl Relay {
    /// A mapping from the front to the back over this relay.
    pub(crate) fn mapping(self) -> String {
        self.mapping_with("")
    }

    /// The same with more lines of spec.
    pub(crate) fn mapping_with(self, spec: &str) -> String {
        self.named("echo", 7000, BACK, spec)
    }

    /// Any mapping over this relay.
    pub(crate) fn named(self, name: &str, port: u16, service: &str, spec: &str) -> String {
        self.annotated(name, "", port, service, spec)
    }

    /// The same with annotations, each with a comma behind it.
    pub(crate) fn annotated(
        self,
        name: &str,
        annotations: &str,
        port: u16,
        service: &str,
        spec: &str,
    ) -> String {
        let relay = match self {
            Self::Kernel => "auto",
            Self::Splice => "splice",
        };
        format!(
            "---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\n\
             metadata: {{annotations: {{{annotations} sluice.dev/relay: {relay}}}, name: {name}}}\n\
             spec:\n  address: 127.0.0.1\n  port: {port}\n  service: \"{service}\"\n{spec}"
        )
    }

    /// Sluice between front and back.
    pub(crate) fn start(self) -> Sluice {
        self.start_with(&[])
    }

    /// The same with flags.
    pub(crate) fn start_with(self, flags: &[&str]) -> Sluice {
        Builder::new(&self.mapping()).flags(flags).start()
    }

    /// Checks that a closed connection was on this relay.
    pub(crate) fn carried(self, record: &Value) {
        assert_eq!(record["relay"], self.word(), "{record}");
    }

    /// Its name in records.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Splice => "splice",
        }
    }
}

/// Whether this test can run: it has root, and moves into a network of its own. Says so where it
/// cannot, and fails where BPF is required.
pub(crate) fn ready(test: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        net::private();
        return true;
    }
    assert!(std::env::var_os("SLUICE_REQUIRE_BPF").is_none_or(|v| v != "1"), "{test} needs root");
    println!("SKIPPED(bpf): {test} needs root");
    false
}

/// Makes a test of each function for each relay, and one for a connection that joins the kernel on its
/// way.
macro_rules! on_every_relay {
    ($($test:ident),+ $(,)?) => {
        $crate::relay::on_both_relays!($($test),+);
        mod joining {
            $(#[test]
            fn $test() {
                if $crate::relay::ready(stringify!($test)) {
                    $crate::harness::sluice::JOIN_AFTER.set("4KiB").unwrap();
                    super::$test($crate::relay::Relay::Kernel);
                }
            })+
        }
    };
}
pub(crate) use on_every_relay;

/// Makes a test of each function for the kernel relay, and one for splice.
macro_rules! on_both_relays {
    ($($test:ident),+ $(,)?) => {
        mod kernel {
            $(#[test]
            fn $test() {
                if $crate::relay::ready(stringify!($test)) {
                    super::$test($crate::relay::Relay::Kernel);
                }
            })+
        }
        mod splice {
            $(#[test]
            fn $test() {
                if $crate::relay::ready(stringify!($test)) {
                    super::$test($crate::relay::Relay::Splice);
                }
            })+
        }
    };
}
pub(crate) use on_both_relays;

/// Who answers a new connection; empty when nobody.
pub(crate) fn answered() -> String {
    let mut bytes = Vec::new();
    // A reset is nobody's answer.
    let _ = std::io::Read::read_to_end(&mut connect(FRONT), &mut bytes);
    String::from_utf8(bytes).unwrap()
}

/// Waits until this is who answers.
pub(crate) fn await_answer(expected: &str) {
    eventually(expected, || (answered() == expected).then_some(()));
}
