"""What speaks against an upgrade of a running system with SELinux."""

from collections.abc import Sequence

from reprov.domain.comparison import Blocker

_OTHER_POLICY = "do it from a rescue system with --root: the running kernel lets nobody set such a label"


def blockers_of_labels(unknown: Sequence[bytes], *, labels: bool) -> list[Blocker]:
    """Why such a node cannot get a release now. `unknown` are labels that its running policy has not: the kernel lets nobody set those.

    `labels`: any would be set; what is made without a label gets that of /.reprov, which nothing but root may use.
    """
    if not labels:
        hint = "publish a tree with a policy, and leave --selinux at auto"
        return [Blocker("", "is a node with SELinux, and no labels would be set", hint)]
    if unknown:
        first, more = unknown[0].rstrip(b"\0").decode(errors="replace"), len(unknown) - 1
        what = f"{first} and {more} more labels" if more else f"the label {first}"
        return [Blocker("", f"runs a policy without {what}, which the release gives to files", _OTHER_POLICY)]
    return []
