//! Every example of Ambassador's words runs and answers, with somebody behind each of its names. Those of Kong and
//! of the Gateway API have their own (tests/it).

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::harness::backend::Backend;
use crate::harness::client::connect;
use crate::harness::consul::Consul;
use crate::harness::net;
use crate::harness::sluice::Builder;
use crate::harness::tls::Leaf;
use crate::relay::ready;

/// Where everybody is whom an example knows by name: a network of its own, so that no port is taken twice.
const ELSEWHERE: &str = "10.99.0.2";
/// A question of PostgreSQL's clients ("SSL Session Encryption").
const SSL_REQUEST: usize = 8;

/// How an upstream is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Speaks {
    tls: bool,
    postgres: bool,
}

/// The certificates of the examples.
struct Mesh {
    folder: PathBuf,
    secrets: String,
    server: Arc<ServerConfig>,
}

impl Mesh {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("sluice-examples-{}", std::process::id()));
        let made =
            Command::new("sh").arg(examples().join("tls/certificates.sh")).arg(&folder).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let leaf = Leaf { chain: read("cert-chain.pem"), key: read("key.pem") };
        let secrets = String::from_utf8(made.stdout).unwrap();
        Self { secrets, server: Arc::new(leaf.server()), folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn every_example_runs_and_answers() {
    if !ready("every_example_runs_and_answers") {
        return;
    }
    let mesh = Arc::new(Mesh::new());
    let mut count = 0;
    for folder in [examples(), examples().join("tls")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if !name.ends_with(".yaml") || name == "gateway.yaml" {
                continue;
            }
            let mesh = Arc::clone(&mesh);
            // A thread for each, since a network is a property of one.
            let answered = thread::spawn(move || answers(&path, &mesh)).join();
            assert!(answered.is_ok_and(|connections| connections > 0), "{name}");
            count += 1;
        }
    }
    fs::remove_dir_all(&mesh.folder).unwrap();
    assert!(count >= 19, "{count}");
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples")
}

/// Serves an example in a network of its own, and has a connection answered on each of its routes; how many.
fn answers(path: &Path, mesh: &Mesh) -> usize {
    net::private();
    let text = fs::read_to_string(path).unwrap().replace("/etc/istio-certs", mesh.folder.to_str().unwrap());
    let text =
        if path.parent().unwrap().ends_with("tls") { format!("{text}\n---\n{}", mesh.secrets) } else { text };
    let listeners = served(&text);
    let (here, hosts) = upstreams(&listeners, mesh);
    let _here: Vec<_> = here.into_iter().map(|(address, speaks)| upstream(address, speaks, mesh)).collect();
    let hosts_file = mesh.folder.join("hosts");
    fs::write(&hosts_file, hosts).unwrap();
    let flags = ["--hosts-file", hosts_file.to_str().unwrap(), "--dns-servers", "127.0.0.1"];
    let _sluice = Builder::new(&text).flags(&flags).start();
    let mut answered = 0;
    for listener in &listeners {
        let bind: SocketAddr = listener["bind"].as_str().unwrap().parse().unwrap();
        for route in listener["routes"].as_array().unwrap() {
            assert_eq!(
                echoed(bind, listener, route, mesh),
                "hello\n",
                "{}: {bind}: {}",
                path.display(),
                route["match"]
            );
            answered += 1;
        }
    }
    answered
}

