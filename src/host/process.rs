//! What the kernel has counted for this process.

use std::path::Path;

use super::Reading;
use super::tree::{Tree, kilobytes};

const STATUS: &str = "/proc/self/status";

/// The most memory this process has held at once (resident set), in bytes. `root` is `/` but in tests.
pub fn peak_rss_bytes(root: &Path) -> Reading<u64> {
    kilobytes(&Tree::new(root).text(STATUS)?, "VmHWM", STATUS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::Fake;

    #[test]
    fn is_told_in_bytes() {
        let fake = Fake::new().file(STATUS, "Name:\tfacebench\nVmPeak:\t  9 kB\nVmHWM:\t    1944 kB\n");
        assert_eq!(peak_rss_bytes(fake.root()), Ok(1944 * 1024));
    }

    #[test]
    fn says_what_is_missing() {
        let fake = Fake::new();
        let reason = peak_rss_bytes(fake.root()).unwrap_err();
        assert!(reason.starts_with("cannot read /proc/self/status: "), "{reason}");
        let fake = fake.file(STATUS, "Name:\tfacebench\n");
        assert_eq!(
            peak_rss_bytes(fake.root()),
            Err("/proc/self/status has no VmHWM".into())
        );
        let fake = fake.file(STATUS, "VmHWM:\tmuch\n");
        let reason = peak_rss_bytes(fake.root()).unwrap_err();
        assert_eq!(reason, "/proc/self/status: VmHWM is not a size in kB: `much`");
    }
}
