"""Checksums: published check values, and that parts combine into the whole."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.s3 import checksums

# the check values of the CRC catalogue and of FIPS 180, for the nine digits "123456789"
KNOWN = {
    "CRC32": "cbf43926", "CRC32C": "e3069283", "CRC64NVME": "ae8b14860a799888",
    "SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "MD5": "25f9e794323b453885f5181f1b624d0b",
}  # fmt: skip


def digest(algorithm, data):
    made = checksums.new(algorithm)
    made.update(data)
    return checksums.encoded(made.digest())


@pytest.mark.parametrize("algorithm", KNOWN)
def test_the_published_check_values(algorithm):
    assert base64.b64decode(digest(algorithm, b"123456789")).hex() == KNOWN[algorithm]


@given(st.sampled_from(["CRC32", "CRC32C", "CRC64NVME"]), st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_the_crcs_of_parts_combine_into_that_of_the_whole(algorithm, parts):
    sums = [checksums.PartSum(digest(algorithm, each), len(each)) for each in parts]
    assert checksums.combined(algorithm, sums) == digest(algorithm, b"".join(parts))


def test_a_composite_checksum_is_of_the_parts_checksums_with_their_number():
    sums = [checksums.PartSum(digest("SHA256", each), len(each)) for each in (b"one", b"two")]
    whole = digest("SHA256", b"".join(base64.b64decode(each.checksum) for each in sums))
    assert checksums.of_parts("SHA256", "COMPOSITE", sums) == f"{whole}-2"


def test_which_algorithms_have_which_types():
    assert checksums.type_for("CRC64NVME", None) == "FULL_OBJECT"
    assert checksums.type_for("CRC32", None) == "COMPOSITE"
    assert checksums.type_for("CRC32", "FULL_OBJECT") == "FULL_OBJECT"
    with pytest.raises(ValueError, match="FULL_OBJECT"):
        checksums.type_for("SHA256", "FULL_OBJECT")


def test_the_entity_tag_of_parts():
    tags = ["5d41402abc4b2a76b9719d911017c592", "7d793037a0760186574b0282f2f435e7"]
    assert checksums.etag_of_parts(tags) == "065947336a2f2a95ba8899f3675c3be6-2"
