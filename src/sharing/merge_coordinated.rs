//! The accounts of machines that were at work at the same time, as one.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::{
    analysis::tenants::compute_figures,
    record::{CoordinatedRun, Record, TenantGroup, Tenants, TenantsRound},
};

/// Times of one window that machines converted by their clocks' readings differ by less than this, seconds.
const SAME: f64 = 1e-3;

/// Why machines' accounts do not make one.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum CoordinatedError {
    /// They were not at work at the same time.
    #[error("{a} and {b} are of different coordinated runs; merge the records of each by themselves")]
    DifferentRuns {
        /// One record's id.
        a: String,
        /// The other one's.
        b: String,
    },
    /// A machine's record was not given.
    #[error("the record of {} is missing; give those of all {count} machines of the coordinated run", names.join(", "))]
    Missing {
        /// The machines.
        names: Vec<String>,
        /// How many machines there were.
        count: usize,
    },
    /// Two are of the same machine.
    #[error("{a} and {b} are both of machine {index} of the coordinated run; leave one out")]
    SameMachine {
        /// From 0.
        index: usize,
        /// One record's id.
        a: String,
        /// The other one's.
        b: String,
    },
}

/// One machine's account of a coordinated run.
pub struct MachineRecord {
    id: String,
    tenants: Tenants,
    run: CoordinatedRun,
    /// Which of the run's machines it is of.
    index: usize,
}

impl MachineRecord {
    /// What `record` has of a coordinated run; `None` where it is of none, or of all machines.
    pub fn of(record: &Record) -> Option<Self> {
        let tenants = record.tenants.clone()?;
        let run = tenants.coordination.clone()?;
        Some(Self {
            id: record.id.clone(),
            index: run.machine_index?,
            tenants,
            run,
        })
    }

    fn name(&self) -> &str {
        // A record may name a place that it has no machine for.
        self.run
            .machines
            .get(self.index)
            .map_or("a machine without a name", String::as_str)
    }

    /// Its group of the machines of `other`, beside the same load.
    fn group(&self, other: &TenantGroup) -> Option<&TenantGroup> {
        self.tenants.groups.iter().find(|group| same_turn(group, other))
    }
}

/// All machines' account of their coordinated run; `None` where there was none. `renamed` gives an arm's label in the common
/// record, by its study's id and its label there.
pub fn combine(
    mut machines: Vec<MachineRecord>,
    renamed: &dyn Fn(&str, &str) -> String,
) -> Result<Option<Tenants>, CoordinatedError> {
    machines.sort_by_key(|machine| machine.index);
    let Some(mut run) = one_run(&machines)? else {
        return Ok(None);
    };
    // It ended before anything was measured in it: what each machine did alone stands in its arms, and no other can be asked
    // for an account.
    let mut groups = machines.iter().flat_map(|machine| &machine.tenants.groups);
    if groups.all(|group| group.rounds.is_empty()) {
        return Ok(None);
    }
    all_there(&machines, &run)?;
    run.machine_index = None;
    for machine in &mut machines {
        for label in machine
            .tenants
            .groups
            .iter_mut()
            .flat_map(|group| &mut group.tenants)
        {
            *label = renamed(&machine.id, label);
        }
    }
    let groups = || machines.iter().flat_map(|machine| &machine.tenants.groups);
    let alone = groups().filter(|group| group.machines.len() < 2).cloned();
    let mut all: Vec<TenantGroup> = alone.collect();
    all.sort_by_key(|group| group.tenants.len());
    let mut turns: Vec<&TenantGroup> = Vec::new();
    for group in groups().filter(|group| group.machines.len() > 1) {
        if !turns.iter().any(|other| same_turn(group, other)) {
            turns.push(group);
        }
    }
    turns.sort_by_key(|group| group.machines.len());
    all.extend(turns.into_iter().map(|group| common(group, &machines)));
    // Those beside a background load last, as on one machine.
    all.sort_by_key(|group| group.background_load_machine);
    let mut tenants = Tenants {
        least_rate: machines.iter().find_map(|machine| machine.tenants.least_rate),
        groups: all,
        coordination: Some(run),
    };
    compute_figures(&mut tenants);
    Ok(Some(tenants))
}

