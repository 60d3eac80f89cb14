//! Which settings a search tries: all that the SPEC leaves open, in steps of two.

use std::fmt::Write;

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::super::planned_arm::{PlanError, PlannedArm};
use crate::{
    record::{self, Scenario},
    runtime::{options::DataPath, spec::BackendSpec},
};

/// Most candidates of a search. Where there are more, a seeded sample of them is tried.
pub const MOST: usize = 64;
/// How many threads a candidate may have for each host core: one step more than there is room for.
const OVERSUBSCRIBED: usize = 2;
/// A candidate has threads for this part of the host cores, or more.
const IDLE: usize = 4;
/// Batches on the processor, where one is seldom worth much, and on a device.
const HOST_BATCHES: [usize; 4] = [1, 2, 4, 8];
const DEVICE_BATCHES: [usize; 4] = [1, 4, 16, 64];
/// Streams on a device: while one is on it, others are decoded and aligned.
const DEVICE_STREAMS: [usize; 4] = [1, 2, 4, 8];

/// Every setting of what `spec` leaves open, for `cores` host cores, the bare one (first) among them; what it fixes
/// stays as it is. Settings that the backend refuses are left out.
pub fn candidates(
    spec: &BackendSpec,
    scenario: Scenario,
    cores: usize,
    seed: u64,
) -> Result<Vec<PlannedArm>, PlanError> {
    let bare = PlannedArm::resolve(spec.clone(), scenario, cores)?;
    let open = Open::of(&bare, scenario, cores);
    let mut list: Vec<PlannedArm> = Vec::new();
    for (streams, threads) in open.pairs(&bare, cores) {
        for batch in &open.batches {
            for decoders in &open.decoders {
                let setting = Setting {
                    streams,
                    threads,
                    batch: *batch,
                    decoders: *decoders,
                };
                list.extend(setting.of(&bare, scenario, cores));
            }
        }
    }
    let is_bare = |arm: &PlannedArm| is_same(arm, &bare, cores);
    // The bare setting is always tried, whatever the sample is.
    let (mut chosen, mut others): (Vec<_>, Vec<_>) = list.into_iter().partition(is_bare);
    others.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    others.truncate(MOST - 1);
    others.sort_by_key(|arm| (arm.decoders(cores), arm.batch, arm.threads, arm.streams));
    chosen.truncate(1);
    chosen.extend(others);
    Ok(chosen)
}

/// Whether two arms of one backend are the same setting.
pub fn is_same(a: &PlannedArm, b: &PlannedArm, cores: usize) -> bool {
    let numbers = |arm: &PlannedArm| (arm.streams, arm.threads, arm.batch, arm.decoders(cores));
    numbers(a) == numbers(b)
}

/// `arms` as a record keeps them, before anything is measured.
pub fn described(arms: &[PlannedArm], cores: usize) -> Vec<record::Candidate> {
    arms.iter()
        .map(|arm| record::Candidate {
            spec: arm.spec.requested.clone(),
            streams: arm.streams,
            threads: arm.threads,
            batch: arm.batch,
            decoders: arm.decoders(cores),
            rounds: Vec::new(),
            dropped_after: None,
            error: None,
        })
        .collect()
}

/// The values that each open setting may have; one that is fixed has its own alone.
struct Open {
    streams: Vec<usize>,
    threads: Vec<usize>,
    batches: Vec<usize>,
    decoders: Vec<Option<usize>>,
}

