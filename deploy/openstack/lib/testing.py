"""What the tests share: counting, installing, the program. Python's standard library only."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
DEPLOY = TARGET / "deploy"


# The engine and the clients, for the tests that ask either.
HEAT = ("openstack-heat==27.0.1", "python-heatclient==5.3.0", "python-openstackclient==10.5.0")


class Skipped(Exception):
    """Something that the test needs is not available here."""


class Results:
    """Counts passed and failed checks, and prints a line for each."""

    def __init__(self):
        self.passed = self.failed = 0
        self.began = time.monotonic()

    def check(self, name, ok, detail=""):
        """Prints and counts one outcome; gives it back."""
        self.passed += bool(ok)
        self.failed += not ok
        detail = str(detail).strip()
        print(f"{'ok' if ok else 'FAILED':6} {name}{': ' + detail if detail else ''}", flush=True)
        return bool(ok)

    def finish(self):
        """The last lines, and the exit status."""
        print(f"{time.monotonic() - self.began:.0f} s")
        print(f"{self.passed} passed, {self.failed} failed")
        return 0 if self.failed == 0 else 1


def run_test(test):
    """Runs `test(results)` and exits as tests do."""
    results = Results()
    try:
        test(results)
    except Skipped as reason:
        print(f"SKIPPED: {reason}")
    sys.exit(results.finish())


def command(*arguments, **options):
    """Runs a command to its end; its output as text, both streams together."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, **options}
    return subprocess.run([str(argument) for argument in arguments], check=False, **options)


def last_line(text):
    """The last line that is not empty."""
    return ([line for line in text.splitlines() if line.strip()] or [""])[-1].strip()


def apt(**needed):
    """Installs Debian's packages where their program or file is missing: apt(genisoimage="genisoimage")."""
    missing = [
        package.replace("_", "-")
        for package, sign in needed.items()
        if not (os.path.exists(sign) if sign.startswith("/") else shutil.which(sign))
    ]
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise Skipped(f"{' '.join(missing)}: not here, and there is no apt-get to install them")
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if sudo and not shutil.which("sudo"):
        raise Skipped(f"{' '.join(missing)}: not here, and installing them needs root")
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    install = [*sudo, *environment, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    print(f"installing {' '.join(missing)}", flush=True)
    done = command(*install)
    if done.returncode != 0:
        # The list of packages may be missing or old. If it cannot be renewed, the second try fails with the reason.
        command(*sudo, "apt-get", "update", "-qq")
        done = command(*install)
    if done.returncode != 0:
        raise Skipped(f"{' '.join(missing)}: cannot be installed ({last_line(done.stdout)})")


def venv(name, *requirements):
    """The Python of a virtual environment with these packages, made again where they changed."""
    home = DEPLOY / name
    mark = home / "installed"
    want = hashlib.sha256("\n".join((sys.version, *requirements)).encode()).hexdigest()
    if mark.exists() and mark.read_text() == want:
        return home / "bin" / "python"
    print(f"installing {' '.join(requirements)} into {home}", flush=True)
    shutil.rmtree(home, ignore_errors=True)
    DEPLOY.mkdir(parents=True, exist_ok=True)
    for step in (
        (sys.executable, "-m", "venv", home),
        (home / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements),
    ):
        done = command(*step)
        if done.returncode != 0:
            raise Skipped(f"{' '.join(requirements)}: cannot be installed ({last_line(done.stdout)})")
    mark.write_text(want)
    return home / "bin" / "python"


def within(name, *requirements):
    """Goes on in that virtual environment, for a test whose own imports need it."""
    home = DEPLOY / name
    if pathlib.Path(sys.prefix).resolve() == home.resolve():
        return
    try:
        python = venv(name, *requirements)
    except Skipped as reason:
        print(f"SKIPPED: {reason}")
        print("0 passed, 0 failed")
        sys.exit(0)
    os.execv(python, [str(python), *sys.argv])


def program():
    """facebench itself: what FACEBENCH names, else built by cargo."""
    named = os.environ.get("FACEBENCH")
    if named:
        return pathlib.Path(named).resolve()
    print("building facebench", flush=True)
    done = command("cargo", "build", "--release", "--locked", cwd=ROOT)
    if done.returncode != 0:
        raise Skipped(f"facebench cannot be built ({last_line(done.stdout)}); FACEBENCH=PATH names one that is")
    return TARGET / "release" / "facebench"
