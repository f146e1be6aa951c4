"""What differs for eDeploy's pre and post when reprov runs them, and the lines of a script that would notice.

eDeploy ran both in `/var/lib/edeploy/TO`, with the files of the hop beside them, without arguments, without a limit of time, and with no
variable of its own: what its conf sets is not exported.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from reprov.domain.hop_fragment import HopPlace
from reprov.domain.post_script import STEP_TIMEOUT_S

_PRE: Final = (
    "pre: runs after the exchange, before the scripts of the packages, because nothing may change the live tree before the commit; eDeploy "
    "ran it before its first pass: what it stops or moves has to bear that the new tree is there, and where it would have stopped the "
    "upgrade, it takes the hop back"
)
_POST: Final = (
    "post: runs last, after the scripts of the packages that the hop changes; eDeploy ran none of those where metadata/ has a post"
)
_BOTH: Final = (
    f"a script may take {STEP_TIMEOUT_S} s, and runs in / with a clean environment; what it asks of services is settled once, after all "
    "scripts; status 100 asks for a reboot, any other but 0 takes the hop back"
)

_HEADER: Final = b"#!/bin/sh\n\n# echo commands\nset -x\n"
_UPGRADE_MODE: Final = b"# put the scriptlet in upgrade mode by passing 2 (package count is 2\n"
"""What eDeploy's generator writes above the scriptlet of each package; its `pre` is the header alone."""

_COMMAND: Final = r"(?:^|[;&|(`]|\b(?:then|else|do|exec|sudo)\s)\s*(?:/\S*/)?"
_SIGNS: Final = (
    (
        re.compile(r"\b(?:(?:group|user)(?:add|mod|del)|(?:add|del)(?:user|group))\b"),
        "unless a list keeps /etc/passwd, the new tree's accounts are there by then, and it may fail: ask first (getent), or take it out",
    ),
    (
        re.compile(r"/var/lib/dpkg/info/\S+\.(?:preinst|postinst|prerm|postrm)\b"),
        "reprov runs the scripts of the packages that change: take it out, unless it is to run twice",
    ),
    (re.compile(r"/var/(?:lib|log)/edeploy\b"), "eDeploy's own files, which reprov does not write"),
    (re.compile(r"(?:^|[\s;&|(`='\"])\.\.?/\w|^\s*\.\s+[\w-]+\s*$"), "eDeploy ran it in the folder of the hop, reprov runs it in /"),
    (
        re.compile(_COMMAND + r"(?:reboot|shutdown|poweroff|halt|telinit|init\s+[0-6]|kexec)\b"),
        "a script that ends the system fails the hop: status 100 asks for a reboot",
    ),
)
_EXIT_100: Final = re.compile(r"\bexit\s+100\b")
_VARIABLE: Final = re.compile(r"\$\{?(VERS|ROLE|TARGET|RSERV_PORT|RSERV|RPATH|SERV|PROFILE)\b")


def not_as_edeploy(places: Collection[HopPlace]) -> Iterator[str]:
    """How reprov runs the scripts that there are otherwise, in words."""
    if HopPlace.PRE in places:
        yield _PRE
    if HopPlace.POST in places:
        yield _POST
    if places:
        yield _BOTH


def is_generated(content: bytes) -> bool:
    """True for a script that eDeploy's build made of the scriptlets of all packages of the tree, changed or not."""
    return content.startswith(_HEADER) and (_UPGRADE_MODE in content or not content.removeprefix(_HEADER).strip())


def lines_to_look_at(place: HopPlace, content: bytes, source: str, helpers: Iterable[str]) -> Iterator[str]:
    """`source:line: why` for each line of a script that counts on what reprov does otherwise; `helpers` are other files of the hop."""
    text = content.decode("utf-8", "replace")
    words = {name: re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])") for name in helpers}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            continue
        for said in _of_line(place, line, text, words):
            yield f"{source}:{number}: {line.strip()}: {said}"


def _of_line(place: HopPlace, line: str, text: str, helpers: Mapping[str, re.Pattern[str]]) -> Iterator[str]:
    yield from (said for sign, said in _SIGNS if sign.search(line))
    yield from (f"{name} is not imported: put what it does into this script" for name, word in helpers.items() if word.search(line))
    if place is HopPlace.PRE and _EXIT_100.search(line):
        yield "eDeploy stopped the upgrade at any status but 0; here 100 asks for a reboot"
    for name in dict.fromkeys(_VARIABLE.findall(line)):
        if not re.search(rf"\b{name}=", text):
            yield f"{name} is not set: eDeploy did not export it, and reprov does not know it"
