//! The real binary, with a configuration, watched through what it writes.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::admin::Admin;
use super::patience;

/// When connections join the kernel: at once, unless a test is about something else. Each test has
/// a process of its own.
pub(crate) static JOIN_AFTER: OnceLock<&str> = OnceLock::new();

/// A sluice to be started.
#[derive(Debug)]
pub(crate) struct Builder {
    folder: PathBuf,
    admin: Option<Admin>,
    flags: Vec<String>,
    variables: Vec<(&'static str, PathBuf)>,
    /// The process list of the cgroup it is to live in.
    cgroup: Option<PathBuf>,
    /// setpriv(1)'s flags besides those that end it with the test.
    privileges: &'static [&'static str],
}

/// A running sluice; killed when dropped.
#[derive(Debug)]
pub(crate) struct Sluice {
    child: Child,
    folder: PathBuf,
    access: Receiver<String>,
    log: Receiver<String>,
}

impl Builder {
    /// With these documents as its configuration.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub(crate) fn new(yaml: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("mappings.yaml"), yaml).unwrap();
        Self { folder, admin: None, flags: Vec::new(), variables: Vec::new(), cgroup: None, privileges: &[] }
    }

    /// With its admin endpoint here.
    #[must_use]
    pub(crate) fn admin(mut self, admin: Admin) -> Self {
        self.admin = Some(admin);
        self
    }

    /// With more flags.
    #[must_use]
    pub(crate) fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|f| (*f).to_owned()));
        self
    }

    /// With this path in its environment.
    #[must_use]
    pub(crate) fn variable(mut self, name: &'static str, path: PathBuf) -> Self {
        self.variables.push((name, path));
        self
    }

    /// Within the cgroup whose process list this is.
    #[must_use]
    pub(crate) fn within(mut self, cgroup: PathBuf) -> Self {
        self.cgroup = Some(cgroup);
        self
    }

    /// With setpriv(1)'s flags.
    #[must_use]
    pub(crate) fn privileges(mut self, flags: &'static [&'static str]) -> Self {
        self.privileges = flags;
        self
    }

    /// Without any capability, though root's files are its own.
    #[must_use]
    pub(crate) fn without_capabilities(self) -> Self {
        self.privileges(&["--bounding-set", "-all", "--inh-caps", "-all"])
    }

    /// Starts it and waits until it serves.
    ///
    /// # Panics
    /// When it ends instead.
    pub(crate) fn start(self) -> Sluice {
        let mut sluice = self.spawn();
        sluice.expect_log("serving");
        sluice
    }

    /// Starts it and does not wait.
    ///
    /// # Panics
    /// When it cannot be started.
    pub(crate) fn spawn(self) -> Sluice {
        // The shell moves itself and becomes setpriv, which becomes sluice. Whatever ends the test
        // ends sluice too.
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ > \"$0\"; exec \"$@\""])
            .arg(self.cgroup.as_deref().unwrap_or(Path::new("/dev/null")))
            .args(["setpriv", "--pdeathsig", "KILL"])
            .args(self.privileges)
            .args([env!("CARGO_BIN_EXE_sluice"), "run"])
            .arg(self.folder.join("mappings.yaml"))
            .args(["--log-format", "json"])
            .args(match self.admin {
                Some(admin) => vec!["--admin", admin.0],
                None if self.flags.iter().any(|f| f == "--admin") => Vec::new(),
                None => vec!["--admin", "none"],
            })
            .args(&self.flags)
            .env("SLUICE_JOIN_AFTER", JOIN_AFTER.get().unwrap_or(&"0"))
            .envs(self.variables);
        Sluice::of(&mut command, self.folder)
    }
}

impl Sluice {
    /// Starts this command, which becomes sluice. The folder goes with it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub(crate) fn of(command: &mut Command, folder: PathBuf) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let access = lines(child.stdout.take().unwrap());
        let log = lines(child.stderr.take().unwrap());
        Self { child, folder, access, log }
    }

    /// Replaces the configuration as editors and kubelet do, by renaming a new file over it, and
    /// waits until it is in service.
    ///
    /// # Panics
    /// When it is not taken up.
    pub(crate) fn reload(&mut self, yaml: &str) {
        self.write(yaml);
        self.expect_log("reloaded");
    }

    /// Does so with a file that only this user may read.
    ///
    /// # Panics
    /// When it is not taken up.
    pub(crate) fn reload_as(&mut self, yaml: &str, user: u32) {
        let next = self.folder.join(".next");
        fs::write(&next, yaml).unwrap();
        fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&next, Some(user), None).unwrap();
        fs::rename(next, self.folder.join("mappings.yaml")).unwrap();
        self.expect_log("reloaded");
    }

    /// Replaces the configuration and does not wait.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub(crate) fn write(&self, yaml: &str) {
        let next = self.folder.join(".next");
        fs::write(&next, yaml).unwrap();
        fs::rename(next, self.folder.join("mappings.yaml")).unwrap();
    }

    /// The access log itself, for those who read it elsewhere; nothing comes to [`Self::closed`] any more.
    pub(crate) fn take_access_log(&mut self) -> Receiver<String> {
        std::mem::replace(&mut self.access, channel().1)
    }

    /// The next access-log line about a closed connection.
    ///
    /// # Panics
    /// When none comes.
    pub(crate) fn closed(&mut self) -> Value {
        let deadline = Instant::now() + patience();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.access.recv_timeout(left).expect("an access-log line about a close");
            let record: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
            if record["event"] == "close" {
                return record;
            }
        }
    }

    /// Waits for a log line with this in it.
    ///
    /// # Panics
    /// When none comes.
    pub(crate) fn expect_log(&mut self, text: &str) -> String {
        self.expect_log_within(text, patience())
    }

    /// The same for those who leave sluice little to run with.
    ///
    /// # Panics
    /// When none comes.
    pub(crate) fn expect_log_within(&mut self, text: &str, patience: Duration) -> String {
        let deadline = Instant::now() + patience;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no log line with {text:?} among\n{}", seen.join("\n")),
            }
        }
    }

    /// How many lines with this in them were logged since the last line that was waited for.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log.try_iter().filter(|line| line.contains(text)).count()
    }

    /// Ends it, unless it has ended; whatever it wrote that nobody has waited for.
    ///
    /// # Panics
    /// When it does not end.
    pub(crate) fn last_words(mut self) -> String {
        if !self.has_ended() {
            self.signal(Signal::TERM);
            self.wait();
        }
        self.log.iter().chain(self.access.iter()).collect::<Vec<_>>().join("\n")
    }

    /// Whether it has ended.
    ///
    /// # Panics
    /// When the kernel does not say.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process is gone.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// Stops it until SIGCONT, and waits until every thread stands still: the signal alone takes
    /// effect a moment later.
    ///
    /// # Panics
    /// When it does not stop.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        super::eventually("a stopped process", || {
            let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap().flatten();
            let mut states = tasks.map(|t| fs::read_to_string(t.path().join("stat")).unwrap_or_default());
            states
                .all(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
                .then_some(())
        });
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        super::eventually("sluice's exit", || self.child.try_wait().unwrap())
    }
}

impl Drop for Sluice {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            for line in self.log.try_iter().chain(self.access.try_iter()) {
                println!("sluice: {line}");
            }
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
