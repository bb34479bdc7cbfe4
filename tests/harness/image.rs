//! The image of config/deploy/Dockerfile without a container engine, run as kubelet would have it run.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Gid, Uid, chdir, chroot};
use rustix::thread::{
    CapabilitySet, UnshareFlags, remove_capability_from_bounding_set, set_no_new_privs, set_thread_gid,
    set_thread_groups, set_thread_uid, unshare_unsafe,
};
use serde_json::Value;

use super::manifests::{container, deploy, of_kind, pod};
use super::net::run;
use super::sluice::Sluice;

/// Shared objects that gcr.io/distroless/cc-debian12 has, of those that a Rust program may want.
const BASE: [&str; 4] = ["libc.so.6", "libgcc_s.so.1", "libm.so.6", "ld-linux-x86-64.so.2"];

/// A root file system and its volumes; unmounted and removed when dropped.
#[derive(Debug)]
pub(crate) struct Image {
    folder: PathBuf,
    /// The image's own words, before those of a container.
    entrypoint: Vec<String>,
    /// How many versions of volumes there were.
    versions: u32,
}

impl Image {
    /// Assembles it as the Dockerfile does, on what its base image has. This thread moves into mounts of its own.
    ///
    /// # Panics
    /// Without root, and when the binary wants more than the base has.
    pub(crate) fn assemble(name: &str, hosts: &str) -> Self {
        // SAFETY: this thread leaves the mounts and the working directory that it shared; no descriptor is shared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("a mount namespace needs root");
        run("mount", &["--make-rprivate", "/"]);
        // Not below the repository, whose folders may be closed to other users.
        let folder = std::env::temp_dir().join(format!("sluice-image-{name}-{}", std::process::id()));
        let root = folder.join("root");
        for mount in ["proc", "sys", "dev", "etc"] {
            fs::create_dir_all(root.join(mount)).unwrap();
        }
        // kubelet's.
        fs::write(root.join("etc/hosts"), hosts).unwrap();
        fs::write(root.join("etc/resolv.conf"), "nameserver 127.0.0.1\n").unwrap();

        let dockerfile = fs::read_to_string(deploy().join("Dockerfile")).unwrap();
        let last = dockerfile.rsplit_once("\nFROM gcr.io/distroless/cc-debian12\n").expect("a last stage").1;
        let mut entrypoint: Vec<String> = Vec::new();
        for line in last.lines() {
            let (instruction, rest) = line.split_once(' ').unwrap();
            match instruction {
                "COPY" => copy(rest.strip_prefix("--from=build ").unwrap(), &root),
                "ENTRYPOINT" => entrypoint = serde_json::from_str(rest).unwrap(),
                // A container's arguments take its place.
                "CMD" => {}
                _ => panic!("what does {line} do?"),
            }
        }
        base(&root.join(&entrypoint[0][1..]), &root);
        Self { folder, entrypoint, versions: 0 }
    }

    /// Puts files into a volume of a ConfigMap or a Secret, as kubelet does: `..data` leads to all of them, and is
    /// swapped by one rename.
    ///
    /// # Panics
    /// When they cannot be written.
    pub(crate) fn project(&mut self, volume: &str, files: &Value) {
        self.versions += 1;
        let volume = self.volume(volume);
        let version = format!("..{}", self.versions);
        fs::create_dir_all(volume.join(&version)).unwrap();
        for (file, text) in files.as_object().unwrap() {
            fs::write(volume.join(&version).join(file), text.as_str().unwrap()).unwrap();
            let link = volume.join(file);
            if !link.is_symlink() {
                symlink(Path::new("..data").join(file), link).unwrap();
            }
        }
        let former = fs::read_link(volume.join("..data"));
        symlink(&version, volume.join("..data_tmp")).unwrap();
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
        if let Ok(former) = former {
            fs::remove_dir_all(volume.join(former)).unwrap();
        }
    }

    fn volume(&self, name: &str) -> PathBuf {
        self.folder.join("volumes").join(name)
    }

