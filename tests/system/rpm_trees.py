"""A small distribution of the RPM family in a repository on this machine, of which trees are built that scriptlets really run in."""

from pathlib import Path

from tests.rpm_lab import Rpm, Section, build_packages, log_body, log_lua, make_repository, programs

_DIRECTORIES = """
    /boot /etc /home /media /mnt /opt /run /srv /usr /usr/bin /usr/lib /usr/lib64 /usr/sbin /usr/share /var /var/cache /var/lib /var/log
    /var/spool /usr/lib/sysusers.d /usr/lib/systemd /usr/lib/systemd/system
""".split()

FILESYSTEM = Rpm(
    "filesystem",
    files={
        **dict.fromkeys((*_DIRECTORIES, "/dev", "/proc", "/sys", "/root", "/tmp", "/var/tmp"), "/"),
        **{f"/{name}": f"->usr/{name}" for name in ("bin", "lib", "lib64", "sbin")},
    },
    attributes={
        **dict.fromkeys(("/dev", "/proc", "/sys"), "%ghost"),
        **dict.fromkeys(("/tmp", "/var/tmp"), "%attr(1777,root,root)"),
        "/root": "%attr(0700,root,root)",
    },
)
_PASSWD = "root:x:0:0:root:/root:/bin/sh\nbin:x:1:1:bin:/bin:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n"
_GROUP = "root:x:0:\nbin:x:1:\ntty:x:5:\nusers:x:100:\nnobody:x:65534:\n"
SETUP = Rpm(
    "setup",
    files={
        "/etc/passwd": _PASSWD,
        "/etc/group": _GROUP,
        "/etc/shadow": "root:*:19000:0:99999:7:::\nbin:*:19000:0:99999:7:::\n",
        "/etc/gshadow": "root:::\nbin:::\n",
        "/etc/login.defs": "USERGROUPS_ENAB yes\nSYS_UID_MIN 201\nSYS_UID_MAX 999\nSYS_GID_MIN 201\nSYS_GID_MAX 999\n",
    },
    attributes={
        **dict.fromkeys(("/etc/passwd", "/etc/group", "/etc/login.defs"), "%config(noreplace)"),
        **dict.fromkeys(("/etc/shadow", "/etc/gshadow"), "%attr(0000,root,root) %config(noreplace)"),
    },
    requires=("filesystem",),
)
RELEASE = Rpm(
    "almalinux-release",
    "10.0",
    {
        "/usr/lib/os-release": 'ID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="10.0"\n',
        "/etc/os-release": "->../usr/lib/os-release",
    },
    requires=("filesystem",),
)
# Of this machine: a shell, the programs that scripts call, and an rpm that runs Lua.
SHELL = Rpm("dash", files={**programs("dash"), "/usr/bin/sh": "->dash"}, requires=("filesystem",), tags=("Provides: /bin/sh",))
TOOLS = Rpm(
    "tools", files=programs("cat", "env", "getent", "groupadd", "useradd", "id", "rpm", "setpriv", "setsid"), requires=("dash", "setup")
)
TOOLS_OWN = {path: content for path, content in TOOLS.files.items() if path not in SHELL.files}
DATABASES = {"9": "/var/lib/rpm", "10": "/usr/lib/sysimage/rpm"}
"""Where EL has it."""


def service(version: str) -> Rpm:
    """A package with a unit, a configuration, two accounts of which the table knows one, and scripts."""
    owner = f"service-{version}"
    useradd = "getent passwd polkitd >/dev/null || useradd -r -d / -s /usr/sbin/nologin polkitd\n"
    useradd += "getent passwd ghostly >/dev/null || useradd -r -d / -s /usr/sbin/nologin ghostly"
    return Rpm(
        "service",
        version,
        {
            "/usr/bin/service-tool": f"#!/bin/sh\necho {version}\n",
            "/usr/lib/systemd/system/service.service": f"[Service]\nExecStart=/usr/bin/service-tool\n# {version}\n",
            "/etc/service.conf": f"# {version}\n",
            "/var/lib/service": "/",
            f"/usr/share/service/{version}": version,
        },
        (
            Section("pre", useradd),
            Section("post", log_body(owner, "post")),
            Section("preun", log_body(owner, "preun")),
            Section("postun", log_lua(owner, "postun"), "-p <lua>"),
            Section("posttrans", log_lua(owner, "posttrans"), "-p <lua>"),
        ),
        ("tools",),
        attributes={"/etc/service.conf": "%config(noreplace)", "/var/lib/service": "%attr(0750,polkitd,ghostly)"},
    )


def watcher(version: str = "1.0") -> Rpm:
    """A package that never changes and watches others."""
    owner = f"watcher-{version}"
    return Rpm(
        "watcher",
        version,
        {"/usr/share/watcher": version},
        (
            Section("triggerin", log_body(owner, "triggerin"), targets="service"),
            Section("transfiletriggerin", log_body(owner, "transfiletriggerin"), targets="/usr/share/service"),
            Section("transfiletriggerpostun", log_lua(owner, "transfiletriggerpostun"), "-p <lua>", "/usr/share/service"),
        ),
        ("tools",),
    )


def first(suite: str) -> tuple[Rpm, ...]:
    """What the repository has at first. The tree's own rpm knows where its database is."""
    macros = {"/etc/rpm/macros": f"%_dbpath {DATABASES[suite]}\n", "/usr/lib/rpm/rpmrc": "\n", "/usr/lib/rpm/macros": "\n"}
    return (FILESYSTEM, SETUP, RELEASE, SHELL, TOOLS._replace(files={**TOOLS_OWN, **macros}), service("1.0"), watcher())


SECOND = (service("1.10"), Rpm("added", files={"/usr/share/added": "new\n"}, requires=("tools",)))

ROLE = """\
distribution: almalinux
suite: "{suite}"
repositories:
  - {{name: local, mirror: "file://{repository}"}}
packages: [almalinux-release, {packages}]
excludes: [base, identity, network, ssh, logs-and-caches]
"""


def make_site(folder: Path, suite: str) -> Path:
    """A library with the role `el`, whose repository has the first packages; returns the library."""
    repository = make_repository(folder / "repository", build_packages(folder / "first", first(suite)))
    role = folder / "library/roles/el"
    role.mkdir(parents=True)
    (role / "role.yaml").write_text(ROLE.format(suite=suite, repository=repository, packages="service, watcher"))
    return folder / "library"


def add_second(folder: Path) -> None:
    """Let the repository have the second packages, too, and the role name what is added."""
    make_repository(folder / "repository", build_packages(folder / "second", SECOND))
    role = folder / "library/roles/el/role.yaml"
    role.write_text(role.read_text().replace("watcher]", "watcher, added]"))
