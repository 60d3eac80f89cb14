#!/usr/bin/env python3
"""UniFace's own code: SCRFD, face_alignment and MobileFace of the package `uniface`.

Its classes fetch weights by name from a list of their own; here they are given the study's files instead, and sessions
with a stream's threads: both by standing in for two functions of its modules. It has no class for YuNet. Its SCRFD
hands the network BGR where the network was trained on RGB, and divides by 127.5 for 128: as it comes, its answers are
other ones than the network's own code gives, so `preprocess` is fixed (one blobFromImage, which is also quicker).
"""

import sys

if __name__ == "__main__":
    # Before anything native is loaded: the bridge forks first, and its processes load this file.
    import bridge

    sys.exit(bridge.main("peer_uniface"))

import cv2
import numpy as np
import onnxruntime
import uniface
from uniface.detection import scrfd
from uniface.recognition import base, mobileface

import common


class Peer:
    DECODER = "OpenCV"

    def __init__(self, job, profile=None):
        common.single_threaded(job)
        detector = common.Network(job["networks"]["detector"], ["scrfd"])
        recognizer = common.Network(job["networks"]["recognizer"], ["arcface"])
        self.size, self.profiled = detector.size, []

        def make(path, providers=None):
            del providers
            self.profiled.append(common.session(path, job, profile, f"network{len(self.profiled)}"))
            return self.profiled[-1]

        scrfd.create_onnx_session = base.create_onnx_session = make
        scrfd.verify_model_weights = lambda _: detector.path
        mobileface.verify_model_weights = lambda _: recognizer.path
        self.detector = scrfd.SCRFD(
            confidence_threshold=detector.score,
            nms_threshold=detector.nms,
            input_size=detector.size,
            providers=["CPUExecutionProvider"],
        )
        scale, mean = 1 / detector.divisor, (detector.mean,) * 3
        self.detector.preprocess = lambda image: cv2.dnn.blobFromImage(image, scale, mean=mean, swapRB=detector.swap)
        self.recognizer = mobileface.MobileFace(providers=["CPUExecutionProvider"])

    def about(self):
        return {
            "runtime": "UniFace (ONNX Runtime)",
            "version": f"{uniface.__version__} ({onnxruntime.__version__})",
            "provider": self.profiled[0].get_providers()[0],
            "canvas": self.size,
            "batch": 1,
            "options": common.versions(uniface=uniface.__version__, onnxruntime=onnxruntime.__version__),
        }

    def end_profiles(self):
        return [session.end_profiling() for session in self.profiled]

    def decode(self, encoded):
        return cv2.imdecode(encoded, cv2.IMREAD_COLOR)

    def detect(self, image):
        faces = self.detector.detect(image)
        if not faces:
            return np.empty((0, 4)), np.empty((0, 5, 2)), np.empty(0)
        return (
            np.array([face.bbox for face in faces]),
            np.array([face.landmarks for face in faces]),
            np.array([face.confidence for face in faces]),
        )

    def align(self, image, landmarks):
        size = self.recognizer.input_size
        return [uniface.face_alignment(image, points, image_size=size)[0] for points in landmarks]

    def embed(self, crops):
        return np.stack([self.recognizer.get_embedding(crop).ravel() for crop in crops])
