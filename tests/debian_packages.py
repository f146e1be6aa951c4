"""Programs and libraries of Debian packages, without the packages being installed."""

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

_CACHE: Final = Path("~/.cache/reprov/tests")


def unpacked(*names: str) -> Path:
    """The files of packages of this machine's distribution, from the cache; fetched there by the first test that asks.

    They are never written to. What the packages depend on is not among them, and no script of theirs has run.
    """
    cache = _CACHE.expanduser()
    cache.mkdir(parents=True, exist_ok=True)
    done = cache / f"packages-{'+'.join(names)}"
    if not done.is_dir():
        with TemporaryDirectory(dir=cache) as folder:
            _fetch(Path(folder), names)
            try:
                (Path(folder) / "files").rename(done)
            except OSError:
                assert done.is_dir(), "nobody else has fetched them meanwhile"
    return done


def _fetch(folder: Path, names: tuple[str, ...]) -> None:
    """With lists of packages of its own: this machine may have none, or old ones."""
    for name in ("state/lists/partial", "cache/archives/partial", "files"):
        (folder / name).mkdir(parents=True)
    settings = {"Dir::State": folder / "state", "Dir::State::status": "/var/lib/dpkg/status", "Dir::Cache": folder / "cache"}
    apt = ["apt-get", "--quiet", *(f"-o{name}={value}" for name, value in settings.items())]
    if os.geteuid() == 0:
        apt.append("-oAPT::Sandbox::User=root")  # the one of apt may not come into root's cache
    for words in (["update"], ["download", *names]):
        subprocess.run([*apt, *words], check=True, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, folder / "files"], check=True)
