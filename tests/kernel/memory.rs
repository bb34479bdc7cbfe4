//! Memory that the kernel relay takes for itself.

use crate::harness::admin::Admin;
use crate::harness::cgroup::Limited;
use crate::harness::sluice::Builder;
use crate::relay::{Relay, ready};

const ADMIN: Admin = Admin("127.0.0.1:9915");

/// The limit of a group that sluice is in by way of another.
const LIMIT: u32 = 256 << 20;

#[test]
fn the_default_budget_goes_by_what_the_control_group_leaves() {
    if !ready("the_default_budget_goes_by_what_the_control_group_leaves") {
        return;
    }
    let budget = || ADMIN.metric("sluice_kernel_budget_bytes{state=\"limit\"}");
    let sluice = Builder::new(&Relay::Kernel.mapping()).admin(ADMIN).start();
    assert!(budget() > f64::from(LIMIT / 10), "this machine has too little memory for the test");
    drop(sluice);
    let group = Limited::new(LIMIT.into());
    let sluice = Builder::new(&Relay::Kernel.mapping()).admin(ADMIN).within(group.door()).start();
    assert_eq!(budget(), f64::from(LIMIT / 10));
    drop(sluice);
}
