//! PEM in, proven material or a plain reason out.
