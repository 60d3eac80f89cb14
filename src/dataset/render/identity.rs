//! A person's identity: about 95 numbers that never change between two photos of that person.
//!
//! Lengths are in head units (about 10 cm; a face is 1.8 of them tall), in the plane of the face: x towards the
//! picture's right, y upwards, the origin between the ears. Recognizers mainly use the layout of the
//! features, so layout gets wide ranges; colours and hair come second and are shared inside a look-alike group.

use super::{
    math::{Rgb, pow, vec3},
    random::{Purpose, Stream},
};

/// Identities come in fours, and every second four are look-alikes.
const GROUP: u32 = 4;

/// One person.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    number: u32,
    pub(super) texture_seed: u32,
    pub(super) masculine: f32,
    pub(super) skull: Skull,
    pub(super) skin: Skin,
    pub(super) eyes: Eyes,
    pub(super) brows: Brows,
    pub(super) nose: Nose,
    pub(super) mouth: Mouth,
    pub(super) hair: Hair,
    pub(super) beard: Beard,
    pub(super) glasses: Option<Glasses>,
    pub(super) lines: Lines,
}

/// The bones: outline and relief of the head.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Skull {
    pub(super) half_width: f32,
    pub(super) crown: f32,
    pub(super) chin_drop: f32,
    pub(super) jaw_width: f32,
    pub(super) jaw_roundness: f32,
    pub(super) section_exponent: f32,
    pub(super) depth: f32,
    pub(super) cheekbone: f32,
    pub(super) cheekbone_x: f32,
    pub(super) chin: f32,
    pub(super) chin_half_width: f32,
    pub(super) cleft: f32,
    pub(super) forehead: f32,
    pub(super) muzzle: f32,
    pub(super) fullness: f32,
    pub(super) ear_height: f32,
    pub(super) ear_stick_out: f32,
    pub(super) neck_half_width: f32,
    pub(super) shoulder_half_width: f32,
}

