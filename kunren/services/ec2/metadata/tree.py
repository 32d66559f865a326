"""What an instance is told of itself, as a tree of names: pure. "Access instance metadata" in the EC2 user guide."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from kunren.core.clock import iso_utc
from kunren.dataplane.dns import ec2_names
from kunren.services.ec2 import store
from kunren.services.ec2.dns_names import public_dns_name
from kunren.services.ec2.instances.model import Instance, KeyPair
from kunren.services.ec2.instances.placement import group_of
from kunren.services.ec2.instances.wire import volumes_of
from kunren.services.ec2.model import NetworkInterface, SecurityGroup, Subnet, Vpc

Tree: TypeAlias = "dict[str, str | Tree]"


def metadata(reader: store.Reader, instance: Instance, interface: NetworkInterface, more: Mapping[str, Tree]) -> Tree:
    """Everything below /latest/meta-data/ but credentials; `more` are branches of others (spot, events)."""
    subnet = reader.get(Subnet, instance.account, instance.region, instance.subnet_id)
    zone = instance.availability_zone
    groups = (reader.get(SecurityGroup, instance.account, instance.region, each) for each in interface.groups)
    names = "\n".join(each.name for each in groups if each is not None)
    local = ec2_names.private_name(interface.private_ip, instance.region)
    public, group = interface.public_ip, group_of(reader, instance)
    tree: Tree = {
        "ami-id": instance.image_id,
        "ami-launch-index": str(instance.launch_index),
        "ami-manifest-path": "(unknown)",
        "block-device-mapping": _devices(reader, instance),
        "events": {"maintenance": {"history": "[]", "scheduled": "[]"}},
        "hostname": local,
        "instance-action": "none",
        "instance-id": instance.id,
        "instance-life-cycle": instance.lifecycle or "on-demand",
        "instance-type": instance.instance_type,
        "local-hostname": local,
        "local-ipv4": interface.private_ip,
        "mac": interface.mac,
        "metrics": {"vhostmd": '<?xml version="1.0" encoding="UTF-8"?>'},
        "network": {"interfaces": {"macs": {interface.mac: _interface(reader, instance, interface, names)}}},
        "placement": {
            "availability-zone": zone,
            "availability-zone-id": subnet.availability_zone_id if subnet else "",
            **({"group-name": group.name} if group else {}),
            **({"partition-number": str(instance.partition)} if instance.partition else {}),
            "region": instance.region,
        },
        "profile": "default-hvm",
        "reservation-id": instance.reservation_id,
        "security-groups": names,
        "services": {"domain": "amazonaws.com", "partition": "aws"},
        "system": "nitro",
    }
    if public is not None:
        tree["public-ipv4"] = public
        tree["public-hostname"] = public_dns_name(reader, interface, public)
    if interface.ipv6:
        tree["ipv6"] = interface.ipv6[0]
    for key in reader.list(KeyPair, instance.account, instance.region):
        if key.name == instance.key_name:
            tree["public-keys"] = {f"0={key.name}": "", "0": {"openssh-key": key.public_key}}
    if instance.metadata.tags == "enabled":
        tree["tags"] = {"instance": dict(sorted(instance.tags.items()))}
    return _merged(tree, more)


def _merged(tree: Tree, more: Mapping[str, str | Tree]) -> Tree:
    result = dict(tree)
    for name, branch in more.items():
        before = result.get(name)
        result[name] = _merged(before, branch) if isinstance(before, dict) and isinstance(branch, dict) else branch
    return result


def _devices(reader: store.Reader, instance: Instance) -> Tree:
    volumes = volumes_of(reader, instance)
    if not volumes:
        return {}
    others = {f"ebs{number}": (each.device or "").rpartition("/")[2] for number, each in enumerate(volumes[1:], 1)}
    return {"ami": instance.root_device.rpartition("/")[2], "root": instance.root_device, **others}


def _interface(reader: store.Reader, instance: Instance, interface: NetworkInterface, names: str) -> Tree:
    subnet = reader.get(Subnet, instance.account, instance.region, interface.subnet_id)
    vpc = reader.get(Vpc, instance.account, instance.region, interface.vpc_id)
    found: Tree = {
        "device-number": "0",
        "interface-id": interface.id,
        "local-hostname": ec2_names.private_name(interface.private_ip, instance.region),
        "local-ipv4s": "\n".join(store.private_ips(interface)),
        "mac": interface.mac,
        "owner-id": interface.account,
        "security-group-ids": "\n".join(interface.groups),
        "security-groups": names,
        "subnet-id": interface.subnet_id,
        "subnet-ipv4-cidr-block": subnet.cidr if subnet else "",
        "vpc-id": interface.vpc_id,
        "vpc-ipv4-cidr-block": vpc.cidr if vpc else "",
        "vpc-ipv4-cidr-blocks": "\n".join(store.vpc_cidrs(vpc)) if vpc else "",
    }
    public = store.public_addresses(interface)
    if public:
        found["ipv4-associations"] = dict(public.items())
        found["public-ipv4s"] = "\n".join(public)
        found["public-hostname"] = public_dns_name(reader, interface, next(iter(public)))
    if interface.ipv6:
        found["ipv6s"] = "\n".join(interface.ipv6)
    return found


def identity(instance: Instance, interface: NetworkInterface) -> str:
    """The instance identity document."""
    document: dict[str, Any] = {
        "accountId": instance.account,
        "architecture": instance.architecture,
        "availabilityZone": instance.availability_zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "marketplaceProductCodes": None,
        "imageId": instance.image_id,
        "instanceId": instance.id,
        "instanceType": instance.instance_type,
        "kernelId": None,
        "pendingTime": f"{iso_utc(instance.launched_at)[:19]}Z",
        "privateIp": interface.private_ip,
        "ramdiskId": None,
        "region": instance.region,
        "version": "2017-09-30",
    }
    return json.dumps(document, indent=2)


def looked_up(tree: Tree, path: str) -> str | None:
    """The value at a path, or the names below it, one a line, with a slash where they have more. None: nothing."""
    node: str | Tree = tree
    for name in filter(None, path.split("/")):
        found = node.get(name) if isinstance(node, dict) else None
        if found is None:
            return None
        node = found
    if isinstance(node, str):
        return node
    hidden = {name.partition("=")[0] for name in node if "=" in name}  # "0=NAME" is listed, "0" is what is looked up
    return "\n".join(
        f"{name}/" if isinstance(each, dict) else name for name, each in node.items() if name not in hidden
    )
