//! The loaded kernel program with its maps: made once, shared by every connection.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aya::maps::{Array, HashMap, MapData, RingBuf, SockHash};
use aya::programs::{ProgramError, SkSkb};
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use aya_log::EbpfLogger;
use proxy_common::{MAX_CPUS, MappingConfig, PROGRAM, TELLING_PROGRAM, maps};
use rustix::event::epoll;

use super::budget::Budget;
use super::log::Logger;
use super::mapped::Mapped;
use super::mappings::Mappings;
use super::pair::{Events, Interest, Mailbox, Token};
use super::reactor::{RING_TOKEN, Reactor};
use super::sockets::Sockets;

/// Why there is no kernel relay on this machine.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The kernel refused the object, a map or the program.
    #[error("loading the kernel program")]
    Load(#[source] anyhow::Error),
    /// The verified program was not attached to the map of sockets.
    #[error("attaching the verdict to the sockmap")]
    Attach(#[source] anyhow::Error),
    /// The object lacks something: built from other sources than this binary.
    #[error("the kernel object has no {0}")]
    Missing(&'static str),
    /// A shared mapping, an epoll or a descriptor was refused.
    #[error("setting up {what}")]
    Setup {
        /// What was being set up.
        what: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// The kernel program, its maps and the agent's side of them.
pub struct Datapath {
    pub(super) kernel_lanes: Mapped<8>,
    pub(super) user_lanes: Mapped<8>,
    pub(super) cpus: Mapped<8>,
    sockets: Mutex<Sockets>,
    mappings: Mappings,
    slots: Mutex<BTreeSet<u32>>,
    mailboxes: Box<[Mailbox]>,
    epoll: OwnedFd,
    budget: Budget,
    last_reclaim: Mutex<Instant>,
    // Keeps the program attached; dropped last, with every map.
    ebpf: Mutex<Ebpf>,
}

impl Datapath {
    /// Loads the program with room for `pairs` connections and `budget` bytes of credit.
    /// With `log`, verdicts can be logged (see [`super::forward_log`]).
    ///
    /// # Errors
    /// What the kernel or its privileges did not allow.
    pub fn load(pairs: u32, budget: u64, log: bool) -> Result<(Arc<Self>, Reactor), LoadError> {
        let mut ebpf = load_object(pairs, log).map_err(LoadError::Load)?;
        let members: SockHash<MapData, u64> = take(&mut ebpf, maps::SOCKETS)?;
        let program = load_program(&mut ebpf, log).map_err(LoadError::Load)?;
        attach(program, &members).map_err(LoadError::Attach)?;
        let sockets = Sockets { sockets: members, lanes: take::<HashMap<_, _, _>>(&mut ebpf, maps::LANES)? };
        let mappings = Mappings::new(
            take::<Array<_, MappingConfig>>(&mut ebpf, maps::MAPPINGS)?,
            take(&mut ebpf, maps::MAPPING_COUNTERS)?,
        );
        let ring: RingBuf<MapData> = take(&mut ebpf, maps::EVENTS)?;

        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(setup("epoll"))?;
        let data = epoll::EventData::new_u64(RING_TOKEN);
        epoll::add(&epoll, ring.as_fd(), data, epoll::EventFlags::IN).map_err(setup("the event ring"))?;
        let reactor_epoll = epoll.try_clone().map_err(setup("epoll"))?;

        let datapath = Arc::new(Self {
            kernel_lanes: map(&ebpf, maps::KERNEL_LANES, pairs * 2)?,
            user_lanes: map(&ebpf, maps::USER_LANES, pairs * 2)?,
            cpus: map(&ebpf, maps::CPUS, MAX_CPUS)?,
            sockets: Mutex::new(sockets),
            mappings,
            slots: Mutex::new((0..pairs).collect()),
            mailboxes: (0..pairs).map(|_| Mailbox::default()).collect(),
            epoll,
            budget: Budget::new(budget),
            last_reclaim: Mutex::new(Instant::now()),
            ebpf: Mutex::new(ebpf),
        });
        let reactor = Reactor::new(Arc::clone(&datapath), reactor_epoll, ring);
        Ok((datapath, reactor))
    }

    /// The credit shared by all lanes.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The mappings' flags and counters.
    #[must_use]
    pub fn mappings(&self) -> &Mappings {
        &self.mappings
    }

    /// Connections that have lanes at the moment.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.mailboxes.len() - lock(&self.slots).len()
    }

    /// Calls to the agent that found the ring full.
    #[must_use]
    pub fn events_lost(&self) -> u64 {
        (0..MAX_CPUS).map(|cpu| self.cpus.load(cpu, 0)).sum()
    }

    /// The reader of the program's own lines; there is one.
    pub(super) fn logger(&self) -> Result<Logger, LoadError> {
        EbpfLogger::init(&mut lock(&self.ebpf)).map_err(|e| LoadError::Load(e.into()))
    }

    /// Credit ran out: asks every lane to give back what it grew by. At most every 50 ms, since
    /// it looks at all.
    pub fn reclaim(&self) {
        let mut last = lock(&self.last_reclaim);
        if last.elapsed() >= Duration::from_millis(50) {
            *last = Instant::now();
            drop(last);
            self.nudge_all();
        }
    }

    /// Has every connection's task look at everything again.
    pub(super) fn nudge_all(&self) {
        for mailbox in &self.mailboxes {
            mailbox.post(Events::NUDGE);
        }
    }

    pub(super) fn mailbox(&self, index: u32) -> &Mailbox {
        &self.mailboxes[index as usize]
    }

    pub(super) fn sockets(&self) -> MutexGuard<'_, Sockets> {
        lock(&self.sockets)
    }

    /// The lowest free slot: busy lanes stay close together in memory.
    pub(super) fn take_slot(&self) -> Option<u32> {
        lock(&self.slots).pop_first()
    }

    pub(super) fn free_slot(&self, index: u32) {
        lock(&self.slots).insert(index);
    }

    pub(super) fn watch(&self, token: Token, socket: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(token.into()), interest.flags())?)
    }

    pub(super) fn rearm(&self, token: Token, socket: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(token.into()), interest.flags())?)
    }
}

