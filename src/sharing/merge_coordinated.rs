//! The accounts of machines that were at work at the same time, as one.

use thiserror::Error;

use crate::{
    analysis::tenants::settle,
    record::{CoordinatedRun, Record, TenantGroup, Tenants, TenantsRound},
};

/// Times of one window that machines converted by their clocks' readings differ by less than this, seconds.
const SAME: f64 = 1e-3;

/// Why machines' accounts do not make one.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum MeetingError {
    /// They were not at work at the same time.
    #[error("{a} and {b} are of different meetings; merge the records of each by themselves")]
    Strangers {
        /// One record's id.
        a: String,
        /// The other one's.
        b: String,
    },
    /// A machine's record was not given.
    #[error("the record of {} is missing; give those of all {count} machines of the meeting", names.join(", "))]
    Missing {
        /// The machines.
        names: Vec<String>,
        /// How many machines there were.
        count: usize,
    },
    /// Two were in the same place.
    #[error("{a} and {b} were both in place {place} of the meeting; leave one out")]
    SamePlace {
        /// From 0.
        place: usize,
        /// One record's id.
        a: String,
        /// The other one's.
        b: String,
    },
}

/// One machine's account of a meeting.
pub struct Part {
    id: String,
    tenants: Tenants,
    meeting: CoordinatedRun,
    place: usize,
}

impl Part {
    /// What `record` tells of a meeting; `None` where it is of none, or of all of it.
    pub fn of(record: &Record) -> Option<Self> {
        let tenants = record.tenants.clone()?;
        let meeting = tenants.coordination.clone()?;
        Some(Self {
            id: record.id.clone(),
            place: meeting.machine_index?,
            tenants,
            meeting,
        })
    }

    /// Its company of the machines of `other`, beside the same load.
    fn company(&self, other: &TenantGroup) -> Option<&TenantGroup> {
        let mut companies = self.tenants.groups.iter();
        companies.find(|company| alike(company, other))
    }
}

/// All machines' account of their meeting; `None` where there was none. `renamed` gives an arm's label in the common
/// record, by its study's id and its label there.
pub fn gathered(
    mut parts: Vec<Part>,
    renamed: &dyn Fn(&str, &str) -> String,
) -> Result<Option<Tenants>, MeetingError> {
    parts.sort_by_key(|part| part.place);
    let Some(first) = parts.first() else {
        return Ok(None);
    };
    if let Some(stranger) = parts.iter().find(|part| part.meeting.id != first.meeting.id) {
        return Err(MeetingError::Strangers {
            a: first.id.clone(),
            b: stranger.id.clone(),
        });
    }
    if let Some(pair) = parts.windows(2).find(|pair| pair[0].place == pair[1].place) {
        return Err(MeetingError::SamePlace {
            place: pair[0].place,
            a: pair[0].id.clone(),
            b: pair[1].id.clone(),
        });
    }
    // It ended before anything was measured in it: what each machine did alone stands in its arms, and no other can be asked
    // for an account.
    let companies = || parts.iter().flat_map(|part| &part.tenants.groups);
    if companies().all(|company| company.rounds.is_empty()) {
        return Ok(None);
    }
    let count = first.meeting.machines.len();
    let missing: Vec<String> = first
        .meeting
        .machines
        .iter()
        .enumerate()
        .filter(|(place, _)| parts.iter().all(|part| part.place != *place))
        .map(|(_, name)| name.clone())
        .collect();
    if !missing.is_empty() {
        return Err(MeetingError::Missing {
            names: missing,
            count,
        });
    }
    let mut meeting = first.meeting.clone();
    let least_rate = parts.iter().find_map(|part| part.tenants.least_rate);
    meeting.machine_index = None;
    for part in &mut parts {
        // By a timetable each knows its own name only.
        meeting.machines[part.place].clone_from(&part.meeting.machines[part.place]);
        for label in part.tenants.groups.iter_mut().flat_map(|c| &mut c.tenants) {
            *label = renamed(&part.id, label);
        }
    }
    let alone = parts.iter().flat_map(|part| {
        let own = part.tenants.groups.iter();
        own.filter(|company| company.machines.len() < 2).cloned()
    });
    let mut companies: Vec<TenantGroup> = alone.collect();
    companies.sort_by_key(|company| company.tenants.len());
    let mut sets: Vec<&TenantGroup> = Vec::new();
    for company in parts.iter().flat_map(|part| &part.tenants.groups) {
        if company.machines.len() > 1 && !sets.iter().any(|other| alike(company, other)) {
            sets.push(company);
        }
    }
    sets.sort_by_key(|set| set.machines.len());
    companies.extend(sets.into_iter().map(|set| common(set, &parts)));
    // Those beside a load last, as on one machine.
    companies.sort_by_key(|company| company.background_load_machine);
    let mut tenants = Tenants {
        least_rate,
        groups: companies,
        coordination: Some(meeting),
    };
    settle(&mut tenants);
    Ok(Some(tenants))
}

