"""Two streams and two tenants of facebench beside two bare loops: scripts/scaling calls this and says how."""

import argparse
import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from scipy.stats import t as student

ROOT = Path(__file__).resolve().parent.parent.parent
BINARIES = ROOT / "target/release"
# The goal: the gain of streams over the gain of bare loops.
LEAST = 0.97


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos")
    parser.add_argument("--detector", required=True)
    parser.add_argument("--recognizer", required=True)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    faces, library = look(args)
    rounds = []
    for number in range(args.rounds):
        measured = {}
        kinds = ["bare", "streams", "tenants"]
        random.Random(number).shuffle(kinds)
        for kind in kinds:
            measured[kind] = {"bare": lambda: bare(args, library, faces), "streams": lambda: streams(args, number),
                              "tenants": lambda: tenants(args, number)}[kind]()
        rounds.append(measured)
        gains = {kind: speeds[1] / speeds[0] for kind, speeds in measured.items()}
        print(f"round {number + 1}: bare loops gain {gains['bare']:.3f}, streams {gains['streams']:.3f}, "
              f"tenants {gains['tenants']:.3f}", flush=True)
    shares = {kind: share(rounds, kind) for kind in ["streams", "tenants"]}
    held = all(share["median"] >= LEAST for share in shares.values())
    result = {
        "command": " ".join(["scripts/scaling", *(argument.split("/")[-1] for argument in sys.argv[1:])]),
        "faces_a_photo": faces,
        "rounds": rounds,
        "share_of_bare_gain": shares,
        "goal": LEAST,
        "held": held,
    }
    if args.output:
        args.output.write_text(json.dumps(result, indent=1) + "\n")
    for kind, part in shares.items():
        print(f"two {kind} gain {part['median']:.3f} [{part['low']:.3f}, {part['high']:.3f}] of what two bare loops gain "
              f"(goal {LEAST}: {'held' if part['median'] >= LEAST else 'missed'})")
    return 0 if held else 1


def share(rounds, kind):
    """The gain of `kind` over that of bare loops, paired by rounds: the middle and its interval."""
    logs = [math.log(r[kind][1] / r[kind][0] / (r["bare"][1] / r["bare"][0])) for r in rounds]
    middle = statistics.mean(logs)
    reach = student.ppf(0.975, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))
    return {name: math.exp(value) for name, value in
            [("median", middle), ("low", middle - reach), ("high", middle + reach)]}


def look(args):
    """Faces a photo, and the runtime's library, from a study of the plan alone."""
    record = study(args, 0, ["-b", "cpu"], ["--quick", "--processes", "1"])
    block = record["arms"][0]["blocks"][0]
    home = subprocess.run([BINARIES / "facebench", "devices", "--json"], capture_output=True, text=True, check=True)
    libraries = [text for text in strings(json.loads(home.stdout)) if "libonnxruntime" in text]
    return round(block["faces"] / block["images"]), libraries[0].split()[-1]


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


def bare(args, library, faces):
    command = [BINARIES / "examples/bare_loop", library, args.detector.split(":")[-1],
               args.recognizer.split(":")[-1], str(faces), str(args.seconds)]
    speeds = []
    for count in 1, 2:
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
        speeds.append(sum(float(process.communicate()[0]) for process in processes))
    return speeds


def streams(args, number):
    arms = ["-b", "cpu,streams=1,threads=1", "-b", "cpu,streams=2,threads=1"]
    record = study(args, number, arms, ["--no-curve", "--processes", "1", "--blocks", "1",
                                         "--duration", f"{args.seconds}s", "--warmup", "1s"])
    return [arm["throughput"]["images_per_second"]["median"] for arm in record["arms"]]


def tenants(args, number):
    """Images a second of one tenant, and of two together; each has one stream of one thread."""
    record = study(args, number, ["-b", "cpu", "--counts", "1,2"],
                   ["--processes", "1", "--duration", f"{args.seconds}s", "--warmup", "1s"], "tenants")
    return [group["images_per_second"]["median"] for group in record["tenants"]["groups"]]


def study(args, seed, arms, layout, command="run"):
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "record.json"
        subprocess.run([BINARIES / "facebench", command, *arms, *layout, "-i", args.photos, "--detector", args.detector,
                        "--recognizer", args.recognizer, "--seed", str(seed), "-o", output],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        return json.loads(output.read_text())


if __name__ == "__main__":
    sys.exit(main())
