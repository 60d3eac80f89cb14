//! Neck and clothes.

use super::super::{
    math::{Rgb, above, hill, lerp, noise, sin_turns, vec3},
    take::Pattern,
};
use super::{Painter, Surface};

/// Height of the shirt's edge at the side of the neck.
const COLLAR: f32 = -1.42;

impl Painter<'_> {
    pub(super) fn bust(&self, x: f32, y: f32, azimuth: f32) -> Surface {
        let clothes = &self.head.take.clothes;
        let seed = self.head.who.texture_seed;
        let half_neck = self.head.who.skull.neck_half_width * 1.15;
        let open = (1.0 - x.abs() / half_neck).clamp(0.0, 1.0);
        let front = if azimuth.abs() < 1.5 { open.sqrt() } else { 0.0 };
        let edge = COLLAR - clothes.neckline * lerp(open, front, 0.5);
        let covered = above(edge - y, 1.5 * self.edge);
        let mut surface = self.neck(x, y);
        if covered > 0.0 {
            let mut colour = self.pattern(x, y);
            let folds = noise(x * 2.4, y * 0.9, seed ^ 8) + 0.5 * noise(x * 6.0 + y, y * 2.0, seed ^ 9);
            colour = colour * (1.0 + 0.13 * folds);
            // Where the arms meet the body.
            let arm = hill((x.abs() - 1.12) / 0.035) * above(-2.35 - y, 0.15) * above(y + 5.3, 0.1);
            colour = colour * (1.0 - 0.35 * arm);
            let hem = hill((edge - 0.05 - y) / 0.018);
            colour = colour * (1.0 - 0.25 * hem);
            surface.cover(colour, covered);
            surface.gloss = lerp(surface.gloss, 0.08, covered);
        }
        surface
    }

    fn neck(&self, x: f32, y: f32) -> Surface {
        let mut surface = Surface::new(self.head.who.skin.colour.tint(vec3(0.9, 0.86, 0.85)), 0.6);
        let tendon = hill((x.abs() - 0.2 - 0.15 * (y + 1.4)) / 0.04) * above(-1.0 - y, 0.1);
        surface.darken(0.08 * tendon);
        surface
    }

    fn pattern(&self, x: f32, y: f32) -> Rgb {
        let clothes = &self.head.take.clothes;
        let band = |v: f32| above(sin_turns(v), 0.15);
        match clothes.pattern {
            Pattern::Plain => clothes.main,
            Pattern::Stripes => clothes.main.mix(clothes.second, band(y * 4.5)),
            Pattern::Checks => {
                let share = 0.5 * (band(y * 3.0) + band(x * 3.0));
                clothes.main.mix(clothes.second, 0.6 * share)
            }
            Pattern::OpenJacket => {
                let lapel = 0.1 + 0.18 * ((y + 3.6) * 0.5).clamp(0.0, 1.0);
                let open = above(lapel - x.abs(), self.edge);
                let lining = clothes.main * (1.0 - 0.3 * hill((x.abs() - lapel - 0.03) / 0.02));
                lining.mix(clothes.second, open)
            }
        }
    }
}
