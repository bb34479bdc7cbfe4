//! What the service manager is told, where one asks for it (`NOTIFY_SOCKET`, sd_notify(3)).

use sd_notify::NotifyState;

/// Connections are taken on so many addresses: what waits for sluice may start, and a reload is over.
pub(super) fn ready(listeners: usize) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("serving on {listeners} addresses"))]);
}

/// The configuration is being read anew. `Type=notify-reload` (systemd 253) wants the time with it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!("the service manager is not told of a reload: {error}"),
    }
}

/// So many connections are still open, and no new ones are taken.
pub(super) fn stopping(open: usize) {
    tell(&[NotifyState::Stopping, NotifyState::Status(&format!("draining {open} connections"))]);
}

fn tell(news: &[NotifyState<'_>]) {
    // It may have gone away or never been there, which is no reason not to serve.
    if let Err(error) = sd_notify::notify(news) {
        tracing::warn!("the service manager was not told: {error}");
    }
}
