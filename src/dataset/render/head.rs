//! The sculpted head: stacked superellipses for the skull, and a relief of hills for everything on the face.

use std::f32::consts::{FRAC_PI_2, PI};

use super::{
    identity::{Cut, Hair, Identity},
    math::{Vec3, above, hill, hill2, lerp, noise, pow, ramp, sin_turns, vec3},
    mesh::{Detail, Material, Mesh},
    take::Take,
};

/// A head in one expression.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) who: &'a Identity,
    pub(super) take: &'a Take,
    pub(super) layout: Layout,
    hairline: Hairline,
}

/// Where the features are in this expression, in the plane of the face.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) nose_y: f32,
    pub(super) mouth_y: f32,
    pub(super) mouth_half_width: f32,
    /// How far the lips are apart.
    pub(super) gap: f32,
    /// Height of the mouth's corners over its middle.
    pub(super) corner_lift: f32,
    pub(super) chin_y: f32,
}

impl Layout {
    fn new(who: &Identity, take: &Take) -> Self {
        let nose_base = who.eyes.y - who.nose.length;
        let mouth_y = nose_base - who.mouth.below_nose;
        let smile = take.smile.max(0.0);
        Self {
            nose_y: nose_base + who.nose.upturn * 0.5,
            mouth_y,
            mouth_half_width: who.mouth.half_width * (1.0 + 0.18 * smile - 0.1 * take.mouth_open),
            gap: 0.11 * take.mouth_open,
            corner_lift: who.mouth.corner_lift + 0.055 * take.smile,
            chin_y: (-0.88 * who.skull.chin_drop).max(mouth_y - 0.38),
        }
    }
}

/// One horizontal cut through the skull.
struct Section {
    half_width: f32,
    front: f32,
    back: f32,
}

impl<'a> Head<'a> {
    pub(super) fn new(who: &'a Identity, take: &'a Take) -> Self {
        Self {
            who,
            take,
            layout: Layout::new(who, take),
            hairline: Hairline::new(&who.hair),
        }
    }

    /// Share of hair at a place on the head; `softness` is the width of the edge.
    pub(super) fn hair_share(&self, x: f32, y: f32, azimuth: f32, softness: f32) -> f32 {
        self.hairline.share(x, y, azimuth, softness)
    }

    /// Height of the hairline in the middle of the forehead, without fringe.
    pub(super) fn forehead_top(&self) -> f32 {
        self.who.hair.hairline
    }

    fn section(&self, y: f32) -> Section {
        let skull = &self.who.skull;
        let up = y >= 0.0;
        let s = (y / if up { skull.crown } else { skull.chin_drop }).clamp(-1.0, 1.0);
        let flank = (1.0 - s * s).max(0.0).sqrt();
        let drop = (-s).max(0.0);
        let taper = 1.0 - (1.0 - skull.jaw_width) * ramp(0.15, 0.95, drop);
        Section {
            half_width: skull.half_width * taper * pow(flank, if up { 0.72 } else { skull.jaw_roundness }),
            front: skull.depth * pow(flank, if up { 0.62 } else { 0.5 }),
            back: 1.02 * pow(flank, 0.9) * (1.0 - 0.35 * drop),
        }
    }

    /// The point of the face's surface at `x`, `y` of its plane (in front of the ears).
    pub(super) fn surface(&self, x: f32, y: f32) -> Vec3 {
        let section = self.section(y);
        let q = self.who.skull.section_exponent;
        let across = (x / section.half_width).clamp(-0.98, 0.98);
        let inward = pow(1.0 - pow(across.abs(), q), 1.0 / q);
        let cosine = inward / (across * across + inward * inward).sqrt();
        vec3(
            x,
            y,
            section.front * inward + self.relief(x, y) * (cosine * 1.6).clamp(0.0, 1.0),
        )
    }

    /// What the features add to the skull's surface, towards the camera.
    fn relief(&self, x: f32, y: f32) -> f32 {
        let ax = x.abs();
        self.nose_relief(ax, y)
            + self.eye_relief(ax, y)
            + self.cheek_relief(ax, y)
            + self.mouth_relief(x, ax, y)
    }

