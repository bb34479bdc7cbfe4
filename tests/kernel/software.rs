//! Real servers and their own clients.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::harness::payload::Payload;
use crate::harness::sluice::Builder;
use crate::harness::tls::Ca;
use crate::harness::{client, eventually, net};
use crate::relay::{BACK, FRONT, Relay, on_both_relays, ready};

on_both_relays!(scp, pgbench, redis);

/// A server process and its folder, both gone with it.
struct Server {
    child: Child,
    folder: PathBuf,
}

impl Server {
    fn start(command: &mut Command, folder: PathBuf) -> Self {
        let log = fs::File::create(folder.join("log")).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}; `cargo xtask setup` installs it"));
        let server = Self { child, folder };
        eventually("the server's port", || client::try_connect(BACK).ok());
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT is a fast shutdown for all of them, PostgreSQL's workers included.
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::INT,
        );
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("sluice-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// 200 MB there and back, compared byte by byte.
fn scp(relay: Relay) {
    let folder = folder("sshd");
    for key in ["host", "user"] {
        net::run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", text(&folder.join(key))]);
    }
    fs::create_dir_all("/run/sshd").unwrap();
    let settings = folder.join("sshd_config");
    let d = text(&folder);
    fs::write(
        &settings,
        format!(
            "HostKey {d}/host\nAuthorizedKeysFile {d}/user.pub\nPidFile none\nStrictModes no\n\
             PermitRootLogin yes\nUsePAM no\nSubsystem sftp internal-sftp\nListenAddress {BACK}\n"
        ),
    )
    .unwrap();
    let mut sshd = Command::new("/usr/sbin/sshd");
    let _sshd = Server::start(sshd.args(["-D", "-e", "-f", text(&settings)]), folder.clone());
    let mut sluice = relay.start();

    let payload = Payload { seed: 22, len: 200_000_000 };
    let (sent, there, back) = (folder.join("sent"), folder.join("there"), folder.join("back"));
    payload.send(&mut fs::File::create(&sent).unwrap()).unwrap();
    let scp = |from: &str, to: &str| {
        let key = folder.join("user");
        let quiet =
            ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"];
        let mut args = vec!["-q", "-P", "7000", "-i", text(&key)];
        args.extend(quiet);
        args.extend([from, to]);
        net::run("scp", &args);
    };
    scp(text(&sent), &format!("root@127.0.0.1:{}", text(&there)));
    relay.carried(&sluice.closed());
    scp(&format!("root@127.0.0.1:{}", text(&there)), text(&back));
    relay.carried(&sluice.closed());
    payload.expect_to_end(&mut fs::File::open(&back).unwrap());
}

/// A PostgreSQL server behind sluice, and where its programs are.
pub(crate) struct Postgres {
    bin: PathBuf,
    pub(crate) folder: PathBuf,
    _server: Server,
}

impl Postgres {
    /// Started with more settings; `files` are put into its folder, its own alone.
    pub(crate) fn start(files: &[(&str, &str)], settings: &[&str]) -> Self {
        let bin = eventually("PostgreSQL's programs", || {
            let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
            versions.flatten().map(|v| v.path().join("bin")).find(|b| b.join("initdb").exists())
        });
        let folder = folder("postgres");
        for (name, content) in files {
            fs::write(folder.join(name), content).unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        net::run("chown", &["-R", "postgres", text(&folder)]);
        let data = folder.join("data");
        let as_postgres = |program: &str| {
            // Execs, so that signals reach the server itself.
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]);
            command.arg(bin.join(program)).current_dir(&folder);
            command
        };
        let made = as_postgres("initdb").args(["-D", text(&data), "-A", "trust", "-N"]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = as_postgres("postgres");
        server.args(["-D", text(&data), "-p", "7001", "-h", "127.0.0.1", "-k", "", "-F", "-N", "50"]);
        let server = Server::start(server.args(settings), folder.clone());
        Self { bin, folder, _server: server }
    }

    /// What a client program says, once the server takes sessions.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> String {
        let program = self.bin.join(program);
        eventually("PostgreSQL ready for sessions", || {
            let output = Command::new(&program).args(args).output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            // «starting up» is all that may be wrong.
            assert!(output.status.success() || errors.contains("starting up"), "{errors}");
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        })
    }
}

