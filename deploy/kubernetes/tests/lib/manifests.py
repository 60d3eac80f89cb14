"""Every rendered manifest against Kubernetes' schemas and our rules; planted faults: manifests.py KUBECTL FOLDER"""

import copy
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

VERSION = "1.37"

# What an overlay must make of the measuring pod: its backend, the resource it asks for, its runtime class.
EXPECTED = {
    "base": ("cpu", None, None),
    "plain": ("cpu", None, None),
    "gpu": ("cuda", "nvidia.com/gpu", None),
    "shared-gpu": ("cuda", "nvidia.com/gpu.shared", None),
    "mig": ("mig:visible", "nvidia.com/mig-1g.5gb", None),
    "kata": ("cpu", None, "kata"),
    "kata-gpu": ("cuda", "nvidia.com/pgpu", "kata-qemu-nvidia-gpu"),
    "object-store": ("cpu", None, None),
    "photos-url": ("cpu", None, None),
    "photos-volume": ("cpu", None, None),
    # The example of README.md.
    "mine": ("cuda", "nvidia.com/gpu", None),
}
# Made by the user, not by the manifests.
OUTSIDE = {("Secret", "facebench-store"), ("PersistentVolumeClaim", "facebench-photos")}


class Broken(Exception):
    """A text that is not even YAML."""


def load(text):
    try:
        return [document for document in yaml.safe_load_all(text) if document]
    except yaml.YAMLError as error:
        raise Broken(str(error)) from error


