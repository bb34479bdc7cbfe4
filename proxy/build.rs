//! Temporary scaffold.
fn main() -> anyhow::Result<()> {
    #[cfg(feature = "ebpf")]
    {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let path = format!("{}:{}", root.join("target/tools/bin").display(), std::env::var("PATH")?);
        unsafe { std::env::set_var("PATH", path) };
        let dir = root.join("proxy-ebpf");
        aya_build::build_ebpf(
            [aya_build::Package {
                name: "proxy-ebpf",
                root_dir: dir.to_str().unwrap(),
                ..Default::default()
            }],
            aya_build::Toolchain::Nightly,
        )?;
    }
    Ok(())
}
