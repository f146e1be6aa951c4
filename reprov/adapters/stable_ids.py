"""Giving the accounts of packages their stable ids while the packages are installed into a tree."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from reprov.adapters import kernel
from reprov.adapters.chroot import BUILD, Chroot
from reprov.adapters.files import opened_directory, read_at
from reprov.domain.ids import STATIC_END, IdTable
from reprov.domain.tree_accounts import RESERVED, TreeAccounts, reserve, rows, unreserve, with_named

ACCOUNTS_HOOK = """\
#!/bin/sh -eu
# apt names the packages, a file on each line, whose scripts run next. Makes the accounts of the table that the scripts, or the
# sysusers.d files that they use, name: accounts.rows has the lines of each (account, file, id, line). What is there stays as it
# is, and the reservation of the id goes. An account that is missed here gets another id, and the build says so at its end.
here=$1
etc=$2
cd "$here"
: >texts
while read -r deb; do
    rm -rf control
    dpkg-deb --control "$deb" control
    for script in preinst postinst config; do
        if [ -e "control/$script" ]; then sed '/^[[:space:]]*#/d' "control/$script" >>texts; fi
    done
    if grep -qs systemd-sysusers control/preinst control/postinst; then
        # It may use a file of another package, and have none.
        dpkg-deb --fsys-tarfile "$deb" | tar --extract --to-stdout --wildcards './usr/lib/sysusers.d/*' >>texts 2>/dev/null || :
    fi
done
tr -cs 'A-Za-z0-9_./-' '\\n' <texts | sed 's/^-*//' | sort -u >words

for file in '' passwd shadow group gshadow; do
    if [ -z "$file" ]; then existing=$etc/passwd; else existing=$etc/$file; fi
    [ -e "$existing" ] || continue
    awk -v wanted="$file" -v reserved='@RESERVED@' '
        FILENAME == "words" { named[$0] = 1; next }
        FILENAME == "accounts.rows" {
            split($0, field, "\\t")
            if (!(field[1] in named) || field[2] != wanted) next
            line = substr($0, length(field[1] field[2] field[3]) + 4)
            name = line
            sub(/:.*/, "", name)
            if (wanted == "") name = field[1]
            if (!(name in made)) { made[name] = line; id[name] = field[3]; order[++count] = name }
            next
        }
        { lines[++total] = $0; name = $0; sub(/:.*/, "", name); there[name] = 1 }
        END {
            for (i = 1; i <= count; i++) {
                if (order[i] in there) continue
                if (wanted == "") { print "E: " made[order[i]] >"/dev/stderr"; exit 1 }
                gone[reserved id[order[i]]] = 1
            }
            for (i = 1; i <= total; i++) { name = lines[i]; sub(/:.*/, "", name); if (!(name in gone)) print lines[i] }
            for (i = 1; i <= count; i++) if (!(order[i] in there)) print made[order[i]]
        }
    ' words accounts.rows "$existing" >result
    # The content alone: owner and mode of the file stay.
    if [ -n "$file" ]; then cat result >"$existing"; fi
done
""".replace("@RESERVED@", RESERVED)
"""The program that apt calls (DPkg::Pre-Install-Pkgs) with its own folder and the tree's /etc as arguments."""

_DAY_S = 86400


@contextmanager
def stable_ids(chroot: Chroot, table: IdTable, epoch_s: int) -> Iterator[None]:
    """In the block, packages that are installed find the accounts of the table that they name made, and give none of its ids away."""
    folder = chroot.view / BUILD
    with opened_directory(chroot.view) as root_fd:
        made = rows(table, _read("etc/group", root_fd), epoch_s // _DAY_S)
    (folder / "accounts.rows").write_bytes(
        b"".join(b"%b\t%b\t%d\t%b\n" % (row.account.encode(), row.file.encode(), row.id, os.fsencode(row.line)) for row in made)
    )
    hook = folder / "make-accounts"
    hook.write_text(ACCOUNTS_HOOK)
    hook.chmod(0o755)
    with (folder / "apt.conf").open("a") as conf:
        conf.write(f'DPkg::Pre-Install-Pkgs {{ "/{BUILD}/make-accounts /{BUILD} /etc"; }};\n')
    with reserved_ids(chroot.view, table):
        yield


@contextmanager
def reserved_ids(root: Path, table: IdTable, *, first: int = STATIC_END) -> Iterator[None]:
    """In the block, nobody gets a dynamic id of the table, beginning with `first`, whose account is not there yet."""
    with opened_directory(root) as root_fd:
        passwd, group = reserve(table, _read("etc/passwd", root_fd), _read("etc/group", root_fd), first=first)
        _write("etc/passwd", passwd, root_fd)
        _write("etc/group", group, root_fd)
        yield
        for path in ("etc/passwd", "etc/group"):
            _write(path, unreserve(_read(path, root_fd)), root_fd)


def make_accounts(root: Path, table: IdTable, words: Collection[str], epoch_s: int, *, first: int) -> None:
    """Make the accounts of the table that the words name; those that are there stay as they are."""
    with opened_directory(root) as root_fd:
        made = rows(table, _read("etc/group", root_fd), epoch_s // _DAY_S, first=first)
        for name in ("passwd", "shadow", "group", "gshadow"):
            before = _read(f"etc/{name}", root_fd)
            after = with_named(name, before, made, words)
            if before and after != before:
                _write(f"etc/{name}", after, root_fd)


def read_accounts(tree: Path) -> TreeAccounts:
    """The accounts of a tree. Raises `InvalidInput` for what no tool would take."""
    with opened_directory(tree) as root_fd:
        return TreeAccounts.parse(_read("etc/passwd", root_fd), _read("etc/group", root_fd))


def _read(path: str, root_fd: int) -> bytes:
    try:
        return read_at(path, dir_fd=root_fd)
    except FileNotFoundError:
        return b""


def _write(path: str, content: bytes, root_fd: int) -> None:
    with os.fdopen(kernel.open_beneath(path, os.O_WRONLY | os.O_TRUNC, dir_fd=root_fd), "wb") as file:
        file.write(content)
