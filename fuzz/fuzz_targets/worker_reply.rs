//! A worker's line: a peer may be any program.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| facebench::worker::read_untrusted(bytes));
