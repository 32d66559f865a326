"""Instances as the API shows them, and the filters of DescribeInstances."""

from __future__ import annotations

from typing import Any

from kunren.core.tags import tags_to_wire
from kunren.dataplane.dns import ec2_names
from kunren.services.ec2 import store
from kunren.services.ec2.api.network_interfaces import groups_to_wire, interface_to_wire
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.instances.model import Instance, KeyPair, MetadataOptions, Volume
from kunren.services.ec2.instances.placement import group_of
from kunren.services.ec2.instances.states import CODES, state, state_to_wire
from kunren.services.ec2.instances.types import all_types
from kunren.services.ec2.model import NetworkInterface, Subnet

_OF_INTERFACE = (
    "Association", "Description", "Groups", "MacAddress", "NetworkInterfaceId", "OwnerId", "PrivateDnsName",
    "PrivateIpAddress", "SourceDestCheck", "Status", "SubnetId", "VpcId", "InterfaceType", "Operator",
)  # fmt: skip


def interface_of(reader: store.Reader, instance: Instance) -> NetworkInterface | None:
    return reader.get(NetworkInterface, instance.account, instance.region, instance.interface_id)


def metadata_to_wire(options: MetadataOptions) -> dict[str, Any]:
    return {
        "State": "applied",
        "HttpTokens": options.tokens,
        "HttpPutResponseHopLimit": options.hop_limit,
        "HttpEndpoint": options.endpoint,
        "HttpProtocolIpv6": "disabled",
        "InstanceMetadataTags": options.tags,
    }


def _interface(reader: store.Reader, interface: NetworkInterface) -> dict[str, Any]:
    shown = interface_to_wire(reader, interface)
    found = {name: shown[name] for name in _OF_INTERFACE}
    attachment = dict(shown["Attachment"] or {})
    attachment.pop("InstanceOwnerId", None)
    attachment.pop("InstanceId", None)
    association = shown["Association"]
    kept = ("IpOwnerId", "PublicDnsName", "PublicIp")
    found["Association"] = association and {name: association[name] for name in kept}
    found["Attachment"] = {**attachment, "NetworkCardIndex": 0}
    found["Ipv6Addresses"] = shown["Ipv6Addresses"]
    found["PrivateIpAddresses"] = [
        {**each, "Association": each["Association"] and {name: each["Association"][name] for name in kept}}
        for each in shown["PrivateIpAddresses"]
    ]
    return found


def volumes_of(reader: store.Reader, instance: Instance) -> list[Volume]:
    """Its volumes, the root one first, then by device."""
    found = [each for each in reader.list(Volume, instance.account, instance.region) if each.instance_id == instance.id]
    return sorted(found, key=lambda each: (each.id != instance.volume_id, each.device or ""))


def devices(reader: store.Reader, instance: Instance) -> list[dict[str, Any]]:
    return [
        {
            "DeviceName": each.device,
            "Ebs": {
                "AttachTime": each.attached_at,
                "DeleteOnTermination": each.delete_on_termination,
                "Status": "detaching" if each.attachment == "busy" else each.attachment,
                "VolumeId": each.id,
            },
        }
        for each in volumes_of(reader, instance)
    ]