impl fmt::Debug for Datapath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datapath").field("pairs", &self.pairs()).field("budget", &self.budget).finish()
    }
}

fn load_object(pairs: u32, log: bool) -> anyhow::Result<Ebpf> {
    let mut loader = EbpfLoader::new();
    for name in [maps::SOCKETS, maps::LANES, maps::KERNEL_LANES, maps::USER_LANES] {
        loader.map_max_entries(name, pairs * 2);
    }
    let level: u8 = if log { aya_log::Level::Trace as u8 } else { 0 };
    loader.override_global(aya_log::LEVEL, &level, true);
    Ok(loader.load(include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sluice-ebpf")))?)
}

fn load_program(ebpf: &mut Ebpf, log: bool) -> anyhow::Result<&mut SkSkb> {
    let name = if log { TELLING_PROGRAM } else { PROGRAM };
    let program = ebpf.program_mut(name).ok_or(LoadError::Missing(name))?;
    let program: &mut SkSkb = program.try_into()?;
    program.load().map_err(refused)?;
    Ok(program)
}

/// What the kernel has against the program, without the megabytes of reasons that the verifier gives.
fn refused(error: ProgramError) -> anyhow::Error {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            tracing::trace!(log, "the verifier refused the program");
            match conclusion(&log) {
                Some(why) => anyhow::Error::new(io_error).context(format!("the verifier says: {why}")),
                None => io_error.into(),
            }
        }
        error => error.into(),
    }
}

/// The line that matters: the last one before the verifier's own statistics.
pub(super) fn conclusion(log: &str) -> Option<&str> {
    const STATISTICS: [&str; 3] = ["verification time ", "stack depth ", "processed "];
    let is_statistics = |line: &&str| STATISTICS.iter().any(|start| line.starts_with(start));
    log.lines().map(str::trim).rfind(|line| !line.is_empty() && !is_statistics(line))
}

/// The program is attached before any socket is inserted: members inherit it at insertion.
fn attach(program: &mut SkSkb, members: &SockHash<MapData, u64>) -> anyhow::Result<()> {
    program.attach(&members.fd().try_clone()?)?;
    Ok(())
}

fn take<M: TryFrom<aya::maps::Map, Error = aya::maps::MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<M, LoadError> {
    let map = ebpf.take_map(name).ok_or(LoadError::Missing(name))?;
    M::try_from(map).map_err(|e| LoadError::Load(e.into()))
}

fn map<const FIELDS: usize>(ebpf: &Ebpf, name: &'static str, len: u32) -> Result<Mapped<FIELDS>, LoadError> {
    let Some(aya::maps::Map::Array(data)) = ebpf.map(name) else {
        return Err(LoadError::Missing(name));
    };
    Mapped::new(data.fd().as_fd(), len).map_err(|source| LoadError::Setup { what: name, source })
}

fn setup<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> LoadError {
    move |e| LoadError::Setup { what, source: e.into() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
