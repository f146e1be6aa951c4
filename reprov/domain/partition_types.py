"""Names for the types of partitions, and which of them are Ceph's.

Sources: the UEFI specification, the Discoverable Partitions Specification, and ceph-disk's table of types (its PTYPE), from which
every GUID of Ceph comes. A name is what an operator writes in a layout, so names are stable and unique.
"""

from types import MappingProxyType
from typing import Final

CEPH_TYPES: Final = MappingProxyType(
    {
        "4fbd7e29-9d25-41b8-afd0-062c0ceff05d": "ceph-osd-data",
        "45b0969e-9b03-4f30-b4c6-b4b80ceff106": "ceph-journal",
        "cafecafe-9b03-4f30-b4c6-b4b80ceff106": "ceph-block",
        "30cd0809-c2b2-499c-8879-2d6b78529876": "ceph-block-db",
        "5ce17fce-4087-4169-b7ff-056cc58473f9": "ceph-block-wal",
        "fb3aabf9-d25f-47cc-bf5e-721d1816496b": "ceph-lockbox",
        "89c57f98-2fe5-4dc0-89c1-f3ad0ceff2be": "ceph-in-creation",
        "fb3aabf9-d25f-47cc-bf5e-721d181642be": "ceph-lockbox-in-creation",
        "4fbd7e29-9d25-41b8-afd0-5ec00ceff05d": "ceph-dmcrypt-osd-data",
        "45b0969e-9b03-4f30-b4c6-5ec00ceff106": "ceph-dmcrypt-journal",
        "cafecafe-9b03-4f30-b4c6-5ec00ceff106": "ceph-dmcrypt-block",
        "93b0052d-02d9-4d8a-a43b-33a3ee4dfbc3": "ceph-dmcrypt-block-db",
        "306e8683-4fe2-4330-b7c0-00a917c16966": "ceph-dmcrypt-block-wal",
        "89c57f98-2fe5-4dc0-89c1-5ec00ceff2be": "ceph-dmcrypt-in-creation",
        "4fbd7e29-9d25-41b8-afd0-35865ceff05d": "ceph-luks-osd-data",
        "45b0969e-9b03-4f30-b4c6-35865ceff106": "ceph-luks-journal",
        "cafecafe-9b03-4f30-b4c6-35865ceff106": "ceph-luks-block",
        "166418da-c469-4022-adf4-b30afd37f176": "ceph-luks-block-db",
        "86a32090-3647-40b9-bbbd-38d8c573aa86": "ceph-luks-block-wal",
        "89c57f98-2fe5-4dc0-89c1-35865ceff2be": "ceph-luks-in-creation",
        "4fbd7e29-8ae0-4982-bf9d-5a8d867af560": "ceph-multipath-osd-data",
        "45b0969e-8ae0-4982-bf9d-5a8d867af560": "ceph-multipath-journal",
        "cafecafe-8ae0-4982-bf9d-5a8d867af560": "ceph-multipath-block",
        "ec6d6385-e346-45dc-be91-da2a7c8b3261": "ceph-multipath-block-db",
        "01b41e1b-002a-453c-9f17-88793989ff8f": "ceph-multipath-block-wal",
        "7f4a666a-16f3-47a2-8445-152ef4d03f6c": "ceph-multipath-lockbox",
        "89c57f98-8ae0-4982-bf9d-5a8d867af560": "ceph-multipath-in-creation",
        "7f4a666a-16f3-47a2-8445-152ef4d032be": "ceph-multipath-lockbox-in-creation",
    }
)
"""Every type GUID that ceph-disk gave, in its plain, dm-crypt, LUKS and multipath variants."""