    fn nose_relief(&self, ax: f32, y: f32) -> f32 {
        let nose = &self.who.nose;
        let tip_y = self.layout.nose_y;
        if ax > 0.5 || y < tip_y - 0.2 {
            return 0.0;
        }
        let root_y = self.who.eyes.y + 0.06;
        let down = (root_y - y) / (root_y - tip_y - 0.06);
        let along = down.clamp(0.0, 1.05);
        let height =
            lerp(nose.bridge, nose.tip, along * along.sqrt()) + nose.hump * hill((down - 0.45) / 0.2);
        let half_width = lerp(nose.bridge_half_width, nose.tip_half_width, along.min(1.0));
        let ridge = height
            * above(down + 0.12, 0.11)
            * above(y - (tip_y - 0.035), 0.034)
            * hill(1.2 * ax / half_width);
        ridge
            + 0.045 * hill2(ax, 0.075, y - tip_y - 0.035, 0.05)
            + nose.wing * hill2(ax - 0.8 * nose.wing_x, 0.045, y - (tip_y - 0.03), 0.042)
    }

    fn eye_relief(&self, ax: f32, y: f32) -> f32 {
        let eyes = &self.who.eyes;
        let dy = y - eyes.y;
        if !(-0.4..0.5).contains(&dy) {
            return 0.0;
        }
        1.3 * eyes.bulge * hill2(ax - eyes.half_gap, 0.1, dy, 0.06)
            - eyes.socket * hill2(ax - 0.93 * eyes.half_gap, 0.15, dy - 0.03, 0.085)
            + self.who.brows.ridge * hill2(ax - 0.8 * eyes.half_gap, 0.2, dy - self.who.brows.height, 0.06)
    }

    fn cheek_relief(&self, ax: f32, y: f32) -> f32 {
        let skull = &self.who.skull;
        let layout = &self.layout;
        let fold_x = self.who.nose.wing_x + 0.045 + 0.35 * (layout.nose_y - y);
        let between = 0.5 * (layout.nose_y + layout.mouth_y);
        skull.cheekbone * hill2(ax - skull.cheekbone_x, 0.15, y + 0.28, 0.14)
            + 0.03 * self.take.smile.max(0.0) * hill2(ax - 0.33, 0.1, y + 0.33, 0.08)
            + skull.fullness * hill2(ax - 0.42, 0.2, y + 0.6, 0.2)
            + skull.forehead * hill2(ax, 0.4, y - 0.5, 0.2)
            - 0.02 * self.who.lines.smile * hill2(ax - fold_x, 0.025, y - between, 0.11)
    }

    fn mouth_relief(&self, x: f32, ax: f32, y: f32) -> f32 {
        let (mouth, skull, layout) = (&self.who.mouth, &self.who.skull, &self.layout);
        let dy = y - layout.mouth_y;
        if dy > 0.55 {
            return 0.0;
        }
        let (wide, gap) = (layout.mouth_half_width, layout.gap);
        skull.muzzle * hill2(ax, 0.3, dy, 0.18)
            + 0.5 * mouth.upper_lip * hill2(ax, 0.55 * wide, dy - 0.35 * mouth.upper_lip, 0.025)
            + 0.55 * mouth.lower_lip * hill2(ax, 0.5 * wide, dy + 0.55 * mouth.lower_lip + gap, 0.032)
            - 0.03 * hill2(ax, 0.7 * wide, dy + 0.5 * gap, 0.014 + 0.4 * gap)
            - 0.035 * hill2(ax, 0.16, dy + mouth.lower_lip + 0.075 + gap, 0.035)
            + skull.chin * hill2(ax, skull.chin_half_width, y - layout.chin_y, 0.12)
            - skull.cleft * hill2(x, 0.02, y - layout.chin_y, 0.07)
            - 0.012 * mouth.philtrum * hill2(x, 0.025, y - (0.4 * layout.nose_y + 0.6 * layout.mouth_y), 0.05)
    }

    /// The whole head, hair included, before posing.
    pub(super) fn mesh(&self, detail: Detail) -> Mesh {
        let q = self.who.skull.section_exponent;
        let (columns, rows) = detail.head_grid();
        // Columns are dense in front; their azimuths and superellipse directions are the same in every row.
        let directions: Vec<(f32, f32, f32)> = (0..columns)
            .map(|column| {
                let u = 2.0 * column as f32 / (columns - 1) as f32 - 1.0;
                let azimuth = PI * (0.42 * u + 0.58 * u * u * u);
                let turns = azimuth / (2.0 * PI);
                let (sine, cosine) = (sin_turns(turns), sin_turns(turns + 0.25));
                let norm = pow(pow(sine.abs(), q) + pow(cosine.abs(), q), 1.0 / q);
                (azimuth, sine / norm, cosine / norm)
            })
            .collect();
        let mut section = self.section(0.0);
        let mut height = 0.0;
        let mut column = 0;
        Mesh::build(Material::Head, (columns, rows), |_, v| {
            if column == 0 {
                let sine = sin_turns((2.0 * v - 1.0) * 0.995 * FRAC_PI_2 / (2.0 * PI));
                let skull = &self.who.skull;
                height = sine * if sine > 0.0 { skull.crown } else { skull.chin_drop };
                section = self.section(height);
            }
            let (azimuth, across, inward) = directions[column];
            column = (column + 1) % columns;
            self.place(height, &section, azimuth, across, inward)
        })
    }

