//! `cargo xtask test --vm 6.1`: the tests of the relays on another kernel, in an emulated machine.

mod capabilities;
mod guest;
mod image;
mod index;
mod kernel;
mod machine;
mod plan;
mod programs;
mod qemu;
mod report;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{cmd, setup};
pub(crate) use guest::run as guest;
use image::Image;
use kernel::Kernel;
use machine::Machine;
use plan::{Outcome, Plan};
use programs::Programs;
use report::Report;

/// What to run where.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// Run the tests on this kernel of Debian's, emulated: a series (6.1: its newest) or a version (5.10.218).
    #[arg(long, value_name = "VERSION", group = "suite")]
    pub(crate) vm: Option<String>,
    /// With --vm, every test that means something there, not the bounded choice.
    #[arg(long, requires = "vm")]
    all: bool,
}

/// Boot, doctor, and the tests that are asked for by default; the others take as long again, and more.
const BOUNDED: Duration = Duration::from_mins(15);
const UNBOUNDED: Duration = Duration::from_hours(1);

/// Runs the tests on the kernel of this version.
pub(crate) fn run(version: &str, options: &Options, filter: Option<&str>) -> Result<ExitCode> {
    setup::emulation()?;
    let kernel = Kernel::find(version)?;
    let programs = Programs::build()?;
    let tests = capabilities::tests(&programs, options.all, filter)?;
    ensure!(!tests.is_empty(), "no test of a capability has that in its name");
    let plan = Plan { sluice: programs.sluice.clone(), folder: cmd::root().join("proxy"), tests };
    let root = image(&kernel, &programs, &plan)?;
    let console = folder().join(format!("console-{}", kernel.release));
    let time = if options.all { UNBOUNDED } else { BOUNDED };
    let mut machine = Machine::boot(&kernel.image()?, &root, console, time)?;
    let report = listen(&mut machine, &kernel, &plan)?;
    println!("\n{report}");
    // Where BPF is required, a kernel that has lost it is a failure.
    let required = env::var_os("SLUICE_REQUIRE_BPF").is_some_and(|required| required == "1");
    let fallen_back = report.count(Outcome::Fallback) > 0;
    let failed = report.count(Outcome::Fail) > 0 || (required && fallen_back);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Where all that belongs to emulated machines is kept.
fn folder() -> PathBuf {
    cmd::target_dir().join("tools/vm")
}

fn image(kernel: &Kernel, programs: &Programs, plan: &Plan) -> Result<PathBuf> {
    let mut image = Image::new(folder().join(format!("root-{}", kernel.release)))?;
    image.modules(kernel)?;
    // Where they are here: the tests know the way to sluice, and to the folder for their files.
    for program in [&programs.sluice, &programs.kernel, &programs.it] {
        image.program(program, program)?;
    }
    image.folder(&cmd::target_dir().join("tmp"))?;
    image.folder(&plan.folder)?;
    image.program(&env::current_exe()?, Path::new("/usr/bin/xtask"))?;
    image.write("plan.json", &plan.write().to_string())?;
    image.pack()
}

fn listen<'a>(machine: &mut Machine, kernel: &Kernel, plan: &'a Plan) -> Result<Report<'a>> {
    let mut results = Vec::new();
    while let Some(line) = machine.next()? {
        if let Some(said) = line["doctor"].as_str() {
            let complaints = line["complaints"].as_str().unwrap_or_default();
            println!(
                "\nsluice doctor, on Linux {} ({}):\n\n{said}{complaints}",
                kernel.release, kernel.version
            );
            continue;
        }
        let number = line["test"].as_u64().and_then(|number| usize::try_from(number).ok());
        let test = number.and_then(|number| plan.tests.get(number)).context("the guest names no test")?;
        let outcome = line["outcome"].as_str().and_then(Outcome::of).context("the guest names no outcome")?;
        println!("{:9}{:6.1} s  {}", outcome.word(), line["seconds"].as_f64().unwrap_or_default(), test.name);
        if outcome == Outcome::Fail {
            println!("{}", line["words"].as_str().unwrap_or_default());
        }
        results.push((test, outcome));
    }
    Ok(Report { kernel: format!("{} ({})", kernel.release, kernel.version), results })
}
