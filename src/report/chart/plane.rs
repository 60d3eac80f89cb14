//! A plane with two axes: scales, ticks, grid, names with units.

use plotters::{element::DashedPathElement, prelude::*, style::text_anchor::HPos};

use super::super::format::number;
use super::canvas::{Area, Drawn, EDGE, GRID, INK, Place, QUIET, WIDTH, covered, width, write};

/// Space for the numbers left of the plane.
const LEFT: i32 = 64;
/// Space for the last number, which stands below the plane's corner.
const RIGHT: i32 = 34;
/// Space for numbers and name below the plane.
pub(super) const BELOW: i32 = 54;

/// One axis.
#[derive(Debug)]
pub(super) struct Axis {
    name: String,
    from: f64,
    to: f64,
    log: bool,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From 0 to at least `most`, in even steps.
    pub(super) fn linear(name: &str, most: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let rough = most / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|times| times * power)
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        let count = (most / step).ceil().max(1.0) as usize;
        let ticks = (0..=count).map(|n| n as f64 * step);
        Self {
            name: name.to_owned(),
            from: 0.0,
            to: count as f64 * step,
            log: false,
            ticks: ticks.map(|at| (at, short(at))).collect(),
        }
    }

    /// From `least` to `most`, each step a multiple of the last.
    pub(super) fn log(name: &str, least: f64, most: f64) -> Self {
        let (least, most) = (least.max(1e-6), most.max(1e-6));
        let mut steps = Vec::new();
        let (first, last) = (least.log10().floor() as i32, most.log10().ceil() as i32);
        for power in first..=last {
            steps.extend([1.0, 2.0, 5.0].map(|times| times * 10_f64.powi(power)));
        }
        // Numbers such as 2 times 10 are not exact.
        let from = steps.iter().copied().rfind(|step| *step <= least * 1.0001);
        let to = steps.iter().copied().find(|step| *step >= most * 0.9999);
        let (from, to) = (from.unwrap_or(least), to.unwrap_or(most));
        let to = if to > from { to } else { from * 2.0 };
        steps.retain(|step| *step >= from * 0.999 && *step <= to * 1.001);
        // Over many powers there is space only for 1, 10, 100 ...
        if steps.len() > 10 {
            steps.retain(|step| (step.log10() - step.log10().round()).abs() < 1e-6);
        }
        Self {
            name: name.to_owned(),
            from,
            to,
            log: true,
            ticks: steps.into_iter().map(|at| (at, short(at))).collect(),
        }
    }

    /// The axis that suits these values: even steps, or multiples where the values differ much.
    pub(super) fn for_values(name: &str, values: impl Iterator<Item = f64> + Clone, spread: f64) -> Self {
        let positive = values.filter(|value| *value > 0.0 && value.is_finite());
        let least = positive.clone().fold(f64::INFINITY, f64::min);
        let most = positive.fold(0.0, f64::max);
        if least.is_finite() && most / least > spread {
            Self::log(&format!("{name} (logarithmic scale)"), least, most)
        } else {
            Self::linear(name, most)
        }
    }

    /// Ticks of its own choice, even or by multiples.
    pub(super) fn with_ticks(
        name: &str,
        log: bool,
        (from, to): (f64, f64),
        ticks: Vec<(f64, String)>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            from,
            to: if to > from { to } else { from + 1.0 },
            log,
            ticks,
        }
    }

    /// Where a value lies between the ends, 0 to 1.
    fn share(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.from * 0.5) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        share.clamp(0.0, 1.0)
    }

    /// Whether a value can be shown.
    pub(super) fn holds(&self, value: f64) -> bool {
        value >= self.from * 0.999 && value <= self.to * 1.001
    }
}

