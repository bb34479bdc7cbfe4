//! Connects to an endpoint of a pool, within a deadline, trying one after another and two families side by side.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{timeout, timeout_at};

use super::attempt::{self, Begun};
use super::board::{Nobody, Pick, Seat};
use super::endpoint::Endpoint;
use super::pool::Pool;
use super::resolve::{Latest, ResolveError, Resolver};
use crate::config::model::{Host, Mapping, Service};
use crate::counter::Place;
use crate::telemetry::{Attempt, Telemetry};

/// How long an attempt goes on alone where the next would be of the other family (RFC 8305, section 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Why there is no connection to an upstream.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Its name has no address.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// None of its endpoints may be given connections.
    #[error("no endpoint of {service} takes connections: all are drained, disabled or of weight 0")]
    NoEndpoint {
        /// Who was to be dialled.
        service: Service,
    },
    /// Too few of its endpoints are healthy.
    #[error("no more than {quorum} % of {service} is healthy")]
    Quorum {
        /// Who was to be dialled.
        service: Service,
        /// Of which more has to be.
        quorum: u8,
    },
    /// It did not answer in time.
    #[error("{service} did not answer within {after:?}")]
    Timeout {
        /// Who was dialled.
        service: Service,
        /// The connect timeout.
        after: Duration,
    },
    /// The mapping's source address cannot be used.
    #[error("{address} is not to connect from: {source}")]
    Source {
        /// The address.
        address: IpAddr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// No local port was free (EADDRNOTAVAIL).
    #[error("no local port is free towards {address}; widen net.ipv4.ip_local_port_range")]
    NoLocalPort {
        /// Who was dialled.
        address: SocketAddr,
    },
    /// No descriptor was free (EMFILE, ENFILE).
    #[error("no descriptor is free to dial {address}; raise the nofile limit or lower --max-connections")]
    NoDescriptor {
        /// Who was dialled.
        address: SocketAddr,
    },
    /// It refused, or could not be reached.
    #[error("{address} cannot be reached: {source}")]
    Failed {
        /// Who was dialled last.
        address: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl DialError {
    /// How an attempt's failure is counted.
    pub(super) fn counted(&self) -> Attempt {
        match self {
            Self::Failed { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
                Attempt::Refused
            }
            Self::Failed { source, .. } if source.kind() == io::ErrorKind::TimedOut => Attempt::Timeout,
            Self::Failed { .. } => Attempt::Unreachable,
            Self::Timeout { .. } => Attempt::Timeout,
            Self::Resolve(_)
            | Self::NoEndpoint { .. }
            | Self::Quorum { .. }
            | Self::Source { .. }
            | Self::NoLocalPort { .. }
            | Self::NoDescriptor { .. } => Attempt::NotMade,
        }
    }
}

/// A connected upstream.
#[derive(Debug)]
pub struct Connected {
    /// Non-blocking, closing by reset until told otherwise.
    pub socket: OwnedFd,
    /// Whom it reached.
    pub address: SocketAddr,
    /// As what that was found: the host of the service, or of the one of several that it is of.
    pub host: Host,
    /// Counts it at its endpoint.
    pub seat: Seat,
}

/// What dialling came to.
#[derive(Debug)]
pub struct Dialled {
    /// Endpoints that were tried, the last one included.
    pub tried: Vec<SocketAddr>,
    /// The connection, or why there is none.
    pub result: Result<Connected, DialError>,
}

/// Makes upstream connections.
#[derive(Debug)]
pub struct Dialer {
    resolver: Resolver,
    telemetry: Telemetry,
}

impl Dialer {
    /// Dials what `resolver` finds, and tells `telemetry` of its attempts.
    #[must_use]
    pub fn new(resolver: Resolver, telemetry: Telemetry) -> Self {
        Self { resolver, telemetry }
    }

    /// What is known of a pool's own endpoints, and a word whenever that changes.
    pub(super) fn latest(&self, pool: &Pool) -> watch::Receiver<Latest> {
        self.resolver.subscribe(&pool.mapping)
    }

    /// Takes these for all whose endpoints are wanted.
    pub(super) fn follow<'a>(&self, mappings: impl Iterator<Item = &'a Mapping>) {
        self.resolver.follow(mappings);
    }

    /// Where attempts and checks are counted.
    pub(super) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Connects a client to an endpoint of a pool; resolving and all attempts together take at most `within`.
    pub async fn dial(&self, pool: &Pool, client: IpAddr, within: Duration) -> Dialled {
        let deadline = Instant::now() + within;
        let timeout = || DialError::Timeout { service: pool.mapping.service.clone(), after: within };
        match timeout_at(deadline.into(), self.refresh(pool)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Dialled { tried: Vec::new(), result: Err(error.into()) },
            Err(_elapsed) => return Dialled { tried: Vec::new(), result: Err(timeout()) },
        }
        let mut race = Race {
            pool,
            telemetry: &self.telemetry,
            client,
            tried: Vec::new(),
            running: Vec::new(),
            retry: None,
            last: DialError::NoEndpoint { service: pool.mapping.service.clone() },
            over: false,
        };
        let result = match race.begin() {
            Some(connected) => Ok(connected),
            // Boxed: a neighbour on this host need not hold the room for it.
            None => Box::pin(race.wait(deadline, timeout)).await,
        };
        Dialled { tried: race.tried, result }
    }

    /// Has a pool's endpoints be what its services resolve to.
    ///
    /// # Errors
    /// Why there are none, of the backup service neither.
    pub(super) async fn refresh(&self, pool: &Pool) -> Result<(), ResolveError> {
        let own = self.resolver.resolve(&pool.mapping).await;
        let needed = own.as_ref().map_or(true, |own| own.is_empty());
        let backup = match &pool.backup {
            None => Ok(Arc::default()),
            Some(to) if needed => self.resolver.resolve(to).await,
            // Whoever is known need not wait for a name server that is silent about who may stand in one day.
            Some(to) => {
                timeout(Duration::ZERO, self.resolver.resolve(to)).await.unwrap_or(Ok(Arc::default()))
            }
        };
        let backup: Arc<[Endpoint]> = backup.unwrap_or_else(|error| {
            tracing::debug!(mapping = %pool.name(), %error, "no backup");
            Arc::default()
        });
        let own = match own {
            Err(error) if backup.is_empty() => return Err(error),
            own => own.unwrap_or_default(),
        };
        pool.set(&own, &backup, &self.telemetry);
        Ok(())
    }
}

/// The attempts for one connection.
struct Race<'a> {
    pool: &'a Pool,
    telemetry: &'a Telemetry,
    client: IpAddr,
    tried: Vec<SocketAddr>,
    /// In the order they were begun.
    running: Vec<Running>,
    /// Taken for all attempts after the first.
    retry: Option<Place>,
    /// Why the last attempt came to nothing.
    last: DialError,
    /// No more attempts are to be begun.
    over: bool,
}

