//! A small encoder for tests: whatever sampling, division into scans, colours and metadata, which real encoders do not
//! write.

use super::{huffman::STANDARD, scan::ORDER};

/// A picture to be written.
#[derive(Debug, Clone)]
pub(in super::super) struct Drawing {
    pub(in super::super) width: usize,
    pub(in super::super) height: usize,
    /// Number and sampling of each component.
    pub(in super::super) components: Vec<(u8, usize, usize)>,
    /// Components of each scan.
    pub(in super::super) scans: Vec<Vec<usize>>,
    pub(in super::super) progressive: bool,
    /// MCUs between restart markers, 0 for none.
    pub(in super::super) restart: usize,
    /// Segments after the mark of the start.
    pub(in super::super) segments: Vec<u8>,
    pub(in super::super) tables: bool,
    pub(in super::super) end: bool,
}

/// A marker segment.
pub(in super::super) fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16 + 2).to_be_bytes();
    [&[0xFF, marker][..], &length, body].concat()
}

/// Adobe's segment, which says what three or four components are.
pub(in super::super) fn adobe(transform: u8) -> Vec<u8> {
    segment(0xEE, &[b"Adobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat())
}

/// The level of a component at a place from 0 to 1, which is smooth and different for each.
pub(in super::super) fn level(component: usize, u: f32, v: f32) -> f32 {
    let wave = ((u * 2.0 + v * (1.0 + component as f32)) * 3.0).sin();
    [
        128.0 + 80.0 * wave,
        60.0 + 130.0 * u,
        200.0 - 120.0 * v,
        90.0 + 100.0 * u * v,
    ][component]
}

impl Drawing {
    /// Baseline in one scan, with components numbered from 1.
    pub(in super::super) fn new(width: usize, height: usize, sampling: &[(usize, usize)]) -> Self {
        let components: Vec<_> = (1..).zip(sampling).map(|(id, &(h, v))| (id, h, v)).collect();
        Self {
            width,
            height,
            scans: vec![(0..components.len()).collect()],
            components,
            progressive: false,
            restart: 0,
            segments: Vec::new(),
            tables: true,
            end: true,
        }
    }

    fn most(&self) -> (usize, usize) {
        let across = self.components.iter().map(|c| c.1).max().unwrap();
        (across, self.components.iter().map(|c| c.2).max().unwrap())
    }

    /// The bytes of a file.
    pub(in super::super) fn write(&self) -> Vec<u8> {
        let mut bytes = [&[0xFF, 0xD8][..], &self.segments].concat();
        bytes.extend(segment(0xDB, &[&[0][..], &[2; 64]].concat()));
        let mut frame = vec![8];
        frame.extend((self.height as u16).to_be_bytes());
        frame.extend((self.width as u16).to_be_bytes());
        frame.push(self.components.len() as u8);
        for &(id, h, v) in &self.components {
            frame.extend([id, (h << 4 | v) as u8, 0]);
        }
        bytes.extend(segment(if self.progressive { 0xC2 } else { 0xC0 }, &frame));
        if self.tables {
            bytes.extend(segment(0xC4, STANDARD));
        }
        if self.restart > 0 {
            bytes.extend(segment(0xDD, &(self.restart as u16).to_be_bytes()));
        }
        let planes: Vec<Blocks> = (0..self.components.len()).map(|c| Blocks::of(self, c)).collect();
        for scan in &self.scans {
            if self.progressive {
                // All but the last bit of the direct coefficients, then that bit, then bands of each component.
                self.scan(&mut bytes, scan, (0, 0), 0x01, &planes);
                self.scan(&mut bytes, scan, (0, 0), 0x10, &planes);
                for component in scan {
                    self.scan(&mut bytes, &[*component], (1, 5), 0, &planes);
                    self.scan(&mut bytes, &[*component], (6, 63), 0, &planes);
                }
            } else {
                self.scan(&mut bytes, scan, (0, 63), 0, &planes);
            }
        }
        if self.end {
            bytes.extend([0xFF, 0xD9]);
        }
        bytes
    }

    fn scan(&self, bytes: &mut Vec<u8>, scan: &[usize], band: (usize, usize), bits: u8, planes: &[Blocks]) {
        let mut head = vec![scan.len() as u8];
        for component in scan {
            let table = u8::from(*component > 0) * 0x11;
            head.extend([self.components[*component].0, table]);
        }
        head.extend([band.0 as u8, band.1 as u8, bits]);
        bytes.extend(segment(0xDA, &head));
        let mut writer = Writer::default();
        let mut predicted = [0; 4];
        let (most_across, most_down) = self.most();
        let (across, down) = match scan {
            [component] => planes[*component].used,
            _ => (
                self.width.div_ceil(8 * most_across),
                self.height.div_ceil(8 * most_down),
            ),
        };
        for mcu in 0..across * down {
            if self.restart > 0 && mcu > 0 && mcu % self.restart == 0 {
                writer.align();
                let number = (mcu / self.restart - 1) as u8 & 7;
                writer.bytes.extend([0xFF, 0xD0 | number]);
                predicted = [0; 4];
            }
            let (column, row) = (mcu % across, mcu / across);
            for component in scan {
                let (_, h, v) = self.components[*component];
                let (h, v) = if scan.len() == 1 { (1, 1) } else { (h, v) };
                for block in 0..h * v {
                    let plane = &planes[*component];
                    let at = (row * v + block / h) * plane.stride + column * h + block % h;
                    let chroma = usize::from(*component > 0);
                    writer.block(
                        &plane.coefficients[at],
                        chroma,
                        band,
                        bits,
                        &mut predicted[*component],
                    );
                }
            }
        }
        writer.align();
        bytes.extend(writer.bytes);
    }
}

/// Quantized coefficients of a component, in the order of scans.
struct Blocks {
    used: (usize, usize),
    stride: usize,
    coefficients: Vec<[i32; 64]>,
}

impl Blocks {
    fn of(drawing: &Drawing, component: usize) -> Self {
        let (_, h, v) = drawing.components[component];
        let (most_across, most_down) = drawing.most();
        let (width, height) = (
            (drawing.width * h).div_ceil(most_across),
            (drawing.height * v).div_ceil(most_down),
        );
        let stride = drawing.width.div_ceil(8 * most_across) * h;
        let rows = drawing.height.div_ceil(8 * most_down) * v;
        let sample = |x: usize, y: usize| {
            let (x, y) = (x.min(width - 1) as f32 + 0.5, y.min(height - 1) as f32 + 0.5);
            level(component, x / width as f32, y / height as f32) - 128.0
        };
        let coefficients = (0..stride * rows)
            .map(|index| {
                let (left, top) = (index % stride * 8, index / stride * 8);
                transformed(std::array::from_fn(|at| sample(left + at % 8, top + at / 8)))
            })
            .collect();
        Self {
            used: (width.div_ceil(8), height.div_ceil(8)),
            stride,
            coefficients,
        }
    }
}

/// The discrete cosine transform, quantized by 2.
fn transformed(samples: [f32; 64]) -> [i32; 64] {
    let cosine = |k: usize, n: usize| {
        let scale = if k == 0 { 0.125_f32.sqrt() } else { 0.5 };
        scale * (std::f32::consts::PI * (2 * n + 1) as f32 * k as f32 / 16.0).cos()
    };
    let rows: [f32; 64] =
        std::array::from_fn(|at| (0..8).map(|n| samples[at / 8 * 8 + n] * cosine(at % 8, n)).sum());
    let both: [f32; 64] =
        std::array::from_fn(|at| (0..8).map(|n| rows[n * 8 + at % 8] * cosine(at / 8, n)).sum());
    ORDER.map(|place| (both[usize::from(place)] / 2.0).round() as i32)
}

/// Writes bits.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    bits: u64,
    count: u32,
}

impl Writer {
    fn put(&mut self, value: u32, length: u32) {
        for bit in (0..length).rev() {
            self.bits = self.bits << 1 | u64::from(value >> bit & 1);
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.bits as u8);
                if self.bits as u8 == 0xFF {
                    self.bytes.push(0);
                }
                (self.bits, self.count) = (0, 0);
            }
        }
    }

    fn align(&mut self) {
        while self.count > 0 {
            self.put(1, 1);
        }
    }

    /// Writes the code of `value` in one of the standard tables.
    fn code(&mut self, class: usize, chroma: usize, value: u8) {
        let (mut rest, wanted) = (STANDARD, (class << 4 | chroma) as u8);
        loop {
            let (head, counts) = (rest[0], &rest[1..17]);
            let total: usize = counts.iter().map(|c| usize::from(*c)).sum();
            let values = &rest[17..17 + total];
            if head == wanted {
                let (mut code, mut at) = (0, 0);
                for (length, count) in (1..).zip(counts) {
                    for _ in 0..*count {
                        if values[at] == value {
                            return self.put(code, length);
                        }
                        (code, at) = (code + 1, at + 1);
                    }
                    code <<= 1;
                }
                panic!("no code for {value:#x}");
            }
            rest = &rest[17 + total..];
        }
    }

    fn number(&mut self, value: i32, size: u32) {
        let bits = if value < 0 { value - 1 } else { value };
        self.put(bits.cast_unsigned(), size);
    }

    fn block(
        &mut self,
        block: &[i32; 64],
        chroma: usize,
        band: (usize, usize),
        bits: u8,
        predicted: &mut i32,
    ) {
        let (refines, low) = (bits >> 4 > 0, bits & 15);
        if band.0 == 0 && refines {
            return self.put(block[0].cast_unsigned() & 1, 1);
        }
        if band.0 == 0 {
            let direct = block[0] >> low;
            let difference = direct - std::mem::replace(predicted, direct);
            let size = 32 - difference.unsigned_abs().leading_zeros();
            self.code(0, chroma, size as u8);
            self.number(difference, size);
        }
        let mut run = 0;
        for &value in &block[band.0.max(1)..(band.1 + 1).max(1)] {
            if value == 0 {
                run += 1;
                continue;
            }
            while run > 15 {
                self.code(1, chroma, 0xF0);
                run -= 16;
            }
            let size = 32 - value.unsigned_abs().leading_zeros();
            self.code(1, chroma, (run << 4) as u8 | size as u8);
            self.number(value, size);
            run = 0;
        }
        if run > 0 {
            self.code(1, chroma, 0);
        }
    }
}
