//! The backends whose runtime is linked into the program, behind Cargo features: no library is looked for.

use super::Runtime;

/// The backend `word` on the processor called `device`; `None` where it is another kind, or not compiled in.
#[cfg_attr(not(any(feature = "opencv", feature = "tract")), expect(unused_variables))]
pub fn open(word: &str, device: &str) -> Option<Box<dyn Runtime>> {
    match word {
        #[cfg(feature = "opencv")]
        "opencv" => Some(Box::new(super::opencv::OpenCv::cpu(device.to_owned()))),
        #[cfg(feature = "tract")]
        "tract" => Some(Box::new(super::tract::Tract::cpu(device.to_owned()))),
        _ => None,
    }
}
