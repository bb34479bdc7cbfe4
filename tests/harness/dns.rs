//! A DNS server that says what the test wants, over UDP and TCP.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// What is said about the records of one type of a name.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// These, for so many seconds.
    Addresses(&'static [&'static str], u32),
    /// These over TCP; over UDP that they do not fit.
    OverTcp(&'static [&'static str], u32),
    /// There is no such name, for so many seconds.
    NoName(u32),
    /// Something went wrong.
    Fails,
    /// Nothing at all.
    Silence,
}

/// A question that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) record_type: RecordType,
    pub(crate) tcp: bool,
}

/// A running server. Its threads end with the test's process.
#[derive(Debug, Clone)]
pub(crate) struct DnsServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    zone: HashMap<(String, RecordType), Says>,
    asked: Vec<Asked>,
}

impl DnsServer {
    /// Serves an empty zone: every name it is not told is there with no records.
    ///
    /// # Panics
    /// When the address cannot be bound.
    pub(crate) fn start(address: &str) -> Self {
        let udp = UdpSocket::bind(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        let address = udp.local_addr().unwrap();
        let tcp = TcpListener::bind(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        let server = Self { address, shared: Arc::default() };
        let (over_udp, over_tcp) = (server.clone(), server.clone());
        thread::spawn(move || {
            let mut question = [0; 4096];
            while let Ok((n, peer)) = udp.recv_from(&mut question) {
                if let Some(answer) = over_udp.answer(&question[..n], false) {
                    let _ = udp.send_to(&answer, peer);
                }
            }
        });
        thread::spawn(move || {
            for mut stream in tcp.incoming().map_while(Result::ok) {
                let server = over_tcp.clone();
                thread::spawn(move || {
                    let mut length = [0; 2];
                    while stream.read_exact(&mut length).is_ok() {
                        let mut question = vec![0; u16::from_be_bytes(length).into()];
                        if stream.read_exact(&mut question).is_err() {
                            return;
                        }
                        if let Some(answer) = server.answer(&question, true) {
                            let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                            let _ = stream.write_all(&[&length[..], &answer].concat());
                        }
                    }
                });
            }
        });
        server
    }

    /// From now on says this about the IPv4 addresses of a name.
    pub(crate) fn a(&self, name: &str, says: Says) {
        self.say(name, RecordType::A, says);
    }

    /// From now on says this about the IPv6 addresses of a name.
    pub(crate) fn aaaa(&self, name: &str, says: Says) {
        self.say(name, RecordType::AAAA, says);
    }

    /// Every question so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.lock().unwrap().asked.clone()
    }

    /// How often a name's records of this type were asked for so far.
    pub(crate) fn times(&self, name: &str, record_type: RecordType) -> usize {
        self.asked().iter().filter(|asked| asked.name == name && asked.record_type == record_type).count()
    }

    /// Waits until a name's IPv4 addresses have been asked for so many times more.
    ///
    /// # Panics
    /// When they are not.
    pub(crate) fn await_more(&self, name: &str, more: usize) {
        let before = self.times(name, RecordType::A);
        super::eventually("more questions", || {
            (self.times(name, RecordType::A) >= before + more).then_some(())
        });
    }

    fn say(&self, name: &str, record_type: RecordType, says: Says) {
        self.shared.lock().unwrap().zone.insert((name.to_owned(), record_type), says);
    }

    fn answer(&self, question: &[u8], tcp: bool) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).ok()?;
        let query = question.queries.first()?.clone();
        let (name, record_type) = (query.name().to_ascii().to_lowercase(), query.query_type());
        let says = {
            let mut shared = self.shared.lock().unwrap();
            shared.asked.push(Asked { name: name.clone(), record_type, tcp });
            shared.zone.get(&(name, record_type)).cloned()
        };
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        answer.metadata.recursion_available = true;
        let records = |addresses: &[&str], ttl| -> Vec<Record> {
            let data = addresses.iter().map(|text| RData::from(text.parse::<IpAddr>().unwrap()));
            data.map(|data| Record::from_rdata(query.name().clone(), ttl, data)).collect()
        };
        let mut deny = |code, ttl| {
            let root = Name::root();
            let soa = SOA::new(root.clone(), root.clone(), 1, 60, 60, 60, ttl);
            answer.metadata.response_code = code;
            answer.add_authority(Record::from_rdata(root, ttl, RData::SOA(soa)));
        };
        match says {
            Some(Says::Silence) => return None,
            Some(Says::OverTcp(..)) if !tcp => answer.metadata.truncation = true,
            Some(Says::OverTcp(addresses, ttl) | Says::Addresses(addresses, ttl)) => {
                answer.add_answers(records(addresses, ttl));
            }
            Some(Says::NoName(ttl)) => deny(ResponseCode::NXDomain, ttl),
            Some(Says::Fails) => answer.metadata.response_code = ResponseCode::ServFail,
            None => deny(ResponseCode::NoError, 1),
        }
        answer.add_query(query);
        answer.to_vec().ok()
    }
}
