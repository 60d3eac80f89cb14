//! Skin: tone, blotches, marks, and the shadows in its folds.

use super::super::math::{hill, hill2, noise, sin_turns, speckles, vec3};
use super::{Painter, Spot, Surface};

impl Painter<'_> {
    pub(super) fn bare_skin(&self, at: Spot) -> Surface {
        let skin = &self.head.who.skin;
        let mut surface = Surface::new(skin.colour, 1.0);
        let seed = self.head.who.texture_seed;
        let blotches = noise(at.x * 5.0, at.y * 5.0, seed) + 0.5 * noise(at.x * 19.0, at.y * 19.0, seed ^ 1);
        surface.darken(-skin.mottle * blotches);
        if at.azimuth.abs() > 1.5 {
            return surface;
        }
        self.paint_blush(at, &mut surface);
        self.paint_marks(at, &mut surface);
        self.paint_folds(at, &mut surface);
        self.paint_nose(at, &mut surface);
        surface
    }

    fn paint_blush(&self, at: Spot, surface: &mut Surface) {
        let strength = 0.25 * (0.4 + self.head.who.skin.redness.max(0.0));
        let blush = strength
            * (hill2(at.ax - 0.36, 0.15, at.y + 0.33, 0.12)
                + 0.8 * hill2(at.x, 0.1, at.y - self.head.layout.nose_y, 0.08));
        if blush > 0.0 {
            surface.albedo = surface
                .albedo
                .tint(vec3(1.0, 1.0 - 0.3 * blush, 1.0 - 0.25 * blush));
        }
    }

    fn paint_marks(&self, at: Spot, surface: &mut Surface) {
        let skin = &self.head.who.skin;
        if skin.freckles > 0.0 {
            let zone = hill2(at.x, 0.4, at.y + 0.2, 0.2);
            if zone > 0.02 {
                let speckle = speckles(at.x * 30.0, at.y * 30.0, self.head.who.texture_seed ^ 2);
                surface.darken(0.6 * skin.freckles * speckle * zone);
            }
        }
        for [x, y, radius] in &skin.moles {
            surface.darken(0.65 * hill2(at.x - x, *radius, at.y - y, *radius));
        }
    }

    fn paint_folds(&self, at: Spot, surface: &mut Surface) {
        let (who, layout) = (self.head.who, &self.head.layout);
        let (eyes, lines) = (&who.eyes, &who.lines);
        let dy = at.y - eyes.y;
        if dy.abs() < 0.35 {
            surface.darken(0.22 * hill2(at.ax - 0.85 * eyes.half_gap, 0.13, dy - 0.02, 0.07));
            if eyes.shadow > 0.0 {
                let lid = surface.albedo.tint(vec3(0.6, 0.45, 0.5));
                surface.cover(
                    lid,
                    eyes.shadow * hill2(at.ax - eyes.half_gap, 0.13, dy - 0.06, 0.035),
                );
            }
            surface.darken(
                0.35 * eyes.bags
                    * hill2(
                        at.ax - 0.92 * eyes.half_gap,
                        0.1,
                        dy + 0.6 * eyes.opening + 0.045,
                        0.018,
                    ),
            );
            let outside = at.ax - eyes.half_gap - eyes.half_width;
            for fan in [-1.0, 0.0, 1.0] {
                let ray = fan * 0.04 * (1.0 + 4.0 * outside);
                surface.darken(0.3 * lines.crows_feet * hill2(outside - 0.07, 0.035, dy - ray, 0.008));
            }
        } else if at.y > 0.25 {
            for row in [0.0, 1.0, 2.0] {
                let line = 0.36 + 0.085 * row + 0.03 * sin_turns(0.25 + 0.8 * at.x);
                surface.darken(0.3 * lines.forehead * hill2(at.x, 0.3, at.y - line, 0.011));
            }
        }
        let smile = self.head.take.smile.max(0.0);
        let fold = who.nose.wing_x + 0.03 + (layout.nose_y - at.y) * (0.42 + 0.15 * smile);
        let depth = (0.42 * lines.smile + 0.12 * smile).min(0.5);
        surface.darken(
            depth
                * hill2(
                    at.ax - fold,
                    0.018,
                    at.y - 0.5 * (layout.nose_y + layout.mouth_y),
                    0.12,
                ),
        );
    }

    fn paint_nose(&self, at: Spot, surface: &mut Surface) {
        let nose = &self.head.who.nose;
        let dy = at.y - self.head.layout.nose_y;
        if dy.abs() > 0.2 || at.ax > 0.4 {
            return;
        }
        let wing = nose.wing_x;
        surface.darken(0.3 * hill2(at.ax - wing - 0.012, 0.013, dy + 0.02, 0.045));
        surface.darken(0.35 * hill2(at.x, 0.7 * wing, dy + 0.075, 0.018));
        let nostril = hill2(at.ax - 0.5 * wing, 0.22 * wing, dy + 0.062, 0.017);
        surface.darken(0.88 * nose.nostrils * nostril);
    }

    pub(super) fn ear(&self, outward: f32, up: f32) -> Surface {
        let tone = self.head.who.skin.colour.tint(vec3(0.93, 0.8, 0.78));
        let mut surface = Surface::new(tone, 0.8);
        surface.darken(0.4 * hill2(outward - 0.25, 0.3, up - 0.05, 0.35));
        surface.darken(0.15 * hill((outward - 0.8) / 0.12));
        surface
    }
}
