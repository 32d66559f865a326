"""Settings of namespaces on a kernel that has some of them only later."""

import subprocess
import sys

# In a process of its own, as the agent always is: it has a netlink library without what it does not need.
KERNEL = """
from kunren.world.agent import network


class Kernel(network.Network):
    settings = None  # until the first rules bring the module

    def write(self, key, value):
        if self.settings is None:
            return False
        self.settings[key] = value
        return True

    def _run_nft(self, namespace, text, *options):
        self.settings = self.settings or {}
        return ""


kernel = Kernel("nft", {})
network._write_sysctl = kernel.write
kernel._set("eni-1", [("net/netfilter/nf_conntrack_udp_timeout", "30")])
assert kernel.settings is None
kernel.make({"kind": "ruleset", "namespace": "eni-1", "family": "ip", "table": "kunren", "text": ""})
print(kernel.settings)
"""


def test_a_setting_of_a_module_is_written_once_rules_have_brought_the_module():
    done = subprocess.run([sys.executable, "-c", KERNEL], capture_output=True, text=True, check=True)
    assert done.stdout == "{'net/netfilter/nf_conntrack_udp_timeout': '30'}\n"
