//! What tenants did while all of them were at work.
//!
//! Each tenant reports when it began and ended every photo, by the wall clock of the machine. Only the time in which all
//! streams of all tenants were at work counts: from the last one's first photo to the first one's last.

use std::collections::BTreeMap;

use crate::{
    record::Tenant,
    worker::protocol::{Completion, Completions},
};

/// From and to when all were at work, microseconds; `None` where they never were at the same time.
pub fn window(shared: &[Completions], begin_us: u64, end_us: u64) -> Option<(u64, u64)> {
    let streams = || shared.iter().flat_map(|shared| &shared.streams);
    let first = |stream: &Vec<Completion>| stream.first().map(|answer| answer.begun_us);
    let last = |stream: &Vec<Completion>| stream.last().map(|answer| answer.ended_us);
    let from = streams().map(first).collect::<Option<Vec<_>>>()?;
    let to = streams().map(last).collect::<Option<Vec<_>>>()?;
    let from = from.into_iter().max()?.max(begin_us);
    let to = to.into_iter().min()?.min(end_us);
    (from < to).then_some((from, to))
}

/// What one tenant did between `from` and `to`. `weights` says what each photo costs alone, in any unit; empty where all
/// are alike.
pub fn within(shared: &Completions, (from, to): (u64, u64), weights: &[f64]) -> Tenant {
    let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
    let weight = |photo: usize| match weights.get(photo) {
        Some(weight) if mean > 0.0 => weight / mean,
        _ => 1.0,
    };
    let mut tenant = Tenant {
        images: 0.0,
        answered: 0,
        service_us: Vec::new(),
        cpu_seconds: shared.cpu_seconds,
        cores: shared
            .cpu_seconds
            .zip(worked(shared))
            .map(|(cpu, worked)| cpu / worked),
        rss_peak_bytes: None,
        device_memory_bytes: None,
    };
    let mut service: BTreeMap<u64, u64> = BTreeMap::new();
    for answer in shared.streams.iter().flatten() {
        let inside = answer.ended_us.min(to).saturating_sub(answer.begun_us.max(from));
        let length = answer.ended_us.saturating_sub(answer.begun_us).max(1);
        let work: f64 = (answer.photo..answer.photo + answer.photos).map(weight).sum();
        tenant.images += work * inside as f64 / length as f64;
        if (from..=to).contains(&answer.ended_us) {
            tenant.answered += answer.photos;
            *service.entry(three_digits(length)).or_default() += answer.photos as u64;
        }
    }
    tenant.service_us = service.into_iter().collect();
    tenant
}

/// Seconds from the first photo's beginning to the last one's end.
fn worked(shared: &Completions) -> Option<f64> {
    let answers = || shared.streams.iter().flatten();
    let from = answers().map(|answer| answer.begun_us).min()?;
    let to = answers().map(|answer| answer.ended_us).max()?;
    (from < to).then_some((to - from) as f64 / 1e6)
}

/// Times of like length are one: three digits are kept, as in histograms elsewhere in the record.
fn three_digits(micros: u64) -> u64 {
    let step = 10_u64.pow(micros.max(1).ilog10().saturating_sub(2));
    micros / step * step + step / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(answers: &[(u64, u64)]) -> Completions {
        let answer = |(photo, (begun_us, ended_us)): (usize, &(u64, u64))| Completion {
            photo,
            photos: 1,
            begun_us: *begun_us,
            ended_us: *ended_us,
        };
        Completions {
            streams: vec![answers.iter().enumerate().map(answer).collect()],
            cpu_seconds: None,
        }
    }

    #[test]
    fn only_the_time_in_which_all_worked_counts() {
        let early = stream(&[(0, 100), (100, 200), (200, 300), (300, 400)]);
        let late = stream(&[(150, 250), (250, 350), (350, 450)]);
        let all = [early, late];
        let window = window(&all, 0, 1000).unwrap();
        assert_eq!(window, (150, 400));
        let (early, late) = (within(&all[0], window, &[]), within(&all[1], window, &[]));
        assert!(
            (early.images - 2.5).abs() < 1e-9 && early.answered == 3,
            "{early:?}"
        );
        assert!((late.images - 2.5).abs() < 1e-9 && late.answered == 2, "{late:?}");
        assert_eq!(
            crate::sharing::window::window(&[stream(&[(0, 1)]), stream(&[(2, 3)])], 0, 9),
            None
        );
    }

    #[test]
    fn a_dear_photo_is_more_work_than_a_cheap_one() {
        let shared = stream(&[(0, 300), (300, 400)]);
        let tenant = within(&shared, (0, 300), &[3.0, 1.0]);
        assert!((tenant.images - 1.5).abs() < 1e-9, "{tenant:?}");
    }
}
