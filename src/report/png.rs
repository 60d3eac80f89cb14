//! A chart as PNG: the same SVG, with a typeface from inside the program, so that it has letters on any machine.

use std::sync::Arc;

use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree, fontdb},
};

use super::chart::ChartError;

/// Pixels for each unit of the SVG: sharp on dense screens.
const SCALE: f32 = 2.0;

/// `svg` as the bytes of a PNG.
pub fn render(svg: &str) -> Result<Vec<u8>, ChartError> {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    fonts.set_sans_serif_family("Ubuntu");
    let options = Options {
        font_family: "Ubuntu".to_owned(),
        fontdb: Arc::new(fonts),
        ..Options::default()
    };
    let failed = |error: &dyn std::fmt::Display| ChartError(error.to_string());
    let tree = Tree::from_str(svg, &options).map_err(|error| failed(&error))?;
    let size = tree
        .size()
        .to_int_size()
        .scale_by(SCALE)
        .ok_or_else(|| ChartError("it has no size".to_owned()))?;
    let mut pixels = Pixmap::new(size.width(), size.height())
        .ok_or_else(|| ChartError("it is too large for an image".to_owned()))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::super::{chart, fixture, tests::record};
    use super::*;

    #[test]
    fn letters_need_no_font_of_the_machine() {
        let svg = chart::throughput(&record(fixture::plain()), &[]).unwrap();
        let png = render(&svg).unwrap();
        let picture = image::load_from_memory(&png).unwrap().to_luma8();
        assert_eq!(picture.width(), 1200, "twice the SVG's");
        // The title: its left half has ink, and all else there is paper.
        let title = image::imageops::crop_imm(&picture, 30, 20, 500, 48).to_image();
        let dark = title.pixels().filter(|pixel| pixel.0[0] < 110).count();
        assert!(
            (300..8000).contains(&dark),
            "{dark} dark pixels where the title is"
        );
        assert_eq!(picture.get_pixel(2, 2).0[0], 255);
    }
}
