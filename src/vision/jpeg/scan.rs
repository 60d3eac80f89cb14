//! The scans of a JPEG, Huffman coded: sequential, progressive, in any division of the components.

use super::{
    Fault,
    bits::Bits,
    frame::Frame,
    huffman::{self, Huffman, Tables},
    planes::{Plane, Workspace, mcus},
    segments::{End, HUFFMAN_TABLES, Part, QUANTIZATION_TABLES, RESTART_INTERVAL, Segments},
    structure::Structure,
};

/// Where the coefficients that follow each other in a scan stand in a block; more of the last for runs that go too far.
#[rustfmt::skip]
pub(super) const ORDER: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

const DAMAGED: Fault =
    Fault::Broken("the entropy-coded data is damaged (more coefficients than a block has)");

/// Decodes every scan of `bytes`. An error where a block lacks.
pub(super) fn decode(
    bytes: &[u8],
    structure: &Structure<'_>,
    workspace: &mut Workspace,
) -> Result<Vec<Plane>, Fault> {
    let frame = &structure.frame;
    if frame.arithmetic {
        return Err(Fault::Unsupported("JPEG with arithmetic coding"));
    }
    let mut planes: Vec<Plane> = frame
        .components
        .iter()
        .map(|component| Plane::of(frame, component, workspace.coefficients.pop().unwrap_or_default()))
        .collect();
    let mut seen = vec![false; planes.len()];
    let mut tables = Tables::default();
    if !structure.has_tables {
        huffman::read(huffman::STANDARD, &mut tables)?;
    }
    let mut quantization: [Option<[u16; 64]>; 4] = [None; 4];
    let mut interval = 0;
    let mut segments = Segments::of(bytes);
    let end = loop {
        match segments.next() {
            Part::Segment { marker, body } => match (marker, body) {
                (HUFFMAN_TABLES, _) => huffman::read(body, &mut tables)?,
                (QUANTIZATION_TABLES, _) => read_quantization(body, &mut quantization)?,
                (RESTART_INTERVAL, [high, low, ..]) => {
                    interval = usize::from(u16::from_be_bytes([*high, *low]));
                }
                _ => {}
            },
            Part::Scan { head, data } => {
                let scan = Scan::of(frame, head, &tables)?;
                for part in &scan.parts {
                    // The tables that hold when a component first comes are its tables for good.
                    if !std::mem::replace(&mut seen[part.index], true) {
                        let table = frame.components[part.index].table;
                        planes[part.index].quantization =
                            quantization[table].ok_or(Fault::Broken("a quantization table is missing"))?;
                    }
                }
                scan.decode(frame, Bits::of(data), interval, &mut planes)?;
            }
            Part::End(end) => break end,
        }
    };
    // Where the mark of an end lacks, whole scans may lack before it.
    let ended = matches!(end, End::Marked(_)) || structure.in_full;
    if ended && seen.iter().all(|seen| *seen) {
        Ok(planes)
    } else {
        Err(Fault::Short)
    }
}

fn read_quantization(mut body: &[u8], tables: &mut [Option<[u16; 64]>; 4]) -> Result<(), Fault> {
    const WRONG: Fault = Fault::Broken("a quantization table is wrong");
    while let Some((&head, rest)) = body.split_first() {
        let mut table = [0; 64];
        let size = if head >> 4 == 0 { 1 } else { 2 };
        let (values, rest) = rest.split_at_checked(64 * size).ok_or(WRONG)?;
        for (place, value) in ORDER.iter().zip(values.chunks_exact(size)) {
            table[usize::from(*place)] = value.iter().fold(0, |all, byte| all << 8 | u16::from(*byte));
        }
        *tables.get_mut(usize::from(head & 15)).ok_or(WRONG)? = Some(table);
        body = rest;
    }
    Ok(())
}

/// One component in a scan, with its tables.
struct Coded<'a> {
    index: usize,
    direct: Option<&'a Huffman>,
    alternating: Option<&'a Huffman>,
}

/// What the head of a scan says.
struct Scan<'a> {
    parts: Vec<Coded<'a>>,
    progressive: bool,
    /// First and last coefficient.
    first: usize,
    last: usize,
    /// Whether bits are added to what earlier scans gave.
    refines: bool,
    /// How many low bits later scans give.
    low: u32,
}

