"""Reading a release's files back: nothing is believed whose digest is not in release.json."""

import gzip
import hashlib
from pathlib import Path

import pytest

from reprov.adapters.release_reader import ReleaseFiles
from reprov.domain.check import Check, CheckKind
from reprov.domain.fragment import Fragment
from reprov.domain.hop_fragment import HopFragment, HopPlace
from reprov.domain.manifest import Manifest
from reprov.domain.ownership import Owner
from reprov.domain.packages import Package, PackageSet
from reprov.domain.post_script import PostScript, Step
from reprov.domain.post_script_text import to_text
from reprov.domain.release import MANIFEST_NAME, PACKAGES_NAME, Release, ReleaseId
from reprov.domain.resolved_role import ResolvedRole
from reprov.errors import InvalidInput, Refused
from tests.builders import a_file, a_tree

TREE = Manifest(a_tree(a_file("usr/bin/x", "1")))
FILES = {
    MANIFEST_NAME: gzip.compress(TREE.render().encode(), mtime=0),
    PACKAGES_NAME: PackageSet.of("debian", [Package("x", "1", "amd64", paths=("usr/bin/x",))]).to_json().encode(),
    "excludes/10-base.exclude": b"/etc/hostname\n",
    "excludes/20-more.exclude": b"+ /etc/hostname\n/srv/\n",
    "add-only/10-base.add-only": b"/var/\n",
}


