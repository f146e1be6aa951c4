"""The trees that are compared, built with `reprov build` and kept between runs outside the checkout."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROLE = "compute"
OLD = "1.0"
NEW = "1.1"
RUN_FOLDER = "run"
"""Where one run works, beside the trees: the store links them."""

_CHECKOUT = Path(__file__).parent.parent
_IMPORTED = re.compile(r"^from (reprov\.[\w.]+) import", re.MULTILINE)
_KEY_DIGITS = 16
_WITHOUT_UPDATES = ("--skip-repository", "updates", "--skip-repository", "security")
_BUILDS = (
    ("base", OLD, _WITHOUT_UPDATES),
    (ROLE, OLD, ("--parent-version", OLD, *_WITHOUT_UPDATES)),
    (ROLE, NEW, ("--from", OLD)),
)
"""Before and after an update: what the distribution released at first, and the same with the updates of the day of the build."""


def cache_folder() -> Path:
    """The benchmark's part of reprov's cache, made when missing."""
    top = Path(os.environ.get("REPROV_CACHE") or Path.home() / ".cache/reprov")
    folder = top.absolute() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def tree_of(store: Path, version: str) -> Path:
    """Where `reprov build` leaves a version of the role."""
    return store / "build" / ROLE / version / "tree"


def cached_trees(cache: Path) -> Path:
    """A store with both versions built, but not published; builds what is missing and removes what other definitions made."""
    store = cache / cache_key(_CHECKOUT) / "store"
    for other in cache.iterdir():
        if re.fullmatch(f"[0-9a-f]{{{_KEY_DIGITS}}}", other.name) and other != store.parent:
            shutil.rmtree(other)
    for role, version, options in _BUILDS:
        if not (store / "build" / role / version / "role.json").is_file():
            print(f"bench: building {role} {version}; it is kept in {store}", file=sys.stderr)
            build = ("nice", sys.executable, "-m", "reprov", "build", role, "--version", version, *options, "--store", store)
            subprocess.run(build, check=True, cwd=_CHECKOUT)
    return store


def cache_key(checkout: Path) -> str:
    """Changes when what makes the trees does: the role definitions, and the modules that a build is made of.

    Not with every module of reprov, although each tree has a copy of all: a change of the client is no other benchmark.
    """
    return digest(checkout, (*_role_files(checkout), *_build_modules(checkout)))


def digest(top: Path, files: Iterable[Path]) -> str:
    """One name for the content of these files below `top` and for what they are called."""
    content = hashlib.sha256()
    for file in sorted(files):
        found = file.read_bytes()
        content.update(f"{file.relative_to(top)}\n{len(found)}\n".encode())
        content.update(found)
    return content.hexdigest()[:_KEY_DIGITS]


def _role_files(checkout: Path) -> list[Path]:
    return [path for role in ("base", ROLE) for path in (checkout / "roles" / role).rglob("*") if path.is_file()]


def _build_modules(checkout: Path) -> list[Path]:
    workflow = checkout / "reprov/workflows/build.py"
    names = _IMPORTED.findall(workflow.read_text(encoding="utf-8"))
    return [workflow, *(checkout / f"{name.replace('.', '/')}.py" for name in sorted(set(names)))]