/// What goes on from block to block.
struct State {
    /// The last direct coefficient of each component.
    predicted: [i32; 4],
    /// Blocks to come whose band is empty.
    empty: u32,
}

impl<'a> Scan<'a> {
    fn of(frame: &Frame, head: &[u8], tables: &'a Tables) -> Result<Self, Fault> {
        const WRONG: Fault = Fault::Broken("the head of a scan is wrong");
        let (&count, rest) = head.split_first().ok_or(WRONG)?;
        let (selectors, rest) = rest.split_at_checked(usize::from(count) * 2).ok_or(WRONG)?;
        let &[first, last, bits, ..] = rest else {
            return Err(WRONG);
        };
        let mut parts: Vec<Coded<'a>> = Vec::new();
        for &[id, table] in selectors.as_chunks::<2>().0 {
            let index = frame.components.iter().position(|c| c.id == id).ok_or(WRONG)?;
            if parts.iter().any(|part| part.index == index) {
                return Err(WRONG);
            }
            let of =
                |class: usize, number: u8| tables[class].get(usize::from(number)).and_then(Option::as_ref);
            parts.push(Coded {
                index,
                direct: of(0, table >> 4),
                alternating: of(1, table & 15),
            });
        }
        let (first, last) = (usize::from(first), usize::from(last));
        let band = if frame.progressive {
            (first == 0 && last == 0) || (first > 0 && last >= first && last < 64 && parts.len() == 1)
        } else {
            true
        };
        if parts.is_empty() || !band {
            return Err(WRONG);
        }
        Ok(if frame.progressive {
            Self {
                parts,
                progressive: true,
                first,
                last,
                refines: bits >> 4 != 0,
                low: u32::from(bits & 15).min(13),
            }
        } else {
            Self {
                parts,
                progressive: false,
                first: 0,
                last: 63,
                refines: false,
                low: 0,
            }
        })
    }

    /// Decodes all blocks of this scan.
    fn decode(
        &self,
        frame: &Frame,
        mut bits: Bits<'_>,
        interval: usize,
        planes: &mut [Plane],
    ) -> Result<(), Fault> {
        let mut state = State {
            predicted: [0; 4],
            empty: 0,
        };
        let alone = match &self.parts[..] {
            [part] => Some(part),
            _ => None,
        };
        let (across, down) = alone.map_or_else(|| mcus(frame), |part| planes[part.index].used);
        let mut done = 0;
        for row in 0..down {
            for column in 0..across {
                if interval > 0 && done > 0 && done % interval == 0 {
                    if !bits.restart((done / interval - 1) as u8) {
                        return Err(Fault::Short);
                    }
                    state = State {
                        predicted: [0; 4],
                        empty: 0,
                    };
                }
                if let Some(part) = alone {
                    let plane = &mut planes[part.index];
                    let block = &mut plane.coefficients[row * plane.stride + column];
                    self.block(part, &mut bits, &mut state, block)?;
                } else {
                    for part in &self.parts {
                        let component = &frame.components[part.index];
                        let plane = &mut planes[part.index];
                        for y in 0..component.down {
                            let start = (row * component.down + y) * plane.stride + column * component.across;
                            for block in &mut plane.coefficients[start..start + component.across] {
                                self.block(part, &mut bits, &mut state, block)?;
                            }
                        }
                    }
                }
                if bits.is_short() {
                    return Err(Fault::Short);
                }
                done += 1;
            }
        }
        Ok(())
    }

    #[inline]
    fn block(
        &self,
        part: &Coded<'_>,
        bits: &mut Bits<'_>,
        state: &mut State,
        block: &mut [i16; 64],
    ) -> Result<(), Fault> {
        match (self.progressive, self.first, self.refines) {
            (false, ..) => {
                block[0] = direct(part, bits, state)? as i16;
                sequential(alternating(part)?, bits, block)
            }
            (true, 0, false) => {
                block[0] = (direct(part, bits, state)? << self.low) as i16;
                Ok(())
            }
            (true, 0, true) => {
                if bits.bit() {
                    block[0] |= 1 << self.low;
                }
                Ok(())
            }
            (true, _, false) => self.first_bits(alternating(part)?, bits, state, block),
            (true, _, true) => self.more_bits(alternating(part)?, bits, state, block),
        }
    }

