"""What command lines would do to devices: which only read, and which of their words they may write to."""

import shlex

import pytest

from reprov.domain.disk_commands import Intent, intent_of, is_disk_command

READING = """
wipefs /dev/sdb
wipefs -J -O DEVICE,TYPE /dev/sdb
wipefs --no-act --all /dev/sdb
wipefs -an /dev/sdb
sgdisk -p /dev/sdb
sgdisk --info=2 /dev/sdb
sgdisk -i 2 /dev/sdb
sfdisk --json /dev/sdb
sfdisk -d /dev/sdb
fdisk -l /dev/sdb
fdisk -l -o Device /dev/sdb
gdisk -l /dev/sdb
parted -l
parted -s /dev/sdb print
parted /dev/sdb unit s print free
partx --show /dev/sdb
partx -o NR,START /dev/sdb
partprobe
partprobe /dev/sdb
smartctl -a /dev/sdb
badblocks -sv /dev/sdb
hdparm -I /dev/sdb
hdparm -tT /dev/sdb
mdadm --detail --scan
mdadm -E /dev/sdb
cryptsetup luksDump /dev/sdb
cryptsetup -q isLuks /dev/sdb
cryptsetup open --readonly /dev/sdb x
nvme list
nvme smart-log /dev/nvme0
dd if=/dev/sdb
ceph-volume lvm list
ceph-volume inventory --format json
ceph-volume --cluster ceph lvm activate --all
ceph-volume lvm zap --help
ceph-disk list
cephadm ls
cephadm ceph-volume -- inventory
ceph-bluestore-tool show-label --dev /dev/sdb
ceph-bluestore-tool prime-osd-dir --dev /dev/sdb --path /var/lib/ceph/osd/ceph-3
ceph-objectstore-tool --help
"""


@pytest.mark.parametrize("line", READING.strip().splitlines())
def test_what_only_reads(line: str) -> None:
    program, *arguments = shlex.split(line)
    assert is_disk_command(program)
    assert intent_of(program, arguments).is_reading


WRITING = """
wipefs -a /dev/sdb
wipefs -af /dev/sdb
wipefs --all --force /dev/sdb
wipefs --al /dev/sdb
wipefs -o 0x218 /dev/sdb
mkfs -t xfs /dev/sdb
mkfs.ext4 -F /dev/sdb
mkfs.xfs -f -l logdev=/dev/sdb,size=64m disk.img
mkfs.unheard-of /dev/sdb
mke2fs -O journal_dev /dev/sdb
mkswap /dev/sdb
sgdisk -Z /dev/sdb
sgdisk --zap-all /dev/sdb
sgdisk -n1:0:0 -p /dev/sdb
sgdisk -d 1 /dev/sdb
sfdisk /dev/sdb
sfdisk --delete /dev/sdb 1
sfdisk --part-type /dev/sdb 1 linux
sfdisk -l --wipe always /dev/sdb
fdisk /dev/sdb
gdisk /dev/sdb
cfdisk /dev/sdb
parted -s /dev/sdb mklabel gpt
parted /dev/sdb
parted -s /dev/sdb print rm 1
parted /dev/sdb mklabel gpt -l
parted -a optimal /dev/sdb mkpart x 0 1
partx -d /dev/sdb
partx -sd /dev/sdb
delpart /dev/sdb 1
blkdiscard /dev/sdb
shred -n1 /dev/sdb
badblocks -w /dev/sdb
badblocks -wsv /dev/sdb
badblocks -n /dev/sdb
hdparm --security-erase NULL /dev/sdb
hdparm --user-master u --trim-sector-ranges 0:1 /dev/sdb
hdparm -r1 /dev/sdb
mdadm --create /dev/md0 --level=1 --raid-devices=1 /dev/sdb
mdadm -v -C /dev/md0 -l1 -n1 /dev/sdb
mdadm --zero-superblock /dev/sdb
mdadm /dev/md0 --add /dev/sdb
mdadm --detail --zero-superblock /dev/sdb
cryptsetup luksFormat /dev/sdb
cryptsetup -q luksFormat /dev/sdb
cryptsetup --key-file luksDump luksFormat /dev/sdb
cryptsetup erase /dev/sdb
cryptsetup open /dev/sdb x
nvme format /dev/sdb
nvme sanitize /dev/sdb -a 2
dd if=/dev/zero of=/dev/sdb bs=1M
pvcreate -ff -y /dev/sdb
pvremove /dev/sdb
vgcreate vg /dev/sdb
vgreduce vg /dev/sdb
lvm pvcreate /dev/sdb
ceph-volume lvm zap /dev/sdb
ceph-volume lvm zap --destroy /dev/sdb
ceph-volume --cluster lvm lvm create --data /dev/sdb
ceph-volume lvm prepare --data=/dev/sdb
ceph-volume lvm batch --yes /dev/sdb
ceph-volume raw prepare --bluestore --data /dev/sdb
ceph-volume lvm zap raw list /dev/sdb
ceph-disk zap /dev/sdb
ceph-disk prepare /dev/sdb
cephadm ceph-volume -- lvm zap /dev/sdb
ceph-bluestore-tool set-label-key --dev /dev/sdb -k osd_key -v x
ceph-bluestore-tool repair --dev /dev/sdb
"""


