"""reprov prove: fingerprints of everything protected, and what has changed since."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reprov.cli import options
from reprov.cli.tables import Table, human_count, human_size, print_json, print_table, print_text
from reprov.domain.entry import show
from reprov.errors import InvalidInput, ProofFailed, ReprovError
from reprov.events import Monitor

if TYPE_CHECKING:
    from reprov.domain.proof import Proof, ProvenDevice
    from reprov.domain.proof_comparison import Comparison, Difference

_DIGEST_LENGTH = len("sha256 ") + 12
_NAMED_TYPE = re.compile(r"[0-9a-f-]{36} \((.+)\)")
_FILE = click.Path(path_type=Path)


@click.command()
@click.option(
    "--image",
    type=click.Path(exists=True, resolve_path=True, path_type=Path),
    metavar="FILE",
    help="Prove what a disk image holds, instead of this machine.",
)
@options.root
@click.option("--output", type=_FILE, metavar="FILE", help="Where the proof goes.  [default: storage-proof.json; with --against: nowhere]")
@click.option("--deep", is_flag=True, help="Hash every byte of the devices that nothing uses.")
@click.option("--against", type=click.Path(exists=True, path_type=Path), metavar="FILE", help="Compare with an earlier proof.")
@options.yes
@options.as_json
@options.monitored
def prove(
    image: Path | None, root: Path, output: Path | None, deep: bool, against: Path | None, yes: bool, as_json: bool, monitor: Monitor
) -> None:
    """Fingerprint every device that is data, or show what has changed since an earlier proof.

    Of each: its entry in the partition table, UUIDs, labels and tags, and where nothing uses it, the first and the last MiB
    and the kernel's count of sectors written. Nothing is opened for writing. What disks are called does not matter.

    \b
    reprov prove --output before.json
    reprov prove --against before.json

    Exit status 7: something is not as it was; 1: a device that may be data could not be read.
    """
    from reprov.domain.data_devices import PROOF_FILE
    from reprov.domain.hop_proof import why_unproven
    from reprov.domain.proof_comparison import compare
    from reprov.workflows import prove as workflow

    if image is not None and root != Path("/"):
        raise InvalidInput("--image and --root do not go together", hint="an image is proven without the node that it belongs to")
    before = workflow.load_proof(against) if against else None
    file = output or (None if before else Path(PROOF_FILE))
    if file is not None:
        old = workflow.proof_to_replace(file, against)
        if old is not None:
            options.confirm(f"replace the proof of {old.made_at} in {file}?", yes=yes)
    after = workflow.prove(root, image=image, deep=deep, before=before, monitor=monitor)
    if file is not None:
        workflow.keep_proof(after, file)
    compared = compare(before, after) if before else None
    if as_json:
        print_json(_fields(before, after, compared) if before and compared else after.to_fields())
    elif before and compared:
        _print_comparison(before, compared)
    else:
        _print_proof(after)
    if file is not None:
        click.echo(f"wrote {show(str(file))[1:]}", err=True)
    if before and compared and compared.differences:
        raise ProofFailed(
            f"data proof failed: {_count(len(compared.differences), 'difference')} since {before.made_at}",
            hint="stop here: find out what wrote to these devices before this node, or any other, is changed again",
        )
    if problems := why_unproven(after, after.notes):
        more = f" (and {human_count(len(problems) - 1)} more)" if len(problems) > 1 else ""
        raise ReprovError(
            f"nobody could prove later that all data is untouched: {problems[0]}{more}",
            hint="take the device out, or install what is missing; the proof has everything else",
        )


def _print_proof(proof: "Proof") -> None:
    if proof.devices:
        ids = {osd.fsid: osd.id for osd in proof.osds}
        rows = [(_short(device.path), human_size(device.size_bytes), _who(device, ids), _extent(device)) for device in proof.devices]
        print_table(Table.of("DEVICE", "> SIZE", "IDENTITY", "PROOF", rows=rows))
        click.echo()
    hashed = sum(device.fingerprint is not None for device in proof.devices)
    how = "by every byte" if proof.is_deep else "by first and last MiB"
    click.echo(f"{_count(len(proof.devices), 'device')}, {hashed} {how}, {len(proof.devices) - hashed} by identity alone")
    click.echo(_count(len(proof.osds), "OSD"))


def _print_comparison(before: "Proof", compared: "Comparison") -> None:
    if compared.differences:
        print_table(Table.of("DEVICE", "WHAT", "BEFORE", "AFTER", rows=[_row(item) for item in compared.differences]))
        click.echo()
    partly = [(_short(device.path), device.extent.value, device.why) for device in compared.devices if device.why]
    if partly:
        print_table(
            Table.of("DEVICE", "PROVEN", "BECAUSE", rows=[(name, f"{extent} alone", _printable(why)) for name, extent, why in partly])
        )
        click.echo()
    for remark in compared.remarks:
        print_text(_printable(remark))
    extents = Counter(device.extent.value for device in compared.devices)
    reach = ", ".join(f"{count} by {extent}" for extent, count in sorted(extents.items()))
    verdict = _count(len(compared.differences), "difference") if compared.differences else "nothing has changed"
    print_text(f"{verdict} since {before.made_at}: {_count(len(compared.devices), 'device')} compared{', ' if reach else ''}{reach}")


def _row(difference: "Difference") -> Sequence[str]:
    return (
        _short(difference.device),
        difference.what,
        *(_printable(_cut(value)) for value in (difference.before, difference.after)),
    )


def _cut(value: str) -> str:
    """A digest by its beginning, a type by its name; --json has all of it."""
    if named := _NAMED_TYPE.fullmatch(value):
        return named[1]
    return f"{value[:_DIGEST_LENGTH]}..." if value.startswith("sha256 ") else value


def _who(device: "ProvenDevice", ids: Mapping[str, int | None]) -> str:
    """What names the device for good, as short as it goes."""
    if device.bluestore and device.bluestore.osd_fsid:
        osd_id = ids.get(device.bluestore.osd_fsid)  # the label of a db does not tell it
        return f"osd.{'?' if osd_id is None else osd_id} {device.bluestore.role}".rstrip()
    if device.volume:
        return _printable(device.volume)
    if device.content:
        return _printable(f"{device.content.type} {device.content.uuid}".rstrip())
    name = device.entry.label or device.entry.uuid if device.entry else device.wwn or device.serial or device.uuid
    return _printable(name) or "-"


def _extent(device: "ProvenDevice") -> str:
    if device.fingerprint is None:
        return _printable(f"identity: {device.use or device.error}")
    return "every byte" if device.fingerprint.whole_sha256 else "first and last MiB"


def _fields(before: "Proof", after: "Proof", compared: "Comparison") -> dict[str, object]:
    return {
        "before": before.made_at,
        "after": after.made_at,
        "differences": compared.differences,
        "devices": compared.devices,
        "remarks": compared.remarks,
    }


def _short(path: str) -> str:
    if path.startswith("/dev/"):
        return _printable(path.removeprefix("/dev/"))
    return _printable(path.rpartition("/")[2] if path.startswith("/") else path)


def _printable(text: str) -> str:
    return show(text)[1:]


def _count(number: int, what: str) -> str:
    return f"{human_count(number)} {what}{'' if number == 1 else 's'}"
