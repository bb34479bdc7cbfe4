//! The fuzzer, with what `cargo fuzz --sanitizer none` asks of the compiler: any stable one can.

use std::path::PathBuf;

use anyhow::Result;

use super::work;
use crate::cmd;

/// Counts every edge and shows libFuzzer what is compared with what.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Builds it, and tells where it is.
pub(super) fn run() -> Result<PathBuf> {
    let (triple, folder) = (cmd::rustc_host(), work());
    let mut build = cmd::cargo(&["build", "--profile", "fuzz", "--package", "proxy", "--bin", "fuzz"]);
    build
        .args(["--no-default-features", "--features", "fuzzing"])
        // Named, although it is the host: flags then stay away from build scripts, which nobody fuzzes.
        .args(["--target", &triple, "--target-dir"])
        .arg(&folder)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", INSTRUMENTATION);
    cmd::run(&mut build)?;
    Ok(folder.join(triple).join("fuzz/fuzz"))
}
