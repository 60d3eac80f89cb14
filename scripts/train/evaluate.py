"""Judges the two networks on a folder that `facebench datasets render` filled; prints the figures as JSON."""

import argparse
import itertools
import json
import os
import time
from pathlib import Path

# Before ONNX Runtime is loaded: its API switches telemetry off too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402
from onnx import numpy_helper  # noqa: E402

CANVAS = 640
STRIDES = (8, 16, 32)
LEAST_SCORE, USED_SCORE = 0.02, 0.5  # for the precision curve; for landmarks that are used
NMS_OVERLAP = 0.3
HIT_OVERLAP = 0.5
DETECTED_SIZE, VERIFIED_SIZE = 40, 80  # smaller faces are ignored
FALSE_ACCEPTS = 1e-3
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def session(model):
    given = onnxruntime.SessionOptions()
    given.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, given, providers=["CPUExecutionProvider"])


def permuted(path, seed=1):
    """The network with the numbers of each weight in another order."""
    model = onnx.load(path)
    random = np.random.default_rng(seed)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim > 1:
            shuffled = random.permutation(values.ravel()).reshape(values.shape)
            tensor.CopyFrom(numpy_helper.from_array(shuffled, tensor.name))
    return model.SerializeToString()


def overlaps(a, b):
    a, b = a[:, None], b[None]
    inner = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None).prod(-1)
    both = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1)
    return inner / np.maximum(both - inner, 1e-9)


def detect(network, photo):
    """Boxes, scores and landmarks in pixels of the photo, best first."""
    height, width = photo.shape[:2]
    scale = min(CANVAS / width, CANVAS / height)
    columns, rows = max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))
    canvas = np.zeros((CANVAS, CANVAS, 3), np.float32)
    canvas[:rows, :columns] = cv2.resize(photo, (columns, rows), interpolation=cv2.INTER_LINEAR)
    values = network.run(None, {"input": canvas.transpose(2, 0, 1)[None]})
    outputs = {output.name: value[0] for output, value in zip(network.get_outputs(), values)}
    boxes, scores, points = [], [], []
    for stride in STRIDES:
        side = CANVAS // stride
        cells = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)
        score = np.sqrt(outputs[f"cls_{stride}"] * outputs[f"obj_{stride}"])[:, 0]
        found = score >= LEAST_SCORE
        cells, box = cells[found], outputs[f"bbox_{stride}"][found]
        centre, half = (cells + box[:, :2]) * stride, np.exp(np.minimum(box[:, 2:], 8)) * stride / 2
        boxes.append(np.concatenate([centre - half, centre + half], 1))
        points.append((cells[:, None] + outputs[f"kps_{stride}"][found].reshape(-1, 5, 2)) * stride)
        scores.append(score[found])
    boxes, scores, points = map(np.concatenate, (boxes, scores, points))
    order, kept = np.argsort(-scores)[:2000], []
    while len(order):
        kept.append(order[0])
        order = order[1:][overlaps(boxes[order[:1]], boxes[order[1:]])[0] <= NMS_OVERLAP]
    back = np.array([width / columns, height / rows])
    return boxes[kept] * np.tile(back, 2), scores[kept], points[kept] * back


def match(found, faces):
    """For each detection, best first, the index of the face that it hits, or -1. Counted faces come first."""
    hits = np.full(len(found), -1)
    if not faces:
        return hits
    overlap = overlaps(found, np.array([face["box"] for face in faces], float))
    counted = np.array([face["size"] >= DETECTED_SIZE for face in faces])
    free = np.ones(len(faces), bool)
    for i, row in enumerate(overlap):
        rank = np.where(free & (row >= HIT_OVERLAP), row + counted, -1)
        if rank.max() >= 0:
            hits[i] = rank.argmax()
            free[hits[i]] = False
    return hits


def average_precision(scores, hit, faces):
    """COCO's: precision at 101 recalls, each the best that this or a higher recall has."""
    hit = np.asarray(hit, bool)[np.argsort(-np.asarray(scores), kind="stable")]
    recall = hit.cumsum() / faces
    precision = np.maximum.accumulate((hit.cumsum() / np.arange(1, len(hit) + 1))[::-1])[::-1]
    places = np.searchsorted(recall, np.linspace(0, 1, 101))
    return float(np.append(precision, 0)[places].mean())


def align(photo, landmarks):
    """The least-squares similarity to the template, as complex numbers have it."""
    source, target = (p @ [1, 1j] for p in (np.asarray(landmarks, float), TEMPLATE))
    spread = source - source.mean()
    turn = (spread.conj() * (target - target.mean())).sum() / (np.abs(spread) ** 2).sum()
    shift = target.mean() - turn * source.mean()
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return cv2.warpAffine(photo, matrix, (112, 112), flags=cv2.INTER_LINEAR)