    /// The first scan of a band of a progressive frame.
    fn first_bits(
        &self,
        table: &Huffman,
        bits: &mut Bits<'_>,
        state: &mut State,
        block: &mut [i16; 64],
    ) -> Result<(), Fault> {
        if state.empty > 0 {
            state.empty -= 1;
            return Ok(());
        }
        let mut at = self.first;
        while at <= self.last {
            let (run, size) = run_and_size(table.value(bits)?);
            if size > 0 {
                at += run;
                let place = *ORDER.get(at).ok_or(DAMAGED)?;
                block[usize::from(place)] = (signed(bits, size) << self.low) as i16;
                at += 1;
            } else if run == 15 {
                at += 16;
            } else {
                state.empty = empty_run(bits, run) - 1;
                break;
            }
        }
        Ok(())
    }

    /// A later scan of a band: one more bit of each coefficient.
    fn more_bits(
        &self,
        table: &Huffman,
        bits: &mut Bits<'_>,
        state: &mut State,
        block: &mut [i16; 64],
    ) -> Result<(), Fault> {
        let bit = 1_i16 << self.low;
        let mut at = self.first;
        if state.empty == 0 {
            while at <= self.last {
                let (mut run, size) = run_and_size(table.value(bits)?);
                let mut new = 0;
                if size > 0 {
                    new = if bits.take(1) == 1 { bit } else { -bit };
                } else if run < 15 {
                    state.empty = empty_run(bits, run);
                    break;
                }
                // Over `run` coefficients that were zero; those that were not get a bit each.
                while at <= self.last {
                    let coefficient = &mut block[usize::from(ORDER[at])];
                    if *coefficient == 0 {
                        if run == 0 {
                            *coefficient = new;
                            at += 1;
                            break;
                        }
                        run -= 1;
                    } else {
                        refine(coefficient, bit, bits);
                    }
                    at += 1;
                }
            }
        }
        if state.empty > 0 {
            for place in &ORDER[at.min(64)..=self.last] {
                let coefficient = &mut block[usize::from(*place)];
                if *coefficient != 0 {
                    refine(coefficient, bit, bits);
                }
            }
            state.empty -= 1;
        }
        Ok(())
    }
}

fn alternating<'a>(part: &Coded<'a>) -> Result<&'a Huffman, Fault> {
    part.alternating
        .ok_or(Fault::Broken("a Huffman table is missing"))
}

/// The direct coefficient of the next block.
#[inline]
fn direct(part: &Coded<'_>, bits: &mut Bits<'_>, state: &mut State) -> Result<i32, Fault> {
    let table = part.direct.ok_or(Fault::Broken("a Huffman table is missing"))?;
    let size = table.value(bits)?;
    if size > 15 {
        return Err(DAMAGED);
    }
    let predicted = &mut state.predicted[part.index];
    *predicted = predicted.wrapping_add(signed(bits, u32::from(size)));
    Ok(*predicted)
}

/// The other coefficients of a block of a sequential frame.
#[inline]
fn sequential(table: &Huffman, bits: &mut Bits<'_>, block: &mut [i16; 64]) -> Result<(), Fault> {
    let mut at = 1;
    while at < 64 {
        let (run, size) = run_and_size(table.value(bits)?);
        if size > 0 {
            at += run;
            let place = *ORDER.get(at).ok_or(DAMAGED)?;
            block[usize::from(place)] = signed(bits, size) as i16;
            at += 1;
        } else if run == 15 {
            at += 16;
        } else {
            break;
        }
    }
    Ok(())
}

/// How many blocks have an empty band from here on.
fn empty_run(bits: &mut Bits<'_>, exponent: usize) -> u32 {
    (1 << exponent) + bits.take(exponent as u32).cast_unsigned()
}

fn refine(coefficient: &mut i16, bit: i16, bits: &mut Bits<'_>) {
    if bits.bit() && *coefficient & bit == 0 {
        *coefficient = coefficient.wrapping_add(if *coefficient > 0 { bit } else { -bit });
    }
}

#[inline]
fn run_and_size(value: u8) -> (usize, u32) {
    (usize::from(value >> 4), u32::from(value & 15))
}

/// A number of `size` bits; those that begin with 0 are negative.
#[inline]
fn signed(bits: &mut Bits<'_>, size: u32) -> i32 {
    let value = bits.take(size);
    if size > 0 && value < 1 << (size - 1) {
        value - (1 << size) + 1
    } else {
        value
    }
}
