//! The nearest known word, for a user who mistyped one.

/// "; did you mean `x`?" where a known word is near enough to be meant, else nothing.
pub(super) fn hint(word: &str, known: &[&str]) -> String {
    let near = |candidate: &&str| strsim::jaro_winkler(&word.to_lowercase(), candidate);
    let best = known
        .iter()
        .max_by(|a, b| near(a).total_cmp(&near(b)))
        .filter(|best| near(best) > 0.7);
    best.map(|best| format!("; did you mean `{best}`?"))
        .unwrap_or_default()
}
