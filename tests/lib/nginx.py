# SPDX-License-Identifier: GPL-2.0
"""Debian's nginx on a real server, unmodified."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from .namespace import run
from .six import add_ipv6
from .topology import VIP

TOP = Path(__file__).resolve().parent.parent.parent
CONFIGURATIONS = TOP / "tests" / "etc"
MODULES = TOP / "build" / "nginx"


class Nginx:
    """An nginx that answers with the address it sees. Our modules for nginx are there to be loaded."""

    def __init__(self, namespace, configuration="nginx.conf"):
        self.directory = tempfile.mkdtemp(prefix="nginx-")
        (Path(self.directory) / "access.log").touch()
        (Path(self.directory) / "modules").symlink_to(MODULES)
        # Certificates are looked for beside the configuration.
        (Path(self.directory) / configuration).symlink_to(CONFIGURATIONS / configuration)
        if "key.pem" in (CONFIGURATIONS / configuration).read_text(encoding="ascii"):
            self._certify()
        words = ("nginx", "-p", self.directory, "-c", configuration, "-e", "stderr")
        self.program = namespace.start(*words)
        namespace.wait_for_port(80)

    def _certify(self):
        """Make a key, and a certificate that nobody believes."""
        words = "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=www.example"
        run("openssl", *words.split(), "-keyout", "key.pem", "-out", "certificate.pem", cwd=self.directory)

    def logged(self):
        """The lines of its access log."""
        return (Path(self.directory) / "access.log").read_text(encoding="ascii").splitlines()

    def stop(self):
        """End it and forget its files."""
        self.program.process.terminate()
        self.program.process.wait(10)
        self.program.kill()
        shutil.rmtree(self.directory)


@contextlib.contextmanager
def with_modules(topology):
    """One nginx with our modules on the first real server, and IPv6 for its clients."""
    add_ipv6(topology)
    topology.servers[0].stop_programs()
    nginx = Nginx(topology.servers[0], "nginx-modules.conf")
    try:
        yield nginx
    finally:
        nginx.stop()


def curl(topology):
    """What nginx on the VIP answers, and the address and port curl used."""
    words = ("curl", "-sS", "--max-time", 5, "-w", "%{local_ip}:%{local_port}", f"http://{VIP}/")
    said, own = topology.client.run(*words).stdout.splitlines()
    return said, own
