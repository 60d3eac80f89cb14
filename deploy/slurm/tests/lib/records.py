"""The records that an array left: records.py DIR SHARDS PHOTOS LABEL"""

import json
import pathlib
import sys


def main(folder, shards, photos, label):
    folder, shards, photos = pathlib.Path(folder), int(shards), int(photos)
    records = []
    for shard in range(shards):
        found = list(folder.glob(f"shard-{shard}-of-{shards}-*.json"))
        assert len(found) == 1, f"shard {shard}: {len(found)} records"
        records.append(json.loads(found[0].read_text()))
    images = [record["workload"]["dataset"]["images"] for record in records]
    assert sum(images) == photos, f"shards of {images} photos are not {photos} together"
    for record in records:
        arm = record["arms"][0]
        assert arm["label"] == label, arm["label"]
        assert arm["status"] in ("valid", "unstable"), (arm["status"], arm["errors"])
        rate = arm["throughput"]["images_per_second"]["median"]
        assert rate and rate > 0, rate
    fleet = json.loads((folder / "fleet.json").read_text())
    assert len(fleet["arms"]) == shards, f"{len(fleet['arms'])} arms in fleet.json"
    page = (folder / "fleet.html").read_text()
    assert "<html" in page and label in page, "fleet.html does not show the arm"
    print(f"ok: {label}: shards of {images} photos, {photos} together")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except AssertionError as fault:
        sys.exit(f"records: {fault}")
