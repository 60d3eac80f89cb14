//! What changes between two photos of one person: pose, expression, gaze, clothes, light, lens.

use super::{
    identity::paint_colour,
    math::{Rgb, Vec3, sin_cos_degrees, vec3},
    random::Stream,
};

/// One person as seen at one moment.
#[derive(Clone, Debug)]
pub(super) struct Take {
    /// Degrees; positive turns the nose to the picture's right.
    pub(super) yaw: f32,
    /// Degrees; positive looks down.
    pub(super) pitch: f32,
    /// Degrees; positive tips the crown to the picture's left.
    pub(super) roll: f32,
    /// Camera distance in head units: small ones enlarge the nose.
    pub(super) distance: f32,
    /// -0.2 (glum) to 1.
    pub(super) smile: f32,
    /// 0 (closed) to 1.
    pub(super) mouth_open: f32,
    /// Factor on the opening of the eyes.
    pub(super) lids: f32,
    pub(super) brow_raise: f32,
    pub(super) gaze: (f32, f32),
    pub(super) clothes: Clothes,
}

/// What the shoulders wear.
#[derive(Clone, Debug)]
pub(super) struct Clothes {
    pub(super) main: Rgb,
    pub(super) second: Rgb,
    pub(super) pattern: Pattern,
    /// How deep the collar opens, in head units.
    pub(super) neckline: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    Plain,
    Stripes,
    Checks,
    OpenJacket,
}

/// The light of one place; everybody in a photo shares it.
#[derive(Clone, Debug)]
pub(super) struct Light {
    /// Towards the lamp or the sun.
    pub(super) direction: Vec3,
    pub(super) ambient: f32,
    pub(super) gloss: f32,
    pub(super) exposure: f32,
    pub(super) tint: Rgb,
}

/// Sober colours of cloth and furniture.
pub(super) fn muted_colour(s: &mut Stream) -> Rgb {
    const PALETTE: [(u8, u8, u8); 18] = [
        (38, 50, 72),
        (28, 30, 34),
        (92, 98, 104),
        (206, 204, 196),
        (238, 236, 230),
        (122, 44, 42),
        (164, 82, 58),
        (196, 158, 92),
        (88, 104, 72),
        (52, 84, 78),
        (70, 108, 142),
        (140, 170, 188),
        (104, 76, 98),
        (150, 122, 98),
        (84, 62, 48),
        (176, 138, 132),
        (54, 70, 54),
        (214, 184, 160),
    ];
    let (r, g, b) = PALETTE[s.below(PALETTE.len())];
    let base = paint_colour(r, g, b) * s.uniform(0.75, 1.2);
    base.tint(vec3(
        s.uniform(0.9, 1.1),
        s.uniform(0.9, 1.1),
        s.uniform(0.9, 1.1),
    ))
}

impl Take {
    /// `pose` scales the turn of the head: 1 reaches 25 degrees of yaw and 20 of pitch and roll.
    pub(super) fn sample(s: &mut Stream, pose: f32) -> Self {
        let smiling = s.chance(0.6);
        let smile = s.uniform(-0.2, 1.0);
        let open = s.unit();
        let speaking = s.chance(0.35);
        Self {
            yaw: 0.6 * s.tent(25.0 * pose) + 0.4 * s.uniform(-25.0, 25.0) * pose,
            pitch: 0.6 * s.tent(20.0 * pose) + 0.4 * s.uniform(-20.0, 20.0) * pose,
            roll: s.tent(20.0 * pose),
            distance: s.uniform(7.0, 18.0),
            smile: if smiling { smile } else { 0.0 },
            mouth_open: if speaking { open * open } else { 0.0 },
            lids: s.uniform(0.85, 1.1),
            brow_raise: s.uniform(-0.015, 0.03),
            gaze: (s.uniform(-0.025, 0.025), s.uniform(-0.01, 0.01)),
            clothes: Clothes::sample(s),
        }
    }
}

impl Clothes {
    fn sample(s: &mut Stream) -> Self {
        const PATTERNS: [Pattern; 4] = [
            Pattern::Plain,
            Pattern::Stripes,
            Pattern::Checks,
            Pattern::OpenJacket,
        ];
        Self {
            main: muted_colour(s),
            second: muted_colour(s),
            pattern: PATTERNS[s.weighted(&[4.0, 1.0, 1.0, 1.5])],
            neckline: s.uniform(0.05, 0.4),
        }
    }
}

impl Light {
    pub(super) fn sample(s: &mut Stream) -> Self {
        let (sa, ca) = sin_cos_degrees(s.uniform(-55.0, 55.0));
        let (se, ce) = sin_cos_degrees(s.uniform(5.0, 50.0));
        let warmth = s.uniform(-0.1, 0.12);
        Self {
            direction: vec3(sa * ce, se, ca * ce),
            ambient: s.uniform(0.28, 0.55),
            gloss: s.uniform(0.03, 0.12),
            exposure: s.uniform(0.8, 1.2),
            tint: vec3(1.0 + warmth, 1.0, 1.0 - warmth),
        }
    }

    /// The same light as it falls on one person of the photo.
    pub(super) fn nearby(&self, s: &mut Stream) -> Self {
        let jitter = vec3(s.tent(0.25), s.tent(0.15), s.tent(0.1));
        Self {
            direction: (self.direction + jitter).normalized(),
            ambient: (self.ambient + s.tent(0.08)).clamp(0.25, 0.6),
            gloss: self.gloss,
            exposure: self.exposure * s.uniform(0.9, 1.1),
            tint: self.tint,
        }
    }
}