@pytest.mark.parametrize("line", WRITING.strip().splitlines())
def test_what_writes_names_the_device(line: str) -> None:
    program, *arguments = shlex.split(line)
    found = intent_of(program, arguments)
    assert is_disk_command(program)
    assert (found.is_reading, "/dev/sdb" in found.devices) == (False, True)


UNTOLD = """
ceph-volume lvm zap --osd-id 3
ceph-volume lvm zap --osd-fsid=0000 --destroy
ceph-volume lvm zap --osd-id 3 /dev/sdb
ceph-volume lvm deactivate 3
ceph-volume lvm new-db --osd-id 3 --osd-fsid 0000 --target vg/db
ceph-disk zap
cephadm zap-osds --fsid 0000
cephadm rm-cluster --fsid 0000 --force --zap-osds
cephadm ceph-volume -- lvm zap --osd-id 3
ceph-bluestore-tool repair --path /var/lib/ceph/osd/ceph-3
ceph-bluestore-tool bluefs-bdev-migrate --path /var/lib/ceph/osd/ceph-3 --dev-target /dev/sdb
ceph-objectstore-tool --data-path /var/lib/ceph/osd/ceph-3 --op mkfs
ceph-osd -i 3 --mkfs
lvremove -S vg_name=ceph
lvremove --select=lv_tags=x
vgremove @ceph
lvm
lvm commands.txt
vgexport -a
"""


@pytest.mark.parametrize("line", UNTOLD.strip().splitlines())
def test_what_cannot_be_told_says_so(line: str) -> None:
    program, *arguments = shlex.split(line)
    assert intent_of(program, arguments).any_device


GROUPS = {
    "vgremove vg": "vg",
    "vgremove -ff -y vg": "vg",
    "lvremove vg/lv": "vg",
    "lvremove -y /dev/vg/lv": "vg",
    "lvremove /dev/mapper/v--g-l--v": "v-g",
    "lvreduce -L 1G vg/lv": "vg",
    "vgreduce vg --removemissing": "vg",
    "vgcfgrestore -f backup vg": "vg",
    "lvm vgremove vg": "vg",
    "ceph-volume lvm zap vg/lv": "vg",
}


@pytest.mark.parametrize(("line", "group"), GROUPS.items(), ids=GROUPS)
def test_lvm_names_groups(line: str, group: str) -> None:
    program, *arguments = shlex.split(line)
    assert group in intent_of(program, arguments).groups


def test_only_the_targets_of_dd_count() -> None:
    assert intent_of("dd", ("if=/dev/sdb", "of=copy.img")) == Intent(devices=("copy.img",))


def test_a_value_glued_to_an_option_is_a_word() -> None:
    assert "/dev/sdb" in intent_of("mkfs.xfs", ("-l/dev/sdb",)).devices


@pytest.mark.parametrize("name", ["ls", "mkfs_helper", "cat", "ceph", "lvs", "mount"])
def test_other_programs_are_not_asked_about(name: str) -> None:
    assert not is_disk_command(name)
