//! The rate above which one of two kinds of machine is always the cheaper one, in whole machines.

/// Most steps that are looked at; beyond it the bill hardly moves by single machines.
const STEPS: usize = 200_000;
/// Costs that are no further apart are the same.
const SAME: f64 = 1e-9;

/// A kind of machine and its price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PricedMachine {
    /// Photos a second that one serves.
    pub(super) usable: f64,
    /// Price of an hour of one.
    pub(super) price: f64,
}

/// How the costs of two kinds compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Crossing {
    /// Above this rate the one of that place (0 or 1) costs less at every rate; at or below it, not always.
    Above(usize, f64),
    /// That one costs less at every rate.
    Always(usize),
    /// A photo costs the same in the long run: neither stays the cheaper one.
    Never,
    /// So far away that it was not searched.
    Far,
}

/// How many machines serve `rate` when each serves `usable`; at least one.
pub(super) fn machines(rate: f64, usable: f64) -> usize {
    // A rate that is a whole multiple must not cost a machine for a last digit.
    ((rate / usable - SAME).ceil() as usize).max(1)
}

/// Where the bills of `pair` cross for the last time; `spare` machines of each come on top.
pub(super) fn crossing(pair: [PricedMachine; 2], spare: usize) -> Crossing {
    let per_image = pair.map(|machine| machine.price / machine.usable);
    if (per_image[0] - per_image[1]).abs() <= SAME * per_image[0].max(per_image[1]) {
        return Crossing::Never;
    }
    let place = usize::from(per_image[1] < per_image[0]);
    let (cheap, dear) = (pair[place], pair[1 - place]);
    let bill =
        |machine: PricedMachine, rate: f64| (machines(rate, machine.usable) + spare) as f64 * machine.price;
    // At worst the cheap one pays for one machine that is hardly used, and the dear one for none. Beyond `end` the cheap one
    // costs less even so, and the bills cannot cross any more.
    let most = (1.0 + spare as f64) * cheap.price - spare as f64 * dear.price;
    let end = most / (per_image[1 - place] - per_image[place]);
    if end <= 0.0 {
        return Crossing::Always(place);
    }
    if (end / cheap.usable + end / dear.usable) > STEPS as f64 {
        return Crossing::Far;
    }
    // Bills step up right after a whole number of machines, so between two such rates they stay as at the upper one.
    let ends =
        |machine: PricedMachine| (1..=machines(end, machine.usable)).map(move |n| n as f64 * machine.usable);
    let last = ends(cheap)
        .chain(ends(dear))
        .filter(|rate| bill(dear, *rate) <= bill(cheap, *rate) * (1.0 + SAME))
        .fold(0.0, f64::max);
    if last > 0.0 {
        Crossing::Above(place, last)
    } else {
        Crossing::Always(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(usable: f64, price: f64) -> PricedMachine {
        PricedMachine { usable, price }
    }

    #[test]
    fn whole_machines_serve_a_load() {
        assert_eq!(
            [(500.0, 250.0), (500.1, 250.0), (0.1, 250.0), (0.3, 0.1)]
                .map(|(rate, usable)| machines(rate, usable)),
            [2, 3, 1, 3]
        );
    }

    #[test]
    fn a_large_machine_pays_above_the_last_crossing() {
        // One large machine costs as much as 4 small ones and serves as many photos as 10.
        let pair = [machine(100.0, 1.0), machine(1000.0, 4.0)];
        // A second large one (8) is bought at 1000, where it takes 11 small ones.
        assert_eq!(crossing(pair, 0), Crossing::Above(1, 400.0));
        // With a spare one of each, 1100 costs 12 on both: 3 large ones, 12 small ones.
        assert_eq!(crossing(pair, 1), Crossing::Above(1, 1100.0));
        assert_eq!(crossing([pair[1], pair[0]], 0), Crossing::Above(0, 400.0));
    }

    #[test]
    fn bills_may_cross_more_than_once() {
        // At 320, 2 large ones (3) against 4 small ones (4); at 400, 3 large ones (4.5) against the same 4.
        let Crossing::Above(place, rate) = crossing([machine(100.0, 1.0), machine(160.0, 1.5)], 0) else {
            panic!("they cross");
        };
        assert_eq!(place, 1);
        let bill = |usable: f64, price: f64, rate: f64| machines(rate, usable) as f64 * price;
        assert!(bill(100.0, 1.0, rate) <= bill(160.0, 1.5, rate));
        let above = (1..5000).map(|step| rate + f64::from(step) * 0.5);
        assert!(
            above
                .into_iter()
                .all(|r| bill(160.0, 1.5, r) < bill(100.0, 1.0, r))
        );
    }

    #[test]
    fn one_may_always_be_cheaper_and_none_may_stay_so() {
        assert_eq!(
            crossing([machine(100.0, 1.0), machine(90.0, 2.0)], 0),
            Crossing::Always(0)
        );
        assert_eq!(
            crossing([machine(100.0, 1.0), machine(200.0, 2.0)], 0),
            Crossing::Never
        );
        assert_eq!(
            crossing([machine(100.0, 0.0), machine(200.0, 2.0)], 0),
            Crossing::Always(0)
        );
        assert_eq!(
            crossing([machine(1.0, 1.0), machine(1.000_000_1, 1.0)], 0),
            Crossing::Far
        );
    }
}
