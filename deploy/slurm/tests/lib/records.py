"""The records that an array left, of tasks of one processor: records.py DIR SHARDS PHOTOS LABEL [WHOLE.json]

A record names no photo. The counts in WHOLE show that shards share none and together are all photos: it is the
record of all photos at once: photos, bytes and faces of the shards must add up to its own."""

import json
import os
import pathlib
import sys


def main(folder, shards, photos, label, whole=None):
    folder, shards, photos = pathlib.Path(folder), int(shards), int(photos)
    records = []
    for shard in range(shards):
        found = list(folder.glob(f"shard-{shard}-of-{shards}-*.json"))
        assert len(found) == 1, f"shard {shard}: {len(found)} records"
        records.append(json.loads(found[0].read_text()))
    images = [record["workload"]["dataset"]["images"] for record in records]
    assert sum(images) == photos, f"shards of {images} photos are not {photos} together"
    assert max(images) - min(images) <= 1, f"shards of {images} photos are uneven"
    if whole:
        everything = json.loads(pathlib.Path(whole).read_text())["workload"]["dataset"]
        for key in ("images", "bytes", "faces"):
            parts = [record["workload"]["dataset"][key] for record in records]
            assert everything[key] and sum(parts) == everything[key], f"{key}: {parts} are not {everything[key]}"
    for record in records:
        if os.cpu_count() > 1:
            cores = record["plan"]["host_cores"]
            assert cores == 1, f"a task of one processor measured on {cores}"
        arm = record["arms"][0]
        assert arm["label"] == label, arm["label"]
        assert arm["status"] in ("valid", "unstable"), (arm["status"], arm["errors"])
        rate = arm["throughput"]["images_per_second"]["median"]
        assert rate and rate > 0, rate
    fleet = json.loads((folder / "fleet.json").read_text())
    assert len(fleet["arms"]) == shards, f"{len(fleet['arms'])} arms in fleet.json"
    page = (folder / "fleet.html").read_text()
    assert "<html" in page and label in page, "fleet.html does not show the arm"
    print(f"ok: {label}: shards of {images} photos, {photos} together"
          + (f"; bytes and faces add up ({everything['bytes']}, {everything['faces']})" if whole else ""))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except AssertionError as fault:
        sys.exit(f"records: {fault}")
