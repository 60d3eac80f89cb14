"""An OpenStack instance without a cloud: QEMU without KVM, the firmware's names as Nova sets them, a config drive, and the
metadata service behind its address.
"""

import http.server
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import threading

import testing

MUSL = "x86_64-unknown-linux-musl"

# As Nova gives them to an instance; none of them may be in a record, except zone and flavor.
META = {
    "uuid": "83679162-1378-4288-a2d4-70e13ec132aa",
    "availability_zone": "az-gpu",
    "hostname": "secret-host.example",
    "name": "secret-name",
    "project_id": "f7ac731cc11f40efbc03a9f9e1d1d21f",
    "public_keys": {"mykey": "ssh-rsa SECRETKEY"},
    "meta": {"password": "hunter2"},
    "devices": [],
}
FLAVOR = "facebench.vgpu"
SECRETS = ("83679162", "secret", "f7ac731c", "SECRETKEY", "hunter2")

# In the order in which they need each other; those built into the kernel are skipped.
MODULES = (
    "virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk", "failover",
    "net_failover", "virtio_net", "cdrom", "isofs",
)

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
for module in {modules}; do
    [ ! -f /modules/$module.ko ] || insmod /modules/$module.ko
done
# What udev does.
mkdir -p /dev/disk/by-label
drive=$(findfs LABEL=config-2) && ln -s "$drive" /dev/disk/by-label/config-2
ip link set lo up
ip addr add 169.254.0.15/16 dev eth0
ip link set eth0 up
stty -F /dev/ttyS1 raw
export HOME=/tmp
cd /tmp
{commands}
sync
poweroff -f
"""


def prepare():
    """Installs what a guest needs."""
    testing.apt(
        qemu_system_x86="qemu-system-x86_64", seabios="/usr/share/seabios/bios-256k.bin", genisoimage="genisoimage",
        busybox_static="/bin/busybox",
    )
    # An apt that installed nothing may have no lists of packages.
    if not testing.command("apt-cache", "depends", "linux-image-cloud-amd64").stdout.strip():
        testing.command(*([] if os.geteuid() == 0 else ["sudo", "-n"]), "apt-get", "update", "-qq")
    kernel()


def static_program():
    named = os.environ.get("FACEBENCH_STATIC")
    if named:
        return pathlib.Path(named).resolve()
    if shutil.which("rustup"):
        added = testing.command("rustup", "target", "add", MUSL, cwd=testing.ROOT)
        if added.returncode != 0:
            raise testing.Skipped(f"the target {MUSL} cannot be had ({testing.last_line(added.stdout)})")
    testing.apt(musl_tools="musl-gcc")
    print("building a static facebench", flush=True)
    done = testing.command("cargo", "build", "--release", "--locked", "--target", MUSL, cwd=testing.ROOT)
    if done.returncode != 0:
        raise testing.Skipped(f"a static facebench cannot be built ({testing.last_line(done.stdout)})")
    return testing.TARGET / MUSL / "release" / "facebench"


def kernel():
    """A Debian cloud kernel, as packaged: its image and its modules. Nothing is installed."""
    folder = testing.DEPLOY / "kernel"
    if not list(folder.glob("boot/vmlinuz-*")):
        folder.mkdir(parents=True, exist_ok=True)
        listed = testing.command("apt-cache", "depends", "linux-image-cloud-amd64").stdout
        name = re.search(r"Depends: (linux-image-\S+)", listed)
        if name is None:
            raise testing.Skipped("there is no linux-image-cloud-amd64 in this machine's lists of packages")
        done = testing.command("apt-get", "download", name[1], cwd=folder)
        packages = list(folder.glob("*.deb"))
        if not packages:
            raise testing.Skipped(f"{name[1]} cannot be had ({testing.last_line(done.stdout)})")
        testing.command("dpkg-deb", "-x", packages[0], folder)
    return next(folder.glob("boot/vmlinuz-*")), folder


def modules(folder):
    """Path in the initrd and content of each module, unpacked."""
    for name in MODULES:
        for path in folder.glob(f"**/{name}.ko*"):
            data = path.read_bytes()
            if path.suffix == ".xz":
                import lzma

                data = lzma.decompress(data)
            yield f"modules/{name}.ko", data
            break


class Initrd:
    """A root file system in memory, as an uncompressed cpio archive."""

    def __init__(self, path):
        self.path = path
        self.file = path.open("wb")
        self.number = 0
        self.made = set()

    def add(self, name, data=b"", mode=0o100755):
        """A file, or a folder, with the folders above it."""
        parent = str(pathlib.PurePosixPath(name).parent)
        if parent not in (".", "") and parent not in self.made:
            self.add(parent, mode=0o40755)
        if mode & 0o40000:
            self.made.add(name)
        self.entry(name, data, mode)

    def tree(self, folder, to):
        """Everything in a folder."""
        for path in sorted(folder.rglob("*")):
            name = f"{to}/{path.relative_to(folder)}"
            if path.is_symlink():
                self.add(name, str(path.readlink()).encode(), stat.S_IFLNK | 0o777)
            elif path.is_file():
                self.add(name, path.read_bytes(), 0o100000 | path.stat().st_mode & 0o777)

    def libraries(self, program):
        """The shared libraries that a program or library is linked to, where it looks for them."""
        for match in re.finditer(r"(/\S+) \(0x", testing.command("ldd", program).stdout):
            if match[1] not in self.made:
                self.made.add(match[1])
                self.add(match[1].lstrip("/"), pathlib.Path(match[1]).read_bytes())

    def entry(self, name, data, mode):
        self.number += 1
        fields = (self.number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = "070701" + "".join(f"{each:08X}" for each in fields) + name + "\0"
        self.file.write(head.encode().ljust((len(head) + 3) // 4 * 4, b"\0"))
        self.file.write(data + b"\0" * (-len(data) % 4))

    def close(self):
        self.entry("TRAILER!!!", b"", 0)
        self.file.close()


def start(folder, commands, fill):
    """An initrd with busybox, the kernel's modules and what `fill` adds."""
    path = folder / "initrd"
    initrd = Initrd(path)
    for name in ("proc", "sys", "dev", "tmp"):
        initrd.add(name, mode=0o40755)
    initrd.add("bin/busybox", pathlib.Path("/bin/busybox").read_bytes())
    for name, data in modules(kernel()[1]):
        initrd.add(name, data)
    initrd.add("init", INIT.format(modules=" ".join(MODULES), commands=commands).encode())
    fill(initrd)
    initrd.close()
    return path


