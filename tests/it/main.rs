//! What needs no privileges: the real binary, driven from outside.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail a test")]

mod check;
mod command;
mod doctor;
mod examples;
mod flags;
