"""The DNS names of interfaces, where their VPC gives names ("DNS attributes for your VPC"). Pure, on a reader."""

from __future__ import annotations

from kunren.dataplane.dns import ec2_names
from kunren.services.ec2 import store
from kunren.services.ec2.model import NetworkInterface, Vpc


def gives_names(reader: store.Reader, interface: NetworkInterface) -> bool:
    """Both DNS attributes of the VPC are on."""
    vpc = reader.get(Vpc, interface.account, interface.region, interface.vpc_id)
    return vpc is not None and vpc.enable_dns_support and vpc.enable_dns_hostnames


def private_dns_name(reader: store.Reader, interface: NetworkInterface, address: str | None = None) -> str | None:
    """`ip-10-0-1-10.ec2.internal` for an address of the interface (None: its primary one); None where the VPC gives no
    names."""
    if not gives_names(reader, interface):
        return None
    return ec2_names.private_name(address or interface.private_ip, interface.region)


def public_dns_name(reader: store.Reader, interface: NetworkInterface, address: str) -> str:
    """`ec2-198-19-0-16.compute-1.amazonaws.com` for a public address of the interface; "" where the VPC gives none."""
    if not gives_names(reader, interface):
        return ""
    return ec2_names.public_name(address, interface.region)
