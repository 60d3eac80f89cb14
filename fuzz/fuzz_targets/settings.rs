//! Any text as each of the small files that people write: an entry of the catalog and prices (TOML), a manifest (JSON).

#![no_main]

use facebench::{dataset::manifest::Manifest, model::catalog::CatalogEntry, sizing::Prices};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::parse(bytes) {
        let again = manifest.to_json().expect("a manifest is JSON");
        assert_eq!(
            Manifest::parse(again.as_bytes()).expect("its own JSON can be read"),
            manifest
        );
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(entry) = toml::from_str::<CatalogEntry>(text) {
        let _ = (entry.settings(), entry.by_path());
    }
    if let Ok(prices) = Prices::parse(text) {
        let _ = (prices.of("cpu (metal)", "cpu"), prices.unused(&[("cpu", "cpu")]));
    }
});