def schema_faults(documents):
    found = []
    for document in documents:
        try:
            kubernetes_validate.validate(document, VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{name_of(document)}: {error.message.splitlines()[0][:160]}")
        except (kubernetes_validate.SchemaNotFoundError, KeyError) as error:
            found.append(f"{name_of(document)}: {type(error).__name__}: {error}")
    return found


def name_of(document):
    return f"{document.get('kind')}/{document.get('metadata', {}).get('name')}"


def rule_faults(documents):
    """What the schemas do not know, one line each."""
    found = []
    jobs = {job["metadata"]["name"]: job for job in documents if job["kind"] == "Job"}
    if set(jobs) != {"facebench", "facebench-collect"}:
        return [f"jobs are {sorted(jobs)}"]
    made = {(document["kind"], document["metadata"]["name"]) for document in documents} | OUTSIDE
    found += indexed_job(jobs["facebench"]["spec"])
    shards = jobs["facebench"]["spec"].get("completions")
    if container(jobs["facebench-collect"], "collect")["args"][1] != str(shards):
        found.append("the collector waits for another number of shards")
    images = set()
    for name, job in jobs.items():
        pod = job["spec"]["template"]["spec"]
        found += [f"{name}: {fault}" for fault in pod_faults(pod, made)]
        images |= {one["image"] for one in every_container(pod)}
    if len(images) != 1:
        found.append(f"images differ: {sorted(images)}")
    found += [f"image {image} has no tag of its own" for image in images if not re.search(r":(?!latest$)[\w.-]+$", image)]
    runs = {one["args"][0] for one in (container(jobs["facebench"], "measure"), container(jobs["facebench-collect"], "collect"))}
    if runs != {"/results/$(RUN)"}:
        found.append(f"records are in {sorted(runs)}")
    return found


def indexed_job(spec):
    found = []
    shards = spec.get("completions")
    if spec.get("completionMode") != "Indexed":
        found.append("completionMode is not Indexed: pods would have no index")
    if spec.get("parallelism") != shards:
        found.append(f"parallelism {spec.get('parallelism')} is not completions {shards}")
    shard = spec["template"]["spec"]["containers"][0]["args"][1]
    if shard != f"$(JOB_COMPLETION_INDEX)/{shards}":
        found.append(f"shard {shard} of {shards} completions")
    rules = spec.get("podFailurePolicy", {}).get("rules", [])
    actions = {value: rule["action"] for rule in rules for value in rule.get("onExitCodes", {}).get("values", [])}
    if actions.get(4) != "FailJob" or actions.get(2) != "FailJob" or 3 in actions:
        found.append(f"exit statuses lead to {actions}")
    names = {one["name"] for one in every_container(spec["template"]["spec"])}
    for rule in rules:
        target = rule.get("onExitCodes", {}).get("containerName")
        if target and target not in names:
            found.append(f"podFailurePolicy names no container: {target}")
    if not any(rule["action"] == "Ignore" and "onPodConditions" in rule for rule in rules):
        found.append("a pod that is thrown off its node counts as failed")
    return found


def pod_faults(pod, made):
    found = []
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    if pod.get("restartPolicy") != "Never":
        found.append("restartPolicy is not Never")
    if not pod.get("securityContext", {}).get("runAsNonRoot"):
        found.append("may run as root")
    if pod["securityContext"].get("seccompProfile", {}).get("type") != "RuntimeDefault":
        found.append("no seccomp profile")
    if "runAsUser" in str(pod):
        found.append("names a user: OpenShift gives one of its own")
    for volume in volumes.values():
        source = {key: value for key, value in volume.items() if key != "name"}
        for kind, reference in (("PersistentVolumeClaim", source.get("persistentVolumeClaim", {}).get("claimName")),
                                ("Secret", source.get("secret", {}).get("secretName")),
                                ("ConfigMap", source.get("configMap", {}).get("name"))):
            if reference and (kind, reference) not in made:
                found.append(f"volume {volume['name']}: no {kind} {reference}")
        if "hostPath" in source:
            found.append(f"volume {volume['name']} is a path of the host")
    used = set()
    for one in every_container(pod):
        found += [f"{one['name']}: {fault}" for fault in container_faults(one, volumes, made)]
        used |= {mount["name"] for mount in one.get("volumeMounts", [])}
    found += [f"volume {name} is mounted nowhere" for name in sorted(set(volumes) - used)]
    return found


def container_faults(one, volumes, made):
    found = []
    resources = one.get("resources", {})
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    if not {"cpu", "memory"} <= set(limits):
        found.append("no limits of cpu and memory")
    if limits != requests:
        found.append("requests are not limits: the pod is not Guaranteed")
    if not re.fullmatch(r"\d+", str(limits.get("cpu", ""))):
        found.append(f"cpu {limits.get('cpu')} is no whole number: no cores of its own")
    context = one.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False or context.get("capabilities", {}).get("drop") != ["ALL"]:
        found.append("not restricted")
    if context.get("readOnlyRootFilesystem") is not True:
        found.append("its root can be written")
    mounts = [mount["name"] for mount in one.get("volumeMounts", [])]
    found += [f"mounts no volume: {name}" for name in mounts if name not in volumes]
    paths = [mount["mountPath"] for mount in one.get("volumeMounts", [])]
    if len(paths) != len(set(paths)):
        found.append(f"mounts twice at one path: {paths}")
    # JOB_COMPLETION_INDEX comes from the Job controller. Kubernetes expands only what is defined before.
    known = {"JOB_COMPLETION_INDEX"}
    for variable in one.get("env", []):
        found += [f"env {variable['name']} uses $({name}) before it is there"
                  for name in re.findall(r"\$\((\w+)\)", variable.get("value", "")) if name not in known]
        reference = variable.get("valueFrom", {}).get("configMapKeyRef")
        if reference and ("ConfigMap", reference["name"]) not in made:
            found.append(f"env {variable['name']}: no ConfigMap {reference['name']}")
        known.add(variable["name"])
    for source in one.get("envFrom", []):
        if ("ConfigMap", source["configMapRef"]["name"]) not in made:
            found.append(f"no ConfigMap {source['configMapRef']['name']}")
    if one["command"] == ["/usr/local/bin/measure"] or one["command"] == ["/usr/local/bin/collect"]:
        line = " ".join(one["args"])
        found += [f"args use $({name}), which is not defined" for name in re.findall(r"\$\((\w+)\)", line) if name not in known]
        for option in re.findall(r"--input=(\S+)", line):
            if not any(option == path or option.startswith(path + "/") for path in paths):
                found.append(f"--input={option} is not mounted")
    return found


def overlay_faults(name, documents):
    if name not in EXPECTED:
        return ["tests/lib/manifests.py does not say what is expected of it"]
    backend, resource, runtime_class = EXPECTED[name]
    pod = next(one for one in documents if name_of(one) == "Job/facebench")["spec"]["template"]["spec"]
    measure = pod["containers"][0]
    found = []
    if [option for option in measure["args"] if option.startswith("--backend")] != [f"--backend={backend}"]:
        found.append(f"measures {measure['args']} instead of {backend}")
    devices = [key for key in measure["resources"]["limits"] if "/" in key]
    if devices != ([resource] if resource else []):
        found.append(f"asks for {devices} instead of {resource}")
    if measure["image"].endswith(":cuda") != bool(resource):
        found.append(f"image {measure['image']}")
    if pod.get("runtimeClassName") != runtime_class:
        found.append(f"runtime class {pod.get('runtimeClassName')}")
    return found


def every_container(pod):
    return pod.get("initContainers", []) + pod["containers"]


def container(job, name):
    return next(one for one in job["spec"]["template"]["spec"]["containers"] if one["name"] == name)


# Faults by a change of the text, which the schemas must find, and whether it then is still YAML.
TEXTS = {
    "unknown field": ("completionMode: Indexed", "completionsMode: Indexed"),
    "unknown field of a pod": ("restartPolicy: Never", "restartsPolicy: Never"),
    "wrong type": ("completions: 4", 'completions: "four"'),
    "boolean as text": ("runAsNonRoot: true", 'runAsNonRoot: "yes"'),
    "missing required": ("        name: measure\n", ""),
    "unknown kind": ("kind: Job", "kind: Jobs"),
    "old version": ("apiVersion: batch/v1\n", "apiVersion: batch/v2alpha1\n"),
    "indent": ("          limits:\n", "            limits:\n"),
    "indent of a key": ("      restartPolicy: Never", "    restartPolicy: Never"),
    "list for a map": ("        seccompProfile:\n          type:", "        seccompProfile:\n        - type:"),
}


def rules_planted():
    """(name, change of the documents) that our own rules must find."""
    def job(documents, name="facebench"):
        return next(one for one in documents if name_of(one) == f"Job/{name}")["spec"]

    def pod(documents, name="facebench"):
        return job(documents, name)["template"]["spec"]

    def measure(documents):
        return pod(documents)["containers"][0]

    return [
        ("completions alone changed", lambda d: job(d).update(completions=8)),
        ("parallelism", lambda d: job(d).update(parallelism=2)),
        ("shards in args", lambda d: measure(d)["args"].__setitem__(1, "$(JOB_COMPLETION_INDEX)/5")),
        ("collector's shards", lambda d: pod(d, "facebench-collect")["containers"][0]["args"].__setitem__(1, "3")),
        ("not indexed", lambda d: job(d).pop("completionMode")),
        ("3 retried", lambda d: job(d)["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"].append(3)),
        ("4 retried", lambda d: job(d)["podFailurePolicy"]["rules"][1]["onExitCodes"].update(values=[2])),
        ("policy of no container", lambda d: job(d)["podFailurePolicy"]["rules"][1]["onExitCodes"].update(containerName="x")),
        ("no limits", lambda d: measure(d)["resources"].pop("limits")),
        ("burstable", lambda d: measure(d)["resources"]["requests"].update(cpu="1")),
        ("parts of a core", lambda d: [measure(d)["resources"][key].update(cpu="500m") for key in ("limits", "requests")]),
        ("mount of no volume", lambda d: measure(d)["volumeMounts"][0].update(name="elsewhere")),
        ("claim of another name", lambda d: pod(d)["volumes"][0]["persistentVolumeClaim"].update(claimName="x")),
        ("other image", lambda d: measure(d).update(image="facebench:other")),
        ("latest", lambda d: [pod(d, n)["containers"][0].update(image="facebench:latest") for n in ("facebench", "facebench-collect")]),
        ("root", lambda d: pod(d)["securityContext"].pop("runAsNonRoot")),
        ("fixed user", lambda d: pod(d)["securityContext"].update(runAsUser=1001)),
        ("privileges", lambda d: measure(d)["securityContext"].update(allowPrivilegeEscalation=True)),
        ("unknown variable", lambda d: measure(d)["args"].__setitem__(2, "$(POD)")),
        ("other folder", lambda d: measure(d)["args"].__setitem__(0, "/results")),
        ("photos not mounted", lambda d: measure(d)["args"].append("--input=/photos")),
    ]


def render(kubectl, folder):
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Broken(done.stderr.strip())
    return done.stdout


def with_example(folder, copied):
    """A copy of the folder, in which README.md's example is an overlay, as described there."""
    shutil.copytree(folder, copied)
    example = re.search(r"```\n# deploy/kubernetes/(overlays/\S+)\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    file = copied / example[1]
    file.parent.mkdir()
    file.write_text(example[2])
    return copied


def main(kubectl, folder):
    with tempfile.TemporaryDirectory() as scratch:
        return validate(kubectl, with_example(pathlib.Path(folder), pathlib.Path(scratch) / "kubernetes"))


def validate(kubectl, folder):
    failed = 0
    places = [folder / "base", *sorted((folder / "overlays").iterdir())]
    for missing in sorted(set(EXPECTED) - {place.name for place in places}):
        failed += 1
        print(f"FAILED: there is no {missing}")
    for place in places:
        try:
            documents = load(render(kubectl, place))
            found = schema_faults(documents) + rule_faults(documents) + overlay_faults(place.name, documents)
        except Broken as fault:
            documents, found = [], [str(fault)]
        failed += bool(found)
        for fault in found:
            print(f"FAILED: {place.name}: {fault}")
        if not found:
            print(f"ok: {place.name}: {len(documents)} manifests")

    # Files that are no part of a kustomization.
    loose = load((folder / "overlays/shared-gpu/time-slicing.yaml").read_text())
    settings = load(loose[0]["data"]["any"])
    if schema_faults(loose) or settings[0]["sharing"]["timeSlicing"]["renameByDefault"] is not True:
        failed += 1
        print(f"FAILED: time-slicing.yaml: {schema_faults(loose)}")

    text = render(kubectl, folder / "base")
    caught = 0
    for name, (old, new) in TEXTS.items():
        try:
            assert old in text, f"{old!r} is not there"
            fault = not schema_faults(load(text.replace(old, new, 1)))
        except Broken:
            fault = False
        except AssertionError as error:
            fault = error
        caught += not fault
        if fault:
            print(f"FAILED: planted fault of the schema not found: {name} {fault if fault is not True else ''}")
    sound = load(text)
    planted = rules_planted()
    for name, change in planted:
        documents = copy.deepcopy(sound)
        change(documents)
        fault = not rule_faults(documents)
        caught += not fault
        if fault:
            print(f"FAILED: planted fault of the rules not found: {name}")
    wanted = len(TEXTS) + len(planted)
    print(f"{'ok' if caught == wanted else 'FAILED'}: {caught} of {wanted} planted faults found")
    return 1 if failed or caught != wanted else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
