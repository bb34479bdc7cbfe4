//! Memory: of a peer's processes, and of the whole machine, where the kernel's share of a connection is.

use std::fs;

use anyhow::{Context, Result};

use super::cpu::Tree;

/// Bytes in use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Memory {
    /// Of the processes, what they share counted in parts; nothing without processes.
    pub(super) own: Option<f64>,
    /// Of the machine: what is not available for more.
    pub(super) whole: f64,
}

impl Memory {
    /// As it is now.
    pub(super) fn now(tree: Option<&Tree>) -> Result<Self> {
        let text = fs::read_to_string("/proc/meminfo").context("/proc/meminfo")?;
        let of = |name| kibibytes(&text, name).with_context(|| format!("/proc/meminfo has no {name}"));
        let own = tree.map(own).transpose()?;
        Ok(Self { own, whole: of("MemTotal")? - of("MemAvailable")? })
    }

    /// What has been added since `before`, for each of `connections`.
    pub(super) fn grown(self, before: Self, connections: usize) -> Self {
        let each = u32::try_from(connections).map_or(f64::INFINITY, f64::from);
        let own = self.own.zip(before.own).map(|(after, before)| (after - before) / each);
        Self { own, whole: (self.whole - before.whole) / each }
    }
}

/// Proportional set size. One that has ended meanwhile has none.
fn own(tree: &Tree) -> Result<f64> {
    let rollups =
        tree.members().iter().filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok());
    rollups.map(|text| kibibytes(&text, "Pss").context("smaps_rollup has no Pss")).sum()
}

/// Bytes, of a line `name: N kB`.
fn kibibytes(text: &str, name: &str) -> Option<f64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::{Memory, Tree, kibibytes};

    #[test]
    fn reads_the_line_of_that_name() {
        let text = "Rss:  9 kB\nPss:   12 kB\nPss_Anon: 3 kB\n";
        assert_eq!(kibibytes(text, "Pss"), Some(12.0 * 1024.0));
        assert_eq!(kibibytes(text, "Swap"), None);
    }

    #[test]
    fn sees_this_process_grow() {
        let tree = Tree::of(std::process::id()).unwrap();
        let before = Memory::now(Some(&tree)).unwrap();
        let held = std::hint::black_box(vec![1_u8; 64 << 20]);
        let grown = Memory::now(Some(&tree)).unwrap().grown(before, 1_000);
        assert!((50e3..90e3).contains(&grown.own.unwrap()), "{grown:?} for {} bytes", held.len());
    }
}
