//! A decoded photo, perhaps at a reduced size: its pixels, and the full size that positions in it refer to.

use image::RgbImage;

use super::face::Landmarks;

/// The size at which a JPEG is decoded. Its blocks of 8x8 pixels then become blocks of 4, 2 or 1, each
/// pixel the mean of those that it stands for (the sizes between these have no quick code in libjpeg-turbo).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Scale {
    /// Full size.
    #[default]
    Full,
    /// Half of each side.
    Half,
    /// A quarter of each side.
    Quarter,
    /// An eighth of each side.
    Eighth,
}

impl Scale {
    /// From the largest picture to the smallest.
    pub const ALL: [Self; 4] = [Self::Full, Self::Half, Self::Quarter, Self::Eighth];

    /// What sides are divided by.
    pub const fn divisor(self) -> u32 {
        match self {
            Self::Full => 1,
            Self::Half => 2,
            Self::Quarter => 4,
            Self::Eighth => 8,
        }
    }

    /// The smallest picture of a photo of `size` (width, height) that is at least as large as `least`.
    pub fn not_below(size: (u32, u32), least: (u32, u32)) -> Self {
        let fits = |scale: &&Self| {
            let divisor = scale.divisor();
            size.0.div_ceil(divisor) >= least.0 && size.1.div_ceil(divisor) >= least.1
        };
        Self::ALL.iter().rev().find(fits).copied().unwrap_or_default()
    }

    /// The smallest picture whose pixels may be enlarged `room` times (1 for not at all, 4 where a quarter of the
    /// resolution is enough).
    pub fn with_room(room: f32) -> Self {
        let fits = |scale: &&Self| scale.divisor() as f32 <= room;
        Self::ALL.iter().rev().find(fits).copied().unwrap_or_default()
    }
}

/// A decoded photo. Positions of faces are in pixels of the photo at full size, whatever size was decoded.
#[derive(Debug, Clone, Default)]
pub struct DecodedPhoto {
    /// What was decoded, oriented as a person sees it.
    pub pixels: RgbImage,
    /// Width and height of the photo at full size.
    pub size: (u32, u32),
    /// How much smaller `pixels` is.
    pub scale: Scale,
}

impl DecodedPhoto {
    /// Landmarks of the photo as positions in [`DecodedPhoto::pixels`]. Pixels have their centres at whole numbers, so that
    /// the first of a picture at half size stands for 0.5.
    pub fn in_pixels(&self, landmarks: &Landmarks) -> Landmarks {
        if self.scale == Scale::Full {
            return *landmarks;
        }
        let divisor = self.scale.divisor() as f32;
        landmarks.map(|point| point.map(|v| (v + 0.5) / divisor - 0.5))
    }
}

impl From<RgbImage> for DecodedPhoto {
    fn from(pixels: RgbImage) -> Self {
        Self {
            size: pixels.dimensions(),
            pixels,
            scale: Scale::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_side_falls_below_what_is_needed() {
        assert_eq!(Scale::not_below((1280, 960), (640, 480)), Scale::Half);
        assert_eq!(Scale::not_below((1279, 960), (640, 480)), Scale::Half);
        assert_eq!(Scale::not_below((1278, 960), (640, 480)), Scale::Full);
        assert_eq!(Scale::not_below((3880, 5184), (479, 640)), Scale::Eighth);
        assert_eq!(Scale::not_below((320, 240), (640, 480)), Scale::Full);
        assert_eq!(Scale::with_room(0.3), Scale::Full);
        assert_eq!(Scale::with_room(3.9), Scale::Half);
        assert_eq!(Scale::with_room(100.0), Scale::Eighth);
    }

    #[test]
    fn positions_follow_the_centres_of_pixels() {
        let photo = DecodedPhoto {
            pixels: RgbImage::new(50, 40),
            size: (100, 80),
            scale: Scale::Half,
        };
        // The middle between the first two pixels is the middle of the first one at half size.
        assert_eq!(photo.in_pixels(&[[0.5, 2.5]; 5]), [[0.0, 1.0]; 5]);
        let full = DecodedPhoto::from(RgbImage::new(9, 7));
        assert_eq!(
            (full.size, full.in_pixels(&[[3.0, 4.0]; 5])),
            ((9, 7), [[3.0, 4.0]; 5])
        );
    }
}
