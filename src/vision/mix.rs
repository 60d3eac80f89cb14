//! Mixes of neighbouring pixels, many channels at a time: the arithmetic that scaling and aligning share. It is written
//! in lanes, for compilers do not find the processor's multiplication of 16 bits in loops over single channels.

use wide::{bytemuck::cast, i16x8, u8x16};

/// Red, green, blue, and a byte that means nothing: four channels fill lanes, three do not.
pub type Pixel = [u8; 4];

/// The bytes of pixels that mean something.
pub fn rgb(pixels: &[Pixel]) -> impl Iterator<Item = u8> {
    pixels
        .iter()
        .flat_map(|[red, green, blue, _]| [*red, *green, *blue])
}

/// Bits of a weight, which is below 1.
pub(super) const WEIGHT: u32 = 15;
/// Fractional bits of a mixed channel: with 8 bits of a pixel and a sign they fill 16.
const FRACTION: u32 = 6;

/// Eight channels between those of two rows; `weight` is the second row's.
pub(super) fn down(first: i16x8, second: i16x8, weight: i16x8) -> i16x8 {
    let step: i16x8 = (second - first) << (FRACTION + 1);
    (first << FRACTION) + step.mul_keep_high(weight)
}

/// Two rows to one between them. What `mixed` has beyond them, up to a whole sixteen, may change too.
pub(super) fn rows_down(rows: [&[u8]; 2], weight: i16, mixed: &mut [i16]) {
    let weight = i16x8::splat(weight);
    let sixteen = |place: &mut [i16; 16], first: [u8; 16], second: [u8; 16]| {
        let rows = [first, second].map(u8x16::from);
        let halves = [rows.map(i16x8::from_u8x16_low), rows.map(i16x8::from_u8x16_high)];
        *place = cast(halves.map(|[first, second]| down(first, second, weight)));
    };
    let [(firsts, first), (seconds, second)] = rows.map(|row| row.as_chunks::<16>());
    let (places, rest) = mixed.as_chunks_mut::<16>().0.split_at_mut(firsts.len());
    for ((place, first), second) in places.iter_mut().zip(firsts).zip(seconds) {
        sixteen(place, *first, *second);
    }
    if let (Some(place), false) = (rest.first_mut(), first.is_empty()) {
        let [first, second] =
            [first, second].map(|end| std::array::from_fn(|at| end.get(at).copied().unwrap_or(0)));
        sixteen(place, first, second);
    }
}

/// Four pixels of a mixed row, each between the pixel at a place (where its red is) and the one behind it, whose weights
/// are given four times each.
pub(super) fn across(mixed: &[i16], places: [usize; 4], weights: [i16x8; 2]) -> [Pixel; 4] {
    const HALF: i16 = 1 << (FRACTION - 1);
    // Whole words, or each lane would be fetched alone.
    let word = |at: &[i16]| cast::<[i16; 4], u64>([at[0], at[1], at[2], at[3]]);
    let two = |places: [usize; 2], weight: i16x8| -> i16x8 {
        let [left, right] = places.map(|place| &mixed[place..place + 7]);
        let first: i16x8 = cast([word(left), word(right)]);
        let second: i16x8 = cast([word(&left[3..]), word(&right[3..])]);
        let step = second - first;
        (first + (step + step).mul_keep_high(weight) + i16x8::splat(HALF)) >> FRACTION
    };
    let [p, q, r, s] = places;
    cast(u8x16::narrow_i16x8(
        two([p, q], weights[0]),
        two([r, s], weights[1]),
    ))
}
