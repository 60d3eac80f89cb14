"""Rules that the Containerfile must keep, and faults planted in it that they must find: containerfile.py FILE"""

import pathlib
import re
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[4]


def instructions(text):
    """(keyword, rest) of each instruction, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(None, 1)[0].upper(), line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


def faults(text):
    """What is wrong, one line each."""
    found, stages, arguments, copied = [], [], {}, set()
    for keyword, rest in instructions(text):
        if keyword == "ARG" and not stages:
            name, _, default = rest.partition("=")
            arguments[name] = default
        elif keyword == "FROM":
            image, _, name = rest.partition(" AS ")
            used = re.fullmatch(r"\$\{(\w+)\}", image)
            if used and used[1] not in arguments:
                found.append(f"FROM {image}: no such ARG before the first FROM")
            elif not used and image not in [stage["name"] for stage in stages]:
                found.append(f"FROM {image}: neither a stage nor an ARG, so it cannot be replaced")
            parent = next((stage for stage in stages if stage["name"] == image), None)
            stages.append({"name": name, "user": parent["user"] if parent else "root"})
        elif keyword == "COPY":
            origin = re.match(r"--from=(\S+)", rest)
            if origin and origin[1] not in [stage["name"] for stage in stages[:-1]]:
                found.append(f"COPY {rest}: no stage {origin[1]} before it")
            if not origin:
                sources = rest.split()[:-1]
                copied |= {source for source in sources if stages[-1]["name"] == "compiled"}
                for source in sources:
                    if not source.startswith("target/") and not (REPOSITORY / source).exists():
                        found.append(f"COPY {rest}: {source} is not in the repository")
        elif keyword == "USER":
            stages[-1]["user"] = rest
        elif keyword == "RUN" and "apt-get" in rest:
            if "--no-install-recommends" not in rest or "rm -rf /var/lib/apt/lists" not in rest:
                found.append(f"RUN {rest}: recommended packages or package lists stay in the layer")
        elif keyword in ("ENTRYPOINT", "CMD") and not rest.startswith("["):
            found.append(f"{keyword} {rest}: a shell would stand between facebench and signals")
        elif keyword == "ADD":
            found.append(f"ADD {rest}: use COPY")
        if keyword == "RUN" and "sudo" in rest:
            found.append(f"RUN {rest}: sudo")
    for argument, default in arguments.items():
        if re.search(r":latest$", default) or re.match(r"[^:/]+\.[^/]+/", default):
            found.append(f"ARG {argument}={default}: a short name with a version is wanted")
    for name in ("cpu", "cuda"):
        stage = next((stage for stage in stages if stage["name"] == name), None)
        if stage is None:
            found.append(f"no target {name}")
        elif not re.fullmatch(r"[1-9]\d*:0", stage["user"]):
            found.append(f"target {name}: USER {stage['user']} is not a number other than 0 in the group 0")
    found += [f"the compiling stage lacks {path}" for path in sorted(needed()) if path.parts[0] not in copied]
    return found


def needed():
    """Files that the program is compiled from: what cargo's manifest names, and what the sources take in."""
    paths = {pathlib.Path(name) for name in ("Cargo.toml", "Cargo.lock", "build.rs", "benches", "examples", "src")}
    for source in (REPOSITORY / "src").rglob("*.rs"):
        for quoted in re.findall(r'include_(?:str|bytes)!\(\s*(?:concat!\()?\s*"([^"]+)"', source.read_text()):
            paths.add((source.parent / quoted).resolve().relative_to(REPOSITORY))
    return paths


# A text and its replacement; each fault must be found.
PLANTED = {
    "root": ("USER 1001:0", "USER root"),
    "user by name": ("USER 1001:0", "USER nobody"),
    "unknown stage": ("COPY --from=program", "COPY --from=programme"),
    "fixed base": ("FROM ${BASE} AS common", "FROM debian AS common"),
    "latest": ("BASE=debian:13-slim", "BASE=debian:latest"),
    "missing source": ("COPY src src", "COPY source src"),
    "networks not copied": ("COPY models models\n", ""),
    "package lists": (" \\\n    && rm -rf /var/lib/apt/lists/*", ""),
    "shell form": ('ENTRYPOINT ["/usr/local/bin/facebench"]', "ENTRYPOINT /usr/local/bin/facebench"),
    "no target": ("AS cuda", "AS gpu"),
}


def main(file):
    text = pathlib.Path(file).read_text()
    found = faults(text)
    for fault in found:
        print(f"FAILED: {file}: {fault}")
    for name, (old, new) in PLANTED.items():
        if old not in text:
            found.append(name)
            print(f"FAILED: the fault \"{name}\" cannot be planted: {old!r} is not there")
        elif not faults(text.replace(old, new)):
            found.append(name)
            print(f"FAILED: the planted fault \"{name}\" was not found")
    if not found:
        print(f"ok: {file} keeps the rules; {len(PLANTED)} planted faults were found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
