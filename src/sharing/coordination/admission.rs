//! What a machine must be to take part in a coordinated run: its name, what it offers, and the same terms as the first.

use super::{Hello, Offer};

const LONGEST_NAME: usize = 100;
const MOST_TENANT_GROUPS: usize = 100;

/// Why nobody could work with what a machine says of itself: names are shown on others' terminals, and turns are counted by
/// tenant groups.
pub(super) fn unfit(hello: &Hello) -> Option<String> {
    let name = &hello.name;
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Some(format!(
            "a name has 1 to {LONGEST_NAME} characters that can be shown: give --name"
        ));
    }
    let Offer {
        tenant_groups,
        background_load,
    } = hello.offer;
    if !(1..=MOST_TENANT_GROUPS).contains(&tenant_groups) {
        return Some(format!(
            "{tenant_groups} tenant groups; 1 to {MOST_TENANT_GROUPS} can be"
        ));
    }
    let share = background_load.filter(|share| !(*share > 0.0 && *share <= 1.0))?;
    Some(format!(
        "a background load of {share}; above 0 and up to 1 can be"
    ))
}

/// What is not the same, each with both values.
pub(super) fn differences(first: &[(String, String)], other: &[(String, String)]) -> Vec<String> {
    fn value<'a>(terms: &'a [(String, String)], name: &str) -> Option<&'a str> {
        let (_, value) = terms.iter().find(|(other, _)| other == name)?;
        Some(value)
    }
    let only_there = other.iter().filter(|(name, _)| value(first, name).is_none());
    let names = first.iter().chain(only_there).map(|(name, _)| name);
    let unlike = |name: &String| {
        let (here, there) = (value(first, name), value(other, name));
        let shown = |value: Option<&str>| value.unwrap_or("none").to_owned();
        (here != there).then(|| format!("{name} ({} against {})", shown(there), shown(here)))
    };
    names.filter_map(unlike).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(name: &str, tenant_groups: usize) -> Hello {
        Hello {
            name: name.to_owned(),
            offer: Offer {
                tenant_groups,
                background_load: None,
            },
            terms: Vec::new(),
        }
    }

    #[test]
    fn machines_that_nobody_could_work_with_are_refused() {
        assert_eq!(unfit(&hello("vm1", 1)), None);
        assert_eq!(unfit(&hello("K\u{f6}ln 2", 100)), None);
        assert!(unfit(&hello("", 1)).is_some() && unfit(&hello("\u{1b}[2J", 1)).is_some());
        assert!(unfit(&hello(&"a".repeat(101), 1)).is_some());
        assert!(unfit(&hello("vm1", 0)).is_some() && unfit(&hello("vm1", usize::MAX)).is_some());
        let with = |share| {
            let mut hello = hello("vm1", 1);
            hello.offer.background_load = Some(share);
            unfit(&hello)
        };
        assert_eq!(with(1.0), None);
        assert!(with(0.0).is_some() && with(1.5).is_some() && with(f64::NAN).is_some());
    }

    #[test]
    fn what_differs_is_told_with_both_values() {
        let terms = |seconds: &str| vec![("--duration".to_owned(), seconds.to_owned())];
        assert!(differences(&terms("3 s"), &terms("3 s")).is_empty());
        assert_eq!(
            differences(&terms("3 s"), &terms("2 s")),
            ["--duration (2 s against 3 s)"]
        );
        assert_eq!(differences(&terms("3 s"), &[]), ["--duration (none against 3 s)"]);
        assert_eq!(differences(&[], &terms("3 s")), ["--duration (3 s against none)"]);
    }
}