/// The number without needless digits.
fn short(value: f64) -> String {
    let text = number(value);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Two axes, and where they are on the sheet.
pub(super) struct Plane<'a, 'b> {
    /// The sheet.
    pub(super) area: &'a Area<'b>,
    /// To the right.
    pub(super) x: Axis,
    /// Upwards.
    pub(super) y: Axis,
    /// The plane's upper edge.
    pub(super) top: i32,
    /// Its lower edge.
    pub(super) bottom: i32,
}

impl Plane<'_, '_> {
    /// The right edge.
    pub(super) fn right() -> i32 {
        WIDTH - RIGHT
    }

    /// The left edge.
    pub(super) fn left() -> i32 {
        LEFT
    }

    /// Where a point is on the sheet.
    pub(super) fn point(&self, x: f64, y: f64) -> (i32, i32) {
        let wide = f64::from(Self::right() - LEFT);
        let high = f64::from(self.bottom - self.top);
        (
            LEFT + (self.x.share(x) * wide).round() as i32,
            self.bottom - (self.y.share(y) * high).round() as i32,
        )
    }

    /// Grid, ticks and names. The name of the upright axis stands above it, where it can be read.
    pub(super) fn frame(&self) -> Drawn {
        let line = |from: (i32, i32), to: (i32, i32), color: RGBColor| {
            self.area
                .draw(&PathElement::new([from, to], color.stroke_width(1)))
        };
        for (at, label) in &self.y.ticks {
            let (_, y) = self.point(self.x.from, *at);
            line((LEFT, y), (Self::right(), y), GRID)?;
            write(self.area, label, (LEFT - 8, y), 13.0, QUIET, HPos::Right)?;
        }
        for (at, label) in &self.x.ticks {
            let (x, _) = self.point(*at, self.y.from);
            line((x, self.top), (x, self.bottom), GRID)?;
            write(self.area, label, (x, self.bottom + 15), 13.0, QUIET, HPos::Center)?;
        }
        line((LEFT, self.bottom), (Self::right(), self.bottom), INK)?;
        line((LEFT, self.top), (LEFT, self.bottom), INK)?;
        write(
            self.area,
            &self.y.name,
            (EDGE, self.top - 16),
            13.0,
            INK,
            HPos::Left,
        )?;
        let middle = i32::midpoint(LEFT, Self::right());
        write(
            self.area,
            &self.x.name,
            (middle, self.bottom + 38),
            13.0,
            INK,
            HPos::Center,
        )
    }

    /// A dashed line from left to right at `y`, with its name where it covers the least of what is `taken`; returns
    /// the name's place.
    pub(super) fn level(
        &self,
        y: f64,
        name: &str,
        taken: &[Place],
    ) -> Result<Place, Box<dyn std::error::Error>> {
        let (_, at) = self.point(self.x.from, y);
        let ends = vec![(LEFT, at), (Self::right(), at)];
        self.area
            .draw(&DashedPathElement::new(ends, 6, 4, INK.stroke_width(1)))?;
        let wide = width(name, 13.0);
        let (left, right) = (LEFT + 6, Self::right() - wide - 4);
        let box_at = |x: i32, middle: i32| (x, middle - 8, x + wide, middle + 8);
        let steps = (0..=8).map(|step| right - (right - left) * step / 8);
        let best = steps
            .flat_map(|x| [box_at(x, at - 10), box_at(x, at + 11)])
            .filter(|place| place.1 >= self.top && place.3 <= self.bottom)
            .min_by_key(|place| covered(place, taken))
            .unwrap_or_else(|| box_at(right, at - 10));
        let middle = i32::midpoint(best.1, best.3);
        write(self.area, name, (best.0, middle), 13.0, INK, HPos::Left)?;
        Ok(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_the_values() {
        let axis = Axis::linear("x", 118.0);
        let labels: Vec<&str> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["0", "50", "100", "150"]);
        let axis = Axis::log("x", 19.0, 2100.0);
        assert!(axis.holds(19.0) && axis.holds(2100.0), "{axis:?}");
        assert_eq!(axis.ticks.first().map(|(_, label)| label.as_str()), Some("10"));
        assert!(Axis::linear("x", 0.0).to > 0.0 && Axis::log("x", 5.0, 5.0).to > 5.0);
    }
}