/// Twenty sessions of transactions; pgbench itself fails on the first that does not commit.
fn pgbench(relay: Relay) {
    let postgres = Postgres::start(&[], &[]);
    let mut sluice = relay.start();
    let run = |args: &[&str]| {
        let through = ["-h", "127.0.0.1", "-p", "7000", "-U", "postgres"];
        postgres.run("pgbench", &[&through, args, &["postgres"]].concat())
    };
    run(&["-i", "-q", "-s", "1"]);
    let report = run(&["-c", "20", "-j", "2", "-t", "50", "-n"]);
    assert!(report.contains("number of transactions actually processed: 1000/1000"), "{report}");
    relay.carried(&sluice.closed());
}

/// libpq verifies whom it talks to by name, through PostgreSQL's own prelude: sluice, which goes on in the
/// clear or in TLS of its own, or the server itself, by the name in the ClientHello.
#[test]
fn psql_verifies_in_full() {
    if !ready("psql_verifies_in_full") {
        return;
    }
    let ca = Ca::new();
    let (ours, its) = (ca.leaf(&["front.test"]), ca.leaf(&["db.test"]));
    let files = [("server.crt", &*its.chain), ("server.key", &*its.key), ("ca.crt", &*ca.pem)];
    let postgres = Postgres::start(
        &files,
        &["-c", "ssl=on", "-c", "ssl_cert_file=../server.crt", "-c", "ssl_key_file=../server.key"],
    );
    let mapping = |name: &str, annotations: &str, host: &str, service: &str| {
        format!(
            "---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\n\
             metadata: {{name: {name}, annotations: {{sluice.dev/starttls: postgres{annotations}}}}}\n\
             spec: {{address: 127.0.0.1, port: 7000, host: {host}, service: \"{service}\"}}\n"
        )
    };
    let documents = [
        ours.secret("front"),
        "---\napiVersion: getambassador.io/v3alpha1\nkind: TLSContext\nmetadata: {name: front}\n\
         spec: {hosts: [front.test], secret: front}\n"
            .to_owned(),
        mapping("clear", "", "front.test", BACK),
        mapping("through", ", sluice.dev/tls-mode: passthrough", "db.test", BACK),
    ];
    let mut sluice = Builder::new(&documents.concat()).start();
    let authority = postgres.folder.join("ca.crt");
    let asks = |host: &str| {
        let to = format!(
            "host={host} hostaddr=127.0.0.1 port=7000 user=postgres dbname=postgres sslmode=verify-full \
             sslrootcert={}",
            text(&authority)
        );
        postgres.run(
            "psql",
            &["-At", "-d", &to, "-c", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"],
        )
    };
    // Whether the session is in TLS, as the server sees it, and who carries it.
    for (host, encrypted, relay) in [("front.test", "f", "tls"), ("db.test", "t", "kernel")] {
        assert_eq!(asks(host).trim(), encrypted, "{host}");
        let record = sluice.closed();
        assert_eq!((&record["relay"], &record["sni"]), (&relay.into(), &host.into()), "{record}");
        // Left to themselves both are gone before the other's close_notify comes, and reset: either may be
        // the first to be seen. Where TLS ends in sluice it says its end in order.
        assert!(relay == "kernel" || record["reason"] == "finished", "{record}");
    }
}

/// Pipelined commands, a million of each kind, and every reply counted: by the benchmark, which ends
/// with the last, and by the client, which asks for one more after a million.
fn redis(relay: Relay) {
    let folder = folder("redis");
    let mut redis = Command::new("redis-server");
    let _redis =
        Server::start(redis.args(["--port", "7001", "--save", "", "--dir", text(&folder)]), folder.clone());
    let mut sluice = relay.start();
    let report = net::run(
        "redis-benchmark",
        &["-p", "7000", "-P", "32", "-n", "1000000", "-c", "20", "-t", "set,get", "-q"],
    );
    assert!(report.contains("SET:") && report.contains("GET:"), "{report}");
    relay.carried(&sluice.closed());

    let commands: String = (0..1_000_000).map(|i| format!("SET key:{i} value-of-{i}\r\n")).collect();
    fs::write(folder.join("commands"), commands).unwrap();
    let port = FRONT.rsplit(':').next().unwrap();
    let piped = Command::new("redis-cli")
        .args(["-p", port, "--pipe"])
        .stdin(fs::File::open(folder.join("commands")).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&piped.stdout);
    assert!(said.contains("errors: 0, replies: 1000000"), "{said}");
    // The benchmark's key is one more.
    assert_eq!(net::run("redis-cli", &["-p", port, "DBSIZE"]).trim(), "1000001");
}