/// Colour and marks of the skin.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Skin {
    pub(super) colour: Rgb,
    pub(super) redness: f32,
    pub(super) freckles: f32,
    pub(super) mottle: f32,
    /// x, y and radius of each mole.
    pub(super) moles: Vec<[f32; 3]>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Eyes {
    /// Half the distance between the eyes' centres.
    pub(super) half_gap: f32,
    pub(super) y: f32,
    pub(super) half_width: f32,
    pub(super) opening: f32,
    /// Sine and cosine of the tilt of the corners.
    pub(super) tilt: (f32, f32),
    pub(super) iris_radius: f32,
    pub(super) iris: Rgb,
    pub(super) crease: f32,
    pub(super) crease_height: f32,
    pub(super) lashes: f32,
    pub(super) bags: f32,
    pub(super) socket: f32,
    pub(super) bulge: f32,
    pub(super) shadow: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Brows {
    pub(super) height: f32,
    pub(super) thickness: f32,
    pub(super) half_length: f32,
    pub(super) arch: f32,
    pub(super) tilt: f32,
    pub(super) density: f32,
    pub(super) shift: f32,
    pub(super) ridge: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Nose {
    pub(super) length: f32,
    pub(super) bridge: f32,
    pub(super) bridge_half_width: f32,
    pub(super) tip: f32,
    pub(super) tip_half_width: f32,
    pub(super) hump: f32,
    pub(super) upturn: f32,
    pub(super) wing_x: f32,
    pub(super) wing: f32,
    pub(super) nostrils: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mouth {
    pub(super) below_nose: f32,
    pub(super) half_width: f32,
    pub(super) upper_lip: f32,
    pub(super) lower_lip: f32,
    pub(super) bow: f32,
    pub(super) redness: f32,
    pub(super) darkness: f32,
    pub(super) corner_lift: f32,
    pub(super) philtrum: f32,
}

/// How the hair is worn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Bald,
    Short,
    ShortFringe,
    Long,
    LongFringe,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hair {
    pub(super) cut: Cut,
    pub(super) colour: Rgb,
    pub(super) hairline: f32,
    pub(super) widows_peak: f32,
    pub(super) temple: f32,
    pub(super) volume: f32,
    pub(super) side_volume: f32,
    pub(super) parting: f32,
    /// Where long hair ends (negative: below the ears).
    pub(super) end: f32,
    pub(super) curl: f32,
    pub(super) sideburn: f32,
    pub(super) fringe: f32,
}

/// Coverage of each kind of facial hair, 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Beard {
    pub(super) stubble: f32,
    pub(super) full: f32,
    pub(super) moustache: f32,
    pub(super) goatee: f32,
    pub(super) line: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Glasses {
    pub(super) half_width: f32,
    pub(super) half_height: f32,
    pub(super) squareness: f32,
    pub(super) rim: f32,
    pub(super) colour: Rgb,
}

/// Depth of the lines that age and habit leave, 0 to about 0.7.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lines {
    pub(super) smile: f32,
    pub(super) forehead: f32,
    pub(super) crows_feet: f32,
}

/// Eight-bit sRGB-like colour to linear light.
pub(super) fn paint_colour(red: u8, green: u8, blue: u8) -> Rgb {
    let linear = |c: u8| pow(f32::from(c) / 255.0, 2.2);
    vec3(linear(red), linear(green), linear(blue))
}

/// Skin from light to dark, 0 to 1.
pub(super) fn skin_colour(melanin: f32, redness: f32, yellowness: f32) -> Rgb {
    const TONES: [(u8, u8, u8); 6] = [
        (246, 214, 194),
        (228, 184, 152),
        (200, 150, 114),
        (162, 112, 80),
        (124, 82, 58),
        (92, 60, 45),
    ];
    let tones = TONES.map(|(r, g, b)| paint_colour(r, g, b));
    let along = melanin.clamp(0.0, 1.0) * (TONES.len() - 1) as f32;
    let step = (along as usize).min(TONES.len() - 2);
    tones[step].mix(tones[step + 1], along - step as f32).tint(vec3(
        1.0 + 0.06 * redness,
        1.0 - 0.04 * redness + 0.02 * yellowness,
        1.0 - 0.05 * redness - 0.12 * yellowness,
    ))
}

/// What a look-alike group shares: colouring, hair, age, glasses.
struct Appearance {
    masculine: f32,
    age: f32,
    skin: Rgb,
    redness: f32,
    freckles: f32,
    mottle: f32,
    iris: Rgb,
    lip_redness: f32,
    lip_darkness: f32,
    hair: Hair,
    beard: Beard,
    glasses: Option<Glasses>,
}

impl Appearance {
    fn sample(s: &mut Stream) -> Self {
        let masculine = if s.chance(0.5) { 1.0 } else { 0.0 };
        let age = s.unit();
        let redness = s.uniform(-0.5, 0.9);
        let melanin = s.unit();
        let skin = skin_colour(melanin, redness, s.uniform(-0.5, 0.7));
        let painted_lips = masculine < 0.5 && s.chance(0.35);
        Self {
            masculine,
            age,
            skin,
            redness,
            freckles: s.uniform(-1.2, 1.0).max(0.0),
            mottle: s.uniform(0.02, 0.07),
            iris: sample_iris(s, melanin),
            lip_redness: if painted_lips {
                s.uniform(1.0, 1.6)
            } else {
                s.uniform(0.1, 0.9)
            },
            lip_darkness: if painted_lips {
                s.uniform(0.5, 0.75)
            } else {
                s.uniform(0.55, 1.0)
            },
            hair: sample_hair(s, masculine, age, melanin),
            beard: sample_beard(s, masculine),
            glasses: sample_glasses(s),
        }
    }
}

fn sample_iris(s: &mut Stream, melanin: f32) -> Rgb {
    const IRISES: [(u8, u8, u8); 7] = [
        (45, 28, 18),
        (75, 46, 24),
        (105, 70, 35),
        (70, 100, 140),
        (100, 130, 160),
        (85, 110, 75),
        (100, 105, 110),
    ];
    // Dark skin mostly goes with brown eyes, the first three.
    let kinds = if melanin > 0.5 { 3 } else { IRISES.len() };
    let (r, g, b) = IRISES[s.below(kinds)];
    paint_colour(r, g, b) * s.uniform(0.75, 1.3)
}

fn sample_hair(s: &mut Stream, masculine: f32, age: f32, melanin: f32) -> Hair {
    const CUTS: [Cut; 5] = [
        Cut::Bald,
        Cut::Short,
        Cut::ShortFringe,
        Cut::Long,
        Cut::LongFringe,
    ];
    const COLOURS: [(u8, u8, u8); 9] = [
        (25, 20, 18),
        (45, 30, 22),
        (75, 48, 30),
        (110, 72, 42),
        (165, 125, 75),
        (205, 175, 120),
        (120, 50, 25),
        (150, 148, 145),
        (222, 219, 212),
    ];
    let cut_weights = if masculine > 0.5 {
        [0.15, 0.5, 0.12, 0.13, 0.1]
    } else {
        [0.01, 0.14, 0.17, 0.4, 0.28]
    };
    let colour_weights = if melanin > 0.5 {
        let grey = if age < 0.6 { 0.1 } else { 1.5 };
        [3.0, 3.0, 2.0, 0.8, 0.2, 0.1, 0.4, grey, grey]
    } else if age < 0.6 {
        [3.0, 3.0, 2.5, 2.0, 1.3, 1.2, 0.8, 0.2, 0.1]
    } else {
        [2.0, 2.0, 2.0, 1.0, 1.0, 0.7, 0.5, 2.5, 2.5]
    };
    let (r, g, b) = COLOURS[s.weighted(&colour_weights)];
    Hair {
        cut: CUTS[s.weighted(&cut_weights)],
        colour: paint_colour(r, g, b) * s.uniform(0.75, 1.25),
        hairline: s.uniform(0.56, 0.8),
        widows_peak: s.uniform(-0.04, 0.08),
        temple: s.uniform(0.3, 0.66),
        volume: s.uniform(0.05, 0.18),
        side_volume: s.uniform(0.0, 0.12),
        parting: s.uniform(-0.5, 0.5),
        end: s.uniform(-2.0, -0.8),
        curl: s.unit(),
        sideburn: s.uniform(-0.35, 0.15),
        fringe: s.uniform(0.3, 0.46),
    }
}

fn sample_beard(s: &mut Stream, masculine: f32) -> Beard {
    let habit = s.unit() * masculine;
    let mut worn = |low: f32, on: bool| {
        let coverage = s.uniform(low, 0.95);
        if on { coverage } else { 0.0 }
    };
    Beard {
        stubble: worn(0.1, habit > 0.35) * 0.55,
        full: worn(0.5, habit > 0.72),
        moustache: worn(0.4, habit > 0.62),
        goatee: worn(0.5, habit > 0.5 && habit < 0.6),
        line: s.uniform(-0.75, -0.45),
    }
}

fn sample_glasses(s: &mut Stream) -> Option<Glasses> {
    const FRAMES: [(u8, u8, u8); 4] = [(20, 20, 22), (80, 50, 30), (140, 120, 60), (110, 30, 30)];
    let (r, g, b) = FRAMES[s.below(FRAMES.len())];
    let glasses = Glasses {
        half_width: s.uniform(0.2, 0.25),
        half_height: s.uniform(0.13, 0.2),
        squareness: s.uniform(2.0, 5.0),
        rim: s.uniform(0.012, 0.026),
        colour: paint_colour(r, g, b),
    };
    s.chance(0.2).then_some(glasses)
}

impl Identity {
    /// Person `number` of the population that `seed` makes.
    pub fn new(seed: u64, number: u32) -> Self {
        let group = look_alike_group(number);
        let appearance_index = match group {
            Some(group) => u64::from(group),
            None => (1 << 32) | u64::from(number),
        };
        let appearance = Appearance::sample(&mut Stream::new(Purpose::Appearance, seed, appearance_index));
        let mut shape = Stream::new(Purpose::Shape, seed, u64::from(number));
        Self::assemble(number, appearance, &mut shape)
    }

    fn assemble(number: u32, look: Appearance, s: &mut Stream) -> Self {
        let m = look.masculine;
        let age = look.age;
        Self {
            number,
            texture_seed: s.bits(),
            masculine: m,
            skull: sample_skull(s, m),
            skin: Skin {
                colour: look.skin,
                redness: look.redness,
                freckles: look.freckles,
                mottle: look.mottle,
                moles: (0..s.below(4))
                    .map(|_| [s.uniform(-0.5, 0.5), s.uniform(-0.9, 0.3), s.uniform(0.008, 0.02)])
                    .collect(),
            },
            eyes: sample_eyes(s, look.iris, m, age),
            brows: Brows {
                height: s.uniform(0.125, 0.215),
                thickness: s.uniform(0.014, 0.036) + 0.012 * m,
                half_length: s.uniform(0.14, 0.21),
                arch: s.uniform(0.0, 0.07),
                tilt: s.uniform(-0.25, 0.2),
                density: s.uniform(0.5, 0.95),
                shift: s.uniform(-0.04, 0.03),
                ridge: s.uniform(0.0, 0.05) + 0.03 * m,
            },
            nose: Nose {
                length: s.uniform(0.38, 0.54),
                bridge: s.uniform(0.03, 0.13),
                bridge_half_width: s.uniform(0.045, 0.08),
                tip: s.uniform(0.15, 0.3),
                tip_half_width: s.uniform(0.075, 0.12),
                hump: s.uniform(-0.02, 0.04),
                upturn: s.uniform(0.0, 0.05),
                wing_x: s.uniform(0.11, 0.19),
                wing: s.uniform(0.05, 0.1),
                nostrils: s.uniform(0.3, 0.9),
            },
            mouth: Mouth {
                below_nose: s.uniform(0.17, 0.27),
                half_width: s.uniform(0.19, 0.3),
                upper_lip: s.uniform(0.02, 0.065),
                lower_lip: s.uniform(0.03, 0.085),
                bow: s.uniform(0.0, 0.5),
                redness: look.lip_redness,
                darkness: look.lip_darkness,
                corner_lift: s.uniform(-0.03, 0.04),
                philtrum: s.uniform(0.0, 0.3),
            },
            hair: look.hair,
            beard: look.beard,
            glasses: look.glasses,
            lines: Lines {
                smile: s.uniform(0.0, 0.35) + 0.5 * (age - 0.4).max(0.0),
                forehead: s.uniform(0.0, 0.6) * (age - 0.35).max(0.0),
                crows_feet: s.uniform(0.0, 0.6) * (age - 0.4).max(0.0),
            },
        }
    }

    /// Its number in the population.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The name that a manifest gives it.
    pub fn name(&self) -> String {
        format!("person-{:03}", self.number)
    }
}

/// The look-alike group of identity `number`, where it belongs to one: its members share skin, hair, age, beard and
/// glasses, and differ in the layout of their features.
pub fn look_alike_group(number: u32) -> Option<u32> {
    let group = number / GROUP;
    (group % 2 == 1).then_some(group)
}

fn sample_skull(s: &mut Stream, m: f32) -> Skull {
    Skull {
        half_width: s.uniform(0.66, 0.8),
        crown: s.uniform(1.1, 1.26),
        chin_drop: s.uniform(1.05, 1.28),
        jaw_width: s.uniform(0.62, 0.86) + 0.07 * m,
        jaw_roundness: s.uniform(0.45, 0.85),
        section_exponent: 2.0 / s.uniform(0.75, 0.95),
        depth: s.uniform(0.74, 0.88),
        cheekbone: s.uniform(0.0, 0.09),
        cheekbone_x: s.uniform(0.36, 0.5),
        chin: s.uniform(0.04, 0.16),
        chin_half_width: s.uniform(0.11, 0.24),
        cleft: s.uniform(-0.04, 0.03).max(0.0),
        forehead: s.uniform(-0.04, 0.06),
        muzzle: s.uniform(0.02, 0.1),
        fullness: s.uniform(-0.03, 0.07),
        ear_height: s.uniform(0.15, 0.24),
        ear_stick_out: s.uniform(0.05, 0.11),
        neck_half_width: s.uniform(0.38, 0.46) + 0.06 * m,
        shoulder_half_width: s.uniform(1.45, 1.65) + 0.18 * m,
    }
}

fn sample_eyes(s: &mut Stream, iris: Rgb, m: f32, age: f32) -> Eyes {
    let tilt = s.uniform(-0.1, 0.22);
    Eyes {
        half_gap: s.uniform(0.27, 0.355),
        y: s.uniform(-0.03, 0.09),
        half_width: s.uniform(0.118, 0.17),
        opening: s.uniform(0.045, 0.084),
        tilt: (tilt, (1.0 - tilt * tilt).sqrt()),
        iris_radius: s.uniform(0.055, 0.072),
        iris,
        crease: s.uniform(0.0, 0.7),
        crease_height: s.uniform(0.025, 0.06),
        lashes: s.uniform(0.3, 0.75) + 0.2 * (1.0 - m),
        bags: s.uniform(0.0, 0.55) * (0.4 + 0.8 * age),
        socket: s.uniform(0.04, 0.12),
        bulge: s.uniform(0.015, 0.045),
        shadow: s.uniform(-0.6, 0.6).max(0.0) * (1.0 - m),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_the_same_twice_and_its_neighbour_another() {
        assert_eq!(Identity::new(7, 3), Identity::new(7, 3));
        assert_ne!(Identity::new(7, 3).eyes, Identity::new(7, 2).eyes);
        assert_ne!(Identity::new(7, 3).eyes, Identity::new(8, 3).eyes);
    }

    #[test]
    fn look_alikes_share_appearance_and_not_layout() {
        assert_eq!(look_alike_group(3), None);
        assert_eq!(look_alike_group(4), look_alike_group(7));
        let (a, b) = (Identity::new(1, 4), Identity::new(1, 6));
        assert_eq!(a.hair, b.hair);
        assert_eq!(a.skin.colour, b.skin.colour);
        assert_ne!(a.nose, b.nose);
        let (c, d) = (Identity::new(1, 1), Identity::new(1, 2));
        assert_ne!(c.hair, d.hair);
    }
}
