"""Another pipeline as an arm of a facebench study: speaks the worker's protocol (src/worker/protocol.rs).

A peer is a file beside this one with a class `Peer`, which hands itself over to `main` when it is run. One process a
stream, forked before any native library is loaded; photos lie in memory that all share; the next photo is handed out to
whichever process is free, in whole passes, as facebench does it. Only closed loops (offline, single-stream) are spoken.
"""

import importlib
import json
import mmap
import os
import select
import signal
import sys
import time
import traceback

# Before numpy: its pools would compete with the other processes for the same cores.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
# Before any process loads ONNX Runtime: its API switches telemetry off too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import multiprocessing
from multiprocessing.connection import wait

import profiles

FORK = multiprocessing.get_context("fork")
HEARTBEAT = 0.2
# The same numbers as in src/worker/load_generator/until_steady.rs and src/record/rules.rs.
WINDOWS = 4
STEADY = 0.03
# Photos of the profiled pass.
PROFILED = 8
STAGES = ("decode", "detect", "align", "embed", "matching")


class PhotoError(Exception):
    """A photo that cannot be read; another may well be fine."""


def duration(seconds):
    """As Rust's serde writes a Duration."""
    nanos = max(0, round(seconds * 1e9))
    return {"secs": nanos // 10**9, "nanos": nanos % 10**9}


def seconds(value):
    return value["secs"] + value["nanos"] / 1e9


def step(micros):
    """The middle of the step of an HDR histogram with three significant digits that `micros` falls into."""
    shift = max(0, micros.bit_length() - 11)
    low = micros >> shift << shift
    return low + (1 << shift >> 1)


class Photos:
    """The encoded photos: in memory that all processes share, or read from their files each time."""

    def __init__(self, job):
        self.paths = job["photos"]
        self.places = None
        if job["reads"] == "preloaded":
            sizes = [os.path.getsize(path) for path in self.paths]
            self.memory = mmap.mmap(-1, max(1, sum(sizes)))
            self.places, start = [], 0
            for path, size in zip(self.paths, sizes):
                with open(path, "rb") as file:
                    self.memory[start : start + size] = file.read()
                self.places.append((start, start + size))
                start += size
            self.view = memoryview(self.memory)

    def bytes(self, index):
        if self.places is None:
            with open(self.paths[index], "rb") as file:
                return file.read()
        start, end = self.places[index]
        return self.view[start:end]


class LoadGenerator:
    """Hands out photos to processes in whole passes; lives in shared memory."""

    # How the work ends.
    STOPPED, PASSES, ONE_PASS = range(3)

    def __init__(self, photos):
        self.photos = photos
        self.lock = FORK.Lock()
        self.next = FORK.RawValue("q", 0)
        self.over = FORK.RawValue("b", 0)
        self.until = FORK.RawValue("b", 0)
        self.images = FORK.RawValue("q", 0)
        self.least = FORK.RawValue("d", 0)
        self.started = FORK.RawValue("d", 0)
        # Answered photos, and for each window of a warm-up what they cost and what they were expected to cost.
        self.done = FORK.RawValue("q", 0)
        self.window = FORK.RawValue("d", 0)
        self.costs = FORK.RawArray("d", 4096)

    def begin(self, until, images=0, least=0.0, window=0.0):
        self.next.value = self.done.value = 0
        self.over.value = int(self.photos == 0)
        self.until.value, self.images.value, self.least.value = until, images, least
        self.window.value = window
        for place in range(len(self.costs)):
            self.costs[place] = 0.0
        self.started.value = time.monotonic()

    def stop(self):
        self.over.value = 1

    def next_photo(self):
        """The number of the next photo, or None at the end."""
        with self.lock:
            number = self.next.value
            if number and number % self.photos == 0 and not self.over.value:
                if self.until.value == self.ONE_PASS:
                    self.over.value = 1
                elif self.until.value == self.PASSES:
                    long_enough = time.monotonic() - self.started.value >= self.least.value
                    self.over.value = int(long_enough and number >= self.images.value)
            if self.over.value:
                return None
            self.next.value = number + 1
            return number % self.photos

    def completed(self, at, took, weight):
        with self.lock:
            self.done.value += 1
            if self.window.value:
                place = 2 * int((at - self.started.value) / self.window.value)
                if place < len(self.costs):
                    self.costs[place] += took
                    self.costs[place + 1] += weight

    def steady(self, elapsed):
        """Whether the last whole window was no faster than the best before it; None with too few."""
        whole = int(elapsed / self.window.value)
        pairs = zip(self.costs[0 : 2 * whole : 2], self.costs[1 : 2 * whole : 2])
        speeds = [weight / took for took, weight in pairs if took > 0]
        if len(speeds) < 2:
            return None
        return speeds[-1] <= max(speeds[:-1]) * (1 + STEADY)


class Stream:
    """One process's pipeline: a peer's four steps, timed apart, and the matching."""

    def __init__(self, name, job, profile=None):
        import numpy as np

        self.np = np
        self.peer = importlib.import_module(name).Peer(job, profile)
        self.most_pixels = job["networks"]["max_pixels"]
        gallery = np.asarray(job["gallery"], np.float32)
        self.gallery = np.ascontiguousarray(gallery.T) if len(gallery) else None

    def recognise(self, encoded, laps):
        """Boxes (n, 4), landmarks (n, 5, 2), scores (n) and embeddings of length 1 (n, d), best score first."""
        np, peer, now = self.np, self.peer, time.perf_counter
        begun = now()
        image = peer.decode(np.frombuffer(encoded, np.uint8))
        if image is None:
            raise PhotoError(f"{peer.DECODER} cannot decode it")
        if image.shape[0] * image.shape[1] > self.most_pixels:
            raise PhotoError(f"it has more than {self.most_pixels} pixels")
        decoded = now()
        boxes, landmarks, scores = peer.detect(image)
        detected = now()
        aligned = embedded = matched = detected
        embeddings = None
        if len(scores):
            crops = peer.align(image, landmarks)
            aligned = now()
            embeddings = peer.embed(crops)
            embeddings /= np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
            embedded = matched = now()
            if self.gallery is not None:
                cosines = embeddings @ self.gallery
                # Who it is, and how sure: what facebench's own pipeline finds out.
                cosines.argmax(axis=1), cosines.max(axis=1)
                matched = now()
        laps[0] += decoded - begun
        laps[1] += detected - decoded
        laps[2] += aligned - detected
        laps[3] += embedded - aligned
        laps[4] += matched - embedded
        return boxes, landmarks, scores, embeddings


def faces_of(answer):
    """As src/vision/face.rs reads them."""
    boxes, landmarks, scores, embeddings = answer
    return [
        {
            "box": [float(side) for side in boxes[place]],
            "landmarks": [[float(x), float(y)] for x, y in landmarks[place]],
            "score": float(scores[place]),
            "embedding": [float(number) for number in embeddings[place]],
        }
        for place in range(len(scores))
    ]


def live(name, job, photos, generator, pipe, parent):
    """A process of one stream: loads, then does what its pipe asks for until that is closed."""
    die_with(parent)
    # The study's Ctrl-C is the study's.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        stream = Stream(name, job)
        pipe.send(("loaded", stream.peer.about()))
        while True:
            request = pipe.recv()
            if request == "first":
                begun = time.monotonic()
                try:
                    stream.recognise(photos.bytes(0), [0.0] * 5)
                except PhotoError:
                    pass
                pipe.send(("first", time.monotonic() - begun))
            elif request == "profile":
                pipe.send(("profile", profile(name, job, photos)))
            elif request in ("observe", "work"):
                pipe.send(("done", work(stream, job, photos, generator, pipe if request == "observe" else None)))
            elif request == "peak":
                pipe.send(("peak", memory()))
            else:
                return
    except EOFError:
        return
    except BaseException as error:  # noqa: BLE001 - whatever it is, the study must know of it
        traceback.print_exc()
        pipe.send(("failed", f"{type(error).__name__}: {error}"))


def work(stream, job, photos, generator, observer):
    strata, weights = job["strata"], job["weights"]
    groups = 1 + max((number for groups in strata for number in groups), default=-1)
    stats = {"images": 0, "faces": 0, "embeddings": 0, "service": {}, "laps": [0.0] * 5, "end": None}
    stats["strata"] = [[0, 0.0] for _ in range(groups)]
    cpu = time.process_time()
    storage = storage_bytes()
    laps, service = stats["laps"], stats["service"]
    while (index := generator.next_photo()) is not None:
        begun = time.monotonic()
        try:
            answer = stream.recognise(photos.bytes(index), laps)
        except PhotoError as error:
            if observer is None:
                raise RuntimeError(f"{job['photos'][index]}: {error}") from error
            observer.send(("photo", index, {"Err": str(error)}))
            generator.completed(time.monotonic(), 0.0, 0.0)
            continue
        end = time.monotonic()
        took = end - begun
        if observer is not None:
            observer.send(("photo", index, {"Ok": {"faces": faces_of(answer), "time": duration(took)}}))
        stats["images"] += 1
        stats["faces"] += len(answer[2])
        stats["embeddings"] += 0 if answer[3] is None else len(answer[3])
        micros = step(max(1, int(took * 1e6)))
        service[micros] = service.get(micros, 0) + 1
        for stratum in strata[index] if strata else ():
            stats["strata"][stratum][0] += 1
            stats["strata"][stratum][1] += took
        generator.completed(end, took, weights[index] if weights else 1.0)
        stats["end"] = end
    stats["cpu"] = time.process_time() - cpu
    after = storage_bytes()
    stats["storage"] = None if storage is None or after is None else after - storage
    return stats


def profile(name, job, photos):
    """Where the nodes of a session of its own ran; None where the peer's runtime does not report it."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        stream = Stream(name, {**job, "gallery": []}, os.path.join(folder, "profile"))
        every = max(1, -(-len(job["photos"]) // PROFILED))
        for index in range(0, len(job["photos"]), every):
            try:
                stream.recognise(photos.bytes(index), [0.0] * 5)
            except PhotoError:
                pass
        return profiles.read(stream.peer.end_profiles())


def die_with(parent):
    """Has the system end this process with its parent, which the study may kill."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    except (OSError, AttributeError):
        pass
    if os.getppid() != parent:
        os._exit(1)


def memory():
    """Bytes of this process's peak that are its own, and of its pages that others may share."""
    facts = {}
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            name, _, value = line.partition(":")
            if value.strip().endswith("kB"):
                facts[name] = int(value.split()[0]) * 1024
    shared = facts.get("RssFile", 0), facts.get("RssShmem", 0)
    return facts["VmHWM"] - sum(shared), shared


def storage_bytes():
    try:
        with open("/proc/self/io", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("read_bytes"))
    except (OSError, StopIteration):
        return None


class Failed(Exception):
    """The worker cannot go on."""


class Worker:
    def __init__(self, name, output):
        self.name, self.output = name, output
        self.job = self.processes = None
        self.input = b""
        self.profiled = False

    def send(self, kind, **values):
        self.output.write(json.dumps({"type": kind, **values}).encode() + b"\n")
        self.output.flush()

    def requests(self):
        while (line := self.line()) is not None:
            yield json.loads(line)

    def line(self):
        while b"\n" not in self.input:
            more = os.read(0, 1 << 20)
            if not more:
                return None
            self.input += more
        line, _, self.input = self.input.partition(b"\n")
        return line

    def serve(self):
        for request in self.requests():
            kind = request["type"]
            if kind == "prepare":
                self.prepare(request)
            elif kind == "observe":
                self.observe()
            elif kind == "warm-up":
                self.warm_up(seconds(request["least"]), seconds(request["most"]))
            elif kind == "block":
                self.block(request)
            elif kind == "finish":
                self.finish()
                return
            elif kind == "probe":
                self.send("probed")
            else:
                raise Failed(f"the study's request cannot be understood: {kind}")

    def prepare(self, job):
        self.job = job
        if not job.get("networks"):
            raise Failed("a peer needs networks")
        if job["host_cores"]:
            os.sched_setaffinity(0, job["host_cores"])
        self.photos = Photos(job)
        self.generator = LoadGenerator(len(job["photos"]))
        begun = time.monotonic()
        self.processes, self.pipes = [], []
        for _ in range(job["streams"]):
            ours, theirs = FORK.Pipe()
            process = FORK.Process(
                target=live, args=(self.name, job, self.photos, self.generator, theirs, os.getpid()), daemon=True
            )
            process.start()
            theirs.close()
            self.processes.append(process)
            self.pipes.append(ours)
        about = [self.receive(pipe, "loaded") for pipe in self.pipes][0]
        load = time.monotonic() - begun
        self.pipes[0].send("first")
        first = self.receive(self.pipes[0], "first")
        self.send(
            "ready",
            runtime=about["runtime"],
            version=about["version"],
            provider=about["provider"],
            device=processor(),
            options=[[name, str(value)] for name, value in about["options"].items()],
            loaded={
                "detector_family": job["networks"]["detector"]["family"],
                "recognizer_family": job["networks"]["recognizer"]["family"],
                "canvas": about["canvas"],
                "detector_batch": 1,
                "recognizer_batch": about["batch"],
                "reads_bytes": False,
                "pinned": None,
            },
            load=duration(load),
            shapes=duration(0),
            first_image=duration(first),
        )

    def receive(self, pipe, kind):
        try:
            message = pipe.recv()
        except EOFError:
            raise Failed("a process of the peer died") from None
        if message[0] == "failed":
            raise Failed(message[1])
        assert message[0] == kind, message
        return message[1]

    def work(self, request, streams, poll=None):
        """Has so many processes work until they are done; `poll` is called now and then."""
        pipes = self.pipes[:streams]
        for pipe in pipes:
            pipe.send(request)
        all_stats, reported, beat = [], 0, time.monotonic()
        while len(all_stats) < len(pipes):
            for ready in wait([*self.open(pipes, all_stats), 0], 0.01):
                if ready == 0:
                    # The study asks for nothing in the middle of work: it is gone.
                    if not self.input_goes_on():
                        os._exit(1)
                    continue
                try:
                    message = ready.recv()
                except EOFError:
                    raise Failed("a process of the peer died") from None
                if message[0] == "failed":
                    raise Failed(message[1])
                if message[0] == "photo":
                    self.send("photo", index=message[1], answer=message[2])
                else:
                    all_stats.append((ready, message[1]))
            if poll:
                poll()
            done = self.generator.done.value
            if done > reported and time.monotonic() - beat >= HEARTBEAT:
                self.send("progress", images=done)
                reported, beat = done, time.monotonic()
        return [stats for _, stats in all_stats]

    @staticmethod
    def open(pipes, all_stats):
        return [pipe for pipe in pipes if all(pipe is not done for done, _ in all_stats)]

    def input_goes_on(self):
        if select.select([0], [], [], 0)[0]:
            more = os.read(0, 1 << 20)
            self.input += more
            return bool(more)
        return True

    def observe(self):
        # Asked again with other pixels in the files, the nodes run where they ran.
        profile = None
        if not self.profiled:
            self.pipes[0].send("profile")
            profile = self.receive(self.pipes[0], "profile")
            self.profiled = True
        self.generator.begin(LoadGenerator.ONE_PASS)
        self.work("observe", len(self.pipes))
        self.send("observed", profile=profile)

    def warm_up(self, least, most):
        generator = self.generator
        generator.begin(LoadGenerator.STOPPED, window=max(least / WINDOWS, 0.001))

        def poll():
            elapsed = time.monotonic() - generator.started.value
            if elapsed >= most or (elapsed >= least and generator.steady(elapsed) is True):
                generator.stop()

        all_stats = self.work("work", len(self.pipes), poll)
        took = self.took(all_stats)
        self.send(
            "warmed-up", images=sum(stats["images"] for stats in all_stats), seconds=took, steady=generator.steady(took)
        )

    def took(self, all_stats):
        ends = [stats["end"] for stats in all_stats if stats["end"] is not None]
        return max(ends, default=time.monotonic()) - self.generator.started.value

    def block(self, spec):
        if spec["pattern"]["type"] != "closed":
            raise Failed("peers measure offline and single-stream alone")
        self.generator.begin(LoadGenerator.PASSES, images=spec["images"], least=seconds(spec["duration"]))
        cpu = time.process_time()
        all_stats = self.work("work", max(1, min(spec["streams"], len(self.pipes))))
        cpu = time.process_time() - cpu
        service = {}
        for stats in all_stats:
            for micros, count in stats["service"].items():
                service[micros] = service.get(micros, 0) + count
        strata = [
            [sum(group[0] for group in groups), sum(group[1] for group in groups)]
            for groups in zip(*(stats["strata"] for stats in all_stats))
        ]
        storage = [stats["storage"] for stats in all_stats]
        self.send(
            "block",
            seconds=self.took(all_stats),
            images=sum(stats["images"] for stats in all_stats),
            faces=sum(stats["faces"] for stats in all_stats),
            embeddings=sum(stats["embeddings"] for stats in all_stats),
            stages={
                name: duration(sum(stats["laps"][place] for stats in all_stats)) for place, name in enumerate(STAGES)
            },
            strata=strata,
            service=sorted(service.items()),
            response=[],
            scheduling_delay=[],
            cpu_seconds=cpu + sum(stats["cpu"] for stats in all_stats),
            pixel_seconds=None,
            storage_bytes=None if None in storage else sum(storage),
            given_up=False,
        )

    def finish(self):
        try:
            peaks = [memory()]
            for pipe in self.pipes:
                pipe.send("peak")
                peaks.append(self.receive(pipe, "peak"))
            # What they share (libraries, photos) is there once.
            shared = [max(sizes) for sizes in zip(*(shared for _, shared in peaks))]
            peak = {"Ok": sum(own for own, _ in peaks) + sum(shared)}
        except OSError as error:
            peak = {"Err": str(error)}
        self.send("finished", rss_peak_bytes=peak)
        for pipe in self.pipes:
            pipe.close()


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return "CPU"


def main(name):
    """Answers the study on standard input with the class `Peer` of the module `name`; the exit status."""
    if sys.argv[1:] != ["worker"]:
        sys.exit(f"{sys.argv[0]} worker: an arm of a facebench study, -b peer:{sys.argv[0]}")
    # What libraries print must not get between the study's lines.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    worker = Worker(name, output)
    try:
        worker.serve()
    except Failed as failed:
        worker.send("failed", reason=str(failed))
        return 1
    return 0