def part(output, name):
    """A JSON document that the guest wrote under a name; None where it did not."""
    _, begun, rest = output.partition(f"<{name}>")
    text, ended, _ = rest.partition(f"</{name}>")
    try:
        return json.loads(text) if begun and ended else None
    except ValueError:
        return None


def write(name, command):
    """A shell command whose output goes to the second serial line, under a name."""
    return f"(echo '<{name}>'; {command}; echo '</{name}>') >/dev/ttyS1"


class Metadata(http.server.BaseHTTPRequestHandler):
    """The metadata service. QEMU's forward has one connection for all, so it must not be closed."""

    protocol_version = "HTTP/1.1"
    pages = {
        "/openstack/latest/meta_data.json": json.dumps(META),
        "/latest/meta-data/instance-type": FLAVOR,
    }

    def do_GET(self):
        self.server.asked.append(self.path)
        page = self.pages.get(self.path)
        body = (page or "not found").encode()
        self.send_response(200 if page else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def machine(initrd, memory, cpu, output):
    """QEMU's command line for a machine that runs `initrd`: its console on standard output, its second serial line in the file `output`."""
    return [
        "qemu-system-x86_64", "-accel", "tcg", "-cpu", cpu, "-m", str(memory), "-display", "none", "-no-reboot",
        "-nodefaults", "-serial", "stdio", "-serial", f"file:{output}", "-kernel", str(kernel()[0]), "-initrd", str(initrd),
        "-append", "console=ttyS0 quiet panic=1",
    ]


def boot(folder, initrd, memory, limit, cpu="max"):
    """Boots, waits for the power-off; what the guest wrote on its second serial line, and the console."""
    drive = folder / "drive"
    (drive / "openstack" / "latest").mkdir(parents=True, exist_ok=True)
    (drive / "openstack" / "latest" / "meta_data.json").write_text(json.dumps(META))
    iso = folder / "config.iso"
    testing.command("genisoimage", "-quiet", "-V", "config-2", "-J", "-r", "-o", iso, drive)
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    service.asked = []
    threading.Thread(target=service.serve_forever, daemon=True).start()
    output = folder / "output"
    network = "user,id=n0,net=169.254.0.0/16,host=169.254.0.2,dhcpstart=169.254.0.15"
    command = [
        *machine(initrd, memory, cpu, output),
        "-smbios", f"type=1,manufacturer=OpenStack Foundation,product=OpenStack Nova,version=31.0.0,uuid={META['uuid']}",
        "-smbios", "type=3,asset=OpenStack Nova",
        "-drive", f"file={iso},if=virtio,format=raw,readonly=on",
        "-netdev", f"{network},guestfwd=tcp:169.254.169.254:80-tcp:127.0.0.1:{service.server_address[1]}",
        "-device", "virtio-net-pci,netdev=n0,romfile=",
    ]
    try:
        done = testing.command(*command, timeout=limit, stdin=subprocess.DEVNULL, errors="replace")
        console = done.stdout
    except subprocess.TimeoutExpired as error:
        console = (error.stdout or b"").decode(errors="replace") + f"\nnot done after {limit} s"
    service.shutdown()
    return output.read_text(errors="replace") if output.exists() else "", console, service.asked
