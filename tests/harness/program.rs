//! Other people's programs as peers: `cargo xtask setup` installs them.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use super::patience;

/// What a program said on standard output and then on standard error, given this on its standard input;
/// whether it succeeded is for its words to tell.
///
/// # Panics
/// When it cannot be started.
pub(crate) fn run(program: &str, words: &[&str], input: &[u8]) -> String {
    let mut child = start(Command::new(program).args(words));
    let mut stdin = child.stdin.take().unwrap();
    // One that has failed does not read.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// A file with this text, named apart from everybody's.
///
/// # Panics
/// When it cannot be written.
pub(crate) fn file(name: &str, text: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let unique = format!("{name}-{}-{}.pem", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Where `cargo xtask setup` puts what no package brings.
pub(crate) fn tools() -> PathBuf {
    // CARGO_TARGET_TMPDIR is target/tmp.
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools")
}

/// A program that serves, killed when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<String>,
}

impl Daemon {
    /// Starts it and waits for the line that says it serves.
    ///
    /// # Panics
    /// When it does not say so.
    pub(crate) fn start(program: &str, words: &[&str], ready: &str) -> Self {
        let mut child = start(Command::new(program).args(words));
        let (sender, lines) = channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        let mut daemon = Self { child, lines };
        daemon.expect(ready);
        daemon
    }

    /// The next line with this in it.
    ///
    /// # Panics
    /// When none comes.
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + patience();
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no line with {text:?} among\n{}", seen.join("\n")),
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(command: &mut Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?}: {e}; `cargo xtask setup` installs it"))
}
