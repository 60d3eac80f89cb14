//! A PCI configuration space, with its list of capabilities.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| facebench::machine::gpu::read_untrusted_config(bytes));
