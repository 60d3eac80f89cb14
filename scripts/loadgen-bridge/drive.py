"""Drives `facebench serve` from MLCommons' LoadGen and prints what LoadGen says, as one JSON line.

LoadGen issues samples; each goes to the worker as a line `ID PHOTO`, and the worker's line `ID` completes it. LoadGen
keeps the time, draws the schedule and judges: nothing here does. Its own logs are left in --logs.
"""

import argparse
import array
import json
import os
import re
import subprocess
import sys
import tempfile
import threading

import mlperf_loadgen as lg

SCENARIOS = {
    "Offline": lg.TestScenario.Offline,
    "SingleStream": lg.TestScenario.SingleStream,
    "Server": lg.TestScenario.Server,
}


class Worker:
    """`facebench serve`: queries in, answers out."""

    def __init__(self, program, arguments, one_by_one):
        self.process = subprocess.Popen(
            [program, "serve", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        # Unbuffered pipes: a buffer would hold answers back.
        self.into = self.process.stdin.fileno()
        self.answers = os.fdopen(os.dup(self.process.stdout.fileno()), "rb", buffering=1 << 16)
        first = self.answers.readline()
        if not first:
            raise SystemExit(self.process.wait() or 1)
        self.ready = json.loads(first)
        # One query at a time needs no second thread, whose waking would count as the worker's time.
        self.one_by_one = one_by_one
        self.empty = array.array("B", [0])
        self.ended = False
        self.reader = threading.Thread(target=self.complete_all, daemon=True)
        if not one_by_one:
            self.reader.start()

    def issue(self, samples):
        text = "".join(f"{sample.id} {sample.index}\n" for sample in samples).encode()
        while text:
            text = text[os.write(self.into, text) :]
        if self.one_by_one:
            self.complete(self.answers.readline())

    def complete(self, line):
        if not line:
            os._exit(1)  # the worker has said why, and LoadGen would wait for ever
        address = self.empty.buffer_info()[0]
        lg.QuerySamplesComplete([lg.QuerySampleResponse(int(line), address, 1)])

    def complete_all(self):
        for line in self.answers:
            self.complete(line)
        if not self.ended:
            self.complete(b"")

    def end(self):
        self.ended = True
        self.process.stdin.close()
        if not self.one_by_one:
            self.reader.join()
        return self.process.wait()


def settings(arguments):
    chosen = lg.TestSettings()
    chosen.scenario = SCENARIOS[arguments.scenario]
    chosen.mode = lg.TestMode.PerformanceOnly
    chosen.min_duration_ms = int(arguments.duration * 1000)
    chosen.min_query_count = arguments.queries
    if arguments.scenario == "Server":
        chosen.server_target_qps = arguments.rate
        chosen.server_target_latency_ns = int(arguments.bound * 1e6)
        chosen.server_target_latency_percentile = 0.99
    elif arguments.scenario == "Offline":
        # LoadGen sends one query that lasts as long as asked at this rate.
        chosen.offline_expected_qps = arguments.rate
    else:
        chosen.single_stream_expected_latency_ns = int(1e9 / arguments.rate)
    return chosen


def summary(path):
    """LoadGen's own summary: its lines `name : value`."""
    with open(path, encoding="utf-8") as file:
        pairs = (re.match(r"^([^:=]+?)\s*:\s*(.+?)\s*$", line) for line in file)
        return {pair[1]: pair[2] for pair in pairs if pair}


def main():
    parser = argparse.ArgumentParser(description="MLCommons' LoadGen drives a facebench worker.")
    parser.add_argument("--scenario", choices=SCENARIOS, required=True)
    parser.add_argument("--duration", type=float, default=60, help="least time, seconds (LoadGen's default is 60 at least)")
    parser.add_argument("--queries", type=int, default=100, help="fewest queries")
    parser.add_argument("--rate", type=float, default=50, help="queries a second: sent in Server, expected in the others")
    parser.add_argument("--bound", type=float, default=100, help="latency bound of Server at p99, milliseconds")
    parser.add_argument("--allow-invalid", action="store_true", help="exit with 0 where LoadGen's result is not VALID")
    parser.add_argument("--logs", help="folder for LoadGen's logs [default: a temporary one]")
    parser.add_argument("--facebench", default="target/release/facebench", help="the program")
    parser.add_argument("serve", nargs="*", help="after --: what goes to facebench serve")
    arguments = parser.parse_args()

    worker = Worker(arguments.facebench, arguments.serve, arguments.scenario == "SingleStream")
    photos = worker.ready["photos"]
    sut = lg.ConstructSUT(worker.issue, lambda: None)
    qsl = lg.ConstructQSL(photos, photos, lambda samples: None, lambda samples: None)
    with tempfile.TemporaryDirectory() as folder:
        logs = arguments.logs or folder
        os.makedirs(logs, exist_ok=True)
        output = lg.LogOutputSettings()
        output.outdir = logs
        output.copy_summary_to_stdout = False
        log = lg.LogSettings()
        log.log_output = output
        log.enable_trace = False
        lg.StartTestWithLogSettings(sut, qsl, settings(arguments), log)
        found = summary(os.path.join(logs, "mlperf_log_summary.txt"))
    lg.DestroyQSL(qsl)
    lg.DestroySUT(sut)
    code = worker.end()
    if found.get("Result is") != "VALID":
        print(f"LoadGen's result is {found.get('Result is')}; its logs say why (--logs)", file=sys.stderr)
        code = code or (0 if arguments.allow_invalid else 3)
    print(json.dumps({"scenario": arguments.scenario, "worker": worker.ready, "loadgen": found}))
    sys.exit(code)


if __name__ == "__main__":
    main()
