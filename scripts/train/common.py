"""What both trainings share: pictures, the clock, averaged weights, checkpoints and the log."""

import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch

SAVE_SECONDS = 150
LOG_SECONDS = 15
WARM_UP = 0.05  # share of the time in which the learning rate rises
AVERAGE = 0.999


def options(description, minutes):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("data", nargs="+", type=Path, help="folders that training_data wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint and log")
    parser.add_argument("--minutes", type=float, default=minutes, help="time for the whole schedule")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    return parser.parse_args()


class Pictures:
    """The pictures of some folders one after the other; pixels stay on disk."""

    def __init__(self, folders, name):
        self.truth, self.shards = [], []
        for folder in folders:
            index = json.loads((folder / f"{name}.json").read_text())
            shape = (index["count"], index["side"], index["side"], 3)
            self.shards.append(np.memmap(folder / f"{name}.rgb", np.uint8, "r", shape=shape))
            self.truth.append(index["truth"])
        self.starts = np.cumsum([0] + [len(shard) for shard in self.shards])

    def __len__(self):
        return int(self.starts[-1])

    def take(self, indices):
        """Pixels as [batch, 3, rows, columns] of bytes in channels-last order."""
        shards = np.searchsorted(self.starts, indices, "right") - 1
        pixels = np.stack([self.shards[s][i - self.starts[s]] for s, i in zip(shards, indices)])
        return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def learning_rate(progress):
    """One cycle: up in a line, down along a cosine."""
    if progress < WARM_UP:
        return 0.05 + 0.95 * progress / WARM_UP
    return 0.005 + 0.995 * (0.5 + 0.5 * math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))


def train(name, model, losses, options, peak_rate, weight_decay):
    """Minimises the sum of what `losses(model, progress, random)` returns until the minutes are over.

    Progress is time spent over time given, so that the schedule ends when it should on a busy machine too.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.out / f"{name}.pt"
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99))
    model.to(memory_format=torch.channels_last).train()

    step, spent = 0, 0.0
    average = {key: value.clone() for key, value in model.state_dict().items()}
    if options.resume:
        saved = torch.load(checkpoint)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        average, step, spent = saved["average"], saved["step"], saved["spent"]

    def save():
        state = {"model": model.state_dict(), "average": average, "optimizer": optimizer.state_dict()}
        torch.save(state | {"step": step, "spent": spent}, f"{checkpoint}.part")
        os.replace(f"{checkpoint}.part", checkpoint)

    log = open(options.out / f"{name}.jsonl", "a", buffering=1)
    seen, logged, saved_at, clock = [], spent, spent, time.monotonic()
    while (progress := spent / (60 * options.minutes)) < 1:
        rate = peak_rate * learning_rate(progress)
        for group in optimizer.param_groups:
            group["lr"] = rate
        parts = losses(model, progress, np.random.default_rng([options.seed, step]))
        optimizer.zero_grad(set_to_none=True)
        sum(parts.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        step += 1
        follow(average, model.state_dict(), min(AVERAGE, (1 + step) / (10 + step)))
        seen.append([float(part.detach()) for part in parts.values()])

        spent, clock = spent + time.monotonic() - clock, time.monotonic()
        if spent - logged > LOG_SECONDS:
            means = [round(value, 4) for value in np.mean(seen, axis=0)]
            head = {"step": step, "minutes": round(spent / 60, 2), "rate": float(f"{rate:.3g}")}
            log.write(json.dumps(head | dict(zip(parts, means))) + "\n")
            seen, logged = [], spent
        if spent - saved_at > SAVE_SECONDS:
            save()
            saved_at = spent
    save()


@torch.no_grad()
def follow(average, state, decay):
    for key, value in state.items():
        if value.is_floating_point():
            average[key].lerp_(value, 1 - decay)
        else:
            average[key].copy_(value)
