"""Our flavors and nova.conf.d before Nova's own API, scheduler, placement and compute manager, in one process, on hosts
that libvirt's stand-in makes up. Runs in the folder of Nova's source distribution, in its virtual environment, with the
folder of ours as the argument, and names of classes where not all are wanted; prints one JSON list [name, ok, detail] a line.
"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import unittest
import warnings

warnings.simplefilter("ignore")
# The source distribution: it has Nova's settings beside it, unlike the installed package.
sys.path.insert(0, os.getcwd())
# Nova's tests capture the log.
os.environ.setdefault("OS_LOG_CAPTURE", "1")
os.environ.setdefault("OS_STDOUT_CAPTURE", "1")
os.environ.setdefault("OS_STDERR_CAPTURE", "1")

# First, because it decides how Nova's threads are made.
import nova.tests.functional  # noqa: F401
import nova.conf
from nova import objects
from nova.pci import request
from nova.tests.fixtures import libvirt as fake
from nova.tests.functional.libvirt import test_pci_in_placement, test_vgpu

HERE = pathlib.Path(sys.argv[1])
IMAGE = "155d900f-4e14-4e4c-a73d-069cbf4541e6"
CONF = nova.conf.CONF


def flavors():
    """Extra specs by flavor, as flavors.sh would make them."""
    environment = {**os.environ, "DRY_RUN": "1"}
    text = subprocess.run([HERE / "flavors.sh"], check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout
    found = {}
    for line in text.splitlines():
        arguments = shlex.split(line)
        if arguments[:3] == ["openstack", "flavor", "create"]:
            pairs = [arguments[at + 1].split("=", 1) for at, name in enumerate(arguments) if name == "--property"]
            found[arguments[3].removeprefix("facebench.")] = dict(pairs)
    return found


def settings(name):
    """(section, key, value) of a file of nova.conf.d."""
    section = None
    for line in (HERE / "nova.conf.d" / name).read_text().splitlines():
        if match := re.fullmatch(r"\[(.+)\]", line):
            section = match[1]
        elif line and not line.startswith("#"):
            key, value = line.split("=", 1)
            yield section, key.strip(), value.strip()


def values(name, section, key):
    return [value for *where, value in settings(name) if where == [section, key]]


def lent(text, product):
    """A device specification of ours with the ids and addresses of the stand-in's devices."""
    spec = json.loads(text)
    if "vendor_id" in spec:
        spec["vendor_id"] = fake.PCI_VEND_ID
        spec["product_id"] = product
    if "address" in spec:
        spec["address"] = "0000:81:00.*"
    return json.dumps(spec)


FLAVORS = flavors()
TRAIT = "CUSTOM_FACEBENCH_MIG"


class Asking:
    """Makes instances and returns their outcome."""

    def ask(self, specs, **options):
        flavor = self._create_flavor(extra_spec=specs)
        server = self._create_server(image_uuid=IMAGE, flavor_id=flavor, networks="none", **options)
        return server.get("fault", {}).get("message", server["status"])

    def refused(self, specs):
        self.assertIn("No valid host", self.ask(specs, expected_state="ERROR"))


class Mdev(Asking, test_vgpu.VGPUTestBase):
    """A host with two GPUs that offer mediated devices."""

    def setUp(self):
        super().setUp()
        self.flags(enabled_mdev_types=fake.NVIDIA_11_VGPU_TYPE, group="devices")
        self.compute = self.start_compute_with_vgpu("host1")

    def gpus(self):
        tree = self._get_all_rp_uuids_in_a_tree(self.compute_rp_uuids["host1"])
        return [each for each in tree if "VGPU" in self._get_provider_inventory(each)]

    def test_vgpu_gets_a_device(self):
        self.ask(FLAVORS["vgpu"])
        self.assert_mdev_usage(self.compute, expected_amount=1)

    def test_cpu_gets_none(self):
        self.ask(FLAVORS["cpu"])
        self.assert_mdev_usage(self.compute, expected_amount=0)

    def test_planted_more_vgpus_than_a_gpu_has(self):
        self.refused({**FLAVORS["vgpu"], "resources:VGPU": "17"})

    def test_mig_needs_its_trait(self):
        # The host has vGPUs; none of them is marked as a MIG slice.
        self.refused(FLAVORS["vgpu-mig"])

    def test_mig_goes_to_the_gpu_with_the_trait(self):
        self._create_trait(TRAIT)
        marked = self.gpus()[0]
        self._set_provider_traits(marked, [TRAIT])
        self.ask(FLAVORS["vgpu-mig"])
        self.assertEqual(1, self._get_provider_usages(marked)["VGPU"])


class Few(Asking, test_vgpu.VGPUTestBase):
    """A host with two GPUs of 16 vGPUs each, of which max_instances offers 16."""

    def setUp(self):
        super().setUp()
        self.flags(enabled_mdev_types=fake.NVIDIA_11_VGPU_TYPE, group="devices")
        nova.conf.devices.register_dynamic_opts(CONF)
        self.flags(max_instances=16, group="mdev_nvidia-11")
        self.start_compute(
            hostname="host1",
            pci_info=fake.HostPCIDevicesInfo(num_pci=0, num_pfs=0, num_vfs=0, num_mdevcap=2),
            libvirt_version=self.FAKE_LIBVIRT_VERSION,
            qemu_version=self.FAKE_QEMU_VERSION,
        )

    def test_planted_one_vgpu_too_many(self):
        self.ask({**FLAVORS["vgpu"], "resources:VGPU": "16"})
        self.refused(FLAVORS["vgpu"])


