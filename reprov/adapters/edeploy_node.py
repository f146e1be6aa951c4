"""What eDeploy has left on a node: its conf says which release the node has, as long as reprov has made none."""

from pathlib import Path
from typing import Final

from reprov.adapters.files import opened_directory
from reprov.adapters.root_view import RootView
from reprov.domain.edeploy_conf import Conf
from reprov.domain.release import ReleaseId
from reprov.errors import InvalidInput

_CONF: Final = "var/lib/edeploy/conf"
_MEND: Final = "it says which scripts of eDeploy's hops run: mend it, or remove it, and none of them does"


def release_by_edeploy(root: Path) -> ReleaseId | None:
    """The role and version that eDeploy's conf in this root names; None without a conf. Raises `InvalidInput` for one that names none."""
    with opened_directory(root) as root_fd:
        text = RootView(root_fd).text(_CONF)
    if text is None:
        return None
    source = str(root / _CONF)
    try:
        conf = Conf.parse(text, source)
    except InvalidInput as error:
        raise InvalidInput(error.message, hint=_MEND) from None
    try:
        return ReleaseId.of(conf.role, conf.version)
    except InvalidInput as error:
        raise InvalidInput(f"{source}: {error.message}", hint=_MEND) from None
