//! The inverse discrete cosine transform of libjpeg (Loeffler, Ligtenberg and Moschytz), in whole numbers, to the bit.

use std::num::Wrapping;

/// Fraction bits of the constants.
const FRACTION: usize = 13;
/// Fraction bits that stay between the two passes.
const BETWEEN: usize = 2;

const fn constant(value: i32) -> Wrapping<i32> {
    Wrapping(value)
}

const C0_298: Wrapping<i32> = constant(2446);
const C0_390: Wrapping<i32> = constant(3196);
const C0_541: Wrapping<i32> = constant(4433);
const C0_765: Wrapping<i32> = constant(6270);
const C0_899: Wrapping<i32> = constant(7373);
const C1_175: Wrapping<i32> = constant(9633);
const C1_501: Wrapping<i32> = constant(12299);
const C1_847: Wrapping<i32> = constant(15137);
const C1_961: Wrapping<i32> = constant(16069);
const C2_053: Wrapping<i32> = constant(16819);
const C2_562: Wrapping<i32> = constant(20995);
const C3_072: Wrapping<i32> = constant(25172);

/// Writes the 8x8 samples of a block to `out`, whose rows are `stride` apart.
pub(super) fn block(coefficients: &[i16; 64], quantization: &[u16; 64], out: &mut [u8], stride: usize) {
    if coefficients[1..].iter().all(|c| *c == 0) {
        let level = i32::from(coefficients[0]).wrapping_mul(i32::from(quantization[0]));
        // As the two passes would round it.
        let level = level
            .wrapping_shl(BETWEEN as u32)
            .wrapping_add(1 << (BETWEEN + 2))
            >> (BETWEEN + 3);
        let sample = sample(level);
        for row in out.chunks_mut(stride).take(8) {
            row[..8].fill(sample);
        }
        return;
    }
    // Most blocks have nothing in their lower or right half.
    let low = coefficients[32..].iter().fold(0, |all, c| all | c) != 0;
    let right = coefficients
        .as_chunks::<8>()
        .0
        .iter()
        .flat_map(|row| &row[4..])
        .fold(0, |all, c| all | c)
        != 0;
    match (low, right) {
        (false, false) => passes::<false, false>(coefficients, quantization, out, stride),
        (false, true) => passes::<false, true>(coefficients, quantization, out, stride),
        (true, false) => passes::<true, false>(coefficients, quantization, out, stride),
        (true, true) => passes::<true, true>(coefficients, quantization, out, stride),
    }
}

/// The two passes of a block that has something in its lower half only where `LOW`, in its right only where `RIGHT`.
fn passes<const LOW: bool, const RIGHT: bool>(
    coefficients: &[i16; 64],
    quantization: &[u16; 64],
    out: &mut [u8],
    stride: usize,
) {
    let zero = Wrapping(0_i32);
    let mut work = [zero; 64];
    for column in 0..if RIGHT { 8 } else { 4 } {
        let at = |row: usize| {
            let place = row * 8 + column;
            Wrapping(i32::from(coefficients[place])) * Wrapping(i32::from(quantization[place]))
        };
        let upper = [at(0), at(1), at(2), at(3)];
        let lower = if LOW {
            [at(4), at(5), at(6), at(7)]
        } else {
            [zero; 4]
        };
        let values = eight(upper, lower, FRACTION - BETWEEN);
        for (row, value) in values.into_iter().enumerate() {
            work[row * 8 + column] = value;
        }
    }
    for (row, out) in work.as_chunks::<8>().0.iter().zip(out.chunks_mut(stride)) {
        let right = if RIGHT {
            [row[4], row[5], row[6], row[7]]
        } else {
            [zero; 4]
        };
        let values = eight([row[0], row[1], row[2], row[3]], right, FRACTION + BETWEEN + 3);
        for (out, value) in out.iter_mut().zip(values) {
            *out = sample(value.0);
        }
    }
}

fn sample(level: i32) -> u8 {
    level.saturating_add(128).clamp(0, 255) as u8
}

/// Eight points; the result loses `shift` bits, rounded.
#[inline]
fn eight(low: [Wrapping<i32>; 4], high: [Wrapping<i32>; 4], shift: usize) -> [Wrapping<i32>; 8] {
    let v = [low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3]];
    let z1 = (v[2] + v[6]) * C0_541;
    let (t2, t3) = (z1 - v[6] * C1_847, z1 + v[2] * C0_765);
    let (t0, t1) = ((v[0] + v[4]) << FRACTION, (v[0] - v[4]) << FRACTION);
    let even = [t0 + t3, t1 + t2, t1 - t2, t0 - t3];
    let (z3, z4) = (v[7] + v[3], v[5] + v[1]);
    let z5 = (z3 + z4) * C1_175;
    let (z3, z4) = (z5 - z3 * C1_961, z5 - z4 * C0_390);
    let (z1, z2) = ((v[7] + v[1]) * C0_899, (v[5] + v[3]) * C2_562);
    let odd = [
        v[1] * C1_501 - z1 + z4,
        v[3] * C3_072 - z2 + z3,
        v[5] * C2_053 - z2 + z4,
        v[7] * C0_298 - z1 + z3,
    ];
    let round = Wrapping(1 << (shift - 1));
    let first = |k: usize| (even[k] + odd[k] + round) >> shift;
    let last = |k: usize| (even[k] - odd[k] + round) >> shift;
    [
        first(0),
        first(1),
        first(2),
        first(3),
        last(3),
        last(2),
        last(1),
        last(0),
    ]
}
