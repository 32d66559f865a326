"""A container as the engines' API wants it."""

from pathlib import Path

import pytest

from kunren.dataplane.containers.described import described
from kunren.dataplane.containers.engine import refusal
from kunren.dataplane.guests.capabilities import CAPABILITIES
from kunren.dataplane.guests.guests import GuestSpec

SPEC = GuestSpec(
    "t-web", "eni-1", Path("/own"), "ip-10-0-0-5", argv=("/run", "a", "b"), env={"NAME": "web"}, cwd="/app", user="1000",
    readonly=("/kept",), limits=((0, 10, 20),), readonly_root=True, init=True, dropped=(0, 13), machine=False,
    lower=Path("/images/abc/root"), memory_bytes=512 << 20, processors=0.25, processes=1024,
)  # fmt: skip


def test_all_that_a_definition_states_is_told():
    told = described(SPEC, "kunren.local/image:abc", "/run/netns/eni-1", {"/kept": "/v/kept"}, {"a": "b"})
    host = told.pop("HostConfig")
    assert {name: told[name] for name in ("Image", "Entrypoint", "Cmd", "WorkingDir", "User", "Hostname", "Labels")} == {
        "Image": "kunren.local/image:abc", "Entrypoint": ["/run"], "Cmd": ["a", "b"], "WorkingDir": "/app",
        "User": "1000", "Hostname": "ip-10-0-0-5", "Labels": {"a": "b"},
    }  # fmt: skip
    assert "NAME=web" in told["Env"] and "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt" in told["Env"]
    assert host["NetworkMode"] == "ns:/run/netns/eni-1"
    assert host["Mounts"] == [{"Type": "bind", "Source": "/v/kept", "Target": "/kept", "ReadOnly": True}]
    assert (host["Memory"], host["CpuShares"], host["PidsLimit"]) == (536870912, 256, 1024)
    assert (host["ReadonlyRootfs"], host["Init"]) == (True, True)
    assert host["CapDrop"] == ["CAP_CHOWN", "CAP_NET_RAW"]
    limits = {each["Name"]: (each["Soft"], each["Hard"]) for each in host["Ulimits"]}
    assert limits["cpu"] == (10, 20) and set(limits) == {"cpu", "nofile", "nproc"}


def test_all_capabilities_are_dropped_by_one_word():
    spec = GuestSpec("n", "ns", Path("/own"), "h", argv=("/x",), dropped=tuple(range(len(CAPABILITIES))))
    assert described(spec, "i", "/ns", {}, {})["HostConfig"]["CapDrop"] == ["ALL"]


@pytest.mark.parametrize("text, kind", [
    ('runc create failed: exec: "nope": executable file not found in $PATH: OCI runtime', FileNotFoundError),
    ('runc: exec: "/none": stat /none: no such file or directory: OCI runtime', FileNotFoundError),
    ('runc: exec: "/app": permission denied: OCI permission denied', PermissionError),
    ("joining network namespace: operation not permitted", OSError),
])  # fmt: skip
def test_why_a_program_does_not_start_is_an_error_of_the_kernel(text, kind):
    error = refusal(text)
    assert type(error) is kind
    assert kind is not OSError or (error.errno, error.strerror) == (0, text)
