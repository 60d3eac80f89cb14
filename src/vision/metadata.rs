//! Where PNG and WebP keep their EXIF block: in a chunk that may stand before or after the pixels.

/// The EXIF block of a PNG.
pub(super) fn png_exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.get(8..)?;
    loop {
        let (head, after) = rest.split_first_chunk::<8>()?;
        let [l0, l1, l2, l3, name @ ..] = head;
        let (body, after) = after.split_at_checked(u32::from_be_bytes([*l0, *l1, *l2, *l3]) as usize)?;
        if name == b"eXIf" {
            return Some(body);
        }
        rest = after.get(4..)?;
    }
}

/// The EXIF block of a WebP.
pub(super) fn webp_exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.get(12..)?;
    loop {
        let (head, after) = rest.split_first_chunk::<8>()?;
        let [name @ .., l0, l1, l2, l3] = head;
        let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        let (body, _) = after.split_at_checked(length)?;
        if name == b"EXIF" {
            return Some(body);
        }
        // Chunks begin at even bytes.
        rest = after.get(length.checked_next_multiple_of(2)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_found_wherever_they_stand() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x03IDATabcCRC!\0\0\0\x02eXIfMMCRC!";
        assert_eq!(png_exif(png), Some(&b"MM"[..]));
        assert_eq!(png_exif(&png[..png.len() - 5]), None);
        let webp = b"RIFF\0\0\0\0WEBPVP8 \x03\0\0\0abc\0EXIF\x02\0\0\0II";
        assert_eq!(webp_exif(webp), Some(&b"II"[..]));
        assert_eq!(webp_exif(&webp[..webp.len() - 1]), None);
    }
}
