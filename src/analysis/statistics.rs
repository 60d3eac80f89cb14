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

/// The geometric mean of the process means: exp of the mean of their logarithms, which is the median of the log-normal
/// distribution that the interval assumes. With its 95 % interval, which one process alone does not have. `None` without
/// any process, or where a mean is not above 0.
pub fn estimate(process_means: &[f64]) -> Option<Estimate> {
    LogMean::of(&logs(process_means)).map(|mean| mean.estimate())
}

/// One arm against another: the difference of the logarithms of their process means.
#[derive(Debug, Clone, Copy)]
pub struct Difference(LogMean);

impl Difference {
    /// Of processes that ran side by side, paired by their order.
    pub fn paired(arm: &[f64], baseline: &[f64]) -> Option<Self> {
        let differences: Vec<f64> = logs(arm).iter().zip(logs(baseline)).map(|(a, b)| a - b).collect();
        LogMean::of(&differences).map(Self)
    }

    /// Of processes that have nothing to do with each other (Welch's t: neither number nor spread need be the same).
    pub fn unpaired(arm: &[f64], baseline: &[f64]) -> Option<Self> {
        let (a, b) = (LogMean::of(&logs(arm))?, LogMean::of(&logs(baseline))?);
        let (va, vb) = (a.error.powi(2), b.error.powi(2));
        let error = (va + vb).sqrt();
        // Welch and Satterthwaite's degrees of freedom; without any spread, those of the smaller sample.
        let freedom = (va + vb).powi(2) / (va.powi(2) / a.freedom + vb.powi(2) / b.freedom);
        let freedom = if freedom.is_finite() {
            freedom
        } else {
            a.freedom.min(b.freedom)
        };
        Some(Self(LogMean {
            mean: a.mean - b.mean,
            error,
            freedom,
        }))
    }

    /// The ratio of the geometric means of the process means, with its 95 % interval.
    pub fn ratio(&self) -> Estimate {
        self.0.estimate()
    }

    /// How sure the ratio lies outside the margin on one side, and inside of it: p-values, small for sure. `None` with
    /// a single process.
    fn tests(&self, margin: f64) -> Option<(f64, f64)> {
        let LogMean { mean, error, freedom } = self.0;
        let reach = margin.ln_1p();
        let t = StudentsT::new(0.0, 1.0, freedom)
            .ok()
            .filter(|_| error.is_finite())?;
        // The chance of a difference as large as this one if the truth were `edge`.
        let above = |edge: f64| match (mean - edge) / error {
            _ if error == 0.0 => f64::from(u8::from(mean <= edge)),
            score => t.sf(score),
        };
        // Outside: both sides are tried, so the chance doubles. Inside: two one-sided tests, the weaker counts.
        let outside = 2.0 * above(reach).min(1.0 - above(-reach));
        let inside = above(-reach).max(1.0 - above(reach));
        Some((outside.min(1.0), inside))
    }
}

/// What `differences` mean with this `margin` (a fraction), 95 % sure of all verdicts together: Holm's method, which
/// asks the more of each the more are compared. For one comparison `faster` and `slower` are the 95 % interval outside
/// the margin, and `equivalent` is two one-sided tests at 5 % inside of it.
pub fn verdicts(differences: &[Difference], margin: f64) -> Vec<Verdict> {
    let tests: Vec<Option<(f64, f64)>> = differences.iter().map(|d| d.tests(margin)).collect();
    let outside = holm(&tests.iter().map(|t| t.map_or(1.0, |t| t.0)).collect::<Vec<_>>());
    let inside = holm(&tests.iter().map(|t| t.map_or(1.0, |t| t.1)).collect::<Vec<_>>());
    differences
        .iter()
        .zip(outside.iter().zip(inside))
        .map(|(difference, (outside, inside))| match (outside, inside) {
            (true, _) if difference.0.mean > 0.0 => Verdict::Faster,
            (true, _) => Verdict::Slower,
            (_, true) => Verdict::Equivalent,
            _ => Verdict::Inconclusive,
        })
        .collect()
}

/// Which p-values stand at 5 % together: the smallest must be below 5 % divided by their number, the next by one less,
/// until one is not.
fn holm(p_values: &[f64]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut stands = vec![false; p_values.len()];
    for (rank, index) in order.iter().enumerate() {
        if p_values[*index] > 0.05 / (p_values.len() - rank) as f64 {
            break;
        }
        stands[*index] = true;
    }
    stands
}

/// The mean of `values` with its interval that covers with probability `level`; `None` with fewer than two.
pub fn interval(values: &[f64], level: f64) -> Option<(f64, (f64, f64))> {
    let mean = LogMean::of(values)?;
    Some((mean.mean, mean.interval(level)?))
}

