"""Where a tree keeps which packages it has; it has one of these."""

from typing import Final

STATUS: Final = "var/lib/dpkg/status"
"""dpkg's."""
RPM_FOLDERS: Final = ("usr/lib/sysimage/rpm", "var/lib/rpm")
"""rpm's: of Fedora and EL 10, of EL 9 and before. The one may be a link to the other."""
RPM_DATABASE_NAME: Final = "rpmdb.sqlite"
RPM_DATABASES: Final = tuple(f"{folder}/{RPM_DATABASE_NAME}" for folder in RPM_FOLDERS)
PACKAGE_DATABASES: Final = (STATUS, *RPM_DATABASES)
