//! How people write values: durations, shares, sizes, and words of which one is meant.

use std::time::Duration;

/// A type whose values have a word each, on the command line and in records.
pub trait Choice: Copy + PartialEq + 'static {
    /// The words and what they mean, in the order in which they are listed.
    const WORDS: &'static [(&'static str, Self)];

    /// The word of this value.
    fn name(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, value)| *value == self)
            .map_or("unknown", |(name, _)| name)
    }

    /// The value of that word.
    fn named(word: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(_, value)| *value)
    }

    /// The value of that word; the error lists the words that there are.
    fn choose(word: &str) -> Result<Self, String> {
        choose(word, Self::WORDS)
    }
}

/// The choice that `word` names; the error lists them all, and the nearest one where it may be a slip.
pub(super) fn choose<T: Copy>(word: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(name, _)| *name == word);
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        let near = nearest(word, names.iter().copied());
        let (last, first) = names
            .split_last()
            .map_or(("", &[][..]), |(last, first)| (*last, first));
        format!("expected {} or {last}{near}", first.join(", "))
    })
}

/// ` (did you mean "x"?)` where a known word is near enough to be a slip of the fingers.
pub fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|word| (strsim::damerau_levenshtein(given, word), word))
        .min()
        .filter(|(distance, word)| *distance <= 2.max(word.len() / 3) && *distance < word.len())
        .map_or(String::new(), |(_, word)| format!(" (did you mean \"{word}\"?)"))
}

/// Whole numbers from 1 to `most`.
pub(super) fn count(text: &str, most: usize) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| format!("expected a whole number from 1 to {most}"))
}

/// Durations as people write them: `10ms`, `1.5s`, `2m`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("\"{text}\" is no duration; write it like 10ms, 1.5s or 2m");
    let duration = text.parse::<jiff::SignedDuration>().map_err(|_| expected())?;
    Duration::try_from(duration).map_err(|_| expected())
}

/// Shares as people write them: `3%` or `0.03`, from 0 to 1.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let (number, unit) = text
        .strip_suffix('%')
        .map_or((text, 1.0), |percent| (percent, 100.0));
    number
        .trim()
        .parse::<f64>()
        .ok()
        .map(|number| number / unit)
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("\"{text}\" is no share; write it like 5% or 0.05"))
}

/// Sizes as people write them: `4GB`, `512MiB`, `1000000`; bytes, more than none, decimal unless the unit says otherwise.
pub fn parse_size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 8] = [
        ("", 1.0),
        ("B", 1.0),
        ("KB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("KIB", 1024.0),
        ("MIB", 1_048_576.0),
        ("GIB", 1_073_741_824.0),
    ];
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_uppercase();
    let factor = UNITS.iter().find(|(name, _)| *name == unit);
    number
        .parse::<f64>()
        .ok()
        .zip(factor)
        .map(|(number, (_, factor))| number * factor)
        .filter(|bytes| (1.0..1e18).contains(bytes))
        .map(|bytes| bytes as u64)
        .ok_or_else(|| format!("\"{text}\" is no size; write it like 60MB or 60MiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("4GB"), Ok(4_000_000_000));
        assert_eq!(parse_size("1.5 GiB"), Ok(1_610_612_736));
        assert_eq!(parse_size("60MB"), Ok(60_000_000));
        assert_eq!(parse_size("512"), Ok(512));
        for wrong in ["", "GB", "-1GB", "0", "4TB", "NaN", "inf"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
