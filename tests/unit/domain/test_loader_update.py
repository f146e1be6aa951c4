"""Where GRUB may be installed again."""

import pytest

from reprov.domain.inventory import Partition
from reprov.domain.loader_update import Target, bios_target, install_devices_of
from tests.disk_builders import entry

BIOS = entry(1, 1, 1, "bios-boot", "bios")
ROOT = entry(2, 2, 9, "linux", "root")
DEBCONF = """\
Name: grub-pc/hidden_timeout
Template: grub-pc/hidden_timeout
Value: true

Name: grub-pc/install_devices
Template: grub-pc/install_devices
Value: /dev/disk/by-id/ata-x, /dev/sdb
Owners: grub-pc
Flags: seen

Name: grub-pc/install_devices_empty
Value: false
"""


def test_what_debconf_was_told() -> None:
    assert install_devices_of(DEBCONF) == ("/dev/disk/by-id/ata-x", "/dev/sdb")
    assert install_devices_of("Name: grub-pc/install_devices\nTemplate: grub-pc/install_devices\n\nName: x\nValue: /dev/sdc\n") == ()
    assert install_devices_of("") == ()


@pytest.mark.parametrize(
    ("disk", "partitions", "answered", "target"),
    [
        pytest.param("/dev/sda", (BIOS, ROOT), (), Target("/dev/sda"), id="the disk of /boot has a bios-boot partition"),
        pytest.param("/dev/sda", (BIOS, ROOT), ("/dev/sda",), Target("/dev/sda"), id="and debconf says so, too"),
        pytest.param(
            "/dev/sda",
            (BIOS, ROOT),
            ("/dev/sdb",),
            Target("", "debconf's grub-pc/install_devices is /dev/sdb, and /boot lies on /dev/sda"),
            id="debconf says another disk",
        ),
        pytest.param(
            "/dev/sda",
            (ROOT,),
            ("/dev/sda",),
            Target("", "/dev/sda has no bios-boot partitions, so that it cannot be told where GRUB belongs"),
            id="no bios-boot partition",
        ),
        pytest.param(
            "/dev/sda",
            (BIOS, BIOS, ROOT),
            (),
            Target("", "/dev/sda has 2 bios-boot partitions, so that it cannot be told where GRUB belongs"),
            id="two bios-boot partitions",
        ),
        pytest.param("", (), (), Target("", "the filesystem of /boot does not lie on a partition of one disk"), id="no disk"),
    ],
)
def test_the_disk(disk: str, partitions: tuple[Partition, ...], answered: tuple[str, ...], target: Target) -> None:
    assert bios_target(disk, partitions, answered) == target