/// Whether both are of the same turn.
fn alike(a: &TenantGroup, b: &TenantGroup) -> bool {
    a.machines == b.machines && a.background_load_machine == b.background_load_machine
}

/// The company of the machines of `one`, which any of them had: rounds that all of them have.
fn common(one: &TenantGroup, parts: &[Part]) -> TenantGroup {
    let own: Vec<(&Part, Option<&TenantGroup>)> = one
        .machines
        .iter()
        .filter_map(|place| parts.iter().find(|part| part.place == *place))
        .map(|part| (part, part.company(one)))
        .collect();
    let labels = own
        .iter()
        .filter_map(|(_, company)| *company)
        .flat_map(|c| c.tenants.clone());
    let mut all = TenantGroup {
        machines: one.machines.clone(),
        background_load_machine: one.background_load_machine,
        ..TenantGroup::new(labels.collect(), one.background_load)
    };
    all.error = own.iter().find_map(|(part, company)| {
        let name = &part.meeting.machines[part.place];
        match company {
            None => Some(format!("{name} has no account of it")),
            Some(company) => company.error.as_ref().map(|error| format!("{name}: {error}")),
        }
    });
    let mut numbers: Vec<usize> = own
        .iter()
        .filter_map(|(_, company)| *company)
        .flat_map(|company| company.rounds.iter().map(|round| round.round))
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        let of_round = |(_, company): &(&Part, Option<&TenantGroup>)| {
            company.and_then(|company| company.rounds.iter().find(|round| round.round == number).cloned())
        };
        let rounds: Option<Vec<TenantsRound>> = own.iter().map(of_round).collect();
        let told = format!("round {}", number + 1);
        match rounds {
            None => {
                all.error
                    .get_or_insert_with(|| format!("{told} is not in all machines' records"));
            }
            Some(rounds) if !same_window(&rounds) => {
                all.error
                    .get_or_insert_with(|| format!("{told}: the machines tell of different times"));
            }
            Some(rounds) => all.rounds.extend(rounds.into_iter().reduce(|mut all, round| {
                all.tenants.extend(round.tenants);
                all.clocks.extend(round.clocks);
                if let (Some(all), Some(before)) = (&mut all.before_load, round.before_load) {
                    all.images.extend(before.images);
                }
                all
            })),
        }
    }
    all
}

