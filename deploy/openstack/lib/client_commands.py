"""Whether the real openstack client understands commands, by its own parsers and without a cloud. Reads a JSON list of
commands (each a list of arguments, without `openstack`); prints a JSON list of what is wrong with each, null for nothing.
Runs in the virtual environment that has the client.
"""

import argparse
import contextlib
import io
import json
import sys
import warnings

warnings.simplefilter("ignore")

from cliff import commandmanager
from openstackclient import shell
from stevedore import extension


class Manager(commandmanager.CommandManager):
    """Every command of the client and its plugins."""

    def __init__(self):
        super().__init__("openstack.cli")
        names = {"openstack.common", "openstack.identity.v3", "openstack.image.v2", "openstack.network.v2"}
        names |= {"openstack.compute.v2", "openstack.object_store.v1", "openstack.volume.v3"}
        names |= {"openstack.orchestration.v1"}
        for name in sorted(names):
            self.add_command_group(name)


def wrong(app, manager, arguments):
    try:
        factory, name, rest = manager.find_command(arguments)
    except ValueError as error:
        return str(error)
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
            factory(app, argparse.Namespace()).get_parser(name).parse_args(rest)
    except SystemExit:
        return output.getvalue().strip().splitlines()[-1]
    return None


app = shell.OpenStackShell()
manager = Manager()
app.command_manager = manager
print(json.dumps([wrong(app, manager, arguments) for arguments in json.load(sys.stdin)]))
