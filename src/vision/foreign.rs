//! Formats that are not read, recognised by content so that they can be named.

/// The name of the format of `bytes`, by their first few hundred, where it is a known one that is not read.
pub(super) fn name(bytes: &[u8]) -> Option<&'static str> {
    let starts = |head: &[u8]| bytes.starts_with(head);
    if bytes.get(4..8) == Some(b"ftyp") {
        return brand(bytes);
    }
    Some(match () {
        () if starts(b"\xFF\x0A") || starts(b"\0\0\0\x0CJXL \r\n\x87\n") => "JPEG XL",
        () if starts(b"\0\0\0\x0CjP  \r\n\x87\n") || starts(b"\xFF\x4F\xFF\x51") => "JPEG 2000",
        () if starts(b"II\xBC\x01") => "JPEG XR",
        () if starts(b"8BPS") => "Photoshop's PSD",
        () if starts(b"gimp xcf") => "GIMP's XCF",
        () if starts(b"%PDF-") => "PDF",
        () if is_svg(bytes) => "SVG",
        () if starts(b"FUJIFILMCCD-RAW") || starts(b"FOVb") || starts(b"\0MRM") => RAW,
        () if starts(b"IIU\0") || starts(b"IIRO") || starts(b"IIRS") || starts(b"MMOR") => RAW,
        () if bytes.get(8..10) == Some(b"CR") && starts(b"II*\0") => RAW,
        () if bytes.get(6..14) == Some(b"HEAPCCDR") => RAW,
        () if starts(b"\x76\x2F\x31\x01") => "OpenEXR",
        () if starts(b"#?RADIANCE") => "Radiance HDR",
        () if starts(b"\0\0\x01\0") => "ICO",
        () if starts(b"qoif") => "QOI",
        () if starts(b"DDS ") => "DDS",
        () if starts(b"\xC5\xD0\xD3\xC6") || starts(b"%!PS-Adobe") => "PostScript",
        () if is_netpbm(bytes) => "PNM (PBM, PGM, PPM, PAM)",
        () => return None,
    })
}

/// What a camera's sensor saw, before it is a picture.
pub(super) const RAW: &str = "camera raw";

/// The name of a file of boxes, by the brands that it says it is of.
fn brand(bytes: &[u8]) -> Option<&'static str> {
    let length = u32::from_be_bytes(*bytes.first_chunk::<4>()?) as usize;
    let brands = &bytes[8..length.clamp(12, bytes.len().max(12)).min(bytes.len())];
    let is_of = |names: &[&[u8; 4]]| {
        brands
            .as_chunks::<4>()
            .0
            .iter()
            .any(|brand| names.contains(&brand))
    };
    Some(match () {
        () if is_of(&[b"avif", b"avis"]) => "AVIF",
        () if is_of(&[
            b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1",
        ]) =>
        {
            "HEIC"
        }
        () if is_of(&[b"crx "]) => RAW,
        () if is_of(&[b"jxl "]) => "JPEG XL",
        () if is_of(&[b"jp2 ", b"jpx "]) => "JPEG 2000",
        () => "video (MP4, MOV)",
    })
}

fn is_svg(bytes: &[u8]) -> bool {
    let text = bytes
        .strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(bytes)
        .trim_ascii_start();
    text.starts_with(b"<svg")
        || ((text.starts_with(b"<?xml") || text.starts_with(b"<!--") || text.starts_with(b"<!DOCTYPE svg"))
            && text.windows(4).any(|word| word == b"<svg"))
}

/// `P1` to `P7` and a blank: no text begins like this.
fn is_netpbm(bytes: &[u8]) -> bool {
    matches!(bytes, [b'P', b'1'..=b'7', b'\n' | b'\r' | b' ' | b'\t', next, ..] if next.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_content() {
        for (bytes, expected) in [
            (&b"\0\0\0\x1cftypheic\0\0\0\0mif1heic"[..], "HEIC"),
            (b"\0\0\0\x1cftypmif1\0\0\0\0avifmif1miaf", "AVIF"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", RAW),
            (b"\0\0\0\x18ftypisom\0\0\0\x01mp42isom", "video (MP4, MOV)"),
            (b"\xFF\x0A\xFA\x1F", "JPEG XL"),
            (b"\0\0\0\x0CJXL \r\n\x87\n\0\0\0\x14ftypjxl ", "JPEG XL"),
            (b"\0\0\0\x0CjP  \r\n\x87\n", "JPEG 2000"),
            (b"<?xml version='1.0'?>\n<svg xmlns=", "SVG"),
            (b"II*\0\x10\0\0\0CR\x02\0", RAW),
            (b"P6\n640 480\n255\n", "PNM (PBM, PGM, PPM, PAM)"),
        ] {
            assert_eq!(name(bytes), Some(expected), "{}", bytes.escape_ascii());
        }
        for bytes in [
            &b""[..],
            b"hello, world",
            b"\xFF\xD8\xFF",
            b"<?xml version='1.0'?><note/>",
            b"\0\0\0\0ftyp",
        ] {
            let _ = name(bytes);
        }
        assert_eq!(name(b"<?xml version='1.0'?><note/>"), None);
    }
}
