//! Lists of processors as the kernel, taskset and cpusets write them: `0-3,8`.

use std::collections::BTreeSet;

use super::Reading;

/// No machine has processors beyond this number; the limit stops `0-4000000000` from filling the memory.
const HIGHEST: usize = 65_535;

/// The processors in a list such as `0-3,8`, ascending and each once. Empty text is an empty list.
///
/// ```
/// assert_eq!(facebench::machine::parse_cpu_list("8,0-3"), Ok(vec![0, 1, 2, 3, 8]));
/// assert!(facebench::machine::parse_cpu_list("3-0").is_err());
/// ```
pub fn parse_cpu_list(text: &str) -> Reading<Vec<usize>> {
    let mut cpus = BTreeSet::new();
    for part in text
        .trim()
        .split(',')
        .map(str::trim)
        .filter(|_| !text.trim().is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
            (Ok(first), Ok(last)) if first <= last && last <= HIGHEST => cpus.extend(first..=last),
            _ => {
                return Err(format!(
                    "`{part}` is neither a processor nor a range of processors; write it as in 0-3,8"
                ));
            }
        }
    }
    Ok(cpus.into_iter().collect())
}

/// The shortest list that names these processors; the inverse of [`parse_cpu_list`].
///
/// ```
/// assert_eq!(facebench::machine::format_cpu_list(&[0, 1, 2, 3, 8]), "0-3,8");
/// ```
pub fn format_cpu_list(cpus: &[usize]) -> String {
    let mut sorted = cpus.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let parts: Vec<String> = sorted
        .chunk_by(|a, b| a + 1 == *b)
        .map(|run| match run {
            [only] => only.to_string(),
            [first, .., last] => format!("{first}-{last}"),
            [] => String::new(),
        })
        .collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(parse_cpu_list("0-3,8"), Ok(vec![0, 1, 2, 3, 8]));
        assert_eq!(parse_cpu_list("5\n"), Ok(vec![5]));
        assert_eq!(parse_cpu_list("2, 0-1, 1"), Ok(vec![0, 1, 2]));
        assert_eq!(parse_cpu_list(""), Ok(vec![]));
    }

    #[test]
    fn refuses_what_is_no_list() {
        for text in ["a", "3-1", "-1", "1,,2", "0-4000000000", "1-2-3", ","] {
            assert!(parse_cpu_list(text).is_err(), "{text} was taken for a list");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(cpus in prop::collection::btree_set(0_usize..512, 0..64)) {
            let cpus: Vec<usize> = cpus.into_iter().collect();
            prop_assert_eq!(parse_cpu_list(&format_cpu_list(&cpus)), Ok(cpus));
        }
    }
}
