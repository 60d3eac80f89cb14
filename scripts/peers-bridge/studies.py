"""The studies of scripts/peers: facebench and other pipelines on the same photos, networks, thresholds and cores.

One study for each detector on all photos, and one on those in which facebench finds exactly one face with it. Every
study leaves its record (-o names the first, the others lie beside it); the table at the end is drawn from the records.
What stands after -- goes to every `facebench run`, such as --quick or --processes 3.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

from scipy.stats import t as student

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")))

# Which peers read which detector, and what each study is to show on all photos and on those with one face. A goal's
# sides are labels, or `peers` and `facebench` for the best of their kind.
PEERS = {"yunet": ["opencv", "ort_loop"], "scrfd": ["insightface", "uniface", "ort_loop"]}
BASE = "facebench fp32"
# The same networks in fp32, without work that changes no answer: no more canvas and no more pixels than are needed.
FITTED = "facebench fp32 fitted"
ARMS = {BASE: "cpu", FITTED: "cpu,canvas=fit,decode=scaled"}
GOALS = {
    "yunet": [
        (BASE, "peers", 1.30, 1.20),
        (FITTED, "peers", 1.30, 1.20),
        (BASE, "opencv", 1.60, 1.40),
        (FITTED, "opencv", 1.60, 1.40),
        ("facebench", "peers", 2.2, 2.0),
    ],
    "scrfd": [
        (BASE, "insightface", 1.20, 1.15),
        (FITTED, "insightface", 1.20, 1.15),
        (BASE, "peers", None, None),
        (FITTED, "peers", None, None),
    ],
}


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/peers", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", help="a folder")
    parser.add_argument("--detector", action="append", required=True, help="yunet:FILE or scrfd:FILE; one study each")
    parser.add_argument("--recognizer", required=True, help="arcface:FILE")
    parser.add_argument("-b", "--backend", action="append", default=[], help="another arm of facebench's own, in every study")
    parser.add_argument("-o", "--output", default=os.path.join(ROOT, "results", "peers.json"))
    parser.add_argument("--only", choices=("all", "one-face"), help="only on all photos, or only on those with one face")
    words = sys.argv[1:]
    place = words.index("--") if "--" in words else len(words)
    return parser.parse_args(words[:place]), words[place + 1 :]


def build():
    features = os.environ.get("FACEBENCH_FEATURES", "turbojpeg")
    command = ["cargo", "build", "--release", *(["--features", features] if features else [])]
    subprocess.run(command, cwd=ROOT, check=True)
    # By a path from here: a record names no folder of this machine.
    return os.path.join(".", os.path.relpath(os.path.join(TARGET, "release", "facebench")))


def with_one_face(program, arguments, detector, folder):
    """A folder of the photos in which facebench finds exactly one face."""
    command = [program, "faces", arguments.photos, "--json", "--detector", detector, "--recognizer", arguments.recognizer]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    chosen = os.path.join(folder, f"{os.path.basename(os.path.normpath(arguments.photos))}-one-face")
    os.makedirs(chosen)
    for line in lines:
        seen = json.loads(line)
        if len(seen.get("faces") or []) == 1:
            name = seen["photo"]
            found = name if os.path.isfile(name) else os.path.join(arguments.photos, name)
            shutil.copy(found, chosen)
    if not os.listdir(chosen):
        sys.exit(f"no photo in {arguments.photos} has exactly one face")
    return chosen


def study(program, arguments, detector, photos, output, more):
    family = detector.partition(":")[0]
    arms = []
    for label, arm in ARMS.items():
        arms += ["-b", f"{arm},label={label}"]
    for arm in arguments.backend:
        arms += ["-b", arm]
    for peer in PEERS[family]:
        path = os.path.relpath(os.path.join(HERE, f"peer_{peer}.py"))
        arms += ["-b", f"peer:{path},label={peer.replace('_', '-')}"]
    command = [program, "run", *arms, "-i", photos, "--detector", detector, "--recognizer", arguments.recognizer]
    done = subprocess.run([*command, "-o", output, *more])
    # Unstable and invalid arms are listed below.
    if done.returncode not in (0, 3):
        sys.exit(done.returncode)
    with open(output, encoding="utf-8") as file:
        return json.load(file)


def means(arm):
    """Images a second of each process, as facebench counts them."""
    sums = {}
    for block in arm["blocks"]:
        images, seconds = sums.get(block["process"], (0, 0.0))
        sums[block["process"]] = images + block["images"], seconds + block["seconds"]
    return {process: images / seconds for process, (images, seconds) in sums.items()}


def ratio(arm, baseline):
    """How many times as fast, with the 95 % interval: paired by process, as `facebench run` compares arms."""
    ours, theirs = means(arm), means(baseline)
    logs = [math.log(ours[process] / theirs[process]) for process in sorted(ours.keys() & theirs.keys())]
    middle = statistics.fmean(logs)
    if len(logs) < 2:
        return math.exp(middle), None, None
    reach = student.ppf(0.975, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(middle), math.exp(middle - reach), math.exp(middle + reach)


def pick(record, side, ours):
    """The arm of that label, or the fastest of the peers or of facebench's own; of arms that count where any do."""
    arms = [arm for arm in record["arms"] if arm["throughput"]]
    if side == "peers":
        arms = [arm for arm in arms if arm["label"] not in ours]
    elif side == "facebench":
        arms = [arm for arm in arms if arm["label"] in ours]
    else:
        arms = [arm for arm in arms if arm["label"] == side]
    counted = [arm for arm in arms if arm["status"] in ("valid", "unstable")] or arms
    return max(counted, key=lambda arm: arm["throughput"]["images_per_second"]["median"], default=None)


