#!/usr/bin/env python3
"""InsightFace's own code: SCRFD, norm_crop and ArcFaceONNX of the package `insightface`, joined as its FaceAnalysis does.

The classes are given sessions with a stream's threads; all else is theirs: the letterbox, the decoding of every anchor,
the suppression, skimage's similarity, one face after the other.
"""

import sys

if __name__ == "__main__":
    # Before anything native is loaded: the bridge forks first, and its processes load this file.
    import bridge

    sys.exit(bridge.main("peer_insightface"))

import warnings

import cv2
import numpy as np
import onnxruntime

import common

# skimage's documentation of how `norm_crop` calls it.
warnings.filterwarnings("ignore", category=FutureWarning)

import insightface  # noqa: E402
from insightface.model_zoo.arcface_onnx import ArcFaceONNX  # noqa: E402
from insightface.model_zoo.scrfd import SCRFD  # noqa: E402
from insightface.utils import face_align  # noqa: E402


class Peer:
    DECODER = "OpenCV"

    def __init__(self, job, profile=None):
        common.single_threaded(job)
        detector = common.Network(job["networks"]["detector"], ["scrfd"])
        recognizer = common.Network(job["networks"]["recognizer"], ["arcface"])
        self.size = detector.size
        self.profiled = [
            common.session(network.path, job, profile, name)
            for network, name in ((detector, "detector"), (recognizer, "recognizer"))
        ]
        # Its other sessions, one for each size, are made from the file without our options.
        self.detector = SCRFD(detector.path, session=self.profiled[0], static_shape_sessions=False)
        self.detector.prepare(0, det_thresh=detector.score, nms_thresh=detector.nms, input_size=detector.size)
        self.recognizer = ArcFaceONNX(recognizer.path, session=self.profiled[1])

    def about(self):
        return {
            "runtime": "InsightFace (ONNX Runtime)",
            "version": f"{insightface.__version__} ({onnxruntime.__version__})",
            "provider": self.profiled[0].get_providers()[0],
            "canvas": self.size,
            "batch": 1,
            "options": common.versions(insightface=insightface.__version__, onnxruntime=onnxruntime.__version__),
        }

    def end_profiles(self):
        return [session.end_profiling() for session in self.profiled]

    def decode(self, encoded):
        return cv2.imdecode(encoded, cv2.IMREAD_COLOR)

    def detect(self, image):
        found, landmarks = self.detector.detect(image)
        return found[:, :4], landmarks, found[:, 4]

    def align(self, image, landmarks):
        return [face_align.norm_crop(image, points, self.recognizer.input_size[0]) for points in landmarks]

    def embed(self, crops):
        return np.stack([self.recognizer.get_feat(crop).flatten() for crop in crops])
