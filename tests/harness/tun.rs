//! A link that swaps packets: two TUN devices, and threads that carry between them.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::net::{ip, private};

/// Most packets that are swapped with one another.
const SWAPPED: usize = 8;

/// Runs `inside` in a thread with a network of its own, joined to this thread's by a link that
/// delivers every packet, and each few that follow closely in another order. `near` and `far` are
/// the addresses of its two ends, with the length of their prefix.
///
/// # Panics
/// When the link cannot be made.
pub(crate) fn behind_swapping_link<T: Send + 'static>(
    near: &str,
    far: &str,
    inside: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let (sender, devices) = channel();
    let far = far.to_owned();
    let handle = thread::spawn(move || {
        private();
        sender.send(device(&far)).unwrap();
        inside()
    });
    let (near, far) = (device(near), devices.recv().unwrap());
    let back = (far.try_clone().unwrap(), near.try_clone().unwrap());
    thread::spawn(move || carry(near, far, 1));
    thread::spawn(move || carry(back.0, back.1, 2));
    handle
}

/// A TUN device of this thread's network, up.
fn device(address: &str) -> File {
    let device = File::options().read(true).write(true).open("/dev/net/tun").unwrap();
    // SAFETY: zeroes are an empty name and no flags.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"swapping") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_TUN | libc::IFF_NO_PI).unwrap();
    // SAFETY: the kernel reads and writes one ifreq.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    assert_eq!(result, 0, "a TUN device: {}", std::io::Error::last_os_error());
    ip(&["address", "add", address, "dev", "swapping"]);
    ip(&["link", "set", "swapping", "up"]);
    device
}

/// Carries packets until the process ends.
fn carry(mut from: File, mut to: File, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut packet = vec![0; 64 << 10];
    let mut waiting: Vec<Vec<u8>> = Vec::new();
    while let Ok(n) = from.read(&mut packet) {
        waiting.push(packet[..n].to_vec());
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let more = poll(&mut [PollFd::new(&from, PollFlags::IN)], Some(&now)).is_ok_and(|n| n > 0);
        if !more || waiting.len() == SWAPPED {
            rng.shuffle(&mut waiting);
            for packet in waiting.drain(..) {
                // Dropped where the other side is down: TCP sends it again.
                let _ = to.write(&packet);
            }
        }
    }
}
