"""The names of everything in a store, and which releases of a role go."""

from collections.abc import Iterable

from reprov.domain.release import Release, ReleaseId

RELEASE_NAME = "release.json"
ROLE_NAME = "role.json"
TREES = "trees"
RELEASES = "releases"
POOL = "pool"
BUILD = "build"
IDS = "ids"
"""Tables of stable ids of names that the library does not know, a file for each family."""
LOCK = ".lock"
TEMPORARY_PREFIX = ".tmp-"
HOPS = "hops"
"""Below a release, by the version of an earlier one: what changes from there, and the post-script of the way."""
HOPS_KEPT = 5
"""Against how many earlier releases of a role a new one is compared at publishing."""


def tree_path(release: ReleaseId) -> str:
    """The sealed tree."""
    return f"{TREES}/{release.path}"


def release_path(release: ReleaseId) -> str:
    """The folder whose release.json makes a release exist."""
    return f"{RELEASES}/{release.path}"


def post_path(before: ReleaseId) -> str:
    """The post-script of the way from an earlier release of the role, below a release."""
    return f"{HOPS}/{before.version}/post"


def build_path(release: ReleaseId) -> str:
    """What `reprov build` leaves: tree/ and role.json."""
    return f"{BUILD}/{release.path}"


def temporary_name(release: ReleaseId) -> str:
    """What a release and its tree are called, below releases/ and trees/, until they are complete and when they go."""
    return f"{TEMPORARY_PREFIX}{release.role}-{release.version}"


def object_path(key: str) -> str:
    """The pool's name of an inode, or the beginning of the names of a content; two digits of folder keep directories small."""
    return f"{POOL}/{key[:2]}/{key[2:]}"


def next_serial(releases: Iterable[Release]) -> int:
    """The serial of the role's next release, given those that it has."""
    return max((release.serial for release in releases), default=0) + 1


def hop_bases(releases: Iterable[Release]) -> tuple[Release, ...]:
    """The earlier releases of a role that a new one is compared with, the newest first."""
    return tuple(sorted(releases, key=lambda release: release.serial, reverse=True)[:HOPS_KEPT])


def surplus(releases: Iterable[Release], keep: int) -> tuple[Release, ...]:
    """What goes when each role keeps its newest `keep` releases, the oldest first."""
    by_role: dict[str, list[Release]] = {}
    for release in releases:
        by_role.setdefault(release.id.role, []).append(release)
    gone: list[Release] = []
    for role in sorted(by_role):
        gone += sorted(by_role[role], key=lambda release: release.serial)[:-keep]
    return tuple(gone)