    fn place(&self, y: f32, section: &Section, azimuth: f32, across: f32, inward: f32) -> (Vec3, [f32; 4]) {
        let x = section.half_width * across;
        let mut z = inward * if inward > 0.0 { section.front } else { section.back };
        if azimuth.abs() < 1.5 && y < 0.95 {
            let cosine = inward / (across * across + inward * inward).sqrt();
            z += self.relief(x, y) * (cosine * 1.6).clamp(0.0, 1.0);
        }
        let hair = self.hair_share(x, y, azimuth, 0.02);
        let swell = 1.0 + self.hair_swell(x, y, azimuth);
        (vec3(x * swell, y * swell, z * swell), [x, y, azimuth, hair])
    }

    /// How far the hair stands off the skull, as a share of the radius.
    fn hair_swell(&self, x: f32, y: f32, azimuth: f32) -> f32 {
        let hair = &self.who.hair;
        if hair.cut == Cut::Bald {
            return 0.0;
        }
        let share = self.hair_share(x, y, azimuth, 0.055);
        if share <= 0.0 {
            return 0.0;
        }
        let lumps = noise(azimuth * 7.0, y * 6.0, self.who.texture_seed) * (0.012 + 0.03 * hair.curl);
        share * (0.02 + lumps + hair.volume * above(y - 0.1, 0.2) + hair.side_volume * above(0.3 - y, 0.2))
    }
}

/// The lower edge of the hair by azimuth.
#[derive(Debug)]
struct Hairline {
    bald: bool,
    /// Height at each of [`Hairline::AZIMUTHS`].
    heights: [f32; 8],
    fringe: Option<f32>,
    parting: f32,
}

impl Hairline {
    /// Degrees from the nose.
    const AZIMUTHS: [f32; 8] = [0.0, 22.0, 48.0, 64.0, 72.0, 82.0, 100.0, 180.0];

    fn new(hair: &Hair) -> Self {
        let long = matches!(hair.cut, Cut::Long | Cut::LongFringe);
        let (temple, side, back) = if long {
            (-0.1, hair.sideburn - 0.35, -1.1)
        } else {
            (0.12, hair.sideburn, -0.62)
        };
        Self {
            bald: hair.cut == Cut::Bald,
            heights: [
                hair.hairline - hair.widows_peak,
                hair.hairline,
                hair.temple,
                temple,
                side,
                if long { -0.8 } else { side },
                back,
                back - 0.08,
            ],
            fringe: matches!(hair.cut, Cut::ShortFringe | Cut::LongFringe).then_some(hair.fringe),
            parting: hair.parting,
        }
    }

    fn share(&self, x: f32, y: f32, azimuth: f32, softness: f32) -> f32 {
        if self.bald || y < -1.3 {
            return 0.0;
        }
        if y > 1.0 {
            return 1.0;
        }
        let degrees = azimuth.abs() * (180.0 / PI);
        let mut segment = 0;
        while segment + 2 < Self::AZIMUTHS.len() && degrees > Self::AZIMUTHS[segment + 1] {
            segment += 1;
        }
        let span = Self::AZIMUTHS[segment + 1] - Self::AZIMUTHS[segment];
        let along = ((degrees - Self::AZIMUTHS[segment]) / span).clamp(0.0, 1.0);
        let mut line = lerp(self.heights[segment], self.heights[segment + 1], along);
        if let Some(fringe) = self.fringe
            && degrees < 60.0
        {
            line = line.min(fringe + 0.1 * (x - 0.4 * self.parting).abs().min(0.6));
        }
        let ragged = 0.012 * (sin_turns(azimuth * 5.9 + self.parting) + sin_turns(azimuth * 13.2 + 0.16));
        above(y - line - ragged, softness)
    }
}
