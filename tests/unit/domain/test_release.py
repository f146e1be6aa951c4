"""release.json and the names of releases."""

import json
from dataclasses import replace

import pytest

from reprov.domain.release import Release, ReleaseId
from reprov.errors import InvalidInput

RELEASE = Release(
    id=ReleaseId("compute", "1.1"),
    serial=2,
    created_at="2026-01-02T03:04:05Z",
    family="debian",
    machine="x86_64",
    filesystems=("boot",),
    files={"manifest.mtree.gz": "a" * 64, "excludes/base.exclude": "b" * 64},
)


def test_what_is_written_is_read_again() -> None:
    assert Release.parse(RELEASE.to_json(), "release.json") == RELEASE


def test_equal_releases_give_equal_text_whatever_the_order_of_their_files() -> None:
    assert replace(RELEASE, files=dict(sorted(RELEASE.files.items()))).to_json() == RELEASE.to_json()


def altered(**changes: object) -> str:
    return json.dumps({**json.loads(RELEASE.to_json()), **changes})


BAD = {
    "cut off": (
        RELEASE.to_json()[:40],
        "r: not a release (JSONDecodeError: Expecting property name enclosed in double quotes: line 4 column 3 (char 40))",
    ),
    "no JSON": ("", "r: not a release (JSONDecodeError: Expecting value: line 1 column 1 (char 0))"),
    "a list": ("[]", "r: not a release (TypeError: list indices must be integers or slices, not str)"),
    "a key is missing": ('{"format": 1}', "r: not a release (KeyError: 'files')"),
    "a serial that is no number": (altered(serial="x"), "r: not a release (ValueError: invalid literal for int() with base 10: 'x')"),
    "files as a list": (altered(files=[]), "r: not a release (AttributeError: 'list' object has no attribute 'items')"),
    "a format of the future": (altered(format=2), "r: release format 2 is newer than this reprov"),
    "a file above the release": (altered(files={"a/../../b": "0"}), "r: 'a/../../b' is not a file name inside a release"),
    "an absolute file": (altered(files={"/etc/passwd": "0"}), "r: '/etc/passwd' is not a file name inside a release"),
    "a file name with a NUL byte": (altered(files={"a\0": "0"}), "r: 'a\\x00' is not a file name inside a release"),
    "a role that climbs out of the store": (altered(role="../x"), "'../x' is not a role name"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_release_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Release.parse(text, "r")
    assert caught.value.message == message


@pytest.mark.parametrize("role", ["", ".", "..", "a/b", "-x", "Base", "a b", "a\n"])
def test_what_cannot_be_a_role_name(role: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ReleaseId.of(role, "1")
    assert caught.value.message == f"{role!r} is not a role name"


@pytest.mark.parametrize("version", ["", ".", "..", "1/2", "-1", "1 2", "1\n", "~1"])
def test_what_cannot_be_a_version(version: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ReleaseId.of("base", version)
    assert caught.value.message == f"{version!r} is not a version"


def test_a_release_is_named_and_stored_by_role_and_version() -> None:
    release_id = ReleaseId.of("ceph-osd", "12.1+deb12u1~rc2")
    assert (str(release_id), release_id.path) == ("ceph-osd 12.1+deb12u1~rc2", "ceph-osd/12.1+deb12u1~rc2")
