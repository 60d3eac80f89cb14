#!/usr/bin/env python3
"""A hand-written loop over ONNX Runtime, as careful as Python lets one be: the strongest opponent.

The detector's input is kept between photos and written to where the photo is, all cells are compared with the threshold
before the few that pass are decoded, OpenCV does every pixel, and nothing is done twice. Faces are embedded `batch` at a
time: one by one is fastest on processors (30.3 ms for four at a time where one by one takes 29.4; all at once, 33).
"""

import sys

if __name__ == "__main__":
    # Before anything native is loaded: the bridge forks first, and its processes load this file.
    import bridge

    sys.exit(bridge.main("peer_ort_loop"))

import cv2
import numpy as np
import onnxruntime

import common

STRIDES = (8, 16, 32)


class Canvas:
    """The detector's input tensor: a photo at the top left, black right and below."""

    def __init__(self, network):
        self.network, self.last = network, None
        width, height = network.size
        self.tensor = np.empty((1, 3, height, width), np.float32)

    def put(self, image):
        """The tensor, and by how much each axis of what is found there is to be multiplied."""
        network, tensor = self.network, self.tensor[0]
        height, width = image.shape[:2]
        columns, rows = common.fit(width, height, network.size)
        small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_LINEAR)
        if self.last != (columns, rows):
            tensor[:] = -network.mean / network.divisor
            self.last = columns, rows
        planes = cv2.split(small)
        for target, plane in zip(tensor, planes[::-1] if network.swap else planes):
            part = target[:rows, :columns]
            if network.mean:
                np.subtract(plane, np.float32(network.mean), out=part)
                part *= np.float32(1 / network.divisor)
            else:
                np.multiply(plane, np.float32(1 / network.divisor), out=part)
        return self.tensor, (width / columns, height / rows)


class Peer:
    DECODER = "OpenCV"

    def __init__(self, job, profile=None):
        common.single_threaded(job)
        self.detector = common.Network(job["networks"]["detector"], ["yunet", "scrfd"])
        self.recognizer = common.Network(job["networks"]["recognizer"], ["arcface"])
        self.canvas = Canvas(self.detector)
        self.batch = job["batch"]
        self.detect_session = common.session(self.detector.path, job, profile, "detector")
        self.embed_session = common.session(self.recognizer.path, job, profile, "recognizer")
        self.detect_input = self.detect_session.get_inputs()[0].name
        self.embed_input = self.embed_session.get_inputs()[0].name
        names = [output.name for output in self.detect_session.get_outputs()]
        width, height = self.detector.size
        yunet = self.detector.family == "yunet"
        self.decode_found = self.yunet if yunet else self.scrfd
        # In the order in which they are decoded, every stride's of a kind together.
        kinds = ("cls", "obj", "bbox", "kps")
        self.outputs = [f"{kind}_{stride}" for kind in kinds for stride in STRIDES] if yunet else names
        cells = []
        for stride in STRIDES:
            y, x = np.divmod(np.arange((height // stride) * (width // stride), dtype=np.float32), width // stride)
            grid = np.stack([x, y, np.ones_like(x)], axis=1) * np.float32(stride)
            cells.append(grid if yunet else np.repeat(grid, 2, axis=0))
        # Column and row in pixels, and the stride, of every anchor.
        self.cells = np.concatenate(cells)

    def about(self):
        return {
            "runtime": "ONNX Runtime (Python loop)",
            "version": onnxruntime.__version__,
            "provider": self.detect_session.get_providers()[0],
            "canvas": self.detector.size,
            "batch": self.batch,
            "options": common.versions(onnxruntime=onnxruntime.__version__),
        }

    def end_profiles(self):
        return [self.detect_session.end_profiling(), self.embed_session.end_profiling()]

    def decode(self, encoded):
        return cv2.imdecode(encoded, cv2.IMREAD_COLOR)

    def detect(self, image):
        tensor, scale = self.canvas.put(image)
        boxes, landmarks, scores = self.decode_found(self.detect_session.run(self.outputs, {self.detect_input: tensor}))
        if len(scores):
            sides = boxes.copy()
            sides[:, 2:] -= sides[:, :2]
            kept = np.asarray(cv2.dnn.NMSBoxes(sides, scores, 0.0, self.detector.nms), np.intp).reshape(-1)
            boxes, landmarks, scores = boxes[kept], landmarks[kept], scores[kept]
            boxes *= np.array(scale * 2, np.float32)
            landmarks *= np.array(scale, np.float32)
        return boxes, landmarks, scores

    def yunet(self, outputs):
        classes, objects, boxes, points = (
            [part[0] for part in outputs[place : place + 3]] for place in range(0, 12, 3)
        )
        products = np.concatenate(classes)[:, 0].clip(0, 1) * np.concatenate(objects)[:, 0].clip(0, 1)
        hot = np.flatnonzero(products >= self.detector.score**2)
        boxes, points, cells = self.take(boxes, hot), self.take(points, hot), self.cells[hot]
        stride = cells[:, 2:]
        middle = boxes[:, :2] * stride + cells[:, :2]
        half = np.exp(boxes[:, 2:]) * (stride / 2)
        landmarks = points.reshape(-1, 5, 2) * stride[:, None] + cells[:, None, :2]
        return np.concatenate([middle - half, middle + half], axis=1), landmarks, np.sqrt(products[hot])

    def scrfd(self, outputs):
        outputs = [part[0] if part.ndim == 3 else part for part in outputs]
        scores = np.concatenate(outputs[0:3])[:, 0]
        hot = np.flatnonzero(scores >= self.detector.score)
        boxes, points, cells = self.take(outputs[3:6], hot), self.take(outputs[6:9], hot), self.cells[hot]
        stride, corner = cells[:, 2:], cells[:, :2]
        near, far = corner - boxes[:, :2] * stride, corner + boxes[:, 2:] * stride
        landmarks = points.reshape(-1, 5, 2) * stride[:, None] + corner[:, None]
        return np.concatenate([near, far], axis=1), landmarks, scores[hot]

    @staticmethod
    def take(parts, rows):
        """Rows of parts as if they were one array, without making one."""
        ends = np.cumsum([len(part) for part in parts])
        starts = ends - [len(part) for part in parts]
        places = np.searchsorted(rows, ends)
        firsts = [0, *places[:-1]]
        return np.concatenate(
            [part[rows[first:last] - start] for part, first, last, start in zip(parts, firsts, places, starts)]
        )

    def align(self, image, landmarks):
        return common.crops(image, landmarks)

    def embed(self, crops):
        recognizer, answers = self.recognizer, []
        for start in range(0, len(crops), self.batch):
            blob = cv2.dnn.blobFromImages(
                list(crops[start : start + self.batch]),
                1 / recognizer.divisor,
                mean=(recognizer.mean,) * 3,
                swapRB=recognizer.swap,
            )
            answers.append(self.embed_session.run(None, {self.embed_input: blob})[0])
        return answers[0] if len(answers) == 1 else np.concatenate(answers)