def embed(network, crops):
    crops = np.stack(crops)[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    batches = np.array_split((crops - 127.5) / 127.5, max(1, len(crops) // 32))
    numbers = np.concatenate([network.run(None, {"input": batch})[0] for batch in batches])
    return numbers / np.linalg.norm(numbers, axis=1, keepdims=True)


def verification(numbers, people, groups):
    """Every pair of faces; the threshold lets one in a thousand pairs of two people pass."""
    a, b = np.triu_indices(len(numbers), 1)
    cosine = (numbers @ numbers.T)[a, b]
    same = people[a] == people[b]
    alike = ~same & (groups[a] == groups[b]) & (groups[a] >= 0)
    different = np.sort(cosine[~same])[::-1]
    threshold = different[int(FALSE_ACCEPTS * len(different))]
    return {
        "pairs": len(cosine),
        "same": int(same.sum()),
        "look_alikes": int(alike.sum()),
        "tar_at_far_1e-3": rounded((cosine[same] > threshold).mean()),
        "threshold": rounded(threshold),
        "look_alikes_accepted": rounded((cosine[alike] > threshold).mean()),
    }


def judge(folder, detector, recognizer):
    manifest = json.loads((folder / "manifest.json").read_text())
    group_of = {person["name"]: person.get("look_alike_group", -1) for person in manifest["identities"]}
    detector, recognizer = session(detector), session(recognizer)
    scores, hit, errors, faces_counted = [], [], [], 0
    crops = {"true_landmarks": [], "own_landmarks": []}
    people = {kind: [] for kind in crops}
    for photo in manifest["photos"]:
        pixels, faces = cv2.imread(str(folder / photo["file"])), photo["faces"]
        boxes, score, points = detect(detector, pixels)
        found = match(boxes, faces)
        sizes = np.array([face["size"] for face in faces] + [np.inf])[found]  # no face: infinite
        counts = sizes >= DETECTED_SIZE
        scores += list(score[counts])
        hit += list(found[counts] >= 0)
        faces_counted += sum(face["size"] >= DETECTED_SIZE for face in faces)
        of_face = {face: i for i, face in enumerate(found) if face >= 0 and score[i] >= USED_SCORE}
        for i, face in enumerate(faces):
            own = points[of_face[i]] if i in of_face else None
            if own is not None and face["size"] >= DETECTED_SIZE:
                truth = np.array(face["landmarks"])
                eyes = np.linalg.norm(truth[0] - truth[1])
                errors.append(np.linalg.norm(own - truth, axis=1).mean() / eyes)
            if face["size"] >= VERIFIED_SIZE:
                for kind, landmarks in (("true_landmarks", face["landmarks"]), ("own_landmarks", own)):
                    if landmarks is not None:
                        crops[kind].append(align(pixels, landmarks))
                        people[kind].append(face["identity"])
    used = np.asarray(scores) >= USED_SCORE
    figures = {
        "photos": len(manifest["photos"]),
        "detection": {
            "faces": faces_counted,
            "ap_at_iou_0.5": rounded(average_precision(scores, hit, faces_counted)),
            "recall_at_score_0.5": rounded(np.asarray(hit)[used].sum() / faces_counted),
            "precision_at_score_0.5": rounded(np.asarray(hit)[used].mean() if used.any() else 0),
            "landmark_error_by_eye_distance": rounded(np.mean(errors)) if errors else None,
        },
    }
    for kind, kept in crops.items():
        if len(kept) > 1:
            groups = np.array([group_of[name] for name in people[kind]])
            figures[kind] = {"faces": len(kept)} | verification(
                embed(recognizer, kept), np.array(people[kind]), groups
            )
    return figures


def relative_cost(ours, other, shape, runs=40):
    """Median processor time of one run on one thread, ours over the other's, measured in turns."""
    pixels = np.random.default_rng(1).uniform(0, 255, shape).astype(np.float32)
    sessions = [session(str(path)) for path in (ours, other)]
    times = [[], []]
    for _, (network, spent) in itertools.product(range(runs), zip(sessions, times)):
        start = time.process_time()
        network.run(None, {network.get_inputs()[0].name: pixels})
        spent.append(time.process_time() - start)
    mine, theirs = (1e3 * np.median(spent[5:]) for spent in times)
    return {"ms": rounded(mine), "other_ms": rounded(theirs), "ratio": rounded(mine / theirs)}


def rounded(value):
    return round(float(value), 4)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="rendered photos and their manifest.json")
    parser.add_argument("--detector", default="models/facebench-det.onnx")
    parser.add_argument("--recognizer", default="models/facebench-rec.onnx")
    parser.add_argument("--yunet", type=Path, help="to compare the detector's cost with")
    parser.add_argument("--mobilefacenet", type=Path, help="to compare the recognizer's cost with")
    given = parser.parse_args()
    figures = {"networks": judge(given.folder, given.detector, given.recognizer)}
    figures["permuted_weights"] = judge(given.folder, permuted(given.detector), permuted(given.recognizer))
    if given.yunet:
        figures["cost_to_yunet"] = relative_cost(given.detector, given.yunet, (1, 3, CANVAS, CANVAS))
    if given.mobilefacenet:
        shape = (1, 3, 112, 112)
        figures["cost_to_mobilefacenet"] = relative_cost(given.recognizer, given.mobilefacenet, shape)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
