//! A hypervisor's log, which comes from another machine.
#![no_main]

use facebench::record::HostLog;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some(Ok(log)) = HostLog::parse(text)
    {
        assert!(log.samples.len() <= bytes.len());
    }
});