/// Whether all tell of the same time, and of the same time before a load.
fn same_window(rounds: &[TenantsRound]) -> bool {
    /// Beginning and length, seconds; no beginning is that of no other.
    fn span(from_us: Option<u64>, seconds: f64) -> (f64, f64) {
        (from_us.map_or(f64::NAN, |micros| micros as f64 / 1e6), seconds)
    }
    let same = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).abs() < SAME && (a.1 - b.1).abs() < SAME;
    rounds.windows(2).all(|pair| {
        let counted = |round: &TenantsRound| span(round.from_us, round.seconds);
        let before = match (&pair[0].before_load, &pair[1].before_load) {
            (Some(a), Some(b)) => same(span(a.from_us, a.seconds), span(b.from_us, b.seconds)),
            (a, b) => a.is_none() && b.is_none(),
        };
        before && same(counted(&pair[0]), counted(&pair[1]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analysis::tenants::tests::tenant, record::ClockReading};

    fn round(number: usize, images: f64, from_us: u64) -> TenantsRound {
        TenantsRound {
            round: number,
            order: number,
            seconds: 2.0,
            tenants: vec![tenant(images)],
            before_load: None,
            from_us: Some(from_us),
            clocks: vec![ClockReading {
                offset_us: Some(7),
                uncertainty_us: Some(3),
            }],
        }
    }

    fn part(place: usize, together: f64, from_us: u64) -> Part {
        let company = |machines: Vec<usize>, images: f64, from_us: u64| TenantGroup {
            machines,
            rounds: (0..3)
                .map(|number| round(number, images, from_us + number as u64))
                .collect(),
            ..TenantGroup::new(vec!["cpu".to_owned()], None)
        };
        let meeting = CoordinatedRun {
            id: "m".to_owned(),
            machines: vec!["vm0".to_owned(), "vm1".to_owned()],
            machine_index: Some(place),
        };
        Part {
            id: format!("id{place}"),
            place,
            tenants: Tenants {
                least_rate: None,
                groups: vec![
                    company(vec![place], 40.0, 1_000_000),
                    company(vec![0, 1], together, from_us),
                ],
                coordination: Some(meeting.clone()),
            },
            meeting,
        }
    }

    fn renamed(id: &str, label: &str) -> String {
        format!("{label} @ {id}")
    }

    #[test]
    fn tenants_of_two_machines_become_one_company() {
        let parts = vec![part(1, 30.0, 9_000_000), part(0, 10.0, 9_000_000)];
        let tenants = gathered(parts, &renamed).unwrap().unwrap();
        let all = tenants.groups.last().unwrap();
        assert_eq!(all.tenants, ["cpu @ id0", "cpu @ id1"]);
        assert_eq!((all.rounds.len(), all.rounds[0].clocks.len()), (3, 2));
        let middle = |estimate: &Option<crate::record::Estimate>| estimate.as_ref().unwrap().median;
        assert!((middle(&all.images_per_second) - 20.0).abs() < 1e-9);
        // Shares of 0.25 and 0.75 of what each has alone.
        assert!((middle(&all.fairness) - 0.8).abs() < 1e-9, "{all:?}");
        assert!((middle(&all.sharing_gain) - 1.0).abs() < 1e-9);
        assert_eq!(tenants.coordination.unwrap().machine_index, None);
        assert_eq!(all.error, None);
    }

    #[test]
    fn what_two_machines_keep_beside_the_load_of_a_third_is_of_both() {
        let burdened = |place, kept: f64, before_us: u64| {
            let mut part = part(place, 30.0, 9_000_000);
            let rounds = (0..3).map(|number| TenantsRound {
                before_load: Some(crate::record::BeforeLoad {
                    seconds: 2.0,
                    from_us: Some(before_us),
                    images: vec![30.0],
                }),
                ..round(number, 30.0 * kept, 20_000_000)
            });
            let beside = TenantGroup {
                machines: vec![0, 1],
                background_load_machine: Some(2),
                rounds: rounds.collect(),
                ..TenantGroup::new(vec!["cpu".to_owned()], Some(1.0))
            };
            part.tenants.groups.push(beside);
            part.meeting.machines.push("vm2".to_owned());
            part
        };
        let load = || {
            let mut load = part(2, 0.0, 0);
            load.tenants.groups.truncate(1);
            load.meeting.machines.push("vm2".to_owned());
            load
        };
        let all = |then| {
            let parts = vec![burdened(0, 0.5, 17_000_000), burdened(1, 0.7, then), load()];
            gathered(parts, &renamed).unwrap().unwrap()
        };
        let tenants = all(17_000_100);
        let last = tenants.groups.last().unwrap();
        assert_eq!(
            (last.background_load, last.background_load_machine),
            (Some(1.0), Some(2))
        );
        assert_eq!((last.error.as_ref(), last.rounds.len()), (None, 3));
        assert_eq!(last.rounds[0].before_load.as_ref().unwrap().images, [30.0, 30.0]);
        let kept = last.retained.unwrap().median;
        assert!((kept - 0.6).abs() < 1e-9, "{kept}");
        let apart = all(18_000_000);
        let error = apart.groups.last().unwrap().error.clone().unwrap();
        assert!(error.contains("different times"), "{error}");
        // Both together without a load are another company.
        let unburdened = &tenants.groups[tenants.groups.len() - 2];
        assert_eq!((unburdened.machines.len(), unburdened.background_load), (2, None));
    }

    #[test]
    fn rounds_at_other_times_are_no_common_rounds() {
        let parts = vec![part(0, 10.0, 9_000_000), part(1, 30.0, 9_100_000)];
        let tenants = gathered(parts, &renamed).unwrap().unwrap();
        let all = tenants.groups.last().unwrap();
        assert!(all.rounds.is_empty());
        assert!(all.error.as_ref().unwrap().contains("different times"));
    }

    #[test]
    fn a_meeting_is_merged_whole_or_not_at_all() {
        let missing = gathered(vec![part(0, 1.0, 1)], &renamed).unwrap_err();
        assert!(
            missing.to_string().contains("the record of vm1 is missing"),
            "{missing}"
        );
        let mut stranger = part(1, 1.0, 1);
        stranger.meeting.id = "other".to_owned();
        assert!(matches!(
            gathered(vec![part(0, 1.0, 1), stranger], &renamed),
            Err(MeetingError::Strangers { .. })
        ));
        assert!(matches!(
            gathered(vec![part(0, 1.0, 1), part(0, 1.0, 1)], &renamed),
            Err(MeetingError::SamePlace { place: 0, .. })
        ));
        assert_eq!(gathered(Vec::new(), &renamed), Ok(None));
    }

    #[test]
    fn a_meeting_in_which_nothing_was_measured_is_none() {
        let mut only = part(0, 1.0, 1);
        for company in &mut only.tenants.groups {
            company.rounds.clear();
        }
        assert_eq!(gathered(vec![only], &renamed), Ok(None), "vm1 has left no record");
    }
}
