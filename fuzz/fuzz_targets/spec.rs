//! Any text as the SPEC of a backend: one that is taken is taken again from its own words, and its label is plain.

#![no_main]

use facebench::{runtime::spec::BackendSpec, text::is_visible};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match text.parse::<BackendSpec>() {
        Ok(spec) => {
            assert_eq!(
                spec.requested
                    .parse::<BackendSpec>()
                    .expect("it was taken before"),
                spec
            );
            assert!(spec.label.as_deref().is_none_or(is_visible));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