GPT_TYPES: Final = MappingProxyType(
    {
        **CEPH_TYPES,
        "0fc63daf-8483-4772-8e79-3d69d8477de4": "linux",
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "esp",
        "bc13c2ff-59e6-4262-a352-b275fd6f7172": "boot",
        "21686148-6449-6e6f-744e-656564454649": "bios-boot",
        "9e1a2d38-c612-4316-aa26-8b49521e5a8b": "prep",
        "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "swap",
        "e6d6d379-f507-44c2-a23c-238f2a3df928": "lvm",
        "a19d880f-05fc-4d3b-a006-743f0f84911e": "raid",
        "ca7d7ccb-63ed-4c53-861c-1742536059cc": "luks",
        "7ffec5c9-2d00-49b7-8941-3ea10a5586b7": "dm-crypt",
        "8da63339-0007-60c0-c436-083ac8230908": "linux-reserved",
        "933ac7e1-2eb4-4f13-b844-0e14e2aef915": "home",
        "3b8f8425-20e0-4f3b-907f-1a25a76f98e8": "srv",
        "4d21b016-b534-45c2-a9fb-5c16e091fd2d": "var",
        "7ec6f557-3bc5-4aca-b293-16ef5df639d1": "var-tmp",
        "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "root-x86-64",
        "44479540-f297-41b2-9af7-d131d5f0458a": "root-x86",
        "b921b045-1df0-41c3-af44-4c6f280d3fae": "root-arm64",
        "69dad710-2ce4-4e3c-b16c-21a1d49abed3": "root-arm",
        "c31c45e6-3f39-412e-80fb-4809c4980599": "root-ppc64-le",
        "72ec70a6-cf74-40e6-bd49-4bda08e8f224": "root-riscv64",
        "5eead9a9-fe09-4a1e-a1d7-520d00531306": "root-s390x",
        "8484680c-9521-48c6-9c11-b0720656f69e": "usr-x86-64",
        "b0e01050-ee5f-4390-949a-9101b17104e9": "usr-arm64",
        "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5": "root-verity-x86-64",
        "41092b05-9fc8-4523-994f-2def0408b176": "root-verity-signature-x86-64",
        "77ff5f63-e7b6-4633-acf4-1565b864c0e6": "usr-verity-x86-64",
        "e7bb33fb-06cf-4e81-8273-e543b413e2e2": "usr-verity-signature-x86-64",
        "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "microsoft-basic-data",
        "e3c9e316-0b5c-4db8-817d-f92df00215ae": "microsoft-reserved",
        "de94bba4-06d1-4d40-a16a-bfd50179d6ac": "windows-recovery",
        "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3": "windows-ldm-metadata",
        "af9b60a0-1431-4f62-bc68-3311714a69ad": "windows-ldm-data",
        "6a898cc3-1dd2-11b2-99a6-080020736631": "zfs",
        "6a945a3b-1dd2-11b2-99a6-080020736631": "solaris-reserved",
        "aa31e02a-400f-11db-9590-000c2911d1b8": "vmfs",
        "024dee41-33e7-11d3-9d69-0008c781f39f": "mbr-scheme",
        "d3bfe2de-3daf-11df-ba40-e3a556d89593": "intel-fast-flash",
    }
)
"""Type GUIDs by name."""

MBR_TYPES: Final = MappingProxyType(
    {
        "5": "extended",
        "7": "ntfs",
        "b": "fat32",
        "c": "fat32-lba",
        "e": "fat16-lba",
        "f": "extended-lba",
        "41": "prep",
        "82": "swap",
        "83": "linux",
        "85": "linux-extended",
        "8e": "lvm",
        "da": "not-a-filesystem",
        "ee": "gpt-protective",
        "ef": "esp",
        "fd": "raid",
    }
)
"""MBR types by name."""

MBR_EXTENDED: Final = frozenset({"5", "f", "85"})
"""Types of an MBR that hold the logical partitions."""

_GUIDS = {name: guid for guid, name in GPT_TYPES.items()}


def name_of(partition_type: str) -> str:
    """The name of a type: a GUID in lower case, or an MBR type in hex without 0x; "" when it has none."""
    return GPT_TYPES.get(partition_type) or MBR_TYPES.get(partition_type, "")


def guid_of(name: str) -> str:
    """The type GUID that a name stands for; "" when there is none of that name."""
    return _GUIDS.get(name, "")
