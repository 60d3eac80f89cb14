//! Arithmetic with the same bits on every machine.
//!
//! `+`, `-`, `*`, `/`, `sqrt` and `floor` of `f32` are exact by IEEE 754; `sin`, `exp` and `powf` of the platform's
//! library are not. Whatever the renderer needs beyond the exact ones is a polynomial written out here, and nothing
//! is ever fused into a multiply-add.

use std::ops::{Add, Mul, Sub};

/// A point, direction or linear-light colour.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Vec3 {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) z: f32,
}

/// Linear light: red, green, blue in `x`, `y`, `z`, white = 1.
pub(super) type Rgb = Vec3;

pub(super) const fn vec3(x: f32, y: f32, z: f32) -> Vec3 {
    Vec3 { x, y, z }
}

impl Vec3 {
    pub(super) const ZERO: Self = vec3(0.0, 0.0, 0.0);

    pub(super) const fn splat(value: f32) -> Self {
        vec3(value, value, value)
    }

    pub(super) fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    pub(super) fn cross(self, other: Self) -> Self {
        vec3(
            self.y * other.z - self.z * other.y,
            self.z * other.x - self.x * other.z,
            self.x * other.y - self.y * other.x,
        )
    }

    pub(super) fn normalized(self) -> Self {
        self * (1.0 / (self.dot(self).sqrt() + 1e-9))
    }

    /// Component by component, as light takes the colour of what it falls on.
    pub(super) fn tint(self, other: Self) -> Self {
        vec3(self.x * other.x, self.y * other.y, self.z * other.z)
    }

    /// `self` at 0, `other` at 1.
    pub(super) fn mix(self, other: Self, share: f32) -> Self {
        self + (other - self) * share
    }

    pub(super) fn min(self, other: Self) -> Self {
        vec3(self.x.min(other.x), self.y.min(other.y), self.z.min(other.z))
    }
}

impl Add for Vec3 {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        vec3(self.x + other.x, self.y + other.y, self.z + other.z)
    }
}

impl Sub for Vec3 {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        vec3(self.x - other.x, self.y - other.y, self.z - other.z)
    }
}

impl Mul<f32> for Vec3 {
    type Output = Self;
    fn mul(self, factor: f32) -> Self {
        vec3(self.x * factor, self.y * factor, self.z * factor)
    }
}

/// A rotation, by rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation([Vec3; 3]);

impl Rotation {
    /// Yaw about the vertical, then pitch about the horizontal, then roll in the picture; degrees.
    pub(super) fn from_degrees(yaw: f32, pitch: f32, roll: f32) -> Self {
        let (sy, cy) = sin_cos_degrees(yaw);
        let (sp, cp) = sin_cos_degrees(pitch);
        let (sr, cr) = sin_cos_degrees(roll);
        let yawed = [vec3(cy, 0.0, sy), vec3(0.0, 1.0, 0.0), vec3(-sy, 0.0, cy)];
        let pitched = [
            yawed[0],
            yawed[1] * cp - yawed[2] * sp,
            yawed[1] * sp + yawed[2] * cp,
        ];
        Self([
            pitched[0] * cr - pitched[1] * sr,
            pitched[0] * sr + pitched[1] * cr,
            pitched[2],
        ])
    }

    pub(super) fn apply(&self, v: Vec3) -> Vec3 {
        vec3(self.0[0].dot(v), self.0[1].dot(v), self.0[2].dot(v))
    }
}

/// Sine and cosine of an angle in degrees.
pub(super) fn sin_cos_degrees(degrees: f32) -> (f32, f32) {
    let turns = degrees / 360.0;
    (sin_turns(turns), sin_turns(turns + 0.25))
}

/// The whole number at or below `x`. On older processors `f32::floor` would be a call into the C library.
pub(super) fn floor(x: f32) -> i32 {
    let towards_zero = x as i32;
    towards_zero - i32::from(x < towards_zero as f32)
}

