//! A kernel of Debian's to boot: found in its index, unpacked under target/tools/vm, used again from there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::index::{Index, Offer};
use crate::cmd;

/// An unpacked kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    /// What `uname -r` says of it.
    pub(super) release: String,
    /// Debian's version of the package, which begins with the upstream kernel's.
    pub(super) version: String,
    folder: PathBuf,
}

impl Kernel {
    /// The newest of the kernels whose version begins with `wanted`, whole numbers compared: one that is unpacked
    /// here already, else one of Debian's.
    pub(super) fn find(wanted: &str) -> Result<Self> {
        let store = super::folder().join("kernels");
        fs::create_dir_all(&store).with_context(|| store.display().to_string())?;
        if let Some(kernel) = newest(unpacked(&store)?, wanted, |kernel| &kernel.version) {
            return Ok(kernel);
        }
        let index = Index::refresh(super::folder().join("apt"))?;
        let offer = newest(index.kernels()?, wanted, |offer| &offer.version)
            .with_context(|| format!("Debian offers no cloud kernel {wanted}"))?;
        unpack(&index, &offer, &store)
    }

    /// What qemu boots.
    pub(super) fn image(&self) -> Result<PathBuf> {
        let places = [
            self.folder.join(format!("boot/vmlinuz-{}", self.release)),
            self.folder.join(format!("usr/lib/modules/{}/vmlinuz", self.release)),
        ];
        let found = places.into_iter().find(|path| path.is_file());
        found.with_context(|| format!("no kernel image in {}", self.folder.display()))
    }

    /// The folder of its modules.
    pub(super) fn modules(&self) -> Result<PathBuf> {
        let places = ["lib/modules", "usr/lib/modules"].map(|p| self.folder.join(p).join(&self.release));
        let found = places.into_iter().find(|path| path.is_dir());
        found.with_context(|| format!("no modules in {}", self.folder.display()))
    }
}

/// What is unpacked here: each in a folder that is named after it.
fn unpacked(store: &Path) -> Result<Vec<Kernel>> {
    let mut kernels = Vec::new();
    for entry in fs::read_dir(store)? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some((release, version)) = name.split_once('_') {
            kernels.push(Kernel { release: release.to_owned(), version: version.to_owned(), folder });
        }
    }
    Ok(kernels)
}

fn unpack(index: &Index, offer: &Offer, store: &Path) -> Result<Kernel> {
    let parts = index.download(offer)?;
    ensure!(!parts.is_empty(), "apt downloaded nothing for {}", offer.release);
    // Without the separator: not taken for a kernel until it is whole.
    let half = store.join("unfinished");
    if half.exists() {
        fs::remove_dir_all(&half)?;
    }
    for part in parts {
        cmd::run(Command::new("dpkg").arg("-x").arg(&part).arg(&half))?;
        fs::remove_file(part)?;
    }
    let folder = store.join(format!("{}_{}", offer.release, offer.version));
    fs::rename(&half, &folder).with_context(|| folder.display().to_string())?;
    Ok(Kernel { release: offer.release.clone(), version: offer.version.clone(), folder })
}

fn newest<T>(all: Vec<T>, wanted: &str, version: impl Fn(&T) -> &String) -> Option<T> {
    let fits = all.into_iter().filter(|one| begins_with(version(one), wanted));
    fits.max_by_key(|one| numbers(version(one)))
}

fn begins_with(version: &str, wanted: &str) -> bool {
    version.strip_prefix(wanted).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// What orders kernels: their numbers, whatever stands between.
fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::newest;

    #[test]
    fn takes_the_newest_that_begins_so() {
        let of = |wanted: &str| {
            let all = ["6.1.187-1", "6.1.192-2", "6.1.192-1", "6.1.99-1", "6.12.117-1~deb12u1", "5.10.218-1"];
            newest(all.map(str::to_owned).into(), wanted, |version| version)
        };
        assert_eq!(of("6.1").as_deref(), Some("6.1.192-2"));
        assert_eq!(of("6.1.18"), None);
        assert_eq!(of("6.1.187").as_deref(), Some("6.1.187-1"));
        assert_eq!(of("6").as_deref(), Some("6.12.117-1~deb12u1"));
        assert_eq!(of("5.10").as_deref(), Some("5.10.218-1"));
    }
}
