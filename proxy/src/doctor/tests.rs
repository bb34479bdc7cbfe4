use std::io::{Error, ErrorKind};
use std::time::Duration;

use super::finding::{Finding, State};
use super::report::Report;
use super::{kernel, limits, privileges, relay};
use crate::cli::Format;
use crate::relay::Step;

const OK: State = State::Ok;
const DEGRADED: State = State::Degraded;
const MISSING: State = State::Missing;

fn states(findings: &[Finding]) -> Vec<State> {
    findings.iter().map(|finding| finding.state).collect()
}

#[test]
fn kernels_are_told_by_their_release() {
    let cases = [
        ("6.18.44-fc", OK),
        ("6.1.0-18-amd64", OK),
        ("7.0", OK),
        ("5.15.0", DEGRADED),
        ("6.0.19", DEGRADED),
        ("", DEGRADED),
        ("Linux", DEGRADED),
    ];
    for (release, state) in cases {
        assert_eq!(kernel::version(release).state, state, "{release:?}");
    }
}

#[test]
fn types_and_compiler_are_told_by_what_is_read() {
    assert_eq!(kernel::btf(Ok(0xeb9f)).state, OK);
    assert_eq!(kernel::btf(Ok(0x7f45)).state, DEGRADED);
    assert_eq!(kernel::btf(Err(ErrorKind::NotFound.into())).state, DEGRADED);
    assert_eq!(kernel::jit(Ok("1\n".to_owned())).state, OK);
    assert_eq!(kernel::jit(Ok("0\n".to_owned())).state, DEGRADED);
    assert_eq!(kernel::jit(Err(Error::from(ErrorKind::PermissionDenied))).state, OK);
}

#[test]
fn capabilities_are_read_from_the_process() {
    let cases = [
        ("CapEff:\t000001ffffffffff\n", 1024, [OK, OK, OK]),
        ("CapEff:\t0000000000000000\n", 1024, [MISSING, MISSING, MISSING]),
        ("CapEff:\t0000000000000000\n", 0, [MISSING, MISSING, OK]),
        ("CapEff:\t0000008000001400\n", 1024, [OK, OK, OK]),
        // Before Linux 5.8 there was only CAP_SYS_ADMIN.
        ("CapEff:\t0000000000200000\n", 1024, [OK, MISSING, MISSING]),
    ];
    for (status, port, expected) in cases {
        assert_eq!(states(&privileges::findings(status, port)), expected, "{status} {port}");
    }
    assert_eq!(states(&privileges::findings("", 1024)), [DEGRADED]);
}

#[test]
fn the_first_step_that_fails_is_told_apart_from_those_after_it() {
    let cases = [
        (None, [OK, OK, OK, OK, OK]),
        (Some(Step::Built), [MISSING, MISSING, MISSING, MISSING, MISSING]),
        (Some(Step::Attach), [OK, OK, MISSING, MISSING, MISSING]),
        (Some(Step::Relay), [OK, OK, OK, OK, MISSING]),
    ];
    for (failed, expected) in cases {
        let found = relay::findings(failed, "why", Duration::ZERO);
        assert_eq!(states(&found), expected, "{failed:?}");
        assert_eq!(
            found.iter().filter(|finding| finding.detail == "why").count(),
            usize::from(failed.is_some())
        );
    }
}

#[test]
fn limits_are_measured_against_what_is_wanted() {
    assert_eq!(limits::connections(20_000, 0, 9_744, false).state, OK);
    assert_eq!(limits::connections(1_024, 0, 384, false).state, DEGRADED);
    assert_eq!(limits::connections(1_024, 100, 100, false).state, OK);
    assert_eq!(limits::connections(1_024, 9_000, 384, true).state, DEGRADED);
    assert_eq!(limits::port_range("32768\t60999\n", 0).state, OK);
    assert_eq!(limits::port_range("32768\t60999\n", 40_000).state, DEGRADED);
    assert_eq!(limits::port_range("60000 60999", 0).state, DEGRADED);
    assert_eq!(limits::port_range("", 0).state, DEGRADED);
    assert_eq!(limits::backlog(4_096, "4096\n").state, OK);
    assert_eq!(limits::backlog(4_097, "4096\n").state, DEGRADED);
    assert_eq!(limits::backlog(1, "").state, DEGRADED);
}

#[cfg(feature = "ebpf")]
#[test]
fn the_budget_is_told_in_connections() {
    let found = limits::window_budget(512 << 20, 256 << 10, 20_000);
    assert_eq!((found.state, found.detail.as_str()), (OK, "512 MiB: 1024 connections in the kernel at once"));
    assert_eq!(limits::window_budget(64 << 20, 256 << 10, 20_000).state, DEGRADED);
    assert_eq!(limits::window_budget(64 << 20, 256 << 10, 100).state, OK);
}

#[test]
fn the_table_lines_up_and_ends_with_a_verdict() {
    let findings = vec![Finding::ok("a", "fine"), Finding::missing("longer", "gone", "fetch it")];
    let mut out = Vec::new();
    Report { kernel_relay: false, findings }.write(Format::Text, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "ok        a       fine\n\
         missing   longer  gone  → fetch it\n\
         \n\
         sluice would relay in userspace here: everything works, slower\n"
    );
}
