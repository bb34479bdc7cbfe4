//! What a run is asked for, by variables: `cargo xtask soak` sets them.

use std::time::Duration;

use crate::plan::Plan;

/// What a run is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) plan: Plan,
    /// How long there is load, all rounds together.
    pub(crate) time: Duration,
    pub(crate) sabotage: Option<Sabotage>,
}

/// Something done wrong on purpose, which the run has to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Some servers begin with a wrong byte.
    Bytes,
    /// Some lines of the access log are lost.
    Records,
    /// A client stays when all have gone.
    Connection,
}

impl Settings {
    /// `SLUICE_SOAK_MINUTES`, a third of one without; `SLUICE_SOAK_SEED`, 1 without; `SLUICE_SOAK_ONLY`, the
    /// number of a connection whose shape all have.
    ///
    /// # Panics
    /// When one of them is no number.
    pub(crate) fn from_env() -> Self {
        let number = |name: &str| {
            let value = std::env::var(name).ok()?;
            Some(value.parse::<u64>().unwrap_or_else(|e| panic!("{name}={value}: {e}")))
        };
        let minutes = number("SLUICE_SOAK_MINUTES");
        let plan = Plan { seed: number("SLUICE_SOAK_SEED").unwrap_or(1), only: number("SLUICE_SOAK_ONLY") };
        let time = Duration::from_secs(minutes.map_or(20, |minutes| 60 * minutes));
        Self { plan, time, sabotage: None }
    }

    /// A few seconds with something wrong.
    pub(crate) fn sabotaged(sabotage: Sabotage) -> Self {
        let plan = Plan { seed: 1, only: None };
        Self { plan, time: Duration::from_secs(4), sabotage: Some(sabotage) }
    }
}
