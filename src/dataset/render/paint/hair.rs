//! Hair: strands that run down from the crown.

use super::super::math::{noise, sin_turns};
use super::{Painter, Surface};

impl Painter<'_> {
    /// Hair at an azimuth (radians) and height; `shade` darkens the surface behind.
    pub(super) fn hair_at(&self, azimuth: f32, y: f32, shade: f32) -> Surface {
        let hair = &self.head.who.hair;
        let seed = self.head.who.texture_seed;
        let curl = hair.curl;
        let sway = 0.05 * curl * sin_turns(y * (0.5 + 0.8 * curl) + azimuth * 0.7);
        let along = azimuth + sway;
        let strands = 0.55 * noise(along * 26.0, y * (0.8 + 5.0 * curl), seed ^ 5)
            + 0.4 * noise(along * 61.0, y * (1.3 + 9.0 * curl), seed ^ 6)
            + 0.35 * noise(along * 7.0, y * 1.5 * (0.4 + curl), seed ^ 7);
        let parting = if y > 0.8 { -0.1 } else { 0.0 };
        let tone = (1.0 + 0.42 * strands + parting).clamp(0.35, 1.8) * shade;
        Surface::new(self.strands * tone, 1.1 + strands)
    }
}
