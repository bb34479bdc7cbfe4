//! A running sluice's maps, through bpftool.

use serde_json::Value;

use super::net::run;
use super::sockmap::CookieMap;

/// One map.
#[derive(Debug)]
pub(crate) struct Map {
    id: String,
}

/// `(map | prog, id)` of everything a process holds in the kernel, from its descriptors.
///
/// # Panics
/// When the process is gone.
pub(crate) fn objects_of(pid: u32) -> Vec<(&'static str, String)> {
    let folder = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    folder
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
        .flat_map(|info| {
            let field =
                |name: &str| info.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim().to_owned());
            [field("map_id:").map(|id| ("map", id)), field("prog_id:").map(|id| ("prog", id))]
        })
        .flatten()
        .collect()
}

/// Whether the kernel still has an object.
///
/// # Panics
/// Without bpftool.
pub(crate) fn exists(kind: &str, id: &str) -> bool {
    let shown = std::process::Command::new("bpftool").args([kind, "show", "id", id]).output().unwrap();
    shown.status.success()
}

/// A process's map of this name.
///
/// # Panics
/// When it has none.
pub(crate) fn map_of(pid: u32, name: &str) -> Map {
    let maps = objects_of(pid).into_iter().filter(|(kind, _)| *kind == "map");
    let id = maps.map(|(_, id)| id).find(|id| show(&["map", "show", "id", id])["name"] == name);
    Map { id: id.unwrap_or_else(|| panic!("{pid} has no map {name}")) }
}

impl Map {
    /// The map itself, one whose keys are cookies.
    pub(crate) fn cookies(&self) -> CookieMap {
        CookieMap::open(&self.id)
    }

    /// An array's element.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn element(&self, index: u32) -> Vec<u8> {
        let key = key(index);
        let mut args = vec!["map", "lookup", "id", &self.id, "key"];
        args.extend(key.iter().map(String::as_str));
        let value = show(&args)["value"].clone();
        let bytes = value.as_array().expect("a plain value").iter();
        bytes.map(|b| u8::from_str_radix(b.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()).collect()
    }

    /// The same, for elements that are `u64`s.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn words(&self, index: u32) -> Vec<u64> {
        let bytes = self.element(index);
        bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap())).collect()
    }

    /// Overwrites an array's element.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub(crate) fn set_element(&self, index: u32, value: &[u8]) {
        let (key, value) = (key(index), value.iter().map(u8::to_string).collect::<Vec<_>>());
        let mut args = vec!["map", "update", "id", &self.id, "key"];
        args.extend(key.iter().map(String::as_str));
        args.push("value");
        args.extend(value.iter().map(String::as_str));
        run("bpftool", &args);
    }
}

fn key(index: u32) -> Vec<String> {
    index.to_ne_bytes().iter().map(u8::to_string).collect()
}

fn show(args: &[&str]) -> Value {
    let mut all = vec!["-j"];
    all.extend(args);
    serde_json::from_str(&run("bpftool", &all)).expect("JSON from bpftool")
}
