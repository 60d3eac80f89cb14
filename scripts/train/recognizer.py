"""Trains facebench-rec on rendered, aligned faces.

The loss is a cosine softmax with a margin (CosFace, Wang et al., 2018) that grows while training goes on.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from common import Pictures, options, train
from networks import Recognizer

BATCH = 128
SCALE = 32.0
MARGIN = 0.35
MARGIN_FROM, MARGIN_TO = 0.05, 0.3  # shares of the time between which the margin grows


class WithClasses(nn.Module):
    """The recognizer and one direction for each person of the training data."""

    def __init__(self, people):
        super().__init__()
        self.network = Recognizer()
        self.people = nn.Parameter(torch.randn(people, 128) * 0.05)

    def forward(self, pixels):
        with torch.autocast("cpu", torch.bfloat16):
            numbers = self.network(pixels)
        return F.normalize(numbers.float()) @ F.normalize(self.people).T


def misplaced(pixels, random):
    """Each crop a little turned, scaled and shifted, as detectors err, and every second one mirrored."""
    number = len(pixels)
    turn = random.normal(0, 0.04, number)
    scale = np.exp(random.normal(0, 0.03, number))
    mirror = random.choice([-1, 1], number)
    shift = random.normal(0, 0.02, (2, number))  # of half a side: a bit more than a pixel
    sine, cosine = scale * np.sin(turn), scale * np.cos(turn)
    rows = [[mirror * cosine, -sine, shift[0]], [mirror * sine, cosine, shift[1]]]
    maps = torch.from_numpy(np.array(rows, np.float32)).permute(2, 0, 1)
    grid = F.affine_grid(maps, pixels.shape, align_corners=False)
    return F.grid_sample(pixels, grid, align_corners=False)


def main():
    given = options(__doc__, minutes=45)
    torch.manual_seed(given.seed)
    torch.set_num_threads(given.threads)
    pictures = Pictures(given.data, "faces")
    labels, people = [], 0
    for truth in pictures.truth:  # each folder has people of its own
        labels += [people + label for label in truth]
        people += max(truth) + 1
    labels = torch.tensor(labels)

    def of_batch(model, progress, random):
        indices = random.integers(len(pictures), size=BATCH)
        pixels = misplaced(pictures.take(indices).float(), random).sub_(127.5).div_(127.5)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        target = labels[indices]
        cosine = model(pixels)
        margin = MARGIN * min(max((progress - MARGIN_FROM) / (MARGIN_TO - MARGIN_FROM), 0), 1)
        logits = SCALE * (cosine - margin * F.one_hot(target, people))
        return {"softmax": F.cross_entropy(logits, target)}

    train("recognizer", WithClasses(people), of_batch, given, peak_rate=2e-3, weight_decay=0.05)


if __name__ == "__main__":
    main()
