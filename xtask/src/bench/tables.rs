//! Tables in Markdown, and how figures are written in them.

use std::fmt::Write as _;

use super::stats::Spread;

/// A ratio, marked when its spread includes 1.
pub(super) fn ratio(spread: Option<Spread>) -> String {
    written(spread, "**")
}

/// The same where it is not to stand out.
pub(super) fn plain_ratio(spread: Option<Spread>) -> String {
    written(spread, "")
}

fn written(spread: Option<Spread>, stress: &str) -> String {
    spread.map_or_else(String::new, |spread| {
        let mark = if spread.swallows(1.0) { "≈ " } else { "" };
        format!("{mark}{stress}{:.2}{stress} ({:.2}–{:.2})", spread.median, spread.min, spread.max)
    })
}

/// Seconds as milliseconds, of which hundredths are left.
pub(super) fn millis(seconds: f64) -> String {
    let millis = seconds * 1e3;
    match millis {
        9.95.. => format!("{millis:.0}"),
        0.995.. => format!("{millis:.1}"),
        _ => format!("{millis:.2}"),
    }
}

/// Bytes as KiB.
pub(super) fn kibibytes(bytes: f64) -> String {
    let kibibytes = bytes / 1024.0;
    // Rounding leaves no minus before a nought.
    if kibibytes.abs() < 0.05 { "0".to_owned() } else { format!("{kibibytes:.1}") }
}

/// A median of CPU seconds.
pub(super) fn seconds(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || "–".to_owned(),
        |spread| match spread.median {
            // Of the kernel relay's own seconds little would be left otherwise.
            median @ ..0.0095 => format!("{median:.4}"),
            median => format!("{median:.3}"),
        },
    )
}

/// Three digits or so.
pub(super) fn number(value: f64) -> String {
    match value {
        100_000.0.. => format!("{:.0}k", value / 1e3),
        1_000.0.. => format!("{:.1}k", value / 1e3),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A table with a case and its unit before the columns.
pub(super) fn table(
    title: &str,
    columns: impl Iterator<Item = String>,
    rows: impl Iterator<Item = String>,
) -> String {
    let columns: Vec<String> = columns.collect();
    let mut text = format!("{title}:\n\n| case | per | {} |\n|---|---|", columns.join(" | "));
    text.push_str(&"---:|".repeat(columns.len()));
    text.push('\n');
    text.extend(rows);
    text.push('\n');
    text
}

/// One line of it.
pub(super) fn row(case: &str, unit: &str, cells: impl Iterator<Item = String>) -> String {
    let mut text = format!("| {case} | {unit} |");
    for cell in cells {
        // Writing to a string does not fail.
        let _ = write!(text, " {cell} |");
    }
    text.push('\n');
    text
}
