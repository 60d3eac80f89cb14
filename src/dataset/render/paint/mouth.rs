//! Lips, teeth and the hair around them.

use super::super::math::{Rgb, above, hill, hill2, noise, vec3};
use super::{Painter, Spot, Surface};

const MOUTH_CAVITY: Rgb = vec3(0.05, 0.012, 0.012);
const TEETH: Rgb = vec3(0.68, 0.64, 0.56);

impl Painter<'_> {
    pub(super) fn paint_mouth(&self, at: Spot, surface: &mut Surface) {
        let (mouth, layout) = (&self.head.who.mouth, &self.head.layout);
        let wide = layout.mouth_half_width;
        if at.ax > wide + 0.1 || (at.y - layout.mouth_y).abs() > 0.35 {
            return;
        }
        let across = (at.x / wide).clamp(-1.0, 1.0);
        let middle = layout.mouth_y + layout.corner_lift * across * across;
        let arch = 1.0 - across * across;
        let gap = layout.gap * arch;
        if at.ax < wide {
            let dip = 1.0 - 0.5 * mouth.bow * hill(1.4 * at.x / 0.035) + 0.1;
            let rounded = arch.sqrt();
            let top = middle + mouth.upper_lip * (arch + rounded) * 0.5 * dip;
            let bottom = middle - gap - mouth.lower_lip * (arch + 2.0 * rounded) / 3.0;
            let edge = 1.3 * self.edge;
            let lip = above(top - at.y, edge) * above(at.y - bottom, edge);
            surface.cover(self.lips, 0.92 * lip);
            let upper = above(at.y - middle + 0.5 * gap, 0.008);
            surface.cover(self.lips * 0.72, 0.6 * lip * upper);
            surface.gloss *= 1.0 + 1.2 * lip;
            if layout.gap > 0.005 {
                self.paint_opening(at, middle, gap, surface);
            } else {
                let seam = hill((at.y - middle) / 0.01);
                surface.cover(self.lips * 0.18, 0.85 * seam * (0.3 + 0.7 * arch));
            }
        }
        let corner = hill2(
            at.ax - wide,
            0.016,
            at.y - layout.mouth_y - layout.corner_lift,
            0.014,
        );
        surface.darken(0.42 * corner);
    }

    fn paint_opening(&self, at: Spot, middle: f32, gap: f32, surface: &mut Surface) {
        let edge = self.edge;
        let inside = above(middle - at.y, edge) * above(at.y - (middle - gap), edge);
        surface.cover(MOUTH_CAVITY, inside);
        let wide = self.head.layout.mouth_half_width;
        let row = above(at.y - (middle - 0.04), edge) * above(0.78 * wide - at.ax, 0.02);
        let tooth = 1.0 - 0.2 * hill(((at.x / 0.045).fract().abs() - 0.5).abs() / 0.06);
        surface.cover(TEETH * tooth, 0.9 * inside * row);
    }

    pub(super) fn paint_beard(&self, at: Spot, surface: &mut Surface) {
        let who = self.head.who;
        let (beard, layout) = (&who.beard, &self.head.layout);
        if beard.stubble + beard.full + beard.moustache + beard.goatee <= 0.0 || at.y > 0.2 {
            return;
        }
        let low = above(beard.line + 1.2 * at.ax * at.ax - at.y, 0.06);
        let side = above(at.ax - 0.72 * who.skull.half_width, 0.05) * above(0.05 - at.y, 0.1);
        let around_lips = 1.0 - 0.35 * hill2(at.x, 0.12, at.y - layout.mouth_y, 0.1);
        let jaw = low.max(side) * around_lips;
        let lip_top = layout.mouth_y + 0.7 * who.mouth.upper_lip;
        let moustache = above(at.y - lip_top, 0.02)
            * above(layout.nose_y - 0.085 - at.y, 0.022)
            * above(1.15 * layout.mouth_half_width - at.ax, 0.035);
        let chin = above(hill2(at.x, 0.16, at.y - layout.chin_y, 0.14) - 0.35, 0.06);
        let coverage = (beard.stubble * 0.6 * jaw.max(moustache))
            .max(beard.full * jaw)
            .max(beard.moustache * moustache)
            .max(beard.goatee * chin.max(0.9 * moustache));
        if coverage > 0.0 {
            let seed = who.texture_seed ^ 3;
            let grain = 0.8
                + 0.2 * noise(at.x * 60.0, at.y * 38.0, seed)
                + 0.12 * noise(at.x * 17.0, at.y * 11.0, seed);
            surface.cover(
                self.strands * 0.9 + vec3(0.012, 0.01, 0.009),
                (coverage * grain).clamp(0.0, 1.0),
            );
            surface.gloss *= 1.0 - 0.7 * coverage;
        }
    }
}
