//! What clients wrap their bytes in, as a `Listener`.

use serde_json::{Map, json};

use super::super::proxy_protocol::FROM;
use crate::config::dialect::write::{Draft, ObjectName, object};
use crate::config::model::{Downstream, Listener, ProxySources, SocketOptions};

/// Writes a Listener where one has something to say. It is for its port, on whatever addresses.
pub(super) fn write(listener: &Listener, draft: &mut Draft<'_>) {
    let bind = listener.bind;
    if listener.socket != SocketOptions::default() {
        draft
            .lose(&bind.to_string(), "no Listener says how long its queue is, or whether clients are probed");
    }
    let Some(sources) = &listener.proxy_protocol else { return };
    if let ProxySources::Believed(_) = sources {
        // One that believes everybody is no equivalent.
        draft.lose(&bind.to_string(), "no Listener takes PROXY headers of those whom it does not believe");
        return;
    }
    let mut annotations = Map::new();
    if let ProxySources::Networks(networks) = sources {
        let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
        annotations.insert(FROM.to_owned(), json!(networks.join(",")));
    }
    let ends = |route: &crate::config::model::Route| matches!(route.downstream, Downstream::Terminate(_));
    let stack = if listener.routes.iter().any(ends) {
        json!(["PROXY", "TLS", "TCP"])
    } else {
        json!(["PROXY", "TCP"])
    };
    let spec = json!({
        "port": bind.port(),
        "protocolStack": stack,
        "securityModel": "XFP",
        "hostBinding": { "namespace": { "from": "ALL" } },
    });
    let name = ObjectName { name: format!("port-{}", bind.port()), namespace: None };
    draft.add_once(object(
        "getambassador.io/v3alpha1",
        "Listener",
        &name,
        annotations,
        Map::from_iter([("spec".to_owned(), spec)]),
    ));
}