/// The median of `values` (the mean of the two in the middle for an even number); `None` without any.
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

    fn verdict(arm: &[f64], base: &[f64], margin: f64) -> Verdict {
        verdicts(&[Difference::paired(arm, base).unwrap()], margin)[0]
    }

    #[test]
    fn one_process_has_no_interval_and_none_has_no_answer() {
        let one = estimate(&[5.0]).unwrap();
        assert!((one.median - 5.0).abs() < 1e-12 && one.low.is_none() && one.high.is_none());
        assert!(estimate(&[]).is_none() && estimate(&[0.0]).is_none());
        assert_eq!(verdict(&[5.0], &[1.0], 0.02), Verdict::Inconclusive);
    }

    #[test]
    fn verdicts_follow_the_interval() {
        let base = [100.0, 101.0, 99.0, 100.5];
        let noisy = [1.0, 1.002, 0.999, 1.001];
        let scaled = |factor: f64| [0, 1, 2, 3].map(|i| base[i] * factor * noisy[i]);
        let verdict = |arm: &[f64]| verdict(arm, &base, 0.02);
        assert_eq!(verdict(&scaled(1.1)), Verdict::Faster);
        assert_eq!(verdict(&scaled(0.9)), Verdict::Slower);
        assert_eq!(verdict(&scaled(1.001)), Verdict::Equivalent);
        assert_eq!(verdict(&[80.0, 130.0, 95.0, 101.0]), Verdict::Inconclusive);
        assert_eq!(
            verdict(&base.map(|b| b * 1.1)),
            Verdict::Faster,
            "without any spread"
        );
        assert_eq!(verdict(&base), Verdict::Equivalent, "the same numbers");
    }

    proptest! {
        /// One comparison's verdict follows from its intervals.
        #[test]
        fn a_lone_verdict_is_its_interval(
            pairs in prop::collection::vec((90f64..110.0, 90f64..110.0), 2..9), margin in 0.0f64..0.1
        ) {
            let (a, b): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let difference = Difference::paired(&a, &b).unwrap();
            let (mean, reach) = (difference.0, margin.ln_1p());
            let ((low, high), (low90, high90)) = (mean.interval(0.95).unwrap(), mean.interval(0.90).unwrap());
            let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
            prop_assume!([low, low90, high, high90].iter().all(|end| !near(end.abs(), reach)));
            let expected = if low > reach {
                Verdict::Faster
            } else if high < -reach {
                Verdict::Slower
            } else if low90 > -reach && high90 < reach {
                Verdict::Equivalent
            } else {
                Verdict::Inconclusive
            };
            prop_assert_eq!(verdicts(&[difference], margin)[0], expected);
        }
    }

    #[test]
    fn many_comparisons_ask_more_of_each() {
        assert_eq!(holm(&[0.04]), [true]);
        assert_eq!(holm(&[0.04, 0.04]), [false, false]);
        assert_eq!(holm(&[0.04, 0.02]), [true, true]);
        assert_eq!(holm(&[0.04, 0.001, 0.03]), [false, true, false]);
        assert_eq!(holm(&[]), [] as [bool; 0]);
    }

    #[test]
    fn welch_knows_its_degrees_of_freedom() {
        // Logs with means 0.2 and 0, variances 0.01 and 0.04 over 4 and 6 values; by hand: se^2 = 0.0025 + 0.04/6.
        let spread = |mean: f64, sd: f64, count: usize| -> Vec<f64> {
            let unit = ((count as f64 - 1.0) / count as f64).sqrt();
            (0..count)
                .map(|i| (mean + sd * unit * if i % 2 == 0 { 1.0 } else { -1.0 }).exp())
                .collect()
        };
        let difference = Difference::unpaired(&spread(0.2, 0.1, 4), &spread(0.0, 0.2, 6))
            .unwrap()
            .0;
        let (va, vb): (f64, f64) = (0.01 / 4.0, 0.04 / 6.0);
        assert!((difference.mean - 0.2).abs() < 1e-9 && (difference.error.powi(2) - va - vb).abs() < 1e-9);
        let freedom = (va + vb).powi(2) / (va.powi(2) / 3.0 + vb.powi(2) / 5.0);
        assert!((difference.freedom - freedom).abs() < 1e-6);
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
            let there = Difference::paired(&a, &b).unwrap().ratio();
            let back = Difference::paired(&b, &a).unwrap().ratio();
            prop_assert!((there.median * back.median - 1.0).abs() < 1e-9);
            prop_assert!((there.low.unwrap() * back.high.unwrap() - 1.0).abs() < 1e-6);
        }
    }
}
