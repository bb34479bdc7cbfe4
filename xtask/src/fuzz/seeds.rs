//! Seeds that hold private keys: made here, since none is ever committed.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cmd;

/// Adds them to the corpora that grow in `corpus`.
pub(super) fn grow(corpus: &Path) -> Result<()> {
    let made = corpus.join("../made");
    let script = cmd::root().join("config/examples/tls/certificates.sh");
    let secrets = output(Command::new("sh").arg(script).arg(&made))?;
    let text = |name: &str| fs::read_to_string(made.join(name)).with_context(|| name.to_owned());
    let key = text("key.pem")?;
    write(corpus, "identity", "ecdsa", &(text("cert-chain.pem")? + &key))?;
    write(corpus, "authorities", "made", &text("root-cert.pem")?)?;
    write(corpus, "private-key", "ecdsa", &key)?;
    for algorithm in ["RSA", "ED25519"] {
        let key = output(Command::new("openssl").args(["genpkey", "-algorithm", algorithm]))?;
        write(corpus, "private-key", algorithm, &key)?;
    }
    for name in ["ecdsa", "RSA"] {
        let mut older = Command::new("openssl");
        older.args(["pkey", "-traditional", "-in"]).arg(corpus.join("private-key").join(name));
        write(corpus, "private-key", &format!("{name}-traditional"), &output(&mut older)?)?;
    }
    write(corpus, "secret", "made", &secrets.replace("name: server-cert", "name: s"))?;
    let examples = cmd::root().join("config/examples/tls");
    for example in fs::read_dir(&examples).with_context(|| examples.display().to_string())? {
        let path = example?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            write(corpus, "documents", &name, &format!("{text}\n{secrets}"))?;
        }
    }
    Ok(())
}

fn write(corpus: &Path, target: &str, name: &str, text: &str) -> Result<()> {
    let folder = corpus.join(target);
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join(name), text))
        .with_context(|| folder.display().to_string())
}

fn output(command: &mut Command) -> Result<String> {
    cmd::show(command);
    let out = command.output().with_context(|| command.get_program().display().to_string())?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Ok(String::from_utf8(out.stdout)?)
}