fn served(text: &str) -> Vec<Value> {
    let mut check = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["check", "--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::from_value(report["served"].take()).unwrap()
}

/// Starts everybody elsewhere, and tells who has to be here, and a hosts file for the names.
fn upstreams(listeners: &[Value], mesh: &Mesh) -> (BTreeMap<SocketAddr, Speaks>, String) {
    let mut all: BTreeMap<SocketAddr, Speaks> = BTreeMap::new();
    let mut catalogue = None;
    let mut hosts = String::new();
    for listener in listeners {
        for route in listener["routes"].as_array().unwrap() {
            let named = !route["match"].is_string();
            for mapping in route["mappings"].as_array().unwrap() {
                let passed = named && route["downstream"] == "raw";
                let tls = passed || !mapping["originate"].is_null();
                let speaks = Speaks { tls, postgres: tls && mapping["starttls"] == "postgres" };
                let resolution = &mapping["resolution"];
                let targets = resolution["targets"].as_array().into_iter().flatten().map(|t| &t["service"]);
                let mut services: Vec<&str> = targets.map(|service| service.as_str().unwrap()).collect();
                if let Some(endpoints) = resolution["endpoints"].as_array() {
                    services.extend(endpoints.iter().map(|endpoint| endpoint.as_str().unwrap()));
                } else if let Some(agent) = resolution["agent"].as_str() {
                    catalogue = Some(at(agent, &mut hosts));
                    all.insert(at(&format!("{ELSEWHERE}:9000"), &mut hosts), speaks);
                } else if services.is_empty() {
                    services.push(mapping["service"].as_str().unwrap());
                }
                services.extend(mapping["balancing"]["backup_service"].as_str());
                all.extend(services.into_iter().map(|service| (at(service, &mut hosts), speaks)));
            }
        }
    }
    let (here, elsewhere): (BTreeMap<_, _>, BTreeMap<_, _>) =
        all.into_iter().partition(|(address, _)| address.ip().is_loopback());
    let addresses: Vec<_> =
        elsewhere.keys().map(SocketAddr::ip).filter(|ip| ip.to_string() != ELSEWHERE).collect();
    let server = Arc::clone(&mesh.server);
    let far: Vec<IpAddr> = addresses.clone();
    let started = net::behind_veth("far", "10.99.0.1/24", &format!("{ELSEWHERE}/24"), move || {
        for address in far {
            net::ip(&["address", "add", &format!("{address}/32"), "dev", "lo"]);
        }
        for (address, speaks) in elsewhere {
            serve(address, speaks, &server);
        }
        if let Some(agent) = catalogue {
            Consul::start(&agent.to_string()).register(101, &[(ELSEWHERE, 9000)]);
        }
        // Back to where connections come from.
        net::ip(&["route", "add", "default", "via", "10.99.0.1"]);
    });
    started.join().unwrap();
    for address in addresses {
        net::ip(&["route", "add", &address.to_string(), "via", ELSEWHERE]);
    }
    (here, hosts)
}

/// The address of `host:port`; a name is noted as being elsewhere.
fn at(service: &str, hosts: &mut String) -> SocketAddr {
    service.parse().unwrap_or_else(|_| {
        let (name, port) = service.rsplit_once(':').unwrap();
        *hosts += &format!("{ELSEWHERE} {name}\n");
        SocketAddr::new(ELSEWHERE.parse().unwrap(), port.parse().unwrap())
    })
}

fn upstream(address: SocketAddr, speaks: Speaks, mesh: &Mesh) -> Backend {
    serve(address, speaks, &mesh.server)
}

/// Sends back what comes, inside what it speaks.
fn serve(address: SocketAddr, speaks: Speaks, config: &Arc<ServerConfig>) -> Backend {
    if !speaks.tls {
        return Backend::echo(&address.to_string());
    }
    let config = Arc::clone(config);
    Backend::serve(&address.to_string(), move |mut stream| {
        if speaks.postgres {
            let mut request = [0; SSL_REQUEST];
            if stream.read_exact(&mut request).is_err() || stream.write_all(b"S").is_err() {
                return;
            }
        }
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut chunk) {
            if stream.write_all(&chunk[..n]).is_err() || stream.flush().is_err() {
                return;
            }
        }
    })
}

/// What comes back to a client of a route who says hello.
fn echoed(bind: SocketAddr, listener: &Value, route: &Value, mesh: &Mesh) -> String {
    let ip = match bind.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => [127, 0, 0, 1].into(),
        IpAddr::V6(_) => "::1".parse().unwrap(),
    };
    let address = SocketAddr::new(ip, bind.port()).to_string();
    if route["match"] == "any" {
        let mut stream = connect(&address);
        if !listener["proxy_protocol"].is_null() {
            stream.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n").unwrap();
        }
        let mut write = stream.try_clone().unwrap();
        return answer(&mut write, &mut stream);
    }
    let name = route["match"]["server_name"].as_str().unwrap().replace("*.", "any.").replace('*', "any.test");
    let mut client = openssl(&address, &name, listener, route, mesh);
    let (mut write, mut read) = (client.stdin.take().unwrap(), client.stdout.take().unwrap());
    let said = answer(&mut write, &mut read);
    client.kill().unwrap();
    client.wait().unwrap();
    said
}

/// The end of what comes back: an upstream that is told of its client sends that back as well.
fn answer(write: &mut impl Write, read: &mut impl Read) -> String {
    write.write_all(b"hello\n").unwrap();
    write.flush().unwrap();
    let (mut heard, mut byte) = (Vec::new(), [0]);
    while !heard.ends_with(b"hello\n") && read.read(&mut byte).is_ok_and(|n| n == 1) {
        heard.push(byte[0]);
    }
    let from = heard.len().saturating_sub(b"hello\n".len());
    String::from_utf8_lossy(&heard[from..]).into_owned()
}

fn openssl(address: &str, name: &str, listener: &Value, route: &Value, mesh: &Mesh) -> Child {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-connect", address, "-servername", name]);
    command.args(["-cert", &mesh.path("cert-chain.pem"), "-key", &mesh.path("key.pem")]);
    if listener["starttls"] == "postgres" {
        command.args(["-starttls", "postgres"]);
    }
    if let Some(protocol) = route["match"]["alpn"][0].as_str() {
        command.args(["-alpn", protocol]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}