class Pci(Asking, test_pci_in_placement.PlacementPCIReportingTests):
    """A host whose devices are handed over whole, by our lines of nova.conf."""

    FILE = PRODUCT = None
    microversion = "latest"
    DEVICES = {}

    def setUp(self):
        super().setUp()
        enabled = values(self.FILE, "filter_scheduler", "pci_in_placement") == ["True"]
        self.flags(group="filter_scheduler", pci_in_placement=enabled)
        self.flags(group="pci", report_in_placement=enabled)
        self.start_compute(hostname="host1", pci_info=fake.HostPCIDevicesInfo(**self.DEVICES))

    def free(self):
        listed = objects.PciDeviceList.get_by_compute_node(
            self.ctxt,
            objects.ComputeNode.get_by_nodename(self.ctxt, "host1").id,
        )
        return len([each for each in listed if each.is_available()])

    @classmethod
    def lend(cls):
        cls.PCI_DEVICE_SPEC = [lent(each, cls.PRODUCT) for each in values(cls.FILE, "pci", "device_spec")]
        cls.PCI_ALIAS = [lent(each, cls.PRODUCT) for each in values(cls.FILE, "pci", "alias")]


class Passthrough(Pci):
    FILE, PRODUCT = "passthrough.conf", fake.PF_PROD_ID
    DEVICES = {"num_pci": 0, "num_pfs": 1, "num_vfs": 0}

    def test_passthrough_gets_the_gpu(self):
        self.assertEqual(1, self.free())
        self.ask(FLAVORS["passthrough"])
        self.assertEqual(0, self.free())

    def test_planted_a_second_instance_on_the_same_gpu(self):
        self.ask(FLAVORS["passthrough"])
        self.refused(FLAVORS["passthrough"])


class Vfio(Pci):
    FILE, PRODUCT = "vgpu-vfio.conf", fake.VF_PROD_ID
    DEVICES = {"num_pci": 0, "num_pfs": 1, "num_vfs": 2}

    def test_vfio_gets_a_virtual_function(self):
        self.assertEqual(2, self.free())
        self.ask(FLAVORS["vgpu-vfio"])
        self.assertEqual(1, self.free())

    def test_planted_more_instances_than_functions(self):
        for _ in range(2):
            self.ask(FLAVORS["vgpu-vfio"])
        self.refused(FLAVORS["vgpu-vfio"])


class Settings(unittest.TestCase):
    """Every line of nova.conf.d is one that Nova knows, with a value that it takes."""

    def tearDown(self):
        for section, key in (("devices", "enabled_mdev_types"), ("pci", "alias")):
            CONF.clear_override(key, group=section)

    # What the client libraries register, by auth_type.
    OTHERS = ("cyborg", "oslo_limit")

    def unknown(self, section, key, value):
        """Why Nova would not take the line."""
        if section in self.OTHERS:
            return None
        if section.startswith("mdev_"):
            CONF.set_override("enabled_mdev_types", [section.removeprefix("mdev_")], group="devices")
            nova.conf.devices.register_dynamic_opts(CONF)
            known = {name: each["opt"] for name, each in CONF._groups[section]._opts.items()}
        elif section in CONF._groups:
            known = {name: each["opt"] for name, each in CONF._groups[section]._opts.items()}
        else:
            return f"no section {section}"
        if key not in known:
            return f"no key {key} in {section}"
        try:
            known[key].type(value)
        except ValueError as error:
            return str(error)
        return None

    def test_every_line_is_known(self):
        for path in (HERE / "nova.conf.d").glob("*.conf"):
            for line in settings(path.name):
                self.assertIsNone(self.unknown(*line), f"{path.name}: {line}")

    def test_aliases_are_those_of_the_flavors(self):
        wanted = {
            match[1]
            for specs in FLAVORS.values()
            if (match := re.match(r"([\w-]+):", specs.get("pci_passthrough:alias", "")))
        }
        made = [alias for name in ("passthrough.conf", "vgpu-vfio.conf") for alias in values(name, "pci", "alias")]
        CONF.set_override("alias", made, group="pci")
        self.assertEqual(wanted, set(request.get_alias_from_config()))

    def test_planted_lines_that_nova_does_not_know(self):
        for line in (("pci", "device_specs", "{}"), ("devices", "enabled_mdev", "x"), ("pic", "alias", "{}"),
                     ("mdev_nvidia-471", "max_instances", "few"), ("filter_scheduler", "pci_in_placement", "maybe")):
            self.assertIsNotNone(self.unknown(*line), line)


class Reported(unittest.TestResult):
    """One line per test, on the original standard output."""

    def addSuccess(self, test):
        self.report(test, True, "")

    def addFailure(self, test, error):
        self.report(test, False, f"{error[0].__name__}: {error[1]}")

    addError = addFailure

    def addSkip(self, test, reason):
        self.report(test, False, f"left out: {reason}")

    def report(self, test, ok, detail):
        name = test.id().split(".")[-1].removeprefix("test_").replace("_", " ")
        # An error includes the log; the important part is at its end.
        detail = " ".join(detail.split())[-600:]
        os.write(OUT, (json.dumps([f"{type(test).__name__}: {name}", ok, detail]) + "\n").encode())


OUT = os.dup(1)
for each in (Passthrough, Vfio):
    each.lend()
suite = unittest.TestSuite()
chosen = sys.argv[2:]
for each in (Settings, Mdev, Few, Passthrough, Vfio):
    for name in sorted(vars(each)):
        if name.startswith("test_") and (not chosen or each.__name__ in chosen):
            suite.addTest(each(name))
suite.run(Reported())
