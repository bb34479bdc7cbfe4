//! A libpq of PostgreSQL 17 or later, which may begin with TLS at once (`sslnegotiation=direct`), in front of a
//! server that need not know of it.

use std::process::Command;

use crate::harness::program::tools;
use crate::harness::sluice::Builder;
use crate::harness::tls::{Ca, secret};
use crate::relay::{BACK, ready};
use crate::software::Postgres;

/// Whether the server sees TLS; what went wrong, where there is no session.
const ASK: &str = "
import sys, psycopg
try:
    with psycopg.connect(sys.argv[1]) as session:
        print(session.execute('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()').fetchone()[0])
except psycopg.OperationalError as error:
    print(error)
";

/// The first server that takes a ClientHello unasked, and agrees on ALPN, which a client insists on then.
const FIRST_DIRECT: u32 = 17;

#[test]
fn direct_negotiation_ends_here_or_is_translated() {
    if !ready("direct_negotiation_ends_here_or_is_translated") {
        return;
    }
    let ca = Ca::new();
    let names = ["clear.test", "again.test", "plain.test"];
    let (ours, its) = (ca.leaf(&names), ca.leaf(&["through.test"]));
    let files = [("server.crt", &*its.chain), ("server.key", &*its.key), ("ca.crt", &*ca.pem)];
    let postgres = Postgres::start(
        &files,
        &["-c", "ssl=on", "-c", "ssl_cert_file=../server.crt", "-c", "ssl_key_file=../server.key"],
    );
    let version = postgres.run(
        "psql",
        &["-At", "-h", "127.0.0.1", "-p", "7001", "-U", "postgres", "-c", "SHOW server_version"],
    );
    let version: u32 = version.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();

    let mapping = |name: &str, port: u16, annotations: &str, spec: &str| {
        format!(
            "---\napiVersion: getambassador.io/v3alpha1\nkind: TCPMapping\n\
             metadata: {{name: {name}, annotations: {{{annotations}}}}}\n\
             spec: {{address: 127.0.0.1, port: {port}, host: {name}.test, service: \"{BACK}\"{spec}}}\n"
        )
    };
    let starttls = "sluice.dev/starttls: postgres";
    let documents = [
        ours.secret("ours"),
        secret("ca", &[("ca.crt", &ca.pem)]),
        format!(
            "---\napiVersion: getambassador.io/v3alpha1\nkind: TLSContext\nmetadata: {{name: ours}}\n\
             spec: {{hosts: [{}], secret: ours, alpn_protocols: postgresql}}\n\
             ---\napiVersion: getambassador.io/v3alpha1\nkind: TLSContext\nmetadata: {{name: up}}\n\
             spec: {{ca_secret: ca}}\n",
            names.join(", ")
        ),
        mapping("clear", 7000, starttls, ""),
        mapping("again", 7000, starttls, ", tls: up"),
        mapping("through", 7000, &format!("{starttls}, sluice.dev/tls-mode: passthrough"), ""),
        // Without a prelude: TLS at once is all that it takes.
        mapping("plain", 7002, "", ""),
    ];
    let mut sluice = Builder::new(&documents.concat()).start();
    let authority = postgres.folder.join("ca.crt");
    let asks = |name: &str, port: u16, negotiation: &str| {
        let to = format!(
            "host={name} hostaddr=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=verify-full \
             sslrootcert={} sslnegotiation={negotiation}",
            authority.display()
        );
        let output = Command::new("python3")
            .args(["-c", ASK, &to])
            .env("PYTHONPATH", tools().join("psycopg"))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}; `cargo xtask setup` installs psycopg");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    for (name, port, negotiation, encrypted, relay) in [
        ("clear.test", 7000, "direct", "False", "tls"),
        ("clear.test", 7000, "postgres", "False", "tls"),
        ("again.test", 7000, "direct", "True", "tls"),
        ("again.test", 7000, "postgres", "True", "tls"),
        ("through.test", 7000, "postgres", "True", "kernel"),
        ("plain.test", 7002, "direct", "False", "tls"),
    ] {
        assert_eq!(asks(name, port, negotiation), encrypted, "{name} {negotiation}");
        let record = sluice.closed();
        assert_eq!((&record["relay"], &record["sni"]), (&relay.into(), &name.into()), "{record}");
        if relay == "tls" {
            assert_eq!(
                (&record["alpn"], &record["reason"]),
                (&"postgresql".into(), &"finished".into()),
                "{record}"
            );
        }
    }
    // sluice asks the server in the server's words and the ClientHello goes through, but an older server answers it
    // without ALPN, which nobody but the server can add.
    let told = asks("through.test", 7000, "direct");
    if version < FIRST_DIRECT {
        assert!(told.contains("without ALPN"), "{told}");
    } else {
        assert_eq!(told, "True");
    }
    assert_eq!(sluice.closed()["sni"], "through.test");
}
