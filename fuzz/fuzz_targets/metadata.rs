//! An answer of OpenStack's metadata service.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| facebench::machine::read_untrusted_metadata(bytes));