    /// Runs sluice's container of these documents, with more variables. Its Secrets have been projected before.
    ///
    /// # Panics
    /// When it cannot be started.
    pub(crate) fn start(&mut self, documents: &[Value], more: &[(&str, &str)]) -> Sluice {
        let container = container(pod(documents));
        self.project("mappings", &of_kind(documents, "ConfigMap")["data"]);
        let root = self.folder.join("root");
        let at = |path: &str| root.join(path).to_str().unwrap().to_owned();
        for mount in container["volumeMounts"].as_array().unwrap() {
            fs::create_dir_all(at(&mount["mountPath"].as_str().unwrap()[1..])).unwrap();
        }
        run("mount", &["--rbind", root.to_str().unwrap(), &at("")]);
        run("mount", &["--rbind", "/proc", &at("proc")]);
        run("mount", &["--rbind", "/dev", &at("dev")]);
        run("mount", &["--bind", "/sys", &at("sys")]);
        for mount in container["volumeMounts"].as_array().unwrap() {
            assert_eq!(mount["readOnly"], true);
            let volume = self.volume(mount["name"].as_str().unwrap());
            let path = at(&mount["mountPath"].as_str().unwrap()[1..]);
            run("mount", &["--bind", volume.to_str().unwrap(), &path]);
            run("mount", &["-o", "remount,bind,ro", &path]);
        }
        run("mount", &["-o", "remount,bind,ro", &at("sys")]);
        let context = &container["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"], true);
        run("mount", &["-o", "remount,bind,ro", &at("")]);

        let mut command = Command::new(&self.entrypoint[0]);
        let words = |of: &Value| -> Vec<String> {
            of.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
        };
        command.args(&self.entrypoint[1..]).args(words(&container["args"])).env_clear();
        for variable in container["env"].as_array().unwrap() {
            let value = variable["value"].as_str().unwrap_or("default");
            command.env(variable["name"].as_str().unwrap(), value);
        }
        command.env("SLUICE_LOG_FORMAT", "json").envs(more.iter().copied());

        let kept = capabilities(context);
        let id = u32::try_from(context["runAsUser"].as_u64().unwrap()).unwrap();
        assert_eq!(context["runAsGroup"], id);
        assert_eq!(context["allowPrivilegeEscalation"], false);
        let become_container = move || {
            chroot(&root)?;
            chdir("/")?;
            for bit in 0..u64::BITS {
                let capability = CapabilitySet::from_bits_retain(1 << bit);
                if !kept.contains(capability) {
                    // Those that this kernel does not know are not there either.
                    let _ = remove_capability_from_bounding_set(capability);
                }
            }
            set_thread_groups(&[])?;
            set_thread_gid(Gid::from_raw(id))?;
            set_thread_uid(Uid::from_raw(id))?;
            set_no_new_privs(true)?;
            Ok(())
        };
        // SAFETY: between fork and exec it makes system calls, and allocates no more than a path.
        unsafe { command.pre_exec(become_container) };
        Sluice::of(&mut command, self.folder.join("unused"))
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let root = self.folder.join("root");
        let _ = Command::new("umount").args(["--recursive", "--lazy"]).arg(&root).status();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The capabilities that a container is given.
///
/// # Panics
/// When it has others before, or asks for one that sluice has no business with.
pub(crate) fn capabilities(context: &Value) -> CapabilitySet {
    assert_eq!(context["capabilities"]["drop"], serde_json::json!(["ALL"]));
    let added = context["capabilities"]["add"].as_array().map_or(&[][..], Vec::as_slice);
    let set = added.iter().map(|name| match name.as_str().unwrap() {
        "BPF" => CapabilitySet::BPF,
        "NET_ADMIN" => CapabilitySet::NET_ADMIN,
        "NET_BIND_SERVICE" => CapabilitySet::NET_BIND_SERVICE,
        other => panic!("what is {other} for?"),
    });
    set.collect()
}

/// `COPY`, from the repository and what was built.
fn copy(words: &str, root: &Path) {
    let (from, to) = words.rsplit_once(' ').unwrap();
    let target = root.join(&to[1..]);
    for file in from.split(' ') {
        let file = file.strip_prefix("/src/").unwrap();
        let source = match file {
            "target/release/sluice" => PathBuf::from(env!("CARGO_BIN_EXE_sluice")),
            _ => Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file),
        };
        let target = if to.ends_with('/') { target.join(file) } else { target.clone() };
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&source, target).unwrap_or_else(|e| panic!("{}: {e}", source.display()));
    }
}

/// What the base image has of what the binary asks for, from this system.
fn base(binary: &Path, root: &Path) {
    let listed = run("ldd", &[binary.to_str().unwrap()]);
    let paths: BTreeSet<&str> =
        listed.split_whitespace().filter(|word| word.starts_with('/') && word.contains(".so")).collect();
    assert!(!paths.is_empty(), "{listed}");
    for path in paths {
        let name = path.rsplit('/').next().unwrap();
        assert!(BASE.contains(&name), "distroless/cc has no {name}");
        let target = root.join(&path[1..]);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
}
