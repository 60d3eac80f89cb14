"""Trains facebench-det on rendered scenes."""

import numpy as np
import torch
from torch.nn import functional as F

from common import Pictures, options, train
from networks import INPUT_SCALE, STRIDES, Detector

BATCH = 24
SHOWN = 0.7  # a face of which less is in the window counts neither way
SIZES = {8: (0, 48), 16: (40, 112), 32: (96, 1e4)}  # longer sides, in pixels, that a stride answers for
# Right and left change places in a mirror.
MIRRORED = [2, 3, 0, 1, 4, 5, 8, 9, 6, 7]


class Scenes:
    def __init__(self, folders):
        self.pictures = Pictures(folders, "scenes")
        rows = [faces for truth in self.pictures.truth for faces in truth]
        self.faces = np.full((len(rows), max(map(len, rows)), 15), -1e3, np.float32)
        for place, faces in zip(self.faces, rows):
            place[: len(faces)] = np.reshape(faces, (-1, 15))

    def batch(self, random):
        """Scaled BGR pixels and faces (box, landmarks, share shown; -1000 is no face); half of them mirrored."""
        indices = random.integers(len(self.pictures), size=BATCH)
        pixels = self.pictures.take(indices).flip(1)
        faces = torch.from_numpy(self.faces[indices])
        mirror = torch.from_numpy(random.random(BATCH) < 0.5)
        pixels[mirror] = pixels[mirror].flip(3)
        width = pixels.shape[3]
        turned = faces[mirror]
        turned[..., [0, 2]] = width - turned[..., [2, 0]]
        turned[..., 4:14] = turned[..., 4:14][..., MIRRORED]
        turned[..., 4:14:2] = width - turned[..., 4:14:2]
        faces[mirror] = turned
        return pixels.float().mul_(INPUT_SCALE).contiguous(memory_format=torch.channels_last), faces


def cells_of(maps):
    """Corner and stride of each cell, in the order in which the maps are flattened."""
    corners, strides = [], []
    for stride, level in zip(STRIDES, maps):
        rows, columns = level.shape[2:]
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        corners.append(torch.stack([x, y], -1).reshape(-1, 2) * float(stride))
        strides.append(torch.full((rows * columns,), float(stride)))
    return torch.cat(corners), torch.cat(strides)


def assign(corners, strides, faces):
    """Which cells answer for which face: the four around its centre, at the stride of its size.

    Gives for each cell whether it is positive, whether it counts at all, and its face.
    """
    box, shown = faces[..., :4], faces[..., 14]
    centre = (box[..., :2] + box[..., 2:]) / 2
    size = (box[..., 2:] - box[..., :2]).amax(-1)
    offset = (corners[None, :, None] - centre[:, None]).abs()
    distance = offset.amax(-1) / strides[:, None]
    low, high = (torch.tensor([SIZES[int(s)][side] for s in strides])[:, None] for side in (0, 1))
    near = distance < 1
    fits = (size[:, None] >= low) & (size[:, None] < high)
    whole = (shown >= SHOWN)[:, None]
    positive = near & fits & whole
    half = (box[..., 2:] - box[..., :2]) / 2
    cut = (offset <= half[:, None]).all(-1) & (shown[:, None] > 0) & ~whole
    owner = distance.masked_fill(~positive, 1e6).argmin(-1)
    positive = positive.any(-1)
    counts = positive | ~((near & ~fits & whole) | cut).any(-1)
    return positive, counts, owner


def focal(logits, target, counts):
    """Cross entropy, weighted by the squared error: easy cells hardly count."""
    error = (target - logits.sigmoid()).detach()
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (loss * error.square() * counts).sum()


def overlap(a, b):
    """Intersection over union and its generalised form (Rezatofighi et al., 2019)."""
    inner = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    outer = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inner
    iou = inner / union
    return iou, iou - (outer - union) / outer


def losses(maps, faces):
    corners, strides = cells_of(maps["cls"])
    flat = {kind: torch.cat([m.float().flatten(2) for m in maps[kind]], 2).transpose(1, 2) for kind in maps}
    positive, counts, owner = assign(corners, strides, faces)
    picture, cell = positive.nonzero(as_tuple=True)
    face = faces[picture, owner[picture, cell]]
    corner, stride = corners[cell], strides[cell, None]
    size = (face[:, 2:4] - face[:, :2]).amax(1, keepdim=True)

    offset, log_size = flat["bbox"][picture, cell].split(2, 1)
    centre, half = corner + offset * stride, log_size.clamp(-4, 4).exp() * stride / 2
    iou, generalised = overlap(torch.cat([centre - half, centre + half], 1), face[:, :4])
    points = corner.repeat(1, 5) + flat["kps"][picture, cell] * stride
    misses = F.smooth_l1_loss(points / size, face[:, 4:14] / size, reduction="none", beta=0.02)
    quality = torch.zeros_like(flat["cls"][..., 0])
    quality[picture, cell] = iou.detach().clamp(0, 1)

    number = max(len(cell), 1)
    return {
        "cls": focal(flat["cls"][..., 0], quality, counts) / number,
        "obj": focal(flat["obj"][..., 0], positive.float(), counts) / number,
        "box": 2 * (1 - generalised).sum() / number,
        "points": 2 * misses.sum() / number,
    }


def main():
    given = options(__doc__, minutes=25)
    torch.manual_seed(given.seed)
    torch.set_num_threads(given.threads)
    scenes = Scenes(given.data)

    def of_batch(model, _progress, random):
        pixels, faces = scenes.batch(random)
        with torch.autocast("cpu", torch.bfloat16):
            maps = model(pixels)
        return losses(maps, faces)

    train("detector", Detector(), of_batch, given, peak_rate=3e-3, weight_decay=0.02)


if __name__ == "__main__":
    main()
