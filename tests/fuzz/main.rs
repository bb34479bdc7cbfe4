//! libFuzzer's main function around the target that `SLUICE_FUZZ_TARGET` names; `cargo xtask fuzz` starts it.

#![no_main]

use std::env;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sluice::fuzzing::{self, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = env::var("SLUICE_FUZZ_TARGET").unwrap_or_default();
    fuzzing::target(&name).unwrap_or_else(|| panic!("SLUICE_FUZZ_TARGET={name:?} is no target"))
});

fuzz_target!(init: LazyLock::force(&TARGET), |bytes: &[u8]| TARGET(bytes));
