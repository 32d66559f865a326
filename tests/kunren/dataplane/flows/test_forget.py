"""The segment that makes both ends of a forgotten flow speak. That they do is in test_flows_in_the_world.py."""

import socket

from kunren.dataplane.flows.forget import Ends, checksum, segment


def test_the_segment_acknowledges_and_its_checksum_holds():
    packet = segment(Ends(socket.IPPROTO_TCP, "198.19.0.50", 443, "198.18.64.10", 50000))
    assert (packet[0], packet[9], len(packet)) == (0x45, socket.IPPROTO_TCP, 40)
    assert (packet[12:16], packet[16:20]) == (socket.inet_aton("198.19.0.50"), socket.inet_aton("198.18.64.10"))
    tcp = packet[20:]
    assert tcp[13] == 0x10
    assert checksum(packet[12:20] + b"\x00\x06\x00\x14" + tcp) == 0


def test_the_checksum_is_that_of_rfc_1071():
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
