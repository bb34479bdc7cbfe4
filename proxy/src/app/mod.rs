//! Builds every long-lived part once and wires them: the composition root.

mod admin;
mod confine;
mod expiry;
mod prepare;
mod privileges;
mod supervisor;
mod triggers;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::admin::{Handles, State, Wish};
use crate::config::load::{Loaded, Loader};
use crate::config::model::{Config, SocketOptions};
use crate::config::settings::Settings;
use crate::conn::{Ctx, Kept, Limiter, Routes, Tracker};
use crate::drain::{StopSignals, drain};
use crate::listener::Listeners;
use crate::relay::Relays;
use crate::sinks::Sinks;
use crate::telemetry::Telemetry;
use crate::tls::Contexts;
use crate::upstream::{Dialer, Directory, Resolver};
use admin::Admin;
use expiry::Expiry;
pub use prepare::Prepared;
use triggers::Triggers;

/// Bad settings, or nothing that could be served (EX_USAGE).
pub const EXIT_USAGE: u8 = 64;

/// Longest that the end of the process waits for sinks of the log to take what they have not yet.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Serves until told to stop.
pub async fn run(settings: Settings, telemetry: Telemetry, prepared: Prepared) -> ExitCode {
    let mut app = match Box::pin(App::start(settings, telemetry, prepared)).await {
        Ok(app) => app,
        Err(why) => {
            tracing::error!("{why}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    app.serve().await;
    app.admin.stop().await;
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

struct App {
    settings: Settings,
    telemetry: Telemetry,
    ctx: Arc<Ctx>,
    directory: Arc<Directory>,
    sinks: Arc<Sinks>,
    loader: Loader,
    listeners: Listeners,
    state: Arc<State>,
    admin: Admin,
    expiry: Expiry,
    /// Why the configuration is to be read anew.
    reloads: Triggers,
    wishes: mpsc::Receiver<Wish>,
    stop_signals: StopSignals,
}

impl App {
    async fn start(settings: Settings, telemetry: Telemetry, prepared: Prepared) -> Result<Self, StartError> {
        prepared.tell();
        let limit = prepared.limit;
        if let Some(most) = prepared.too_many {
            let wanted = settings.limits.connections;
            tracing::warn!(wanted, most, "the descriptor limit allows fewer connections than configured");
        }
        let tracker = Tracker::new(limit, telemetry.clone());
        let state = State::new(settings.clone());
        let resolver = Resolver::new(&settings.names);
        let dialer = Arc::new(Dialer::new(resolver.clone(), telemetry.clone()));
        let directory = Arc::new(Directory::new(Arc::clone(&dialer)));
        let (wish, wishes) = mpsc::channel(4);
        // First of all, so that it can be asked why nothing else is there yet.
        let admin = Admin::start(
            settings.admin,
            Handles {
                tracker: Arc::clone(&tracker),
                telemetry: telemetry.clone(),
                state: Arc::clone(&state),
                directory: Arc::clone(&directory),
                wishes: wish,
            },
        )
        .await;

        let mut loader = Loader::new(&settings);
        let loaded = load(&mut loader);
        if loaded.config.listeners.is_empty() {
            let paths: Vec<_> = settings.paths.iter().map(|p| p.display().to_string()).collect();
            return Err(StartError::NothingToServe(paths.join(", ")));
        }
        let relays = Relays::new(prepared.kernel_relay().await);
        let routes = compile(&loaded.config, None, &relays);
        let ctx = Arc::new(Ctx {
            tracker,
            dialer,
            relays,
            sockets: settings.sockets,
            handshakes: settings.handshakes,
            places: Ctx::places(&settings.handshakes),
            sources: Arc::default(),
            routes: RwLock::new(Arc::new(routes)),
            stop: CancellationToken::new(),
        });
        let sinks = Sinks::new(telemetry.clone());
        sinks.serve(&loaded.config, ctx.routes().contexts());
        observe(&ctx, &directory, &telemetry, &state);
        let taken = Arc::downgrade(&sinks);
        telemetry.sinks(move |sink, line| {
            if let Some(sinks) = taken.upgrade() {
                sinks.take(sink, line);
            }
        });
        telemetry.resolutions_from(move || resolver.report());
        directory.serve(ctx.routes().targets().map(|target| &target.pool));
        telemetry.config_loaded(&loaded.config, &loaded.diagnostics);

        let mut listeners =
            Listeners::new(Arc::clone(&ctx), telemetry.clone(), settings.sockets, settings.limits);
        let addresses = wanted(&loaded.config);
        let errors = listeners.bind(addresses.iter().copied());
        for error in &errors {
            tracing::error!("{error}");
        }
        if errors.len() == addresses.len() {
            return Err(StartError::NothingBound(addresses.len()));
        }
        listeners.accept();
        let reloads = triggers::start(&settings.paths, &loaded.material)?;
        let stop_signals = StopSignals::new()?;
        let mut expiry = Expiry::new();
        expiry.watch(&loaded.config);
        state.serving(loaded);
        tracing::info!(listeners = addresses.len(), connections = limit, "serving");
        supervisor::ready(addresses.len());
        Ok(Self {
            settings,
            telemetry,
            ctx,
            directory,
            sinks,
            loader,
            listeners,
            state,
            admin,
            expiry,
            reloads,
            wishes,
            stop_signals,
        })
    }

    async fn serve(&mut self) {
        loop {
            tokio::select! {
                () = self.stop_signals.recv() => break,
                Some(why) = self.reloads.next() => self.reload(why).await,
                () = self.expiry.due() => self.expiry.look(),
                Some(wish) = self.wishes.recv() => match wish {
                    Wish::Drain => break,
                    Wish::KernelRelay(on) => self.switch(on),
                },
            }
        }
        self.state.draining();
        supervisor::stopping(self.ctx.tracker.active());
        self.listeners.close().await;
        drain(&self.ctx.tracker, self.settings.drain, &self.ctx.stop, &mut self.stop_signals).await;
        self.sinks.flush(LAST_LINES).await;
    }

    /// Swaps the table; live connections keep the one they started with. Addresses that come are bound before
    /// the swap and accepted from after it, those that go are given up before: a client finds its route.
    async fn reload(&mut self, why: &str) {
        supervisor::reloading();
        let loaded = load(&mut self.loader);
        let before = self.ctx.routes();
        let after = compile(&loaded.config, Some(&before), &self.ctx.relays);
        // Held on to, it would keep its sinks from being swept.
        drop(before);
        let addresses = wanted(&loaded.config);
        for error in self.listeners.bind(addresses.iter().copied()) {
            tracing::error!("{error}; trying again");
        }
        self.listeners.retire_all_but(addresses.iter().map(|(address, _)| *address)).await;
        self.telemetry.config_loaded(&loaded.config, &loaded.diagnostics);
        self.sinks.serve(&loaded.config, after.contexts());
        *self.ctx.routes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(after);
        self.directory.serve(self.ctx.routes().targets().map(|target| &target.pool));
        self.listeners.accept();
        self.reloads.follow(&loaded.material);
        self.expiry.watch(&loaded.config);
        self.state.serving(loaded);
        self.sinks.sweep();
        tracing::info!(
            why,
            listeners = addresses.len(),
            mappings = self.ctx.routes().targets().count(),
            "reloaded"
        );
        supervisor::ready(addresses.len());
    }

    fn switch(&self, on: bool) {
        if let Some(kernel) = self.ctx.relays.kernel() {
            kernel.switch(on);
            self.state.kernel_relay(on);
            tracing::info!(on, "kernel relay switched");
        }
    }
}

/// Lets telemetry and the admin endpoint look at what is there.
fn observe(ctx: &Arc<Ctx>, directory: &Arc<Directory>, telemetry: &Telemetry, state: &State) {
    // All report to telemetry: a strong reference back would keep both for ever.
    let tracker = Arc::downgrade(&ctx.tracker);
    telemetry.connections(move || tracker.upgrade().map(|t| t.snapshots()).unwrap_or_default());
    let served = Arc::downgrade(ctx);
    telemetry.mappings(move || served.upgrade().map(|ctx| ctx.usage()).unwrap_or_default());
    let directory = Arc::downgrade(directory);
    telemetry.endpoints(move || directory.upgrade().map(|d| d.snapshots()).unwrap_or_default());
    if let Some(kernel) = ctx.relays.kernel() {
        telemetry.kernel(kernel.stats());
        state.kernel_relay(true);
    }
}

/// Where is listened, and what sockets are asked for there.
fn wanted(config: &Config) -> Vec<(SocketAddr, SocketOptions)> {
    config.listeners.iter().map(|listener| (listener.bind, listener.socket)).collect()
}

/// Compiles a configuration, and says what of it cannot be served after all.
fn compile(config: &Config, previous: Option<&Routes>, relays: &Relays) -> Routes {
    let (contexts, errors) = Contexts::prepare(config, previous.map(Routes::contexts));
    for error in &errors {
        tracing::error!("{error}");
    }
    Routes::compile(config, contexts, previous, |mapping| Kept {
        kernel: relays.mapping(&mapping.stats_name),
        limiter: Limiter::default(),
    })
}

fn load(loader: &mut Loader) -> Loaded {
    // Reading files blocks; at start nothing else runs, and a reload is rare and short.
    let loaded = tokio::task::block_in_place(|| loader.load());
    for diagnostic in &loaded.diagnostics {
        diagnostic.log();
    }
    loaded
}
