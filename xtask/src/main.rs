//! `cargo xtask`: everything a developer or a new user does with sluice.

fn main() {}
