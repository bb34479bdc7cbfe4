//! The relay between real sockets, with tokio-rustls at their other ends.

mod bulk;
mod ends;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

use super::{Leg, TlsProgress, run};
use crate::config::model::fixtures::{Authority, Wish, origination, termination, vouched};
use crate::config::model::{
    Balancing, Config, Downstream, Families, Host, Limits, Listener, Mapping, MappingName, Matcher,
    NamePattern, Origination, RelayChoice, Route, Service, SocketOptions, Termination, Timeouts, Weight,
};
use crate::config::settings::Settings;
use crate::relay::Terms;
use crate::telemetry::{CloseReason, Progress, Transfer};
use crate::tls::{Contexts, Originator, Pool, Session, Terminator, shake_hands};

/// An end that a test speaks through, in TLS or in the clear.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Which sides speak TLS.
#[derive(Debug, Clone, Copy)]
struct Shape {
    downstream: bool,
    upstream: bool,
}

const SHAPES: [Shape; 3] = [
    Shape { downstream: true, upstream: false },
    Shape { downstream: false, upstream: true },
    Shape { downstream: true, upstream: true },
];

/// A relay at work between a client and a server.
struct Rig {
    client: Box<dyn Stream>,
    server: Box<dyn Stream>,
    progress: Arc<TlsProgress>,
    stop: CancellationToken,
    relay: JoinHandle<CloseReason>,
}

/// What rustls needs on either side, ours and the peers'.
struct Keys {
    terminator: Arc<Terminator>,
    originator: Arc<Originator>,
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

impl Keys {
    fn new() -> Self {
        let ca = Authority::new();
        let identity = ca.identity(Wish::default());
        let (terminator, originator) = built(termination(identity.clone()), origination(vouched(ca.trust())));
        let provider = || Arc::clone(crate::crypto::provider());
        let client = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(ca.store())
            .with_no_client_auth();
        let server = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(identity.key)));
        Self { terminator, originator, connector: Arc::new(client).into(), acceptor: Arc::new(server).into() }
    }
}

/// As a configuration has them built.
fn built(termination: Termination, origination: Origination) -> (Arc<Terminator>, Arc<Originator>) {
    let (termination, origination) = (Arc::new(termination), Arc::new(origination));
    let second = Duration::from_secs(1);
    let mapping = Mapping {
        name: MappingName("m".into()),
        stats_name: "m".into(),
        weight: Weight(1),
        service: Service { host: Host::Name("pay.example.com".into()), port: 443 },
        originate: Some(Arc::clone(&origination)),
        proxy_protocol: None,
        prelude: None,
        families: Families { ipv4: true, ipv6: true },
        balancing: Balancing::default(),
        resolution: crate::config::model::Resolution::Dns,
        relay: RelayChoice::Auto,
        timeouts: Timeouts { connect: second, idle: None, half_closed: None, max_age: None },
        limits: Limits::default(),
    };
    let matcher = Matcher::Tls { name: NamePattern::Everything, alpn: Vec::new() };
    let downstream = Downstream::Terminate(Arc::clone(&termination));
    let routes = vec![Route::new(matcher, downstream, vec![mapping])];
    let listener = Listener {
        bind: "127.0.0.1:1".parse().unwrap(),
        proxy_protocol: None,
        prelude: None,
        socket: SocketOptions::default(),
        routes,
    };
    let (contexts, errors) = Contexts::prepare(&Config { listeners: vec![listener] }, None);
    assert!(errors.is_empty(), "{errors:?}");
    (contexts.terminator(&termination).unwrap(), contexts.originator(&origination).unwrap())
}

/// A connected pair, closing by reset until told otherwise on our side, as listeners and dialers make them.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let theirs = TcpSocket::new_v4().unwrap().connect(listener.local_addr().unwrap());
    let (theirs, ours) = tokio::join!(theirs, listener.accept());
    let (theirs, ours) = (theirs.unwrap(), ours.unwrap().0);
    ours.set_zero_linger().unwrap();
    (theirs, ours)
}

fn terms(stop: &CancellationToken) -> Terms {
    Terms {
        idle: None,
        half_closed: None,
        expires: None,
        sockets: Settings::default().sockets,
        stop: stop.clone(),
    }
}

impl Rig {
    async fn new(keys: &Keys, shape: Shape) -> Self {
        Self::with(keys, shape, |terms| terms).await
    }

    async fn with(keys: &Keys, shape: Shape, change: impl FnOnce(Terms) -> Terms) -> Self {
        let pool = Arc::new(Pool::default());
        let ((client, downstream), (server, upstream)) = (pair().await, pair().await);
        let (client, downstream): (Box<dyn Stream>, _) = if shape.downstream {
            let name = "pay.example.com".try_into().unwrap();
            let session = keys.terminator.session().unwrap();
            let (client, leg) =
                tokio::join!(keys.connector.connect(name, client), secured(downstream, session, &pool));
            (Box::new(client.unwrap()), leg)
        } else {
            (Box::new(client), Leg::plain(downstream))
        };
        let (server, upstream): (Box<dyn Stream>, _) = if shape.upstream {
            let session = keys.originator.session(&Host::Name("pay.example.com".into()), None).unwrap();
            let (server, leg) = tokio::join!(keys.acceptor.accept(server), secured(upstream, session, &pool));
            (Box::new(server.unwrap()), leg)
        } else {
            (Box::new(server), Leg::plain(upstream))
        };
        let (progress, stop) = (Arc::new(TlsProgress::default()), CancellationToken::new());
        let relay = {
            let (progress, terms) = (Arc::clone(&progress), change(terms(&stop)));
            let legs = Box::new([downstream, upstream]);
            tokio::spawn(async move { run(legs, &pool, terms, progress).await })
        };
        Self { client, server, progress, stop, relay }
    }

    /// How the relay ended; its peers stay open until now.
    async fn ended(self) -> (CloseReason, Transfer) {
        let reason = self.relay.await.unwrap();
        (reason, self.progress.transfer())
    }
}

async fn secured(stream: TcpStream, session: Session, pool: &Pool) -> Leg {
    let deadline = Instant::now() + Duration::from_secs(10);
    let secured = shake_hands(&stream, session, deadline, pool).await.unwrap();
    Leg::secured(stream, secured)
}
