//! `protocol` and `protocolStack` of a `Listener`: what its clients wrap their bytes in.

use crate::config::dialect::fields::Fields;
use crate::config::dialect::report::Report;

/// What stands before a connection's own bytes, in sluice's order: the PROXY header, then TLS, then the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stack {
    /// A PROXY protocol header comes first, and from everybody.
    pub(super) proxy: bool,
    /// TLS ends at the Listener.
    pub(super) tls: bool,
    /// HTTP is expected inside, which is none of sluice's business.
    pub(super) http: bool,
}

/// A word of `protocolStack`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Proxy,
    Tls,
    Http,
    Tcp,
    Udp,
}

const LAYERS: [(&str, Layer); 5] = [
    ("PROXY", Layer::Proxy),
    ("TLS", Layer::Tls),
    ("HTTP", Layer::Http),
    ("TCP", Layer::Tcp),
    ("UDP", Layer::Udp),
];

/// The words of `protocol`, each short for a stack. `UDP` is one that Ambassador refuses as well.
const PROTOCOLS: [(&str, &[Layer]); 7] = [
    ("HTTP", &[Layer::Http, Layer::Tcp]),
    ("HTTPS", &[Layer::Tls, Layer::Http, Layer::Tcp]),
    ("HTTPPROXY", &[Layer::Proxy, Layer::Http, Layer::Tcp]),
    ("HTTPSPROXY", &[Layer::Tls, Layer::Proxy, Layer::Http, Layer::Tcp]),
    ("TCP", &[Layer::Tcp]),
    ("TLS", &[Layer::Tls, Layer::Tcp]),
    ("UDP", &[Layer::Udp]),
];

/// Reads the stack of a Listener; the report says why there is none.
pub(super) fn read(fields: &Fields<'_>, report: &Report) -> Option<Stack> {
    // Both are asked for, so that neither is an unknown field.
    let (stack, protocol) = (fields.texts("protocolStack"), fields.filled("protocol"));
    let (field, layers) = match (stack, protocol) {
        (Some(words), protocol) => {
            let field = fields.path("protocolStack");
            if protocol.is_some() {
                let message = "stands beside protocolStack, which wins; keep one of them";
                report.error(fields.path("protocol"), message);
            }
            let layers = words.iter().map(|word| known(word, &LAYERS, &field, report)).collect::<Option<_>>();
            (field, layers?)
        }
        (None, Some(word)) => {
            let field = fields.path("protocol");
            let layers = known(&word, &PROTOCOLS, &field, report)?;
            (field, layers.to_vec())
        }
        (None, None) => {
            fields.missing("protocol", "give it TCP or TLS, or give a protocolStack");
            return None;
        }
    };
    stacked(&layers, &field, report)
}

fn known<T: Copy>(word: &str, words: &[(&str, T)], field: &str, report: &Report) -> Option<T> {
    let found = words.iter().find(|(name, _)| *name == word.trim()).map(|(_, meaning)| *meaning);
    if found.is_none() {
        let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
        report.discard(field, format!("{word:?} is none of {}", names.join(", ")));
    }
    found
}

fn stacked(layers: &[Layer], field: &str, report: &Report) -> Option<Stack> {
    let place = |wanted| layers.iter().position(|layer| *layer == wanted);
    let refused = if layers.contains(&Layer::Udp) {
        Some("has UDP, which is not served; end it with TCP")
    } else if layers.last() != Some(&Layer::Tcp) {
        Some("does not end with TCP, on which everything else stands; put TCP last")
    } else if LAYERS.iter().any(|(_, layer)| layers.iter().filter(|other| *other == layer).count() > 1) {
        Some("has a layer twice; name each once")
    } else {
        None
    };
    if let Some(message) = refused {
        report.discard(field, message);
        return None;
    }
    if let (Some(tls), Some(proxy)) = (place(Layer::Tls), place(Layer::Proxy))
        && tls < proxy
    {
        // Ambassador looks for TLS in the PROXY header then, and finds none (its issue 4153).
        let message =
            "has TLS before PROXY, which means the same as PROXY before TLS: the header comes first";
        report.info(field, message);
    }
    let has = |layer| place(layer).is_some();
    Some(Stack { proxy: has(Layer::Proxy), tls: has(Layer::Tls), http: has(Layer::Http) })
}
