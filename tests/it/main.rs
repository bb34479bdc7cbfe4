//! What needs no privileges: the real binary, driven from outside.

mod check;
mod command;
mod doctor;
mod flags;