struct Running {
    stream: TcpStream,
    pick: Pick,
    begun: Instant,
}

impl Race<'_> {
    /// Attempts that may still be begun, and whether one of them is for another family than the last.
    fn left(&self) -> (u32, bool) {
        let budget =
            self.pool.rule().attempts.saturating_sub(u32::try_from(self.tried.len()).unwrap_or(u32::MAX));
        if self.over || budget == 0 {
            return (0, false);
        }
        let (left, other_family) = self.pool.left(&self.tried);
        (budget.min(u32::try_from(left).unwrap_or(u32::MAX)), other_family)
    }

    /// Begins attempts until one has to be waited for, or there are none left.
    fn begin(&mut self) -> Option<Connected> {
        while !self.over
            && self.tried.len() < usize::try_from(self.pool.rule().attempts).unwrap_or(usize::MAX)
        {
            if !self.tried.is_empty() && self.retry.is_none() {
                self.retry = self.pool.retry();
                if self.retry.is_none() {
                    break;
                }
            }
            let pick = match self.pool.next(self.client, &self.tried, self.telemetry) {
                Ok(pick) => pick,
                Err(Nobody::Left) => break,
                Err(Nobody::Quorum) => {
                    let service = self.pool.mapping.service.clone();
                    let quorum = self.pool.rule().quorum.unwrap_or_default();
                    self.last = DialError::Quorum { service, quorum };
                    break;
                }
            };
            let (address, begun) = (pick.endpoint.address, Instant::now());
            self.tried.push(address);
            match attempt::begin(address, &self.pool.rule().source) {
                Ok(Begun::Connected(socket)) => {
                    return Some(self.won(socket, pick, begun, self.running.len()));
                }
                Ok(Begun::Waiting(stream)) => {
                    self.running.push(Running { stream, pick, begun });
                    return None;
                }
                Err(error) => self.lost(address, begun, error),
            }
        }
        self.over = true;
        None
    }

    /// Waits for the first attempt that succeeds, and begins another whenever one fails or takes its time.
    async fn wait(
        &mut self,
        deadline: Instant,
        timeout: impl Fn() -> DialError,
    ) -> Result<Connected, DialError> {
        while !self.running.is_empty() {
            let now = Instant::now();
            let (left, other_family) = self.left();
            let mut until = deadline;
            if left > 0 {
                // An endpoint that does not answer leaves the others their share of the time.
                until = now + deadline.saturating_duration_since(now) / (left + 1);
            }
            if other_family {
                until = until.min(now + ATTEMPT_DELAY);
            }
            match timeout_at(until.into(), first(&self.running)).await {
                Ok((index, Ok(()))) => {
                    let Running { stream, pick, begun } = self.running.remove(index);
                    let address = pick.endpoint.address;
                    let socket = stream.into_std().map_err(|source| DialError::Failed { address, source })?;
                    return Ok(self.won(socket.into(), pick, begun, index));
                }
                Ok((index, Err(error))) => {
                    let Running { pick, begun, .. } = self.running.remove(index);
                    let address = pick.endpoint.address;
                    self.lost(address, begun, attempt::classify(address, error));
                }
                Err(_elapsed) if left == 0 => {
                    for Running { pick, begun, .. } in std::mem::take(&mut self.running) {
                        self.lost(pick.endpoint.address, begun, timeout());
                    }
                    break;
                }
                Err(_elapsed) => {}
            }
            if let Some(connected) = self.begin() {
                return Ok(connected);
            }
        }
        Err(std::mem::replace(&mut self.last, timeout()))
    }

    /// Counts the winner. The first `overtaken` of those still running began before it, and did not answer.
    fn won(&mut self, socket: OwnedFd, winner: Pick, begun: Instant, overtaken: usize) -> Connected {
        let (pool, telemetry) = (self.pool, self.telemetry);
        let Pick { endpoint, backup, seat } = winner;
        pool.connected(endpoint.address, begun.elapsed(), telemetry);
        telemetry.attempted(pool.label(), Attempt::Connected);
        for (index, Running { pick, begun, .. }) in self.running.drain(..).enumerate() {
            telemetry.attempted(pool.label(), Attempt::Overtaken);
            if index < overtaken {
                pool.failed(pick.endpoint.address, Some(begun.elapsed()), telemetry);
            }
        }
        let host = pool.service(&endpoint, backup).host.clone();
        Connected { socket, address: endpoint.address, host, seat }
    }

    fn lost(&mut self, address: SocketAddr, begun: Instant, error: DialError) {
        let counted = error.counted();
        self.telemetry.attempted(self.pool.label(), counted);
        if counted == Attempt::NotMade {
            // This host's own trouble: the next endpoint would fare no better.
            self.over = true;
        } else {
            tracing::debug!(mapping = %self.pool.name(), %error, "an attempt to connect failed");
            let late = (counted == Attempt::Timeout).then(|| begun.elapsed());
            self.pool.failed(address, late, self.telemetry);
        }
        self.last = error;
    }
}

/// The first of these to be connected, or to fail.
async fn first(running: &[Running]) -> (usize, io::Result<()>) {
    poll_fn(|cx| {
        for (index, Running { stream, .. }) in running.iter().enumerate() {
            if let Poll::Ready(result) = attempt::poll(stream, cx) {
                return Poll::Ready((index, result));
            }
        }
        Poll::Pending
    })
    .await
}