/// The one run that all `machines`, in the order of their index, are of; `None` without machines.
fn one_run(machines: &[MachineRecord]) -> Result<Option<CoordinatedRun>, CoordinatedError> {
    for pair in machines.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        let ids = || (a.id.clone(), b.id.clone());
        if a.run.id != b.run.id {
            let (a, b) = ids();
            return Err(CoordinatedError::DifferentRuns { a, b });
        }
        if a.index == b.index {
            let (index, (a, b)) = (a.index, ids());
            return Err(CoordinatedError::SameMachine { index, a, b });
        }
    }
    Ok(machines.first().map(|machine| machine.run.clone()))
}

/// Whether `machines` are all of the run's.
fn all_there(machines: &[MachineRecord], run: &CoordinatedRun) -> Result<(), CoordinatedError> {
    let is_missing = |index: &usize| machines.iter().all(|machine| machine.index != *index);
    let missing = (0..run.machines.len()).filter(is_missing);
    let names: Vec<String> = missing.map(|index| run.machines[index].clone()).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(CoordinatedError::Missing {
        names,
        count: run.machines.len(),
    })
}

/// Whether both are of the same turn.
fn same_turn(a: &TenantGroup, b: &TenantGroup) -> bool {
    a.machines == b.machines && a.background_load_machine == b.background_load_machine
}

/// The group of the machines of `one`, which any of them had: rounds that all of them have.
fn common(one: &TenantGroup, machines: &[MachineRecord]) -> TenantGroup {
    let own: Vec<(&MachineRecord, Option<&TenantGroup>)> = machines
        .iter()
        .filter(|machine| one.machines.contains(&machine.index))
        .map(|machine| (machine, machine.group(one)))
        .collect();
    let groups = || own.iter().filter_map(|(_, group)| *group);
    let labels = groups().flat_map(|group| group.tenants.clone());
    let mut all = TenantGroup {
        machines: one.machines.clone(),
        background_load_machine: one.background_load_machine,
        ..TenantGroup::new(labels.collect(), one.background_load)
    };
    all.error = own.iter().find_map(|(machine, group)| match group {
        None => Some(format!("{} has no account of it", machine.name())),
        Some(group) => {
            let error = group.error.as_ref();
            error.map(|error| format!("{}: {error}", machine.name()))
        }
    });
    let numbers: BTreeSet<usize> = groups()
        .flat_map(|group| group.rounds.iter().map(|round| round.round))
        .collect();
    for number in numbers {
        let of_round = |(_, group): &(&MachineRecord, Option<&TenantGroup>)| {
            group.and_then(|group| group.rounds.iter().find(|round| round.round == number).cloned())
        };
        let rounds: Option<Vec<TenantsRound>> = own.iter().map(of_round).collect();
        let failed = match rounds {
            None => "is not in all machines' records",
            Some(rounds) if !same_window(&rounds) => "has different times in the machines' records",
            Some(rounds) => {
                all.rounds.extend(rounds.into_iter().reduce(joined));
                continue;
            }
        };
        all.error
            .get_or_insert_with(|| format!("round {} {failed}", number + 1));
    }
    all
}

/// The same round of two machines as one.
fn joined(mut all: TenantsRound, round: TenantsRound) -> TenantsRound {
    all.tenants.extend(round.tenants);
    all.clocks.extend(round.clocks);
    if let (Some(all), Some(before)) = (&mut all.before_load, round.before_load) {
        all.images.extend(before.images);
    }
    all
}

