//! Intervals and verdicts: Student's t on the logarithms of process means.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::record::{Estimate, Verdict};

/// Mean, standard error and degrees of freedom of logarithms.
#[derive(Debug, Clone, Copy)]
struct LogMean {
    mean: f64,
    error: f64,
    freedom: f64,
}

impl LogMean {
    /// `None` for no value at all, or one that has no logarithm.
    fn of(logs: &[f64]) -> Option<Self> {
        if logs.is_empty() || logs.iter().any(|l| !l.is_finite()) {
            return None;
        }
        let count = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / count;
        let variance = logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Some(Self {
            mean,
            error: (variance / count).sqrt(),
            freedom: count - 1.0,
        })
    }

    /// Ends of the two-sided interval that covers with probability `level`; `None` for a single value.
    fn interval(&self, level: f64) -> Option<(f64, f64)> {
        let t = StudentsT::new(0.0, 1.0, self.freedom)
            .ok()?
            .inverse_cdf(f64::midpoint(1.0, level));
        let reach = t * self.error;
        reach
            .is_finite()
            .then_some((self.mean - reach, self.mean + reach))
    }

    fn estimate(&self) -> Estimate {
        let interval = self.interval(0.95);
        Estimate {
            median: self.mean.exp(),
            low: interval.map(|(low, _)| low.exp()),
            high: interval.map(|(_, high)| high.exp()),
        }
    }
}

fn logs(values: &[f64]) -> Vec<f64> {
    values.iter().map(|v| v.ln()).collect()
}

/// The back-transformed mean of the logarithms of `process_means` with its 95 % interval; `None` without any, or
/// where one is not above 0. With one process there is no interval.
pub fn estimate(process_means: &[f64]) -> Option<Estimate> {
    LogMean::of(&logs(process_means)).map(|mean| mean.estimate())
}

/// The ratio of `arm` to `baseline`, paired by process order, and what it means with this `margin` (a fraction).
pub fn compare(arm: &[f64], baseline: &[f64], margin: f64) -> Option<(Estimate, Verdict)> {
    let differences: Vec<f64> = logs(arm).iter().zip(logs(baseline)).map(|(a, b)| a - b).collect();
    let mean = LogMean::of(&differences)?;
    let reach = margin.ln_1p();
    let verdict = match (mean.interval(0.95), mean.interval(0.90)) {
        (Some((low, _)), _) if low > reach => Verdict::Faster,
        (Some((_, high)), _) if high < -reach => Verdict::Slower,
        // Two one-sided tests at 5 % each are the 90 % interval inside the margin.
        (_, Some((low, high))) if low > -reach && high < reach => Verdict::Equivalent,
        _ => Verdict::Inconclusive,
    };
    Some((mean.estimate(), verdict))
}

/// The middle of `values` (mean of the two middles for an even number); `None` without any.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[half]),
        _ => Some(f64::midpoint(sorted[half - 1], sorted[half])),
    }
}

/// The value below which the share `q` (0 to 1) of the sorted `values` lies; `None` without any.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    sorted
        .get(((sorted.len() as f64 * q) as usize).min(sorted.len().saturating_sub(1)))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_interval_is_students() {
        // Logs 0, 0.1, 0.2: mean 0.1, standard error 0.1 / sqrt(3), t(0.975, 2) = 4.302653.
        let estimate = estimate(&[1.0, 0.1f64.exp(), 0.2f64.exp()]).unwrap();
        assert!((estimate.median - 0.1f64.exp()).abs() < 1e-9);
        let reach = 4.302_652_73 * 0.1 / 3f64.sqrt();
        assert!((estimate.low.unwrap() - (0.1 - reach).exp()).abs() < 1e-6);
        assert!((estimate.high.unwrap() - (0.1 + reach).exp()).abs() < 1e-6);
    }

    #[test]
    fn one_process_has_no_interval_and_none_has_no_answer() {
        let one = estimate(&[5.0]).unwrap();
        assert!((one.median - 5.0).abs() < 1e-12 && one.low.is_none() && one.high.is_none());
        assert!(estimate(&[]).is_none() && estimate(&[0.0]).is_none());
        assert_eq!(compare(&[5.0], &[1.0], 0.02).unwrap().1, Verdict::Inconclusive);
    }

    #[test]
    fn verdicts_follow_the_interval() {
        let base = [100.0, 101.0, 99.0, 100.5];
        let scaled = |factor: f64| base.map(|b| b * factor);
        let verdict = |arm: &[f64]| compare(arm, &base, 0.02).unwrap().1;
        assert_eq!(verdict(&scaled(1.1)), Verdict::Faster);
        assert_eq!(verdict(&scaled(0.9)), Verdict::Slower);
        assert_eq!(verdict(&scaled(1.001)), Verdict::Equivalent);
        assert_eq!(verdict(&[80.0, 130.0, 95.0, 101.0]), Verdict::Inconclusive);
    }

    #[test]
    fn medians_and_quantiles() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    proptest! {
        #[test]
        fn a_ratio_turned_around_is_its_inverse(
            pairs in prop::collection::vec((1f64..1000.0, 1f64..1000.0), 2..12)
        ) {
            let (a, b): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let (there, _) = compare(&a, &b, 0.02).unwrap();
            let (back, _) = compare(&b, &a, 0.02).unwrap();
            prop_assert!((there.median * back.median - 1.0).abs() < 1e-9);
            prop_assert!((there.low.unwrap() * back.high.unwrap() - 1.0).abs() < 1e-6);
        }
    }
}
