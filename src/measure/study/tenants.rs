//! Tenants of one device: workers of several arms that are loaded, warmed up and at work at the same time.

use std::{
    io,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::Ordering,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    super::{
        child::{Child, ChildError, unexpected},
        protocol::{Reply, Request, Shared, Sharing},
        summary::ArmRun,
        tenants::{settle, window, within},
    },
    Observer, Study, StudyError,
    check_pass::Prepared,
    finish,
};
use crate::record::{Company, Record, Tenants, TenantsRound};

/// Who shares the device.
#[derive(Debug, Clone)]
pub struct Sharers {
    /// Companies of tenants: arms of the plan, each alone in one of them.
    pub companies: Vec<Vec<usize>>,
    /// Whether the host cores are dealt out among the tenants.
    pub pinned: bool,
    /// Share of the time of a neighbour that all of it is measured beside as well.
    pub neighbour: Option<f64>,
}

/// A process that multiplies matrices until it is dropped.
struct Neighbour(std::process::Child);

impl Neighbour {
    fn start(program: &Path, share: f64) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg("load").arg(share.to_string());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.spawn().map(Self)
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// From the order to begin until all begin: time for it to reach everyone.
const NOTICE: Duration = Duration::from_millis(200);

impl Study {
    /// Measures `companies`, each a list of arms of the plan, once a process in shuffled order. The arms' own figures stand
    /// in `record` already; `save` keeps what is added after each round.
    pub fn tenants(
        &self,
        mut record: Record,
        sharing: &Sharers,
        least_rate: Option<f64>,
        observer: &dyn Observer,
        save: &mut dyn FnMut(&Record) -> io::Result<()>,
    ) -> Result<Record, StudyError> {
        let mut runs: Vec<ArmRun> = self.plan.arms.iter().map(|_| ArmRun::default()).collect();
        let prepared = self.check_passes(&mut runs, &mut record.clone(), observer)?;
        let beside = [None, sharing.neighbour];
        let beside = &beside[..=usize::from(sharing.neighbour.is_some())];
        let companies: Vec<(&Vec<usize>, Option<f64>)> = beside
            .iter()
            .flat_map(|neighbour| sharing.companies.iter().map(|arms| (arms, *neighbour)))
            .collect();
        let label = |arm: &usize| self.plan.arms[*arm].label.clone();
        let mut tenants = Tenants {
            least_rate,
            companies: companies
                .iter()
                .map(|(arms, neighbour)| Company::new(arms.iter().map(label).collect(), *neighbour))
                .collect(),
        };
        let mut order = 0;
        for round in 0..self.plan.processes {
            let mut turns: Vec<usize> = (0..companies.len()).collect();
            turns.shuffle(&mut ChaCha8Rng::seed_from_u64(self.seed(round, 1 << 20)));
            for turn in turns {
                if self.interrupted.load(Ordering::Relaxed) || tenants.companies[turn].error.is_some() {
                    continue;
                }
                let ((arms, neighbour), company) = (companies[turn], &mut tenants.companies[turn]);
                let plural = if arms.len() == 1 { "" } else { "s" };
                observer.phase(&format!(
                    "round {} of {}: {} tenant{plural}{}",
                    round + 1,
                    self.plan.processes,
                    arms.len(),
                    if neighbour.is_some() {
                        " and a neighbour"
                    } else {
                        ""
                    }
                ));
                let measured = neighbour
                    .map(|share| Neighbour::start(&self.program, share))
                    .transpose()
                    .map_err(ChildError::Spawn)
                    .and_then(|_neighbour| self.company(arms, sharing.pinned, &prepared, &mut runs));
                match measured {
                    Ok((seconds, all)) => company.rounds.push(TenantsRound {
                        round,
                        order,
                        seconds,
                        tenants: all,
                    }),
                    Err(ChildError::Interrupted) => {}
                    Err(error) => {
                        let reason = format!("round {}: {error}", round + 1);
                        observer.notice(&format!("{} tenant{plural}: {reason}", arms.len()));
                        company.error = Some(reason);
                    }
                }
                order += 1;
                settle(&mut tenants);
                record.tenants = Some(tenants.clone());
                record.interrupted = self.interrupted.load(Ordering::Relaxed);
                save(&record)?;
            }
        }
        Ok(record)
    }

