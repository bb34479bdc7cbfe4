//! Whether two host globs can mean the same name, as Ambassador decides it.

/// Both in lower case. A star stands for one character or more, dots included.
pub(in crate::config::dialect::ambassador) fn overlap(a: &str, b: &str) -> bool {
    if a == b || a == "*" || b == "*" {
        return true;
    }
    if a.starts_with('.') || b.starts_with('.') {
        return false;
    }
    match (Glob::of(a), Glob::of(b)) {
        (Glob::Both, _) | (_, Glob::Both) | (Glob::Literal(_), Glob::Literal(_)) => false,
        (Glob::Suffix(_), Glob::Prefix(_)) | (Glob::Prefix(_), Glob::Suffix(_)) => true,
        (Glob::Suffix(a), Glob::Suffix(b)) => a.ends_with(b) || b.ends_with(a),
        (Glob::Prefix(a), Glob::Prefix(b)) => a.starts_with(b) || b.starts_with(a),
        (Glob::Suffix(end), Glob::Literal(name)) | (Glob::Literal(name), Glob::Suffix(end)) => {
            name.len() > end.len() && name.ends_with(end)
        }
        (Glob::Prefix(start), Glob::Literal(name)) | (Glob::Literal(name), Glob::Prefix(start)) => {
            name.len() > start.len() && name.starts_with(start)
        }
    }
}

/// What stands beside the star.
enum Glob<'a> {
    Literal(&'a str),
    /// `*x`
    Suffix(&'a str),
    /// `x*`
    Prefix(&'a str),
    /// `*x*`
    Both,
}

impl<'a> Glob<'a> {
    fn of(text: &'a str) -> Self {
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(_), Some(_)) => Self::Both,
            (Some(end), None) => Self::Suffix(end),
            (None, Some(start)) => Self::Prefix(start),
            (None, None) => Self::Literal(text),
        }
    }
}