/// Sine of an angle in turns (1 = 360 degrees); error below 1e-6.
pub(super) fn sin_turns(turns: f32) -> f32 {
    let t = turns - floor(turns + 0.5) as f32;
    // Fold -0.5..0.5 to a quarter turn, where the series converges fast.
    let folded = if t > 0.25 {
        0.5 - t
    } else if t < -0.25 {
        -0.5 - t
    } else {
        t
    };
    let a = folded * std::f32::consts::TAU;
    let a2 = a * a;
    a * (1.0 - a2 / 6.0 * (1.0 - a2 / 20.0 * (1.0 - a2 / 42.0 * (1.0 - a2 / 72.0))))
}

/// `base` to the power `exponent` for `base >= 0`; relative error below 1e-4.
pub(super) fn pow(base: f32, exponent: f32) -> f32 {
    if base <= 0.0 {
        return 0.0;
    }
    exp2(exponent * log2(base))
}

fn log2(x: f32) -> f32 {
    let bits = x.to_bits();
    let exponent = ((bits >> 23) & 0xff) as f32 - 127.0;
    let mantissa = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000);
    // ln(m) = 2 atanh((m - 1) / (m + 1)), a series in at most a third.
    let r = (mantissa - 1.0) / (mantissa + 1.0);
    let r2 = r * r;
    let atanh = r * (1.0 + r2 * (1.0 / 3.0 + r2 * (0.2 + r2 * (1.0 / 7.0 + r2 / 9.0))));
    exponent + 2.0 * std::f32::consts::LOG2_E * atanh
}

fn exp2(x: f32) -> f32 {
    let x = x.clamp(-120.0, 120.0);
    let whole = floor(x);
    let a = (x - whole as f32) * std::f32::consts::LN_2;
    let fraction =
        1.0 + a * (1.0 + a / 2.0 * (1.0 + a / 3.0 * (1.0 + a / 4.0 * (1.0 + a / 5.0 * (1.0 + a / 6.0)))));
    fraction * f32::from_bits(((whole + 127) as u32) << 23)
}

/// Natural exponential.
pub(super) fn exp(x: f32) -> f32 {
    exp2(x * std::f32::consts::LOG2_E)
}

/// Natural logarithm of a positive number.
pub(super) fn ln(x: f32) -> f32 {
    log2(x) / std::f32::consts::LOG2_E
}

/// A smooth hill of one variable: 1 at 0, 0.59 at 1, nothing beyond 2.83. Stands in for a Gaussian of sigma 1.
pub(super) fn hill(d: f32) -> f32 {
    hill_of_square(d * d)
}

/// A smooth hill over an ellipse of half-axes (sigmas) `sx`, `sy`.
pub(super) fn hill2(dx: f32, sx: f32, dy: f32, sy: f32) -> f32 {
    let (u, v) = (dx / sx, dy / sy);
    hill_of_square(u * u + v * v)
}

fn hill_of_square(d2: f32) -> f32 {
    let t = 1.0 - d2 * 0.125;
    if t <= 0.0 {
        return 0.0;
    }
    let t2 = t * t;
    t2 * t2
}

