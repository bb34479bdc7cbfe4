//! Where and when it was measured, and with what.

use std::fs;

use crate::cmd;

/// What a figure means nothing without.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) date: String,
    pub(super) kernel: String,
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) memory_gib: u64,
    /// TCP's congestion control: one that paces slows a loopback down.
    pub(super) congestion: String,
    pub(super) commit: String,
}

impl Machine {
    /// This one, now.
    pub(super) fn here() -> Self {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib: u64 =
            after(&memory, "MemTotal").split_whitespace().next().map_or(0, |n| n.parse().unwrap_or(0));
        Self {
            date: told("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            kernel: told("uname", &["-sr"]),
            processor: after(&processors, "model name").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: (kib + (1 << 19)) >> 20,
            congestion: fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control")
                .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned()),
            commit: told("git", &["-C", &cmd::root().to_string_lossy(), "describe", "--always", "--dirty"]),
        }
    }
}

fn told(program: &str, args: &[&str]) -> String {
    cmd::ask(program, args).map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// The value of the first line `name: value`.
fn after<'a>(text: &'a str, name: &str) -> &'a str {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    value.map_or("unknown", str::trim)
}

#[cfg(test)]
mod tests {
    use super::after;

    #[test]
    fn reads_both_of_procs_styles() {
        assert_eq!(after("MemTotal:  24105 kB\n", "MemTotal"), "24105 kB");
        assert_eq!(after("x : 1\nmodel name\t: Some CPU @ 2 GHz\n", "model name"), "Some CPU @ 2 GHz");
        assert_eq!(after("", "model name"), "unknown");
    }
}