impl Open {
    fn of(bare: &PlannedArm, scenario: Scenario, cores: usize) -> Self {
        let spec = &bare.spec;
        let is_single = scenario == Scenario::SingleStream;
        let beside = spec.data_path() == DataPath::Device;
        let takes = |option: &str| spec.backend().takes(option);
        // `null` takes batches, and answers each photo of one for itself.
        let has_batches = !is_single && !spec.is_null() && spec.batch.is_none();
        let has_threads = takes("threads") && spec.threads.is_none() && !spec.backend().is_accelerator();
        Self {
            streams: match spec.streams {
                None if is_single => vec![1],
                None if beside => with(&DEVICE_STREAMS, bare.streams),
                None => with(&steps(cores * OVERSUBSCRIBED), bare.streams),
                Some(streams) => vec![streams],
            },
            threads: if has_threads {
                with(&steps(cores), bare.threads)
            } else {
                vec![bare.threads]
            },
            batches: match (has_batches, beside) {
                (false, _) => vec![bare.batch],
                (true, true) => with(&DEVICE_BATCHES, bare.batch),
                (true, false) => with(&HOST_BATCHES, bare.batch),
            },
            decoders: match (beside, spec.decoders) {
                (false, _) => vec![None],
                (true, Some(decoders)) => vec![Some(decoders)],
                (true, None) => {
                    let mut list = vec![cores, (cores / 2).max(1), (cores / 4).max(1)];
                    list.dedup();
                    list.into_iter().map(Some).collect()
                }
            },
        }
    }

    /// Streams and threads that keep enough of the cores busy, and not far too many; and the bare setting's.
    fn pairs(&self, bare: &PlannedArm, cores: usize) -> Vec<(usize, usize)> {
        let beside = bare.spec.data_path() == DataPath::Device;
        let sleeps = bare.spec.is_null();
        let all = self
            .streams
            .iter()
            .flat_map(|streams| self.threads.iter().map(|threads| (*streams, *threads)));
        let is_open = self.streams.len() > 1 && self.threads.len() > 1;
        all.filter(|(streams, threads)| {
            let product = streams * threads;
            let enough = beside || sleeps || !is_open || product * IDLE >= cores;
            let own = (*streams, *threads) == (bare.streams, bare.threads);
            own || beside || (enough && product <= cores * OVERSUBSCRIBED)
        })
        .collect()
    }
}

/// What a candidate asks for.
#[derive(Clone, Copy)]
struct Setting {
    streams: usize,
    threads: usize,
    batch: usize,
    decoders: Option<usize>,
}

impl Setting {
    /// The arm that asks for it besides what `bare` asks for; `None` where the backend cannot.
    fn of(self, bare: &PlannedArm, scenario: Scenario, cores: usize) -> Option<PlannedArm> {
        let given = &bare.spec;
        let takes = |option: &str| given.backend().takes(option);
        let mut words = String::new();
        let mut add = |option: &str, value: usize| {
            let _ = write!(words, ",{option}={value}");
        };
        if given.streams.is_none() {
            add("streams", self.streams);
        }
        if given.threads.is_none() && takes("threads") && !given.backend().is_accelerator() {
            add("threads", self.threads);
        }
        // What a bare SPEC has anyway need not be given.
        if self.batch != bare.batch {
            add("batch", self.batch);
        }
        let usual = bare.decoders(cores);
        if let Some(decoders) = self.decoders.filter(|_| self.decoders != usual) {
            add("decoders", decoders);
        }
        let spec: BackendSpec = format!("{}{words}", given.requested).parse().ok()?;
        let mut arm = PlannedArm::resolve(spec, scenario, cores).ok()?;
        if !takes("threads") {
            arm.threads = self.threads;
        }
        arm.label = format!("{}{words}", bare.label);
        Some(arm)
    }
}

/// 1, 2, 4 and so on up to `most`, and `most` itself.
fn steps(most: usize) -> Vec<usize> {
    let mut list: Vec<usize> = std::iter::successors(Some(1), |n| Some(n * 2))
        .take_while(|n| *n < most)
        .collect();
    list.push(most);
    list
}

