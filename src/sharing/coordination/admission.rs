//! What a machine must be to take part in a coordinated run: its name, what it offers, and the same terms as the first; and
//! what a server must say for a machine to take part in its run. Whoever sends it has the token, and may be wrong or hostile
//! all the same.

use super::{Hello, Offer, messages::shown};
use crate::text::is_visible;

const LONGEST_NAME: usize = 100;
const MOST_TENANT_GROUPS: usize = 100;
/// Terms of a hello, and characters of a name and a value of one.
const MOST_TERMS: usize = 50;
const LONGEST_TERM: usize = 300;
/// Characters of a coordinated run's name.
const LONGEST_ID: usize = 64;

/// The most machines of a run: what all of them send fits in one line, and each is a thread of the server.
pub const MOST_MACHINES: usize = 256;

/// What the server says when all machines are there.
pub(super) struct Welcome<'a> {
    pub(super) id: &'a str,
    pub(super) place: usize,
    pub(super) machines: &'a [String],
    pub(super) offers: &'a [Offer],
}

/// Why nobody could work with what a machine says of itself: names are shown on others' terminals, and turns are counted by
/// tenant groups.
pub(super) fn unfit(hello: &Hello) -> Option<String> {
    if !is_name(&hello.name) {
        return Some(format!(
            "a name has 1 to {LONGEST_NAME} characters that can be shown: give --name"
        ));
    }
    let is_term = |text: &String| text.chars().count() <= LONGEST_TERM && is_visible(text);
    if hello.terms.len() > MOST_TERMS
        || !hello
            .terms
            .iter()
            .all(|(name, value)| is_term(name) && is_term(value))
    {
        return Some(format!(
            "its terms are more than {MOST_TERMS}, or longer than {LONGEST_TERM} characters that can be shown"
        ));
    }
    unfit_offer(hello.offer)
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.chars().count()) && is_visible(name)
}

fn unfit_offer(offer: Offer) -> Option<String> {
    let Offer {
        tenant_groups,
        background_load,
    } = offer;
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

/// Why a machine that said `hello` cannot take part in the run that it is welcomed to: every number in it decides later how
/// much is done, and which of the machine's own groups is measured.
pub(super) fn unfit_welcome(welcome: &Welcome<'_>, hello: &Hello) -> Option<String> {
    let Welcome {
        id,
        place,
        machines,
        offers,
    } = *welcome;
    let is_id = |id: &str| {
        (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if !is_id(id) {
        return Some(format!("the run's name is `{}`", shown(id, LONGEST_ID)));
    }
    if !(2..=MOST_MACHINES).contains(&machines.len()) || machines.len() != offers.len() {
        return Some(format!(
            "{} machines and {} offers; 2 to {MOST_MACHINES} of both can be",
            machines.len(),
            offers.len()
        ));
    }
    if let Some(name) = machines.iter().find(|name| !is_name(name)) {
        return Some(format!("a machine's name is `{}`", shown(name, LONGEST_NAME)));
    }
    if let Some(reason) = offers.iter().find_map(|offer| unfit_offer(*offer)) {
        return Some(format!("a machine offers {reason}"));
    }
    let mine = machines.get(place).zip(offers.get(place));
    if mine != Some((&hello.name, &hello.offer)) {
        return Some(format!(
            "this machine's place is {place}, where it is not what it said that it is"
        ));
    }
    None
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
    fn terms_are_few_and_can_be_shown() {
        let with = |terms: Vec<(String, String)>| {
            let mut hello = hello("vm1", 1);
            hello.terms = terms;
            unfit(&hello)
        };
        let term = |value: &str| ("--duration".to_owned(), value.to_owned());
        assert_eq!(with(vec![term("3 s"); MOST_TERMS]), None);
        assert!(with(vec![term("3 s"); MOST_TERMS + 1]).is_some());
        assert!(with(vec![term(&"a".repeat(LONGEST_TERM + 1))]).is_some());
        assert!(with(vec![term("\u{1b}[2J")]).is_some() && with(vec![term("\u{202e}")]).is_some());
    }

    #[test]
    fn a_run_that_is_not_what_this_machine_joined_is_refused() {
        let mine = hello("vm1", 1);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let offer = |tenant_groups, background_load| Offer {
            tenant_groups,
            background_load,
        };
        let one = offer(1, None);
        let check = |id: &str, place, machines: &[&str], offers: &[Offer]| {
            let machines = names(machines);
            let welcome = Welcome {
                id,
                place,
                machines: &machines,
                offers,
            };
            unfit_welcome(&welcome, &mine)
        };
        assert_eq!(check("a1-0", 1, &["vm0", "vm1"], &[one, one]), None);
        let hostile: [(&str, usize, &[&str], &[Offer]); 13] = [
            ("", 1, &["vm0", "vm1"], &[one, one]),
            ("../x", 1, &["vm0", "vm1"], &[one, one]),
            ("\u{1b}[2J", 1, &["vm0", "vm1"], &[one, one]),
            ("a", 2, &["vm0", "vm1"], &[one, one]),
            ("a", usize::MAX, &["vm0", "vm1"], &[one, one]),
            ("a", 0, &["vm0", "vm1"], &[one, one]),
            ("a", 0, &["vm1"], &[one]),
            ("a", 0, &[], &[]),
            ("a", 1, &["vm0", "vm1"], &[one]),
            ("a", 1, &["\u{1b}[2J", "vm1"], &[one, one]),
            ("a", 1, &["vm0", "vm1"], &[offer(1_000_000_000_000, None), one]),
            ("a", 1, &["vm0", "vm1"], &[one, offer(2, None)]),
            ("a", 1, &["vm0", "vm1"], &[offer(1, Some(f64::NAN)), one]),
        ];
        for (id, place, machines, offers) in hostile {
            assert!(
                check(id, place, machines, offers).is_some(),
                "{id:?} {place} {machines:?} {offers:?}"
            );
        }
        let many = vec!["vm1"; MOST_MACHINES + 1];
        assert!(check("a", 1, &many, &vec![one; MOST_MACHINES + 1]).is_some());
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
