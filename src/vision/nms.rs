//! Greedy non-maximum suppression.

use super::face::Detection;

/// Sorts `detections` best score first and drops each that overlaps a better one by more than `threshold` (IoU).
/// The order of equal scores is kept, so that the answer does not depend on the sort.
pub fn suppress(detections: &mut Vec<Detection>, threshold: f32) {
    detections.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept = 0;
    for i in 0..detections.len() {
        let candidate = detections[i];
        if detections[..kept]
            .iter()
            .all(|better| better.bounding_box.iou(&candidate.bounding_box) <= threshold)
        {
            detections[kept] = candidate;
            kept += 1;
        }
    }
    detections.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn detection(bounding_box: [f32; 4], score: f32) -> Detection {
        Detection {
            bounding_box: bounding_box.into(),
            landmarks: [[0.0; 2]; 5],
            score,
        }
    }

    #[test]
    fn the_better_of_two_that_overlap_stays() {
        let mut found = vec![
            detection([0.0, 0.0, 10.0, 10.0], 0.7),
            detection([1.0, 0.0, 11.0, 10.0], 0.9),
            detection([50.0, 50.0, 60.0, 60.0], 0.8),
        ];
        suppress(&mut found, 0.3);
        assert_eq!(found.iter().map(|d| d.score).collect::<Vec<_>>(), [0.9, 0.8]);
    }

    proptest! {
        #[test]
        fn what_stays_is_sorted_and_apart(
            raw in prop::collection::vec((0f32..100.0, 0f32..100.0, 1f32..40.0, 1f32..40.0, 0f32..1.0), 0..60),
            threshold in 0.1f32..0.9
        ) {
            let all: Vec<_> = raw.iter().map(|&(x, y, w, h, s)| detection([x, y, x + w, y + h], s)).collect();
            let mut kept = all.clone();
            suppress(&mut kept, threshold);
            prop_assert!(kept.windows(2).all(|pair| pair[0].score >= pair[1].score));
            for (i, a) in kept.iter().enumerate() {
                prop_assert!(kept[..i].iter().all(|b| a.bounding_box.iou(&b.bounding_box) <= threshold));
            }
            for gone in all.iter().filter(|d| !kept.contains(d)) {
                prop_assert!(kept.iter().any(|k| k.score >= gone.score && k.bounding_box.iou(&gone.bounding_box) > threshold));
            }
        }
    }
}
