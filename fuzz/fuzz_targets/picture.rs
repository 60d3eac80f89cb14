//! Any bytes as a picture: decoded, turned, and probed with the same answer. A picture may have a megapixel, so that
//! one that takes more than a few seconds or a few hundred megabytes is a finding.

#![no_main]

use facebench::vision::{
    decoder::decode,
    encoded::{Limits, probe},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        max_pixels: 1_000_000,
    };
    let header = probe(bytes, limits);
    if let Ok(picture) = decode(bytes, limits) {
        let header = header.expect("what can be decoded can be probed");
        assert_eq!((header.width, header.height), picture.dimensions());
    }
});