/// Smooth step: 0 where `x` is at or below `from`, 1 where at or above `to` (either may be the larger).
pub(super) fn ramp(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Smooth step centred on 0, from 0 to 1 over about two `softness` each way.
pub(super) fn above(x: f32, softness: f32) -> f32 {
    ramp(-2.0 * softness, 2.0 * softness, x)
}

/// Linear interpolation.
pub(super) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// A well-mixed 32-bit hash of a lattice point.
pub(super) const fn lattice_hash(x: u32, y: u32, seed: u32) -> u32 {
    let mut h = x.wrapping_mul(0x8da6_b343) ^ y.wrapping_mul(0xd816_3841) ^ seed.wrapping_mul(0xcb1a_b31f);
    h ^= h >> 15;
    h = h.wrapping_mul(0x2c1b_3c6d);
    h ^= h >> 12;
    h = h.wrapping_mul(0x297a_2d39);
    h ^ (h >> 15)
}

/// Cells of the noise's lattice each way, after which it repeats.
const LATTICE: i32 = 64;

/// Heights of the noise at the points of its lattice, -1..1.
static LATTICE_HEIGHTS: [f32; (LATTICE * LATTICE) as usize] = {
    const SIDE: u32 = LATTICE as u32;
    let mut heights = [0.0; (SIDE * SIDE) as usize];
    let mut index = 0;
    while index < SIDE * SIDE {
        let hash = lattice_hash(index % SIDE, index / SIDE, 0x5eed);
        heights[index as usize] = (hash >> 8) as f32 / 8_388_608.0 - 1.0;
        index += 1;
    }
    heights
};

/// Value noise on the unit lattice, -1..1; another `seed` is another part of the same hills.
pub(super) fn noise(x: f32, y: f32, seed: u32) -> f32 {
    let (ix, iy) = (floor(x), floor(y));
    let (tx, ty) = (x - ix as f32, y - iy as f32);
    let (tx, ty) = (tx * tx * (3.0 - 2.0 * tx), ty * ty * (3.0 - 2.0 * ty));
    let shift = seed.wrapping_mul(0x9e37_79b1);
    let (left, top) = (
        ix.wrapping_add((shift >> 26).cast_signed()) & (LATTICE - 1),
        iy.wrapping_add((shift >> 20).cast_signed()) & (LATTICE - 1),
    );
    let (right, bottom) = ((left + 1) & (LATTICE - 1), (top + 1) & (LATTICE - 1));
    let at = |x: i32, y: i32| LATTICE_HEIGHTS[(y * LATTICE + x) as usize];
    lerp(
        lerp(at(left, top), at(right, top), tx),
        lerp(at(left, bottom), at(right, bottom), tx),
        ty,
    )
}

/// Scattered round dots, one in most cells of the unit lattice: 1 in a dot's middle, 0 between dots.
pub(super) fn speckles(x: f32, y: f32, seed: u32) -> f32 {
    let (ix, iy) = (floor(x), floor(y));
    let hash = lattice_hash(ix.cast_unsigned(), iy.cast_unsigned(), seed);
    let share = |byte: u32| (byte & 255) as f32 / 255.0;
    let (cx, cy) = (lerp(0.3, 0.7, share(hash)), lerp(0.3, 0.7, share(hash >> 8)));
    let sigma = 0.05 + 0.11 * share(hash >> 16);
    share(hash >> 24) * hill2(x - ix as f32 - cx, sigma, y - iy as f32 - cy, sigma)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f32, b: f64, tolerance: f64) -> bool {
        (f64::from(a) - b).abs() <= tolerance * b.abs().max(1.0)
    }

    #[test]
    fn polynomials_follow_the_functions_they_stand_for() {
        for i in -200..=200 {
            let t = i as f32 / 37.0;
            assert!(close(
                sin_turns(t),
                (f64::from(t) * std::f64::consts::TAU).sin(),
                2e-5
            ));
            assert!(close(exp(t), f64::from(t).exp(), 1e-4));
        }
        for i in 1..=200 {
            let x = i as f32 / 31.0;
            assert!(close(ln(x), f64::from(x).ln(), 1e-4));
            assert!(close(pow(x, 0.45), f64::from(x).powf(0.45), 1e-4));
            assert!(close(pow(x, 2.3), f64::from(x).powf(2.3), 2e-4));
        }
    }

    #[test]
    fn a_rotation_keeps_lengths() {
        let turned = Rotation::from_degrees(23.0, -11.0, 17.0).apply(vec3(0.3, -0.8, 0.5));
        assert!((turned.dot(turned) - 0.98).abs() < 1e-5);
    }

    #[test]
    fn steps_and_hills_stay_within_their_ends() {
        assert_eq!(ramp(0.0, 1.0, -3.0).to_bits(), 0.0_f32.to_bits());
        assert_eq!(ramp(1.0, 0.0, -3.0).to_bits(), 1.0_f32.to_bits());
        assert!((hill(0.0) - 1.0).abs() < 1e-6 && hill(3.0) == 0.0);
        assert!((0..500).all(|i| noise(i as f32 * 0.37, i as f32 * -0.73, 9).abs() <= 1.0));
    }
}
