//! Eyes, brows and glasses: what detectors and landmarks depend on most.

use super::super::math::{Rgb, Vec3, above, hill, hill2, noise, pow, vec3};
use super::{Painter, Spot, Surface};

const SCLERA: Rgb = vec3(0.54, 0.505, 0.48);

/// A point by an eye, its axes along the lids: x outwards, y upwards, the eye's centre at 0.
struct ByEye {
    /// Before the tilt of the lids.
    outward: f32,
    up: f32,
    along: f32,
    over: f32,
    /// -1 for the eye at the picture's left, 1 for the other.
    side: f32,
}

impl Painter<'_> {
    pub(super) fn paint_eye(&self, spot: Spot, surface: &mut Surface) {
        let eyes = &self.head.who.eyes;
        let (outward, up) = (spot.ax - eyes.half_gap, spot.y - eyes.y);
        if outward > 0.33 || up.abs() > 0.36 {
            return;
        }
        let (sine, cosine) = eyes.tilt;
        let at = ByEye {
            outward,
            up,
            along: outward * cosine + up * sine,
            over: up * cosine - outward * sine,
            side: if spot.x < 0.0 { -1.0 } else { 1.0 },
        };
        if at.along.abs() < 1.4 * eyes.half_width && up.abs() < 0.2 {
            self.paint_lids_and_ball(&at, surface);
        }
        self.paint_brow(&at, surface);
    }

    fn paint_lids_and_ball(&self, at: &ByEye, surface: &mut Surface) {
        let (eyes, take) = (&self.head.who.eyes, self.head.take);
        let half_width = eyes.half_width;
        let across = (at.along / half_width).clamp(-1.0, 1.0);
        let arch = 1.0 - across * across;
        let opening = eyes.opening * take.lids * (1.0 - 0.2 * take.smile.max(0.0));
        let skewed = across + 0.12 * arch;
        let upper = opening * (1.0 - skewed * skewed);
        let lower = -0.62 * opening * arch;
        let within = at.along.abs() < half_width;
        let near = at.along.abs() < 1.1 * half_width;

        if near {
            let lid = hill((at.over - upper - 0.5 * eyes.crease_height) / (0.6 * eyes.crease_height));
            surface.darken(0.18 * lid);
        }
        let edge = self.edge;
        let ball = if within {
            above(upper - at.over, edge) * above(at.over - lower, edge)
        } else {
            0.0
        };
        if ball > 0.0 {
            self.paint_ball(at, upper, ball, surface);
        }
        if near {
            let lash_line = hill((at.over - upper - 0.004) / (0.008 + 0.006 * eyes.lashes + 0.4 * edge));
            let heavier_outside = 0.6 + 0.4 * above(at.along, 0.4 * half_width);
            surface.darken((1.1 * eyes.lashes * lash_line * heavier_outside).min(0.95));
            let crease = hill((at.over - upper - eyes.crease_height) / 0.01);
            surface.darken(0.5 * eyes.crease * crease);
        }
        if within {
            surface.darken(0.35 * hill((at.over - lower) / 0.009));
        }
        let tear = self.head.who.skin.colour.tint(vec3(0.85, 0.5, 0.5));
        surface.cover(tear, 0.6 * hill2(at.along + half_width, 0.014, at.over, 0.012));
    }

    fn paint_ball(&self, at: &ByEye, upper: f32, ball: f32, surface: &mut Surface) {
        let (eyes, take) = (&self.head.who.eyes, self.head.take);
        let edge = self.edge;
        let lid_shadow = 0.55 + 0.45 * above(upper - at.over - 0.02, 0.014);
        surface.cover(SCLERA * lid_shadow, ball);
        let x = at.outward - take.gaze.0 * at.side;
        let y = at.up - take.gaze.1 - 0.006;
        let radius = (x * x + y * y).sqrt();
        let iris = eyes.iris_radius;
        let inside_iris = above(iris - radius, edge) * ball;
        if inside_iris > 0.0 {
            let outer_ring = above(radius - 0.85 * iris, 0.006);
            let shade = 0.65 + 0.5 * (radius / iris).min(1.0) - 0.55 * outer_ring;
            surface.cover(eyes.iris * (shade * lid_shadow), inside_iris);
            surface.darken(0.95 * above(0.42 * iris - radius, edge) * ball);
        }
        let glint = hill2(x + 0.022 * at.side, 0.0075, y - 0.024, 0.0075) * ball;
        surface.cover(Vec3::splat(1.0), 0.8 * glint);
        surface.gloss *= 1.0 - 0.6 * ball;
    }

    fn paint_brow(&self, at: &ByEye, surface: &mut Surface) {
        let brows = &self.head.who.brows;
        let x = at.outward - brows.shift;
        let along = x / brows.half_length;
        if along.abs() > 1.3 || at.up < 0.03 {
            return;
        }
        let line = brows.height
            + self.head.take.brow_raise
            + brows.arch * (0.4 - along * along)
            + 0.6 * brows.tilt * x;
        let thickness = brows.thickness * (1.05 - 0.55 * along.clamp(-0.2, 1.0));
        let coverage = above(thickness - (at.up - line).abs(), 0.01) * above(1.0 - along.abs(), 0.08);
        if coverage > 0.0 {
            let seed = self.head.who.texture_seed ^ 4;
            let hairs =
                (0.88 + 0.2 * noise(x * 70.0 + at.up * 40.0, at.up * 22.0 - x * 12.0, seed)).clamp(0.0, 1.0);
            surface.cover(self.brow, coverage * hairs * brows.density);
            surface.gloss *= 1.0 - 0.7 * coverage;
        }
    }

    pub(super) fn paint_glasses(&self, spot: Spot, surface: &mut Surface) {
        let who = self.head.who;
        let Some(glasses) = &who.glasses else {
            return;
        };
        let eyes = &who.eyes;
        let (x, y) = (spot.ax - eyes.half_gap, spot.y - eyes.y + 0.02);
        if y.abs() > 0.32 || spot.azimuth.abs() > 1.65 {
            return;
        }
        let mut frame = 0.0_f32;
        if spot.azimuth.abs() < 1.5 && x < glasses.half_width + 0.1 {
            let n = glasses.squareness;
            let (u, v) = ((x / glasses.half_width).abs(), (y / glasses.half_height).abs());
            let distance = pow(pow(u, n) + pow(v, n), 1.0 / n);
            frame = hill(1.2 * (distance - 1.0) * glasses.half_width / glasses.rim);
            if x < -0.97 * glasses.half_width {
                frame = frame.max(hill((y - 0.05) / glasses.rim));
            }
            if distance < 1.0 {
                surface.darken(0.08);
                surface.gloss *= 1.3;
            }
        }
        if x > glasses.half_width {
            frame = frame.max(0.9 * hill((y - 0.06) / glasses.rim));
        }
        surface.cover(glasses.colour, 0.95 * frame);
    }
}