def rows(record, family, one_face):
    ours = {arm["label"] for arm in record["arms"] if not arm["backend"]["requested"].startswith("peer:")}
    for over, under, *goals in GOALS[family]:
        arm, baseline, goal = pick(record, over, ours), pick(record, under, ours), goals[one_face]
        if arm is None or baseline is None:
            yield family, one_face, f"{over} / {under}", goal, None, "not measured"
            continue
        found = ratio(arm, baseline)
        bad = [f"{one['label']} is {one['status']}" for one in (arm, baseline) if one["status"] != "valid"]
        if record["quick"]:
            bad.append("quick")
        name = f"{arm['label']} / {baseline['label']}" + (" (the best peer)" if under == "peers" else "")
        yield family, one_face, name, goal, found, "; ".join(bad)


def verdict(goal, found):
    if goal is None:
        return ""
    middle, low, _ = found
    if middle < goal:
        return "missed"
    return "held" if low is not None and low >= goal else "held, not surely"


def table(lines):
    text = [("DETECTOR", "PHOTOS", "RATIO OF IMAGES/S", "", "95 %", "GOAL", "", "NOT TO BE QUOTED")]
    for family, one_face, name, goal, found, bad in lines:
        photos, wanted = ("one face" if one_face else "all"), (f"{goal:.2f}" if goal else "")
        if found is None:
            text.append((family, photos, name, "-", "", wanted, "", bad))
            continue
        middle, low, high = found
        interval = "-" if low is None else f"{low:.2f} - {high:.2f}"
        text.append((family, photos, name, f"{middle:.2f}", interval, wanted, verdict(goal, found), bad))
    widths = [max(len(row[column]) for row in text) for column in range(len(text[0]))]
    for row in text:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def main():
    given, more = arguments()
    for detector in given.detector:
        if detector.partition(":")[0] not in PEERS:
            sys.exit(f"--detector {detector}: name its family, yunet:FILE or scrfd:FILE")
    program = build()
    stem, ending = os.path.splitext(given.output)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for number, detector in enumerate(given.detector):
            family = detector.partition(":")[0]
            name = stem if number == 0 else f"{stem}-{family}"
            for one_face in (False, True):
                if given.only and (given.only == "one-face") != one_face:
                    continue
                photos = given.photos
                if one_face:
                    photos = with_one_face(program, given, detector, os.path.join(folder, str(number)))
                output = f"{name}-one-face{ending}" if one_face else f"{name}{ending}"
                record = study(program, given, detector, photos, output, more)
                lines += rows(record, family, one_face)
    print()
    table(lines)


if __name__ == "__main__":
    main()
