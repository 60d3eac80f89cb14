//! What another machine of a coordinated run says, to the server and to a participant.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| facebench::sharing::coordination::read_untrusted(bytes));
