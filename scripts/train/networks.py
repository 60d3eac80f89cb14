"""The two networks: plain convolutions, so that every runtime can run them once batch norm is folded in."""

import torch
from torch import nn
from torch.nn import functional as F

STRIDES = (8, 16, 32)
INPUT_SCALE = 1 / 64  # of the detector; folded into its first convolution, so that it takes pixels as they are
HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}


def conv(inputs, outputs, stride=1, size=3, relu=True):
    layers = [nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([nn.ReLU()] if relu else []))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.body = nn.Sequential(conv(inputs, outputs, stride), conv(outputs, outputs, relu=False))
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else conv(inputs, outputs, stride, size=1, relu=False)

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


class Detector(nn.Module):
    """Face boxes, landmarks and scores at three strides, from BGR pixels times INPUT_SCALE."""

    def __init__(self, widths=(16, 32, 48, 64, 64), neck=48):
        super().__init__()
        w = widths
        self.stem = nn.Sequential(conv(3, w[0], 2), conv(w[0], w[1], 2))
        self.stages = nn.ModuleList(
            [
                nn.Sequential(conv(w[1], w[2], 2), conv(w[2], w[2])),
                nn.Sequential(conv(w[2], w[3], 2), Residual(w[3], w[3])),
                nn.Sequential(conv(w[3], w[4], 2), Residual(w[4], w[4])),
            ]
        )
        self.lateral = nn.ModuleList([conv(n, neck, size=1, relu=False) for n in w[2:]])
        self.smooth = nn.ModuleList([conv(neck, neck) for _ in STRIDES])
        self.heads = nn.ModuleDict(
            {kind: nn.ModuleList([nn.Conv2d(neck, n, 1) for _ in STRIDES]) for kind, n in HEADS.items()}
        )
        for kind in ("cls", "obj"):
            for head in self.heads[kind]:
                nn.init.constant_(head.bias, -4.0)  # faces are rare: start by seeing none

    def forward(self, x):
        """Maps by kind, each a list over the strides of [batch, channels, rows, columns]; scores are logits."""
        x = self.stem(x)
        levels = []
        for stage, lateral in zip(self.stages, self.lateral):
            x = stage(x)
            levels.append(lateral(x))
        for i in (1, 0):
            levels[i] = levels[i] + F.interpolate(levels[i + 1], scale_factor=2.0, mode="nearest")
        levels = [smooth(F.relu(level)) for smooth, level in zip(self.smooth, levels)]
        with torch.autocast("cpu", enabled=False):  # sixteen bits are too few for the place of a landmark
            levels = [level.float() for level in levels]
            return {
                kind: [head(level) for head, level in zip(heads, levels)] for kind, heads in self.heads.items()
            }


class Recognizer(nn.Module):
    """An aligned 112x112 face, RGB, (x - 127.5) / 127.5, to 128 numbers."""

    def __init__(self, widths=(32, 64, 96, 128), blocks=(2, 3, 2), squeeze=64, numbers=128):
        super().__init__()
        layers = [conv(3, widths[0], 2)]
        for before, after, count in zip(widths, widths[1:], blocks):
            layers += [Residual(before, after, 2)] + [Residual(after, after) for _ in range(count - 1)]
        layers.append(conv(widths[-1], squeeze, size=1))
        self.features = nn.Sequential(*layers)
        linear = nn.Linear(squeeze * 7 * 7, numbers, bias=False)
        self.embed = nn.Sequential(nn.Flatten(), linear, nn.BatchNorm1d(numbers))

    def forward(self, x):
        return self.embed(self.features(x))
