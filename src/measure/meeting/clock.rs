//! How far two clocks are apart, from pings: of many, the one that came back soonest.

use crate::record::ClockReading;

/// One ping: when it left and came back by this machine's clock, and what the other clock said between.
#[derive(Debug, Clone, Copy)]
pub struct Ping {
    /// When it left, microseconds since 1970.
    pub sent_us: u64,
    /// What the other clock said.
    pub there_us: u64,
    /// When its answer came.
    pub back_us: u64,
}

/// What is to be added to this machine's clock to get the other one, by the quickest of `pings` (Cristian 1989): the other
/// clock was read somewhere on the way, so the middle is wrong by half of the way at most. `None` without pings.
pub fn read(pings: &[Ping]) -> Option<ClockReading> {
    let way = |ping: &Ping| ping.back_us.saturating_sub(ping.sent_us);
    let best = pings.iter().min_by_key(|ping| way(ping))?;
    let middle = best.sent_us + way(best) / 2;
    Some(ClockReading {
        offset_us: Some(best.there_us.cast_signed() - middle.cast_signed()),
        within_us: Some(way(best).div_ceil(2)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_quickest_ping_is_believed() {
        let ping = |sent_us, back_us, there_us| Ping {
            sent_us,
            there_us,
            back_us,
        };
        // An hour behind; the second was held up on its way back.
        let hour = 3_600_000_000;
        let pings = [
            ping(1_000 + hour, 1_400 + hour, 1_210),
            ping(2_000 + hour, 9_000 + hour, 2_100),
        ];
        let clock = read(&pings).unwrap();
        assert_eq!(
            (clock.offset_us, clock.within_us),
            (Some(10 - 3_600_000_000), Some(200))
        );
        assert!(read(&[]).is_none());
    }

    proptest! {
        /// Whatever the ways there and back are, the truth lies within what is told.
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
                    back_us: start + there + back,
                })
                .collect();
            let clock = read(&pings).unwrap();
            let error = (clock.offset_us.unwrap() - truth).unsigned_abs();
            prop_assert!(error <= clock.within_us.unwrap(), "{clock:?} against {truth}");
        }
    }
}