def publish(folder: Path, files: dict[str, bytes], *, listed: dict[str, bytes] | None = None) -> Path:
    """A release with these files; `listed` is what release.json says of them."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in (files if listed is None else listed).items()}
    release = Release(ReleaseId("base", "1.0"), 1, "2026-01-01T00:00:00Z", "debian", "x86_64", (), digests)
    (folder / "release.json").write_text(release.to_json())
    return folder


def test_a_release_says_what_it_consists_of(tmp_path: Path) -> None:
    found = ReleaseFiles.load(publish(tmp_path, FILES))
    assert found.manifest.entries == TREE.entries
    assert found.manifest_digest == hashlib.sha256(FILES[MANIFEST_NAME]).hexdigest()
    assert found.owner_packages == {"usr/bin/x": "x"}


def test_lists_are_tried_in_the_order_of_their_names(tmp_path: Path) -> None:
    ownership = ReleaseFiles.load(publish(tmp_path, FILES)).ownership
    assert [ownership.of(path, is_dir=False).owner for path in ("etc/hostname", "srv/x", "var/x", "usr/x")] == [
        Owner.KEEP,
        Owner.KEEP,
        Owner.ADD_ONLY,
        Owner.IMAGE,
    ]


def test_what_two_manifests_have_in_common_is_read_once(tmp_path: Path) -> None:
    installed = ReleaseFiles.load(publish(tmp_path / "1", FILES))
    again = ReleaseFiles.load(publish(tmp_path / "2", FILES), like=installed)
    other = gzip.compress(Manifest(a_tree(a_file("usr/bin/x", "2"))).render().encode())
    changed = ReleaseFiles.load(publish(tmp_path / "3", FILES | {MANIFEST_NAME: other}), like=installed)
    assert again.manifest is installed.manifest
    old, new = installed.manifest.entries, changed.manifest.entries
    assert [path for path in new if new[path] is not old[path]] == ["usr/bin/x"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"x"], ids=["emptied", "altered"])
def test_what_is_not_what_was_published_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    publish(tmp_path, FILES)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused) as raised:
        ReleaseFiles.load(tmp_path)
    assert raised.value.message == f"base 1.0: {name} is not what was published (its digest differs from release.json)"
    assert raised.value.hint == "it was altered or cut off on the server; run `reprov releases --check` there"


@pytest.mark.parametrize("name", FILES)
def test_what_is_missing_is_refused(tmp_path: Path, name: str) -> None:
    publish(tmp_path, FILES)
    (tmp_path / name).unlink()
    with pytest.raises(Refused) as raised:
        ReleaseFiles.load(tmp_path)
    assert raised.value.message == f"base 1.0: {name} cannot be read: No such file or directory"


def test_a_manifest_that_release_json_does_not_vouch_for_is_refused(tmp_path: Path) -> None:
    publish(tmp_path, FILES, listed={name: content for name, content in FILES.items() if name != MANIFEST_NAME})
    with pytest.raises(Refused) as raised:
        ReleaseFiles.load(tmp_path)
    assert raised.value.message == "base 1.0 comes without a manifest"


def test_a_list_that_release_json_does_not_vouch_for_is_not_read(tmp_path: Path) -> None:
    publish(tmp_path, FILES | {"excludes/99-evil.exclude": b"/usr/\n"}, listed=FILES)
    assert ReleaseFiles.load(tmp_path).ownership.of("usr/x", is_dir=False).owner is Owner.IMAGE


@pytest.mark.parametrize("folder", ["excludes/", "add-only/"])
def test_a_release_without_lists_is_refused_and_never_keeps_nothing(tmp_path: Path, folder: str) -> None:
    found = ReleaseFiles.load(publish(tmp_path, {name: content for name, content in FILES.items() if not name.startswith(folder)}))
    with pytest.raises(Refused) as raised:
        _ = found.ownership
    assert (raised.value.message, raised.value.hint) == ("base 1.0 comes without ownership lists", "publish it again with --lists")


def test_an_empty_list_is_an_error(tmp_path: Path) -> None:
    found = ReleaseFiles.load(publish(tmp_path, FILES | {"excludes/20-more.exclude": b"# nothing\n"}))
    with pytest.raises(InvalidInput, match=r"excludes/20-more\.exclude: holds no rule"):
        _ = found.ownership


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        pytest.param(b"no gzip", "Not a gzipped file (b'no')", id="no gzip"),
        pytest.param(gzip.compress(b"x" * 999)[:20], "Compressed file ended before the end-of-stream marker was reached", id="cut off"),
        pytest.param(
            gzip.compress(b"\xff"), "'ascii' codec can't decode byte 0xff in position 0: ordinal not in range(128)", id="no ASCII"
        ),
    ],
)
def test_a_manifest_that_was_published_broken(tmp_path: Path, content: bytes, detail: str) -> None:
    found = ReleaseFiles.load(publish(tmp_path, FILES | {MANIFEST_NAME: content}))
    with pytest.raises(InvalidInput) as raised:
        _ = found.manifest
    assert raised.value.message == f"{tmp_path}/{MANIFEST_NAME}: not a manifest ({detail})"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"format": 1}'], ids=["empty", "no text", "a list", "no release"])
def test_a_release_json_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "release.json").write_bytes(content)
    with pytest.raises(InvalidInput) as raised:
        ReleaseFiles.load(tmp_path)
    assert raised.value.message.startswith(f"{tmp_path}/release.json: not a release (")


def test_no_release_at_all(tmp_path: Path) -> None:
    with pytest.raises(Refused) as raised:
        ReleaseFiles.load(tmp_path)
    assert raised.value.message == f"{tmp_path}/release.json cannot be read: No such file or directory"


POST = PostScript(
    ReleaseId("base", "0.9"), ReleaseId("base", "1.0"), (Step("a.postinst", ("/bin/sh",), ("configure",), "#!/bin/sh\n\udcff"),)
)
HOPS = {f"hops/{version}/post": to_text(POST).encode("utf-8", "surrogateescape") for version in ("0.8", "0.9")}


def test_the_post_script_of_the_hop_that_the_node_makes(tmp_path: Path) -> None:
    publish(tmp_path, FILES | HOPS)
    (tmp_path / "hops/0.8/post").unlink()
    found = ReleaseFiles.load(tmp_path)
    assert found.post_script(ReleaseId("base", "0.9")) == POST


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(ReleaseId("base", "0.8"), id="not fetched"),
        pytest.param(ReleaseId("base", "0.7"), id="not published"),
        pytest.param(ReleaseId("other", "0.9"), id="of another role"),
    ],
)
def test_a_hop_without_a_post_script_of_its_own(tmp_path: Path, before: ReleaseId) -> None:
    publish(tmp_path, FILES | HOPS)
    (tmp_path / "hops/0.8/post").unlink()
    assert ReleaseFiles.load(tmp_path).post_script(before) is None


def test_a_post_script_that_release_json_does_not_vouch_for_is_none(tmp_path: Path) -> None:
    publish(tmp_path, FILES | HOPS, listed=FILES)
    assert ReleaseFiles.load(tmp_path).post_script(ReleaseId("base", "0.9")) is None


def test_a_post_script_that_is_not_what_was_published_is_refused(tmp_path: Path) -> None:
    publish(tmp_path, FILES | HOPS)
    (tmp_path / "hops/0.9/post").write_text("rm -rf /\n")
    with pytest.raises(Refused, match=r"^base 1.0: hops/0.9/post is not what was published "):
        ReleaseFiles.load(tmp_path)


def test_a_link_in_the_place_of_a_post_script_is_refused(tmp_path: Path) -> None:
    publish(tmp_path, FILES | HOPS)
    (tmp_path / "hops/0.9/post").unlink()
    (tmp_path / "hops/0.9/post").symlink_to("nowhere")
    with pytest.raises(Refused, match=r"^base 1.0: hops/0.9/post cannot be read"):
        ReleaseFiles.load(tmp_path)


def test_templates_of_post_scripts(tmp_path: Path) -> None:
    found = ReleaseFiles.load(publish(tmp_path, FILES | {"post-scripts/50-x.sh.j2": b"echo {{ after }}\n"}))
    assert found.fragments == (Fragment("50-x", "echo {{ after }}\n", "base 1.0: post-scripts/50-x.sh.j2"),)


def test_scripts_of_hops_and_templates_are_told_apart(tmp_path: Path) -> None:
    scripts = {"post-scripts/0.9/post": b"#!/bin/sh\n\xff\n", "post-scripts/0.8/pre": b"#!/bin/sh\n", "post-scripts/50-x.sh.j2": b""}
    found = ReleaseFiles.load(publish(tmp_path, FILES | scripts))
    after = ReleaseId("base", "1.0")
    assert found.hop_fragments == (
        HopFragment(ReleaseId("base", "0.8"), after, HopPlace.PRE, "#!/bin/sh\n"),
        HopFragment(ReleaseId("base", "0.9"), after, HopPlace.POST, "#!/bin/sh\n\udcff\n"),
    )
    assert [fragment.name for fragment in found.fragments] == ["50-x"]


def test_the_checks_of_a_role_in_their_order(tmp_path: Path) -> None:
    role = ResolvedRole(ReleaseId("base", "1.0"), None, "debian", "x", (), ("base",), (), (), ("z", "a"), ())
    files = {**FILES, "role.json": role.to_json().encode(), "checks/a/test_a.py": b"", "checks/z": b"#!/bin/sh\n", "checks/zz": b"?"}
    assert ReleaseFiles.load(publish(tmp_path / "1", files)).checks == (
        Check("z", CheckKind.PROGRAM, "checks/z", ("/bin/sh",)),
        Check("a", CheckKind.TESTINFRA, "checks/a", is_folder=True),
    )
    assert ReleaseFiles.load(publish(tmp_path / "2", FILES)).checks == ()