/// `list` with `own` in it.
fn with(list: &[usize], own: usize) -> Vec<usize> {
    let mut list = list.to_vec();
    list.push(own);
    list.sort_unstable();
    list.dedup();
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs(spec: &str, scenario: Scenario, cores: usize) -> Vec<String> {
        let list = candidates(&spec.parse().unwrap(), scenario, cores, 1).unwrap();
        list.into_iter().map(|arm| arm.spec.requested).collect()
    }

    #[test]
    fn streams_and_threads_fill_the_cores_and_one_step_more() {
        assert_eq!(
            specs("cpu,batch=1", Scenario::Offline, 2),
            [
                "cpu,batch=1,streams=2,threads=1",
                "cpu,batch=1,streams=1,threads=1",
                "cpu,batch=1,streams=4,threads=1",
                "cpu,batch=1,streams=1,threads=2",
                "cpu,batch=1,streams=2,threads=2",
            ]
        );
        let large = candidates(&"cpu,batch=1".parse().unwrap(), Scenario::Offline, 48, 1).unwrap();
        assert_eq!((large[0].streams, large[0].threads), (48, 1));
        for arm in &large {
            let product = arm.streams * arm.threads;
            assert!((12..=96).contains(&product) && arm.threads <= 48, "{}", arm.label);
        }
        assert!(large.iter().any(|arm| (arm.streams, arm.threads) == (96, 1)));
    }

    #[test]
    fn what_is_fixed_stays() {
        assert_eq!(
            specs("cpu,streams=2,batch=4,label=mine", Scenario::Offline, 2),
            [
                "cpu,streams=2,batch=4,label=mine,threads=1",
                "cpu,streams=2,batch=4,label=mine,threads=2"
            ]
        );
        let all = specs("cpu,streams=1,threads=1", Scenario::Offline, 2);
        assert_eq!(
            all,
            [
                "cpu,streams=1,threads=1",
                "cpu,streams=1,threads=1,batch=2",
                "cpu,streams=1,threads=1,batch=4",
                "cpu,streams=1,threads=1,batch=8"
            ]
        );
        assert_eq!(specs("null,streams=3", Scenario::Offline, 2), ["null,streams=3"]);
        // Streams that leave no core anything to do are the user's own choice.
        assert!(specs("cpu,streams=1,threads=1", Scenario::Offline, 64).len() > 1);
        assert!(specs("cpu,streams=500", Scenario::Offline, 2).len() > 1);
    }

    #[test]
    fn a_sleeping_null_has_streams_alone() {
        assert_eq!(
            specs("null,delay=5ms", Scenario::Offline, 2),
            [
                "null,delay=5ms,streams=1",
                "null,delay=5ms,streams=2",
                "null,delay=5ms,streams=4"
            ]
        );
    }

    #[test]
    fn latency_is_a_matter_of_threads() {
        assert_eq!(
            specs("cpu", Scenario::SingleStream, 4),
            [
                "cpu,streams=1,threads=4",
                "cpu,streams=1,threads=1",
                "cpu,streams=1,threads=2"
            ]
        );
    }

    #[test]
    fn devices_have_decoders_and_larger_batches() {
        let list = candidates(&"cuda".parse().unwrap(), Scenario::Offline, 16, 1).unwrap();
        assert_eq!(list.len(), 4 * 4 * 3);
        assert_eq!(list[0].spec.requested, "cuda,streams=4", "the bare one");
        assert!(
            list.iter()
                .any(|arm| arm.spec.requested == "cuda,streams=8,batch=64,decoders=4")
        );
        assert!(list.iter().all(|arm| arm.threads == 1));
        let single = specs("cuda", Scenario::SingleStream, 4);
        assert_eq!(
            single,
            [
                "cuda,streams=1",
                "cuda,streams=1,decoders=1",
                "cuda,streams=1,decoders=2"
            ]
        );
    }

    #[test]
    fn what_the_backend_refuses_is_left_out() {
        for arm in candidates(&"opencv".parse().unwrap(), Scenario::Offline, 4, 1).unwrap() {
            assert!(arm.streams == 1 || arm.threads == 1, "{}", arm.label);
        }
        assert!(candidates(&"cpu,streams=2".parse().unwrap(), Scenario::SingleStream, 4, 1).is_err());
    }

    #[test]
    fn too_many_are_sampled_and_the_bare_one_stays() {
        let of = |seed| candidates(&"cpu".parse().unwrap(), Scenario::Offline, 128, seed).unwrap();
        let (a, b) = (of(1), of(2));
        assert_eq!((a.len(), b.len()), (MOST, MOST));
        assert_eq!((a[0].streams, a[0].threads, a[0].batch), (128, 1, 1));
        assert_eq!(a, of(1));
        assert_ne!(a, b);
    }
}
