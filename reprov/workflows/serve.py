"""The store, served to nodes until somebody asks to stop."""

import os
import tempfile
from pathlib import Path

from reprov.adapters import rsyncd
from reprov.adapters.rsync_program import installed_version
from reprov.adapters.store import Store
from reprov.domain.rsync_version import warning_of
from reprov.domain.rsyncd import Served, render_config
from reprov.errors import ReprovError
from reprov.events import Monitor, Note

RUN_FOLDER = Path("/run/reprov-serve")
"""Stands for the private folder of a running daemon in a configuration that is only printed."""


def config(served: Served, run_folder: Path = RUN_FOLDER) -> str:
    """The rsyncd.conf for whoever runs this."""
    return render_config(served, run_folder, as_root=os.geteuid() == 0)


def serve(served: Served, monitor: Monitor) -> None:
    """Run the daemon, passing its log on as notes. Ends when the daemon does, which is an error, or by a signal."""
    Store.opened(Path(served.store))
    if warning := warning_of(installed_version()):
        monitor.emit(Note(warning))
    if not served.is_local:
        monitor.emit(Note(f"everybody who reaches {served.address} port {served.port} can read every file of every tree"))
    with tempfile.TemporaryDirectory(prefix="reprov-serve-") as folder:
        file = Path(folder) / "rsyncd.conf"
        file.write_text(config(served, Path(folder)), encoding="utf-8")
        last = "it said nothing"
        with rsyncd.daemon(file) as process:
            monitor.emit(Note(f"serving {served.store} on rsync://{_host(served)}:{served.port}/"))
            for line in process.stdout or ():
                last = line.decode(errors="replace").rstrip()
                monitor.emit(Note(last))
            status = process.wait()
    raise ReprovError(f"the rsync daemon ended with status {status}: {last}", hint="is the port in use? --port takes another one")


def _host(served: Served) -> str:
    return f"[{served.address}]" if ":" in served.address else served.address
