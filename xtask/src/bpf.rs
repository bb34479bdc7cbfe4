//! How cargo is called for the kernel side: one definition, shared by xtask and (by path) proxy/build.rs.
//!
//! Not aya-build: it compiles core once per OUT_DIR, so debug, clippy, doc and release would each pay
//! 40 s on two cores, and it turns every line of the inner cargo into a warning of the outer one.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The rustup name under which a distribution's compiler is linked.
pub(crate) const LINKED: &str = "sluice-bpf";

/// A toolchain that can compile for the kernel, and where its output goes.
#[derive(Debug)]
pub(crate) struct Bpf {
    /// A rustup toolchain with the sources of `core`.
    pub(crate) toolchain: String,
    target_dir: PathBuf,
}

impl Bpf {
    /// The toolchain that set-up recorded, else the first usable one; needs bpf-linker too.
    pub(crate) fn find(target_dir: &Path) -> Result<Self, String> {
        let recorded = fs::read_to_string(record(target_dir)).unwrap_or_default();
        let toolchain = [recorded.trim(), LINKED, "nightly"]
            .into_iter()
            .find(|name| has_core_source(name))
            .ok_or("no Rust toolchain that can compile for eBPF")?;
        let path = path_with_tools(target_dir);
        if !env::split_paths(&path).any(|dir| dir.join("bpf-linker").is_file()) {
            return Err("bpf-linker is missing".to_owned());
        }
        Ok(Self { toolchain: toolchain.to_owned(), target_dir: target_dir.to_owned() })
    }

    /// `cargo SUBCOMMAND` on package proxy-ebpf for the kernel's byte order and `arch`, the host's
    /// architecture, which decides the layout of `pt_regs`. More arguments may follow.
    pub(crate) fn cargo(&self, subcommand: &str, arch: &str, endian: &str) -> Command {
        let mut cmd = Command::new("rustup");
        cmd.args(["run", &self.toolchain, "cargo", subcommand, "--package", "proxy-ebpf", "--release"])
            .args(["-Z", "build-std=core", "--target", triple(endian), "--target-dir"])
            .arg(self.target_dir.join("ebpf"))
            .env("PATH", path_with_tools(&self.target_dir))
            // build-std is a nightly feature; Debian's compiler has it once told so. Exactly "1" for cargo's -Z.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", rustflags(arch))
            // Outer build scripts have it, xtask has not, and aya-ebpf's build script watches it: each would
            // rebuild what the other has built.
            .env_remove("HOST")
            // Set by an outer cargo or clippy, and naming its compiler.
            .env_remove("RUSTC")
            .env_remove("RUSTC_WRAPPER")
            .env_remove("RUSTC_WORKSPACE_WRAPPER");
        cmd
    }

    /// Where `cargo build` leaves the object.
    pub(crate) fn object(&self, endian: &str) -> PathBuf {
        self.target_dir.join("ebpf").join(triple(endian)).join("release/sluice-ebpf")
    }
}

/// The file in which set-up notes the toolchain it settled on.
pub(crate) fn record(target_dir: &Path) -> PathBuf {
    target_dir.join("tools/ebpf-toolchain")
}

/// Whether a rustup toolchain is there and brings the sources of `core`.
pub(crate) fn has_core_source(toolchain: &str) -> bool {
    if toolchain.is_empty() {
        return false;
    }
    let sysroot = Command::new("rustup")
        .args(["run", toolchain, "rustc", "--print", "sysroot"])
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|out| out.status.success())
        .and_then(|out| String::from_utf8(out.stdout).ok());
    sysroot.is_some_and(|dir| {
        Path::new(dir.trim()).join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file()
    })
}

/// `PATH` with what set-up built in front.
pub(crate) fn path_with_tools(target_dir: &Path) -> OsString {
    let mut path = target_dir.join("tools/bin").into_os_string();
    if let Some(rest) = env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}

fn triple(endian: &str) -> &'static str {
    if endian == "big" { "bpfeb-unknown-none" } else { "bpfel-unknown-none" }
}

fn rustflags(arch: &str) -> String {
    // Debug information is what bpf-linker derives BTF from.
    [&format!("--cfg=bpf_target_arch=\"{arch}\""), "-Cdebuginfo=2", "-Clink-arg=--btf"].join("\x1f")
}
