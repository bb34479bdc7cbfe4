use super::super::postgres::{Begins, REFUSAL, SSL_REQUEST, begins};

fn message(length: u32, code: u32) -> Vec<u8> {
    [length.to_be_bytes(), code.to_be_bytes()].concat()
}

#[test]
fn a_client_begins_in_one_of_six_ways() {
    for (bytes, expected) in [
        (SSL_REQUEST.to_vec(), Begins::SslRequest),
        (message(8, 80_877_104), Begins::GssRequest),
        (message(16, 80_877_102), Begins::Cancel),
        (message(40, 80_877_102), Begins::Cancel),
        (message(41, 3 << 16), Begins::Startup),
        (message(9, 3 << 16 | 2), Begins::Startup),
        (message(296, 2 << 16), Begins::Startup),
        (vec![22], Begins::Tls),
        (b"GET / HTTP".to_vec(), Begins::Unknown),
        (message(9, 80_877_103), Begins::Unknown),
        (message(8, 3 << 16), Begins::Unknown),
        (message(10_001, 3 << 16), Begins::Unknown),
        (message(41, 4 << 16), Begins::Unknown),
    ] {
        assert_eq!(begins(&bytes), expected, "{bytes:?}");
    }
}

#[test]
fn seven_bytes_tell_nothing_but_strangers() {
    for end in 0..SSL_REQUEST.len() {
        assert_eq!(begins(&SSL_REQUEST[..end]), Begins::Incomplete);
    }
    for at in 0..2 {
        let mut odd = SSL_REQUEST;
        odd[at] = 1;
        assert_eq!(begins(&odd[..=at]), Begins::Unknown);
    }
}

#[test]
fn the_refusal_is_one_message_as_long_as_it_says() {
    let length = u32::from_be_bytes(REFUSAL[1..5].try_into().unwrap());
    assert_eq!((REFUSAL[0], length as usize), (b'E', REFUSAL.len() - 1));
    assert!(REFUSAL.ends_with(b"\0\0"));
}
