//! Bits of entropy-coded data, and whether more were asked for than there are.

/// Reads bits, the highest of each byte first; stuffed zeros are left out, and restart markers end an interval.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// Bits at the top of this are next.
    next: u64,
    /// How many of them there are.
    count: u32,
    /// How many of the last of them are not in the file.
    invented: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn of(data: &'a [u8]) -> Self {
        Self {
            data,
            at: 0,
            next: 0,
            count: 0,
            invented: 0,
        }
    }

    /// Makes sure that there are at least 48 bits; zeros where the data ends.
    #[inline]
    pub(super) fn fill(&mut self) {
        if self.count < 48 {
            self.fill_up();
        }
    }

    fn fill_up(&mut self) {
        // Four bytes at once where none of them can be a marker.
        while self.count <= 32 {
            let Some(&[a, b, c, d]) = self.data.get(self.at..).and_then(|rest| rest.first_chunk()) else {
                break;
            };
            if [a, b, c, d].contains(&0xFF) {
                break;
            }
            self.next |= u64::from(u32::from_be_bytes([a, b, c, d])) << (32 - self.count);
            self.count += 32;
            self.at += 4;
        }
        while self.count <= 56 {
            let byte = self.byte().unwrap_or_else(|| {
                self.invented += 8;
                0
            });
            self.next |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next byte, unless a marker or the end comes first.
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.at)?;
        if byte != 0xFF {
            self.at += 1;
            return Some(byte);
        }
        let mut after = self.at + 1;
        while self.data.get(after) == Some(&0xFF) {
            after += 1;
        }
        if self.data.get(after) != Some(&0) {
            return None;
        }
        self.at = after + 1;
        Some(0xFF)
    }

    /// The next `count` bits, from 1 to 16, which stay there.
    #[inline]
    pub(super) fn peek(&self, count: u32) -> u32 {
        (self.next >> (64 - count)) as u32
    }

    /// Steps over `count` bits.
    #[inline]
    pub(super) fn skip(&mut self, count: u32) {
        self.next <<= count;
        self.count -= count.min(self.count);
    }

    /// Takes `count` bits, up to 16, of which [`Bits::fill`] has made sure.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> i32 {
        if count == 0 {
            return 0;
        }
        let bits = self.peek(count);
        self.skip(count);
        bits.cast_signed()
    }

    /// Takes one bit.
    #[inline]
    pub(super) fn bit(&mut self) -> bool {
        self.fill();
        self.take(1) == 1
    }

    /// Whether bits were taken that are not in the file.
    #[inline]
    pub(super) fn is_short(&self) -> bool {
        self.count < self.invented
    }

    /// Goes behind the restart marker that ends this interval. False where another one comes first or none at all.
    pub(super) fn restart(&mut self, number: u8) -> bool {
        let mut rest = self.data.get(self.at..).unwrap_or_default();
        loop {
            let Some(found) = memchr::memchr(0xFF, rest) else {
                return false;
            };
            rest = &rest[found + 1..];
            match rest.first() {
                Some(0xFF) => {}
                Some(0) => rest = &rest[1..],
                Some(marker) if *marker == 0xD0 | (number & 7) => break,
                _ => return false,
            }
        }
        *self = Self::of(&rest[1..]);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_end_at_markers_and_stuffed_zeros_are_left_out() {
        let mut bits = Bits::of(b"\xAB\xFF\x00\x12\xFF\xFF\xD0\x34");
        bits.fill();
        assert_eq!((bits.take(8), bits.take(8), bits.take(8)), (0xAB, 0xFF, 0x12));
        assert!(!bits.is_short());
        bits.skip(1);
        assert!(bits.is_short());
        assert!(bits.restart(0));
        bits.fill();
        assert_eq!(bits.take(8), 0x34);
        assert!(!bits.is_short());
        assert!(!bits.restart(1));
    }
}