    /// One round of tenants: the seconds in which all worked, and what each did in them.
    fn company(
        &self,
        arms: &[usize],
        pinned: bool,
        prepared: &Prepared,
        runs: &mut [ArmRun],
    ) -> Result<(f64, Vec<crate::record::Tenant>), ChildError> {
        let mut children: Vec<Child> = Vec::new();
        for (place, arm) in arms.iter().enumerate() {
            let mut job = self.job(&self.plan.arms[*arm], &self.places[*arm], &prepared.dataset);
            job.gallery.clone_from(&prepared.gallery);
            if pinned && !self.plan.core_list.is_empty() {
                job.host_cores = dealt(&self.plan.core_list, place, arms.len());
                job.cores = job.host_cores.len();
            }
            children.push(self.start(job, &self.places[*arm], &mut runs[*arm])?);
        }
        // All at once: what one does to the others' caches and clocks belongs to the warm state.
        for child in &mut children {
            child.ask(&Request::WarmUp {
                least: self.plan.warmup,
                most: self.plan.warmup,
            })?;
        }
        for child in &mut children {
            match self.wait(child)? {
                Reply::WarmedUp { .. } => {}
                other => return Err(unexpected(&other)),
            }
        }
        let begin = now_us() + NOTICE.as_micros() as u64;
        // The first moments are as unmeasured as a block's.
        let counted = begin + self.plan.lead_in().as_micros() as u64;
        let end = counted + self.plan.duration.as_micros() as u64;
        let photos = prepared.dataset.photos.len();
        for (place, child) in children.iter_mut().enumerate() {
            child.ask(&Request::Share(Sharing {
                begin_us: begin,
                end_us: end,
                // Nobody walks in step with another: crowds would then meet crowds.
                first_photo: place * photos / arms.len(),
            }))?;
        }
        let mut shared: Vec<Shared> = Vec::new();
        let patience = self.plan.patience + self.plan.duration;
        for child in &mut children {
            match child.answer(patience)? {
                Reply::Shared(answer) => shared.push(*answer),
                other => return Err(unexpected(&other)),
            }
        }
        let memory: Vec<Option<u64>> = children
            .iter()
            .zip(arms)
            .map(|(child, arm)| self.device_memory(*arm, child.id()))
            .collect();
        let window = window(&shared, counted, end).ok_or_else(|| {
            ChildError::Refused(
                "the tenants were never at work at the same time: give a longer --duration".to_owned(),
            )
        })?;
        let mut tenants = Vec::new();
        for (place, (shared, child)) in shared.iter().zip(&mut children).enumerate() {
            let weights: Vec<f64> = runs[arms[place]]
                .seen
                .iter()
                .map(|seen| seen.time.as_secs_f64())
                .collect();
            let mut tenant = within(shared, window, &weights);
            tenant.rss_peak_bytes = finish(child, self.plan.patience)?.ok();
            tenant.device_memory_bytes = memory[place];
            tenants.push(tenant);
        }
        Ok(((window.1 - window.0) as f64 / 1e6, tenants))
    }

    /// Memory of the arm's GPU that the process `id` holds.
    fn device_memory(&self, arm: usize, id: u32) -> Option<u64> {
        let nvml = self.nvml.as_ref()?;
        let uuid = self.places[arm].gpu.as_deref()?;
        nvml.counters(uuid, Some(id)).ok()?.process_memory_bytes.ok()
    }
}

/// The wall clock: workers compare it with their own.
fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_micros() as u64
}

/// The cores of the `place`-th of `count` tenants: a share of its own, or one that it has with others where there are too
/// few.
fn dealt(cores: &[usize], place: usize, count: usize) -> Vec<usize> {
    if count > cores.len() {
        return vec![cores[place % cores.len()]];
    }
    let mine = |(index, _): &(usize, &usize)| index % count == place;
    cores
        .iter()
        .enumerate()
        .filter(mine)
        .map(|(_, core)| *core)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::dealt;

    #[test]
    fn cores_are_dealt_out_as_far_as_they_go() {
        let cores = [4, 5, 6];
        assert_eq!(dealt(&cores, 0, 2), [4, 6]);
        assert_eq!(dealt(&cores, 1, 2), [5]);
        assert_eq!(dealt(&cores, 4, 5), [5]);
    }
}
