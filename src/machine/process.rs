//! What the kernel has counted for this process.

use std::path::Path;

use super::{
    Reading,
    tree::{Tree, field, kilobytes},
};

const STATUS: &str = "/proc/self/status";
const IO: &str = "/proc/self/io";

/// The most memory this process has used at once (resident set), in bytes. `root` is `/` except in tests.
pub fn peak_rss_bytes(root: &Path) -> Reading<u64> {
    kilobytes(&Tree::new(root).text(STATUS)?, "VmHWM", STATUS)
}

/// Bytes that this process has read from storage; what the operating system had in memory does not count.
pub fn storage_bytes(root: &Path) -> Reading<u64> {
    let text = Tree::new(root).text(IO)?;
    let bytes = field(&text, "read_bytes").and_then(|bytes| bytes.parse().ok());
    bytes.ok_or_else(|| format!("{IO} has no read_bytes"))
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;

    #[test]
    fn storage_is_told_apart_from_memory() {
        let fake = Fake::new().file(IO, "rchar: 6976\nread_bytes: 4096\n");
        assert_eq!(storage_bytes(fake.root()), Ok(4096));
        assert!(storage_bytes(Fake::new().root()).is_err());
    }

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
