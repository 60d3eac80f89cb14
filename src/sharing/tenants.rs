//! Tenants of one device, group after group: once a round each group's tenants are at work at the same time.

use std::io;

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{coordination::Span, group::START_NOTICE};
use crate::{
    analysis::tenants::compute_figures,
    machine::wall_clock::{micros, now_us},
    record::{Record, TenantGroup, Tenants, TenantsRound},
    study::{
        CheckPasses, Observer, Study, StudyError, StudyRun, check_pass::Prepared, describe::cut_short,
        recorded_arm::ArmRun,
    },
    worker::process::ProcessError,
};

/// Who shares the device.
#[derive(Debug, Clone)]
pub struct SharingPlan {
    /// Groups of tenants that are at work at the same time: arms of the plan, each alone in one of them.
    pub groups: Vec<Vec<usize>>,
    /// Whether the host cores are dealt out among the tenants.
    pub pinned: bool,
    /// Share of the time of a background load that all of it is measured beside as well. It begins late: the tenants are
    /// measured before and after.
    pub background_load: Option<f64>,
}

impl SharingPlan {
    /// The groups without a background load, then with it.
    fn with_and_without_load(&self) -> Vec<(&[usize], Option<f64>)> {
        let loads = std::iter::once(None).chain(self.background_load.map(Some));
        let groups = |load| self.groups.iter().map(move |arms| (arms.as_slice(), load));
        loads.flat_map(groups).collect()
    }
}

impl Study {
    /// Measures the groups of `sharing` once a process, in shuffled order, after `run`, in whose record the arms' own figures
    /// stand; `save` keeps what is added after each round.
    pub fn tenants(
        &self,
        run: StudyRun,
        sharing: &SharingPlan,
        least_rate: Option<f64>,
        observer: &dyn Observer,
        save: &mut dyn FnMut(&Record) -> io::Result<()>,
    ) -> Result<Record, StudyError> {
        let StudyRun {
            mut record,
            check_passes: CheckPasses { prepared, mut runs },
        } = run;
        let groups = sharing.with_and_without_load();
        let mut tenants = self.empty_groups(&groups, least_rate);
        let (mut order, rounds) = (0, self.plan.processes);
        'rounds: for round in 0..rounds {
            let mut turns: Vec<usize> = (0..groups.len()).collect();
            turns.shuffle(&mut ChaCha8Rng::seed_from_u64(self.seed(round, 1 << 20)));
            for turn in turns {
                if self.interruption.is_asked() {
                    break 'rounds;
                }
                if tenants.groups[turn].error.is_some() {
                    continue;
                }
                let ((arms, load), group) = (groups[turn], &mut tenants.groups[turn]);
                let plural = if arms.len() == 1 { "" } else { "s" };
                let count = format!("{} tenant{plural}", arms.len());
                let beside = load.map_or("", |_| " beside a background load");
                observer.phase(&format!("round {} of {rounds}: {count}{beside}", round + 1));
                match self.measure_group((arms, load), sharing.pinned, &prepared, &mut runs) {
                    Ok(measured) => group.rounds.push(TenantsRound {
                        round,
                        order,
                        ..measured
                    }),
                    Err(ProcessError::Interrupted) => break 'rounds,
                    Err(error) => {
                        let reason = format!("round {}: {error}", round + 1);
                        observer.notice(&format!("{count}: {reason}"));
                        group.error = Some(reason);
                    }
                }
                order += 1;
                compute_figures(&mut tenants);
                record.tenants = Some(tenants.clone());
                save(&record)?;
            }
        }
        if self.interruption.is_asked() {
            compute_figures(&mut tenants);
            record.tenants = Some(tenants);
            cut_short(&mut record);
            save(&record)?;
        }
        Ok(record)
    }

    /// The record's account of `groups` before their first round.
    fn empty_groups(&self, groups: &[(&[usize], Option<f64>)], least_rate: Option<f64>) -> Tenants {
        let label = |arm: &usize| self.plan.arms[*arm].label.clone();
        Tenants {
            least_rate,
            groups: groups
                .iter()
                .map(|(arms, load)| TenantGroup::new(arms.iter().map(label).collect(), *load))
                .collect(),
            coordination: None,
        }
    }

    /// One round of tenants: the seconds in which all worked, and what each did in them.
    fn measure_group(
        &self,
        (arms, load): (&[usize], Option<f64>),
        pinned: bool,
        prepared: &Prepared,
        runs: &mut [ArmRun],
    ) -> Result<TenantsRound, ProcessError> {
        let mut group = self.load_group(arms, pinned, prepared, runs)?;
        if let Some(share) = load {
            self.add_background_load(&mut group, arms, share, prepared)?;
        }
        self.warm_up_together(&mut group)?;
        let begin = now_us() + micros(START_NOTICE);
        let worked = self.work_together(&mut group, begin, 0, (0, 1))?;
        let found = |span: Option<Span>| {
            span.ok_or_else(|| {
                ProcessError::Refused(
                    "the tenants were never at work at the same time: give a longer --duration".to_owned(),
                )
            })
        };
        let before = load.map(|_| found(worked.before())).transpose()?;
        let counted = found(worked.counted())?;
        self.tenants_round(group, &worked, (before, counted), runs)
    }
}
