use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::maglev::{Maglev, PLACES, mix, of_address};

const CLIENTS: u32 = 10_000;

fn clients() -> impl Iterator<Item = IpAddr> {
    (0..CLIENTS).map(|n| Ipv4Addr::from(0x0a00_0000 + n * 7).into())
}

fn members(weights: &[u32]) -> Vec<(u64, u32)> {
    (0u64..).zip(weights).map(|(n, weight)| (mix(n), *weight)).collect()
}

fn picks(table: &Maglev, keys: &[(u64, u32)]) -> Vec<u64> {
    clients().map(|client| keys[table.walk(client).next().unwrap()].0).collect()
}

#[test]
fn clients_are_shared_by_weight() {
    let weights = [1, 1, 2, 4, 0];
    let members = members(&weights);
    let table = Maglev::new(&members).unwrap();
    let picks = picks(&table, &members);
    for ((key, weight), _) in members.iter().zip(&weights) {
        let share = picks.iter().filter(|pick| *pick == key).count();
        let fair = CLIENTS as usize * *weight as usize / 8;
        // Three standard deviations of so many throws.
        assert!(share.abs_diff(fair).pow(2) <= 9 * fair, "{share} instead of {fair}");
    }
}

#[test]
fn a_member_that_goes_moves_its_own_clients_and_hardly_others() {
    let all = members(&[1; 20]);
    let mut fewer = all.clone();
    let (gone, _) = fewer.remove(7);
    let before = picks(&Maglev::new(&all).unwrap(), &all);
    let after = picks(&Maglev::new(&fewer).unwrap(), &fewer);
    let moved = before.iter().zip(&after).filter(|(b, a)| **b != gone && a != b).count();
    assert!(!after.contains(&gone));
    // The paper measures below 2 % for a table of this size.
    assert!(moved * 100 <= CLIENTS as usize * 3, "{moved} of {CLIENTS} moved without need");
}

#[test]
fn one_that_may_not_be_taken_moves_nobody_else() {
    let members = members(&[1; 5]);
    let table = Maglev::new(&members).unwrap();
    let mut shares = [0; 5];
    for client in clients() {
        let first = table.walk(client).next().unwrap();
        let taken = table.walk(client).find(|index| *index != 2).unwrap();
        assert!(first == 2 || first == taken);
        shares[taken] += usize::from(first == 2);
    }
    // Its clients are spread over all others.
    assert!([0, 1, 3, 4].iter().all(|index| shares[*index] > 400), "{shares:?}");
}

#[test]
fn the_order_of_an_answer_does_not_matter() {
    let members = members(&[3, 1, 2]);
    let mut turned = members.clone();
    turned.rotate_left(1);
    let one = picks(&Maglev::new(&members).unwrap(), &members);
    assert_eq!(one, picks(&Maglev::new(&turned).unwrap(), &turned));
}

#[test]
fn a_walk_comes_by_every_place() {
    let members = members(&[1, 10_000]);
    let table = Maglev::new(&members).unwrap();
    assert!(clients().take(50).all(|client| table.walk(client).any(|index| index == 0)));
    assert_eq!(table.walk(Ipv6Addr::LOCALHOST.into()).count(), PLACES);
}

#[test]
fn without_any_weight_there_is_no_table() {
    assert!(Maglev::new(&[]).is_none());
    assert!(Maglev::new(&members(&[0, 0])).is_none());
}

#[test]
fn an_ipv4_client_on_an_ipv6_socket_is_the_same() {
    let v4 = Ipv4Addr::new(192, 0, 2, 1);
    assert_eq!(of_address(v4.into()), of_address(v4.to_ipv6_mapped().into()));
    assert_ne!(of_address(Ipv6Addr::LOCALHOST.into()), of_address(Ipv6Addr::UNSPECIFIED.into()));
}
