//! What lowers a GPU's clock.

use serde::{Deserialize, Serialize};

/// Why a GPU's clock is lower than it could be. An idle GPU, or a clock that a user set, is none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Throttle {
    /// Heat, by the driver.
    #[serde(rename = "thermal")]
    Thermal,
    /// Heat, by the hardware itself.
    #[serde(rename = "thermal (hardware)")]
    HardwareThermal,
    /// The power that the board is held to: its way of working.
    #[serde(rename = "power cap")]
    PowerCap,
    /// The power supply, by the hardware itself.
    #[serde(rename = "power brake (hardware)")]
    PowerBrake,
    /// The hardware's protection, whatever it is of.
    #[serde(rename = "hardware slow-down")]
    Hardware,
}

impl Throttle {
    /// Whether it slows the board down: all but its power cap do.
    pub fn slows(self) -> bool {
        self != Self::PowerCap
    }
}

/// Shares of the samples, 0 to 1, at which the board was slowed down, and at which it was at its power cap; `None` without
/// samples.
pub fn throttled_shares<'a>(samples: impl Iterator<Item = &'a [Throttle]>) -> Option<(f64, f64)> {
    let (mut all, mut slowed, mut capped) = (0_u32, 0_u32, 0_u32);
    for reasons in samples {
        all += 1;
        slowed += u32::from(reasons.iter().any(|reason| reason.slows()));
        capped += u32::from(reasons.contains(&Throttle::PowerCap));
    }
    let share = |count: u32| f64::from(count) / f64::from(all);
    (all > 0).then(|| (share(slowed), share(capped)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_cap_is_no_slow_down() {
        let samples: [&[Throttle]; 4] = [
            &[Throttle::PowerCap],
            &[Throttle::Thermal, Throttle::PowerCap],
            &[],
            &[],
        ];
        assert_eq!(throttled_shares(samples.into_iter()), Some((0.25, 0.5)));
        assert_eq!(throttled_shares([].into_iter()), None);
    }

    /// Host logs of older versions hold these words.
    #[test]
    fn the_words_of_logs_stay() {
        let words =
            r#"["thermal","thermal (hardware)","power cap","power brake (hardware)","hardware slow-down"]"#;
        let read: Vec<Throttle> = serde_json::from_str(words).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), words);
    }
}