def instance_to_wire(reader: store.Reader, instance: Instance) -> dict[str, Any]:
    interface, now = interface_of(reader, instance), state(reader, instance)
    kind = all_types()[instance.instance_type]
    subnet = reader.get(Subnet, instance.account, instance.region, instance.subnet_id)
    group = group_of(reader, instance)
    threads = 1 if kind.architecture == "arm64" or kind.vcpus == 1 else 2
    shown: dict[str, Any] = {
        "InstanceId": instance.id,
        "ImageId": instance.image_id,
        "InstanceType": instance.instance_type,
        "Architecture": instance.architecture,
        "AmiLaunchIndex": instance.launch_index,
        "LaunchTime": instance.launched_at,
        "State": state_to_wire(now),
        "StateTransitionReason": instance.transition,
        "StateReason": {"Code": instance.reason_code, "Message": instance.reason} if instance.reason_code else None,
        "KeyName": instance.key_name,
        "Monitoring": {"State": "enabled" if instance.monitoring else "disabled"},
        "Placement": {
            "AvailabilityZone": instance.availability_zone,
            "AvailabilityZoneId": subnet.availability_zone_id if subnet else None,
            "GroupName": group.name if group else "",
            "GroupId": group.id if group else None,
            "PartitionNumber": instance.partition,
            "Tenancy": instance.tenancy,
        },
        "ProductCodes": [],
        "PrivateDnsName": "",
        "PublicDnsName": "",
        "BlockDeviceMappings": devices(reader, instance),
        "ClientToken": instance.client_token or "",
        "EbsOptimized": instance.ebs_optimized,
        "EnaSupport": True,
        "Hypervisor": "xen",
        "VirtualizationType": "hvm",
        "RootDeviceName": instance.root_device,
        "RootDeviceType": "ebs",
        "NetworkInterfaces": [],
        "SecurityGroups": [],
        "CpuOptions": {"CoreCount": kind.vcpus // threads, "ThreadsPerCore": threads},
        "CapacityReservationSpecification": {"CapacityReservationPreference": "open"},
        "HibernationOptions": {"Configured": instance.hibernation},
        "EnclaveOptions": {"Enabled": False},
        "MetadataOptions": metadata_to_wire(instance.metadata),
        "MaintenanceOptions": {"AutoRecovery": "default"},
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "IamInstanceProfile": {"Arn": instance.profile_arn, "Id": instance.profile_id}
        if instance.profile_arn
        else None,
        "InstanceLifecycle": instance.lifecycle or None,
        "SpotInstanceRequestId": instance.spot_request_id,
        "Tags": tags_to_wire(instance.tags),
    }
    if interface is not None and instance.wanted != "terminated":
        net = _interface(reader, interface)
        shown |= {
            "NetworkInterfaces": [net],
            "SecurityGroups": groups_to_wire(reader, interface),
            "SourceDestCheck": interface.source_dest_check,
            "SubnetId": interface.subnet_id,
            "VpcId": interface.vpc_id,
            "PrivateIpAddress": interface.private_ip,
            "PrivateDnsName": ec2_names.private_name(interface.private_ip, interface.region),
            "PublicIpAddress": interface.public_ip,
            "PublicDnsName": (net["Association"] or {}).get("PublicDnsName") or "",
            "Ipv6Address": next(iter(interface.ipv6), None),
            "PrivateDnsNameOptions": {
                "HostnameType": subnet.hostname_type if subnet else "ip-name",
                "EnableResourceNameDnsARecord": False,
                "EnableResourceNameDnsAAAARecord": False,
            },
        }
    return shown


def _by_interface(reader: store.Reader) -> dict[str, Getter[Instance]]:
    """Filters by what the instance's network interface has."""

    def interface(member: str) -> Getter[Instance]:
        def value(each: Instance) -> Any:
            found = interface_of(reader, each) if each.wanted != "terminated" else None
            return getattr(found, member) if found is not None else None

        return value

    def group_names(each: Instance) -> list[str]:
        found = interface_of(reader, each)
        return [group["GroupName"] for group in groups_to_wire(reader, found)] if found is not None else []

    return {
        "instance.group-id": interface("groups"),
        "instance.group-name": group_names,
        "ip-address": interface("public_ip"),
        "network-interface.addresses.private-ip-address": interface("private_ip"),
        "network-interface.association.public-ip": interface("public_ip"),
        "network-interface.group-id": interface("groups"),
        "network-interface.group-name": group_names,
        "network-interface.mac-address": interface("mac"),
        "network-interface.network-interface-id": interface("id"),
        "network-interface.subnet-id": interface("subnet_id"),
        "network-interface.vpc-id": interface("vpc_id"),
        "private-ip-address": interface("private_ip"),
        "source-dest-check": interface("source_dest_check"),
    }


def filters_for(reader: store.Reader) -> dict[str, Getter[Instance]]:
    def shown(*path: str) -> Getter[Instance]:
        def value(each: Instance) -> Any:
            found: Any = instance_to_wire(reader, each)
            for name in path:
                found = (
                    (found or {}).get(name) if isinstance(found, dict) else [(item or {}).get(name) for item in found]
                )
            return found

        return value

    def volumes(each: Instance) -> list[str]:
        return [device["Ebs"]["VolumeId"] for device in devices(reader, each)]

    return {
        **_by_interface(reader),
        "architecture": lambda each: each.architecture,
        "availability-zone": lambda each: each.availability_zone,
        "availability-zone-id": shown("Placement", "AvailabilityZoneId"),
        "block-device-mapping.delete-on-termination": lambda each: [
            str(device["Ebs"]["DeleteOnTermination"]).lower() for device in devices(reader, each)
        ],
        "block-device-mapping.device-name": lambda each: [device["DeviceName"] for device in devices(reader, each)],
        "block-device-mapping.status": lambda each: ["attached" for _ in devices(reader, each)],
        "block-device-mapping.volume-id": volumes,
        "client-token": lambda each: each.client_token,
        "dns-name": shown("PublicDnsName"),
        "hypervisor": lambda each: "xen",
        "iam-instance-profile.arn": lambda each: each.profile_arn,
        "iam-instance-profile.id": lambda each: each.profile_id,
        "image-id": lambda each: each.image_id,
        "instance-id": lambda each: each.id,
        "instance-lifecycle": lambda each: each.lifecycle or None,
        "instance-state-code": lambda each: CODES[state(reader, each)],
        "instance-state-name": lambda each: state(reader, each),
        "instance-type": lambda each: each.instance_type,
        "key-name": lambda each: each.key_name,
        "launch-index": lambda each: each.launch_index,
        "metadata-options.http-endpoint": lambda each: each.metadata.endpoint,
        "metadata-options.http-put-response-hop-limit": lambda each: each.metadata.hop_limit,
        "metadata-options.http-tokens": lambda each: each.metadata.tokens,
        "metadata-options.instance-metadata-tags": lambda each: each.metadata.tags,
        "monitoring-state": lambda each: "enabled" if each.monitoring else "disabled",
        "owner-id": lambda each: each.account,
        "placement-group-name": shown("Placement", "GroupName"),
        "placement-partition-number": lambda each: each.partition,
        "platform": lambda each: None,
        "platform-details": lambda each: "Linux/UNIX",
        "private-dns-name": shown("PrivateDnsName"),
        "reason": lambda each: each.transition,
        "requester-id": lambda each: None,
        "reservation-id": lambda each: each.reservation_id,
        "root-device-name": lambda each: each.root_device,
        "root-device-type": lambda each: "ebs",
        "spot-instance-request-id": lambda each: each.spot_request_id,
        "state-reason-code": lambda each: each.reason_code,
        "state-reason-message": lambda each: each.reason,
        "subnet-id": lambda each: each.subnet_id if each.wanted != "terminated" else None,
        "tenancy": lambda each: each.tenancy,
        "usage-operation": lambda each: "RunInstances",
        "virtualization-type": lambda each: "hvm",
        "vpc-id": lambda each: each.vpc_id if each.wanted != "terminated" else None,
    }


def public_key(reader: store.Reader, instance: Instance) -> str | None:
    """The line of the instance's key pair, as long as that is there."""
    pairs = reader.list(KeyPair, instance.account, instance.region)
    return next((each.public_key for each in pairs if each.name == instance.key_name), None)
