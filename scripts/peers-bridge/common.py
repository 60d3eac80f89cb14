"""What several peers have in common, written once: the letterbox, the similarity, sessions of ONNX Runtime."""

import os
import platform

import cv2
import numpy as np
import onnxruntime

TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
SIDE = 112
# (w) of the template, as complex numbers around their middle: a similarity is then one product.
_TARGET = (TEMPLATE[:, 0] + 1j * TEMPLATE[:, 1]).astype(np.complex128)
_MIDDLE = _TARGET.mean()
_TARGET = _TARGET - _MIDDLE


class Network:
    """A network of the job with its settings."""

    def __init__(self, facts, families):
        self.family, self.path, settings = facts["family"], facts["path"], facts["settings"]
        if self.family not in families:
            named = f"of the family {self.family}" if self.family else "of no named family"
            raise ValueError(
                f"{os.path.basename(self.path)} is a network {named}; this peer reads {' and '.join(families)}: "
                f"name it, such as {families[0]}:PATH"
            )
        self.size = settings["input"]["width"], settings["input"]["height"]
        self.mean, self.divisor = settings["input"]["mean"], settings["input"]["divisor"]
        self.swap = settings["input"]["channels"] == "rgb"
        self.score, self.nms = settings["score_threshold"], settings["nms_threshold"]


def single_threaded(job):
    """OpenCV's own pool as wide as a stream is."""
    cv2.setNumThreads(job["threads"])


def session(path, job, profile=None, name="session"):
    """A session as a careful engineer sets it up: a stream's threads, no spinning, all optimisations."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = f"{profile}-{name}"
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def fit(width, height, canvas):
    """Width and height of a photo on the canvas: scaled by one factor, each side rounded to whole pixels."""
    scale = min(canvas[0] / width, canvas[1] / height)
    return max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))


class Letterbox:
    """A photo at the top left of a canvas that is kept between photos, zeros right and below."""

    def __init__(self, canvas):
        self.size = canvas
        self.canvas = np.zeros((canvas[1], canvas[0], 3), np.uint8)

    def put(self, image):
        """The canvas, and by how much each axis of what is found there is to be multiplied."""
        height, width = image.shape[:2]
        columns, rows = fit(width, height, self.size)
        cv2.resize(image, (columns, rows), dst=self.canvas[:rows, :columns], interpolation=cv2.INTER_LINEAR)
        self.canvas[rows:] = 0
        self.canvas[:rows, columns:] = 0
        return self.canvas, (width / columns, height / rows)


def similarities(landmarks):
    """The 2x3 matrices (n, 2, 3) that map landmarks (n, 5, 2) to the template with the least squared error."""
    points = landmarks[:, :, 0] + 1j * landmarks[:, :, 1].astype(np.float64)
    middles = points.mean(axis=1, keepdims=True)
    points = points - middles
    spread = (points.real**2 + points.imag**2).sum(axis=1)
    turn = (points.conj() * _TARGET).sum(axis=1) / np.maximum(spread, 1e-12)
    shift = _MIDDLE - turn * middles[:, 0]
    matrices = np.empty((len(landmarks), 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = turn.real
    matrices[:, 0, 1], matrices[:, 1, 0] = -turn.imag, turn.imag
    matrices[:, 0, 2], matrices[:, 1, 2] = shift.real, shift.imag
    return matrices


def crops(image, landmarks):
    """The aligned faces, (n, 112, 112, 3)."""
    out = np.empty((len(landmarks), SIDE, SIDE, 3), np.uint8)
    for crop, matrix in zip(out, similarities(landmarks)):
        cv2.warpAffine(image, matrix, (SIDE, SIDE), dst=crop, flags=cv2.INTER_LINEAR, borderValue=0)
    return out


def versions(**more):
    """What stands in the record beside the arm."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        **more,
    }