/// Whether all have the same time, and the same time before a background load.
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

    fn machine(index: usize, together: f64, from_us: u64) -> MachineRecord {
        let group = |machines: Vec<usize>, images: f64, from_us: u64| TenantGroup {
            machines,
            rounds: (0..3)
                .map(|number| round(number, images, from_us + number as u64))
                .collect(),
            ..TenantGroup::new(vec!["cpu".to_owned()], None)
        };
        let run = CoordinatedRun {
            id: "m".to_owned(),
            machines: vec!["vm0".to_owned(), "vm1".to_owned()],
            machine_index: Some(index),
        };
        MachineRecord {
            id: format!("id{index}"),
            index,
            tenants: Tenants {
                least_rate: None,
                groups: vec![
                    group(vec![index], 40.0, 1_000_000),
                    group(vec![0, 1], together, from_us),
                ],
                coordination: Some(run.clone()),
            },
            run,
        }
    }

    fn renamed(id: &str, label: &str) -> String {
        format!("{label} @ {id}")
    }

    #[test]
    fn tenants_of_two_machines_become_one_group() {
        let machines = vec![machine(1, 30.0, 9_000_000), machine(0, 10.0, 9_000_000)];
        let tenants = combine(machines, &renamed).unwrap().unwrap();
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
        let beside = |index, kept: f64, before_us: u64| {
            let mut machine = machine(index, 30.0, 9_000_000);
            let rounds = (0..3).map(|number| TenantsRound {
                before_load: Some(crate::record::BeforeLoad {
                    seconds: 2.0,
                    from_us: Some(before_us),
                    images: vec![30.0],
                }),
                ..round(number, 30.0 * kept, 20_000_000)
            });
            let group = TenantGroup {
                machines: vec![0, 1],
                background_load_machine: Some(2),
                rounds: rounds.collect(),
                ..TenantGroup::new(vec!["cpu".to_owned()], Some(1.0))
            };
            machine.tenants.groups.push(group);
            machine.run.machines.push("vm2".to_owned());
            machine
        };
        let load = || {
            let mut load = machine(2, 0.0, 0);
            load.tenants.groups.truncate(1);
            load.run.machines.push("vm2".to_owned());
            load
        };
        let all = |then| {
            let machines = vec![beside(0, 0.5, 17_000_000), beside(1, 0.7, then), load()];
            combine(machines, &renamed).unwrap().unwrap()
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
        assert!(error.contains("has different times"), "{error}");
        // Both together without a load are another group.
        let without = &tenants.groups[tenants.groups.len() - 2];
        assert_eq!((without.machines.len(), without.background_load), (2, None));
    }

    #[test]
    fn rounds_at_other_times_are_no_common_rounds() {
        let machines = vec![machine(0, 10.0, 9_000_000), machine(1, 30.0, 9_100_000)];
        let tenants = combine(machines, &renamed).unwrap().unwrap();
        let all = tenants.groups.last().unwrap();
        assert!(all.rounds.is_empty());
        assert!(all.error.as_ref().unwrap().contains("has different times"));
    }

    #[test]
    fn a_coordinated_run_is_merged_whole_or_not_at_all() {
        let missing = combine(vec![machine(0, 1.0, 1)], &renamed).unwrap_err();
        assert!(
            missing.to_string().contains("the record of vm1 is missing"),
            "{missing}"
        );
        let mut stranger = machine(1, 1.0, 1);
        stranger.run.id = "other".to_owned();
        assert!(matches!(
            combine(vec![machine(0, 1.0, 1), stranger], &renamed),
            Err(CoordinatedError::DifferentRuns { .. })
        ));
        assert!(matches!(
            combine(vec![machine(0, 1.0, 1), machine(0, 1.0, 1)], &renamed),
            Err(CoordinatedError::SameMachine { index: 0, .. })
        ));
        assert_eq!(combine(Vec::new(), &renamed), Ok(None));
    }

    #[test]
    fn a_coordinated_run_in_which_nothing_was_measured_is_none() {
        let mut only = machine(0, 1.0, 1);
        for group in &mut only.tenants.groups {
            group.rounds.clear();
        }
        assert_eq!(combine(vec![only], &renamed), Ok(None), "vm1 has left no record");
    }
}
