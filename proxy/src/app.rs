//! Builds every long-lived part once and wires them: the composition root.

use std::process::ExitCode;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::load::{Loaded, Loader};
use crate::config::settings::Settings;
use crate::config::watch::Watcher;
use crate::conn::{Ctx, Routes, Tracker};
use crate::descriptors::connection_limit;
use crate::drain::{StopSignals, drain};
use crate::listener::Listeners;
use crate::relay::Relays;
use crate::relay::kernel::KernelRelay;
use crate::telemetry::Telemetry;
use crate::upstream::Dialer;

/// Bad settings, or nothing that could be served (EX_USAGE).
pub const EXIT_USAGE: u8 = 64;

/// Serves until told to stop.
pub async fn run(settings: Settings, telemetry: Telemetry) -> ExitCode {
    let mut app = match App::start(settings, telemetry).await {
        Ok(app) => app,
        Err(why) => {
            tracing::error!("{why}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    app.serve().await;
    ExitCode::SUCCESS
}

/// Why nothing could be served at the first start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("nothing to serve: no mapping is left in {0}; `sluice check` shows why")]
    NothingToServe(String),
    #[error("none of the {0} listeners could be bound")]
    NothingBound(usize),
    #[error("signals: {0}")]
    Signals(#[from] std::io::Error),
}

/// Something asked for from outside while serving.
enum Wish {
    Reload(&'static str),
    Drain,
}

struct App {
    settings: Settings,
    ctx: Arc<Ctx>,
    loader: Loader,
    listeners: Listeners,
    wishes: mpsc::Receiver<Wish>,
    stop_signals: StopSignals,
}

impl App {
    async fn start(settings: Settings, telemetry: Telemetry) -> Result<Self, StartError> {
        let (limit, too_many) = connection_limit(settings.limits.connections);
        if let Some(most) = too_many {
            let wanted = settings.limits.connections;
            tracing::warn!(wanted, most, "the descriptor limit allows fewer connections than configured");
        }
        let mut loader = Loader::new(&settings);
        let loaded = load(&mut loader);
        if loaded.config.listeners.is_empty() {
            let paths: Vec<_> = settings.paths.iter().map(|p| p.display().to_string()).collect();
            return Err(StartError::NothingToServe(paths.join(", ")));
        }
        let relays = Relays::new(start_kernel_relay(&settings, limit).await);
        let routes = Routes::compile(&loaded.config, None, |_| relays.mapping());
        let ctx = Arc::new(Ctx {
            tracker: Tracker::new(limit, telemetry.clone()),
            dialer: Dialer::new(settings.sockets),
            relays,
            routes: RwLock::new(Arc::new(routes)),
            stop: CancellationToken::new(),
        });
        let mut listeners = Listeners::new(Arc::clone(&ctx), telemetry, settings.sockets, settings.limits);
        let addresses: Vec<_> = ctx.routes().listeners().collect();
        let errors = listeners.listen_on(addresses.iter().copied());
        for error in &errors {
            tracing::error!("{error}");
        }
        if errors.len() == addresses.len() {
            return Err(StartError::NothingBound(addresses.len()));
        }
        let wishes = wishes(&settings)?;
        tracing::info!(listeners = addresses.len(), connections = limit, "serving");
        Ok(Self { settings, ctx, loader, listeners, wishes, stop_signals: StopSignals::new()? })
    }

    async fn serve(&mut self) {
        loop {
            let wish = tokio::select! {
                () = self.stop_signals.recv() => Wish::Drain,
                Some(wish) = self.wishes.recv() => wish,
            };
            match wish {
                Wish::Reload(why) => self.reload(why),
                Wish::Drain => break,
            }
        }
        self.listeners.close();
        drain(&self.ctx.tracker, self.settings.drain, &self.ctx.stop, &mut self.stop_signals).await;
    }

    /// Swaps the table; live connections keep the one they started with.
    fn reload(&mut self, why: &str) {
        let loaded = load(&mut self.loader);
        let before = self.ctx.routes();
        let after = Routes::compile(&loaded.config, Some(&before), |_| self.ctx.relays.mapping());
        let addresses: Vec<_> = after.listeners().collect();
        *self.ctx.routes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(after);
        for error in self.listeners.listen_on(addresses.iter().copied()) {
            tracing::error!("{error}; trying again");
        }
        tracing::info!(
            why,
            listeners = addresses.len(),
            mappings = self.ctx.routes().targets().count(),
            "reloaded"
        );
    }
}

fn load(loader: &mut Loader) -> Loaded {
    // Reading files blocks; at start nothing else runs, and a reload is rare and short.
    let loaded = tokio::task::block_in_place(|| loader.load());
    for diagnostic in &loaded.diagnostics {
        diagnostic.log();
    }
    loaded
}

async fn start_kernel_relay(settings: &Settings, connections: u32) -> Option<KernelRelay> {
    match KernelRelay::start(&settings.kernel, connections, settings.log.kernel).await {
        Ok(kernel) => Some(kernel),
        Err(error) => {
            tracing::warn!(
                "relaying in userspace: {:#}; `sluice doctor` says what is missing",
                anyhow::Error::new(error)
            );
            None
        }
    }
}

/// Reloads on SIGHUP and on changes below the configured paths.
fn wishes(settings: &Settings) -> Result<mpsc::Receiver<Wish>, StartError> {
    let (sender, receiver) = mpsc::channel(4);
    let mut hangup = signal(SignalKind::hangup())?;
    let hangups = sender.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() && hangups.send(Wish::Reload("SIGHUP")).await.is_ok() {}
    });
    match Watcher::start(&settings.paths) {
        Ok(mut watcher) => {
            tokio::spawn(async move {
                loop {
                    watcher.changed().await;
                    if sender.send(Wish::Reload("files changed")).await.is_err() {
                        return;
                    }
                }
            });
        }
        Err(error) => tracing::warn!("changes of files are not noticed, send SIGHUP: {error}"),
    }
    Ok(receiver)
}
