//! Debian's packages of kernels, through an apt of its own: no file of the system's apt changes, its lists
//! may be of any release, and signatures are checked as ever.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cmd;

/// Where Debian keeps kernels for its releases, the oldest that it still serves first.
const SUITES: [(&str, &str); 6] = [
    ("debian", "bullseye"),
    ("debian-security", "bullseye-security"),
    ("debian-security", "bookworm-security"),
    ("debian", "bookworm-backports"),
    ("debian-security", "trixie-security"),
    ("debian", "trixie-backports"),
];

const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The kernels for virtual machines: small, with every driver that qemu asks for.
const FLAVOUR: &str = "-cloud-amd64";

/// Newer kernels are in three packages, older ones in the first.
const PARTS: [&str; 3] = ["linux-image-", "linux-binary-", "linux-modules-"];

/// A kernel that Debian offers.
#[derive(Debug)]
pub(super) struct Offer {
    /// What `uname -r` says of it, and its packages' names end with.
    pub(super) release: String,
    /// Version of the packages.
    pub(super) version: String,
}

/// Debian's lists of packages, as of now.
#[derive(Debug)]
pub(super) struct Index {
    folder: PathBuf,
}

impl Index {
    /// Downloads the lists into this folder.
    pub(super) fn refresh(folder: PathBuf) -> Result<Self> {
        ensure!(Path::new(KEYS).is_file(), "{KEYS} is missing: install debian-archive-keyring");
        for part in ["state/lists/partial", "cache/archives/partial", "download"] {
            fs::create_dir_all(folder.join(part)).with_context(|| folder.display().to_string())?;
        }
        let lines: String = SUITES
            .iter()
            .map(|(archive, suite)| {
                format!("deb [arch=amd64 signed-by={KEYS}] http://deb.debian.org/{archive} {suite} main\n")
            })
            .collect();
        fs::write(folder.join("sources.list"), lines)?;
        let index = Self { folder };
        cmd::run(index.apt("apt-get").args(["update", "-qq"]))?;
        Ok(index)
    }

    /// Every kernel that is offered.
    pub(super) fn kernels(&self) -> Result<Vec<Offer>> {
        let names = self.names(PARTS[0])?;
        let images = names.iter().filter(|name| name.ends_with(FLAVOUR));
        let table = said(self.apt("apt-cache").arg("madison").args(images))?;
        Ok(table.lines().filter_map(offer).collect())
    }

    /// Downloads the packages of a kernel; where they are.
    pub(super) fn download(&self, offer: &Offer) -> Result<Vec<PathBuf>> {
        let mut wanted = Vec::new();
        for part in PARTS {
            let package = format!("{part}{}", offer.release);
            if self.names(&package)?.contains(&package) {
                wanted.push(format!("{package}={}", offer.version));
            }
        }
        let folder = self.folder.join("download");
        cmd::run(self.apt("apt-get").args(["download", "-q"]).args(wanted).current_dir(&folder))?;
        let files = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        Ok(files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "deb")).collect())
    }

    fn names(&self, beginning: &str) -> Result<Vec<String>> {
        let names = said(self.apt("apt-cache").args(["pkgnames", beginning]))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// An apt program that knows this folder and nothing of the system's.
    fn apt(&self, program: &str) -> Command {
        let at = |name: &str| self.folder.join(name).display().to_string();
        let mut apt = Command::new(program);
        for option in [
            format!("Dir::Etc::sourcelist={}", at("sources.list")),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("Dir::State={}", at("state")),
            "Dir::State::status=/dev/null".to_owned(),
            format!("Dir::Cache={}", at("cache")),
            // Its files lie below the repository, where apt's own user has no business.
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ] {
            apt.args(["-o", &option]);
        }
        apt
    }
}

/// One line of `apt-cache madison`: name, version and where it is from.
fn offer(line: &str) -> Option<Offer> {
    let mut columns = line.split('|').map(str::trim);
    let release = columns.next()?.strip_prefix(PARTS[0])?;
    // Meta packages name a series and no release, and hold nothing.
    let meta = release.strip_suffix(FLAVOUR)?.matches(['.', '-']).count() < 2;
    (!meta).then_some(Offer { release: release.to_owned(), version: columns.next()?.to_owned() })
}

fn said(command: &mut Command) -> Result<String> {
    let out = command.output()?;
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    ensure!(out.status.success(), "{}: {complained}", command.get_program().display());
    Ok(said.into_owned())
}

#[cfg(test)]
mod tests {
    use super::offer;

    #[test]
    fn reads_what_apt_offers() {
        let of = |name: &str, version: &str| {
            offer(&format!(" {name} | {version} | http://deb.debian.org/debian bookworm/main amd64 Packages"))
                .map(|o| (o.release, o.version))
        };
        let real = of("linux-image-6.1.0-56-cloud-amd64", "6.1.192-2");
        assert_eq!(real, Some(("6.1.0-56-cloud-amd64".to_owned(), "6.1.192-2".to_owned())));
        assert!(of("linux-image-6.12.95+deb12-cloud-amd64", "6.12.95-1~bpo12+1").is_some());
        assert_eq!(of("linux-image-6.1-cloud-amd64", "6.1.180-1~deb11u1"), None);
        assert_eq!(of("linux-image-cloud-amd64", "6.1.176-1"), None);
    }
}
