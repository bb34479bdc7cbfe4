//! `cargo xtask fuzz`: every reader of bytes that others wrote, under libFuzzer for a while. What breaks one
//! is left in `target/fuzz/artifacts`, and with its fix it joins `tests/fuzz/corpus`, which unit tests replay.

mod build;
mod report;
mod seeds;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{cmd, setup};
use report::Report;

/// What to fuzz; every target when none is named.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// What inputs are made from; another one each time without it.
    #[arg(long)]
    seed: Option<u32>,
    /// Only this one: a folder of tests/fuzz/corpus.
    target: Option<String>,
}

/// Longest input: the limit of a ClientHello.
const LONGEST: &str = "-max_len=65536";
/// Seconds after which one input hangs, on a machine that does other things too.
const HANG: &str = "-timeout=20";
const MEBIBYTES: &str = "-rss_limit_mb=2048";

/// Runs each target for its time. The first finding ends a target, not the others; any is an error.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::fuzzing()?;
    let targets = chosen(options.target.as_deref())?;
    let program = build::run()?;
    seeds::grow(&work().join("corpus"))?;
    let mut found = Vec::new();
    for target in &targets {
        let report = fuzz(&program, target, options)?;
        println!("{target}: {report}");
        found.extend(report.finding.map(|input| {
            let (program, input) = (program.display(), input.display());
            format!("{input}\n  again: SLUICE_FUZZ_TARGET={target} {program} {input}")
        }));
    }
    ensure!(found.is_empty(), "found:\n{}", found.join("\n"));
    Ok(())
}

/// Where everything is built and kept; the compiler's flags are not those of other builds.
fn work() -> PathBuf {
    cmd::target_dir().join("fuzz")
}

fn corpus() -> PathBuf {
    cmd::root().join("tests/fuzz/corpus")
}

fn chosen(only: Option<&str>) -> Result<Vec<String>> {
    let folders = fs::read_dir(corpus()).context("tests/fuzz/corpus")?;
    let mut targets = folders
        .map(|folder| Ok(folder?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    targets.sort();
    if let Some(only) = only {
        ensure!(
            targets.iter().any(|target| target == only),
            "{only}: no such target of {}",
            targets.join(", ")
        );
        targets.retain(|target| target == only);
    }
    Ok(targets)
}

fn fuzz(program: &Path, target: &str, options: &Options) -> Result<Report> {
    let Options { seconds, seed, .. } = options;
    let (grown, artifacts) = (work().join("corpus").join(target), work().join("artifacts").join(target));
    let log = work().join(format!("{target}.log"));
    for folder in [&grown, &artifacts] {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut fuzzer = Command::new(program);
    fuzzer
        .env("SLUICE_FUZZ_TARGET", target)
        .args([LONGEST, HANG, MEBIBYTES, "-print_final_stats=1"])
        .arg(format!("-max_total_time={seconds}"))
        .args(seed.map(|seed| format!("-seed={seed}")))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        // What is new goes into the first.
        .args([grown, corpus().join(target)]);
    eprintln!("fuzz: {target} for {seconds} s, log in {}", log.display());
    let status = fuzzer
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).with_context(|| log.display().to_string())?)
        .status()
        .with_context(|| program.display().to_string())?;
    let text = fs::read(&log).with_context(|| log.display().to_string())?;
    let report = Report::of(&String::from_utf8_lossy(&text));
    // One that did nothing has found nothing either.
    ensure!(
        report.finding.is_some() || (status.success() && report.executions > 0),
        "{target} ended with {status}; see {}",
        log.display()
    );
    Ok(report)
}
