//! Listeners of one Gateway that cannot both be served on a port.

use super::spec::{ListenerSpec, Protocol};
use super::status::Fault;

const PROTOCOL: &str = "ProtocolConflict";
/// Two listeners of a port have the same hostname.
pub(super) const HOSTNAME: &str = "HostnameConflict";

/// Why each cannot be served beside the others. There is no winner: all that conflict are in the wrong.
pub(super) fn among(listeners: &[ListenerSpec]) -> Vec<Option<Fault>> {
    let faults = listeners.iter().enumerate().map(|(place, listener)| {
        let others = listeners.iter().enumerate().filter(|(other, _)| *other != place);
        others
            .filter(|(_, other)| other.port == listener.port)
            .find_map(|(_, other)| conflict(listener, other))
    });
    faults.collect()
}

fn conflict(a: &ListenerSpec, b: &ListenerSpec) -> Option<Fault> {
    use Protocol::{Http, Https, Tcp, Tls};
    match (&a.protocol, &b.protocol) {
        (Tcp, Tcp) => {
            let message = format!(
                "the listener {:?} has port {} too, and nothing tells TCP connections apart",
                b.name, b.port
            );
            Some(Fault::new(PROTOCOL, message))
        }
        (Tcp | Http, Http | Https | Tls) | (Http | Https | Tls, Tcp | Http) if a.protocol != b.protocol => {
            let message = format!("the listener {:?} has port {} too, and another protocol", b.name, b.port);
            Some(Fault::new(PROTOCOL, message))
        }
        (Http, Http) | (Https | Tls, Https | Tls) if a.hostname == b.hostname => {
            let message = format!("the listener {:?} has the same port and hostname", b.name);
            Some(Fault::new(HOSTNAME, message))
        }
        _ => None,
    }
}
