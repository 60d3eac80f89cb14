//! How far two clocks are apart, from pings: of many, the one that came back soonest.

use std::time::Duration;

use crate::{machine::wall_clock::micros, record::ClockReading};

/// How fast the clocks of two machines may run apart while they are steered by a time service: what the kernel's own
/// discipline allows each of them, seconds a second.
const DRIFT: f64 = 2.0 * 500e-6;

/// One ping: when it left by this machine's clock, how long it took, and what the other clock said between.
#[derive(Debug, Clone, Copy)]
pub struct Ping {
    /// When it left, microseconds since 1970.
    pub sent_us: u64,
    /// What the other clock said.
    pub there_us: u64,
    /// How long its answer took, by a clock that cannot be set.
    pub way: Duration,
}

/// What is to be added to this machine's clock to get the other one, by the quickest of `pings` (Cristian 1989): the other
/// clock was read somewhere on the way, so the middle is wrong by half of the way at most. `None` without pings.
pub fn read(pings: &[Ping]) -> Option<ClockReading> {
    let best = pings.iter().min_by_key(|ping| ping.way)?;
    let way = micros(best.way);
    let middle = best.sent_us + way / 2;
    Some(ClockReading {
        offset_us: Some(best.there_us.cast_signed() - middle.cast_signed()),
        uncertainty_us: Some(way.div_ceil(2)),
    })
}

/// The reading `before` a piece of work, with a bound that holds for all of it by the one `after` it, `elapsed` later; or
/// why there is none: a clock was set between them.
pub fn held(before: ClockReading, after: ClockReading, elapsed: Duration) -> Result<ClockReading, String> {
    let (Some(offset), Some(then)) = (before.offset_us, after.offset_us) else {
        return Ok(before);
    };
    let within = before.uncertainty_us.unwrap_or(0);
    let moved = then.abs_diff(offset);
    // A way that took no whole microsecond is rounded twice.
    let readings = within + after.uncertainty_us.unwrap_or(0) + 2;
    if moved > readings + (elapsed.as_secs_f64() * DRIFT * 1e6) as u64 {
        return Err(format!(
            "a clock was set while the machines worked: this machine's and the common one moved by {:.3} ms against each \
             other",
            moved as f64 / 1e3
        ));
    }
    Ok(ClockReading {
        uncertainty_us: Some(within.max(moved + after.uncertainty_us.unwrap_or(0))),
        ..before
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_quickest_ping_is_believed() {
        let ping = |sent_us, back_us: u64, there_us| Ping {
            sent_us,
            there_us,
            way: Duration::from_micros(back_us - sent_us),
        };
        // An hour behind; the second was held up on its way back.
        let hour = 3_600_000_000;
        let pings = [
            ping(1_000 + hour, 1_400 + hour, 1_210),
            ping(2_000 + hour, 9_000 + hour, 2_100),
        ];
        let clock = read(&pings).unwrap();
        assert_eq!(
            (clock.offset_us, clock.uncertainty_us),
            (Some(10 - 3_600_000_000), Some(200))
        );
        assert!(read(&[]).is_none());
    }

    #[test]
    fn a_clock_that_was_set_is_found_out_and_one_that_drifts_is_bounded() {
        let reading = |offset, within| ClockReading {
            offset_us: Some(offset),
            uncertainty_us: Some(within),
        };
        let (before, work) = (reading(-5_000_000, 200), Duration::from_secs(10));
        assert_eq!(
            held(before, reading(-5_000_100, 150), work),
            Ok(reading(-5_000_000, 250))
        );
        // Ten milliseconds in ten seconds is what two steered clocks may do.
        assert_eq!(
            held(before, reading(-4_991_000, 150), work),
            Ok(reading(-5_000_000, 9_150))
        );
        let set = held(before, reading(-4_900_000, 150), work).unwrap_err();
        assert!(set.contains("moved by 100.000 ms"), "{set}");
        let unread = ClockReading {
            offset_us: None,
            uncertainty_us: None,
        };
        assert_eq!(held(unread, unread, work), Ok(unread));
    }

    proptest! {
        /// Whatever the ways there and back are, the truth lies within the bound.
        #[test]
        fn the_true_offset_is_within_the_bound(
            truth in -10_000_000_i64..10_000_000,
            ways in prop::collection::vec((0_u64..50_000, 0_u64..50_000), 1..20),
        ) {
            let start = 1_800_000_000_000_000_u64;
            let pings: Vec<Ping> = ways
                .iter()
                .map(|(there, back)| Ping {
                    sent_us: start,
                    there_us: (start + there).saturating_add_signed(truth),
                    way: Duration::from_micros(there + back),
                })
                .collect();
            let clock = read(&pings).unwrap();
            let error = (clock.offset_us.unwrap() - truth).unsigned_abs();
            prop_assert!(error <= clock.uncertainty_us.unwrap(), "{clock:?} against {truth}");
        }
    }
}
