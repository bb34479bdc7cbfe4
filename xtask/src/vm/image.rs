//! The guest's root, all of it in its initramfs: programs with their libraries, modules, and what starts them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::kernel::Kernel;
use crate::cmd;

/// The first process: mounts what tests expect, and hands over.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/usr/sbin:/usr/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
# Makes /dev/net/tun.
modprobe tun
ulimit -Hn 1048576
ulimit -Sn 20000
stty -F /dev/ttyS1 raw -echo
xtask vm-guest /plan.json >/dev/ttyS1
sync
poweroff -f
"#;

/// Programs that the tests start, and that load modules when the kernel asks for one.
const PROGRAMS: [&str; 15] = [
    "bpftool",
    "busybox",
    "chown",
    "env",
    "ip",
    "iptables-legacy",
    "modprobe",
    "mount",
    "nft",
    "openssl",
    "setpriv",
    "sh",
    "ss",
    "tc",
    "umount",
];

/// What programs read besides their libraries.
const DATA: [&str; 7] = [
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/openssl.cnf",
    "/usr/lib/x86_64-linux-gnu/xtables",
];

/// Modules that networks of tests are made of.
const MODULES: [&str; 4] =
    ["kernel/net", "kernel/drivers/net/veth", "kernel/drivers/net/tun", "kernel/drivers/net/dummy"];

/// A folder that becomes the guest's root.
#[derive(Debug)]
pub(super) struct Image {
    root: PathBuf,
    libraries: BTreeSet<PathBuf>,
}

impl Image {
    /// An empty one in this folder, with what every guest has.
    pub(super) fn new(root: PathBuf) -> Result<Self> {
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        for folder in
            ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "dev", "etc", "proc", "root", "run", "sys", "tmp"]
        {
            fs::create_dir_all(root.join(folder)).with_context(|| root.display().to_string())?;
        }
        for merged in ["bin", "lib", "lib64", "sbin"] {
            symlink(Path::new("usr").join(merged), root.join(merged))?;
        }
        let mut image = Self { root, libraries: BTreeSet::new() };
        image.write("init", INIT)?;
        fs::set_permissions(image.root.join("init"), fs::Permissions::from_mode(0o755))?;
        for name in PROGRAMS {
            let path = cmd::find(name).with_context(|| format!("{name} is not installed"))?;
            image.program(&path, &path)?;
        }
        for path in DATA {
            image.copy(Path::new(path))?;
        }
        Ok(image)
    }

    /// Adds a program and the libraries it wants, without what debuggers read.
    pub(super) fn program(&mut self, from: &Path, to: &Path) -> Result<()> {
        let place = self.place(to)?;
        let mut strip = Command::new("strip");
        strip.arg("--strip-debug").arg("-o").arg(&place).arg(from);
        ensure!(strip.status()?.success(), "strip {}", from.display());
        let wants = cmd::ask("ldd", &[&from.to_string_lossy()]).unwrap_or_default();
        let libraries = wants.split_whitespace().filter(|word| word.starts_with('/'));
        for library in libraries.map(PathBuf::from) {
            if self.libraries.insert(library.clone()) {
                self.copy(&library)?;
            }
        }
        Ok(())
    }

    /// Adds a file, or a folder of files, where it is here.
    pub(super) fn copy(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                self.copy(&entry?.path())?;
            }
        } else if path.is_file() {
            fs::copy(path, self.place(path)?).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// Adds an empty folder.
    pub(super) fn folder(&self, path: &Path) -> Result<()> {
        Ok(fs::create_dir_all(self.root.join(below_root(path)))?)
    }

    /// Adds a file with this text.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        fs::write(self.root.join(name), text).with_context(|| name.to_owned())
    }

    /// Adds the kernel's modules that tests want, and their index.
    pub(super) fn modules(&self, kernel: &Kernel) -> Result<()> {
        let from = kernel.modules()?;
        let to = self.root.join("usr/lib/modules").join(&kernel.release);
        for name in MODULES.into_iter().chain(["modules.builtin", "modules.builtin.modinfo", "modules.order"])
        {
            let path = from.join(name);
            copy_all(&path, &to.join(name))?;
            for packed in ["ko", "ko.xz", "ko.zst"] {
                copy_all(&path.with_extension(packed), &to.join(name).with_extension(packed))?;
            }
        }
        let depmod = cmd::find("depmod").context("depmod is not installed")?;
        cmd::run(Command::new(depmod).arg("-b").arg(&self.root).arg(&kernel.release))
    }

    /// Packs it all.
    pub(super) fn pack(&self) -> Result<PathBuf> {
        // Not with_extension: releases are full of dots.
        let archive = PathBuf::from(format!("{}.cpio", self.root.display()));
        let mut find =
            Command::new("find").arg(".").current_dir(&self.root).stdout(Stdio::piped()).spawn()?;
        let names = find.stdout.take().context("find has no output")?;
        let mut cpio = Command::new("busybox");
        cpio.args(["cpio", "-o", "-H", "newc", "-R", "0:0"]).current_dir(&self.root);
        let packed = cpio.stdin(names).stdout(File::create(&archive)?).stderr(Stdio::null()).status()?;
        ensure!(find.wait()?.success() && packed.success(), "the guest's root cannot be packed");
        fs::remove_dir_all(&self.root)?;
        Ok(archive)
    }

    /// Where a path of this system is in the image, with its folder made. Folders are those that links end at.
    fn place(&self, path: &Path) -> Result<PathBuf> {
        let (folder, name) = path.parent().zip(path.file_name()).context("a path of a file")?;
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let place = self.root.join(below_root(&folder));
        fs::create_dir_all(&place).with_context(|| place.display().to_string())?;
        Ok(place.join(name))
    }
}

fn below_root(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_all(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if from.is_file() {
        fs::create_dir_all(to.parent().unwrap_or(to))?;
        fs::copy(from, to).with_context(|| from.display().to_string())?;
    }
    Ok(())
}
