"""Who runs under an id that moves, by the kernel's own text."""

from pathlib import Path

import pytest

from reprov.adapters import running
from reprov.domain.account_ids import AccountKind
from reprov.domain.owner_change import WantedIds
from reprov.domain.owner_plan import Running

STATUS = "Name:\t{name}\nUid:\t{uids}\nGid:\t{gids}\nGroups:\t{groups}\n"


def test_every_id_of_a_process_counts_but_its_supplementary_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processes = {
        "10": ("ceph-osd: one", "167 167 167 167", "167 167 167 167", ""),
        "11": ("saved", "0 0 167 0", "0 0 0 0", ""),
        "12": ("operator", "1000 1000 1000 1000", "1000 1000 1000 1000", "167 27"),
        "13": ("root", "0 0 0 0", "0 0 0 0", ""),
    }
    for pid, (name, uids, gids, groups) in processes.items():
        (tmp_path / pid).mkdir()
        text = STATUS.format(name=name, uids=uids.replace(" ", "\t"), gids=gids.replace(" ", "\t"), groups=groups)
        (tmp_path / pid / "status").write_text(text)
    (tmp_path / "self").mkdir()
    (tmp_path / "14").mkdir()  # one that ended while we looked
    monkeypatch.setattr(running, "_PROC", tmp_path)
    assert list(running.running_under(WantedIds(frozenset({167}), frozenset({167})))) == [
        Running(10, "ceph-osd: one", AccountKind.USER, 167),
        Running(10, "ceph-osd: one", AccountKind.GROUP, 167),
        Running(11, "saved", AccountKind.USER, 167),
    ]
