"""How `reprov_probes` looks at what needs no cloud, and how no look lasts longer than it may."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.reprov_probes import Probe, Seen

MOST_OF_A_BODY_BYTES = 1 << 20
SHOWN = 300
KILL_S = 10.0
"""How long it may take until a program has ended that was killed."""
CHUNK_BYTES = 1 << 20


def bounded(probe: Probe, look: Callable[[Probe], Mapping[str, Any]], grace_s: float = 0.0) -> Seen:
    """What a look finds, or the trouble that it had; also a look that hangs, in a resolver or in a library, ends with its time.

    `grace_s` is for looks that watch the time themselves, and have to tidy up when it is over.
    """
    answers: list[Seen] = []
    late = f"no answer within {probe.timeout_s:g} s"
    started_at = time.monotonic()

    def run() -> None:
        try:
            answers.append(Seen(look(probe)))
        except Exception as error:  # whatever a library raises is what this probe has found
            is_late = isinstance(getattr(error, "reason", error), (socket.timeout, subprocess.TimeoutExpired))
            answers.append(Seen({}, late if is_late else _told(error)))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(probe.timeout_s + grace_s)
    return (answers[0] if answers else Seen({}, late))._replace(elapsed_s=time.monotonic() - started_at)


def url(probe: Probe) -> dict[str, Any]:
    """The status that a page is answered with, redirections followed, and whether the wanted text is in it."""
    options = probe.options
    context = ssl.create_default_context(cafile=options.get("ca_file")) if options["url"].startswith("https:") else None
    request = urllib.request.Request(options["url"], headers={"User-Agent": "reprov"})
    try:
        # Without the proxies of the environment, which know nothing of a site's own addresses.
        handlers = [urllib.request.ProxyHandler({})] + ([urllib.request.HTTPSHandler(context=context)] if context else [])
        answer = urllib.request.build_opener(*handlers).open(request, timeout=probe.timeout_s)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        found = {"status": answer.getcode()}
        if "body" in options:
            found["has_body"] = options["body"] in answer.read(MOST_OF_A_BODY_BYTES).decode("utf-8", "replace")
    return found


def port(probe: Probe) -> dict[str, Any]:
    """Nothing but that somebody answers."""
    with socket.create_connection((probe.options["host"], probe.options["port"]), timeout=probe.timeout_s):
        return {}


def name(probe: Probe) -> dict[str, Any]:
    """The addresses of a name."""
    found = socket.getaddrinfo(probe.options["dns"], None, type=socket.SOCK_STREAM)
    return {"addresses": sorted({item[4][0] for item in found})}


def file(probe: Probe) -> dict[str, Any]:
    """The content of a file, as a digest."""
    digest = hashlib.sha256()
    with Path(probe.options["path"]).open("rb") as content:
        for chunk in iter(lambda: content.read(CHUNK_BYTES), b""):
            digest.update(chunk)
    return {"sha256": digest.hexdigest()}


def command(probe: Probe) -> dict[str, Any]:
    """How a program ends, with the last line that it has printed; what it has started ends with it."""
    process = subprocess.Popen(
        [str(word) for word in probe.options["argv"]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=probe.options.get("folder"),
        start_new_session=True,
    )
    try:
        output = process.communicate(timeout=probe.timeout_s)[0].decode("utf-8", "replace")
    finally:
        _end(process)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    found = {"status": process.returncode, "said": lines[-1][:SHOWN] if lines else ""}
    if "output" in probe.options:
        found["has_output"] = probe.options["output"] in output
    return found


LOOKS: Mapping[str, Callable[[Probe], Mapping[str, Any]]] = {"url": url, "port": port, "name": name, "file": file, "command": command}
"""By kind of probe."""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Everything of its process group, whether or not the process itself is still there."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _told(error: Exception) -> str:
    """An error in words for somebody who does not know Python."""
    reason = getattr(error, "reason", error)
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    path = getattr(reason, "filename", None)
    return " ".join((f"{path}: {text}" if path else text).split())[:SHOWN]
