#!/usr/bin/env python3
"""OpenCV alone: imdecode, FaceDetectorYN, warpAffine, and its DNN module for the recognizer.

FaceRecognizerSF itself knows one network's input (SFace, BGR from 0 to 255) and crops with its own alignCrop: for the
ArcFace family the crop is the same similarity by warpAffine, and the network runs on the same DNN module by readNet.
"""

import sys

if __name__ == "__main__":
    # Before anything native is loaded: the bridge forks first, and its processes load this file.
    import bridge

    sys.exit(bridge.main("peer_opencv"))

import cv2
import numpy as np

import common


class Peer:
    DECODER = "OpenCV"

    def __init__(self, job, profile=None):
        del profile
        common.single_threaded(job)
        detector = common.Network(job["networks"]["detector"], ["yunet"])
        self.recognizer = common.Network(job["networks"]["recognizer"], ["arcface"])
        self.letterbox = common.Letterbox(detector.size)
        self.detector = cv2.FaceDetectorYN.create(detector.path, "", detector.size, detector.score, detector.nms, 5000)
        self.net = cv2.dnn.readNet(self.recognizer.path)
        self.batch = job["batch"]

    def about(self):
        return {
            "runtime": "OpenCV (Python)",
            "version": cv2.__version__,
            "provider": "OpenCV CPU target",
            "canvas": self.letterbox.size,
            "batch": self.batch,
            "options": common.versions(),
        }

    def end_profiles(self):
        return []

    def decode(self, encoded):
        return cv2.imdecode(encoded, cv2.IMREAD_COLOR)

    def detect(self, image):
        canvas, (x, y) = self.letterbox.put(image)
        _, found = self.detector.detect(canvas)
        if found is None:
            return np.empty((0, 4)), np.empty((0, 5, 2)), np.empty(0)
        found = found[np.argsort(-found[:, 14], kind="stable")]
        scale = np.array([x, y], np.float32)
        corners = np.stack([found[:, 0:2], found[:, 0:2] + found[:, 2:4]], axis=1) * scale
        return corners.reshape(-1, 4), found[:, 4:14].reshape(-1, 5, 2) * scale, found[:, 14]

    def align(self, image, landmarks):
        return common.crops(image, landmarks)

    def embed(self, crops):
        recognizer, answers = self.recognizer, []
        for start in range(0, len(crops), self.batch):
            blob = cv2.dnn.blobFromImages(
                list(crops[start : start + self.batch]),
                1 / recognizer.divisor,
                (common.SIDE, common.SIDE),
                (recognizer.mean,) * 3,
                swapRB=recognizer.swap,
            )
            self.net.setInput(blob)
            answers.append(self.net.forward().copy())
        return np.concatenate(answers)
