#!/usr/bin/python
"""Ansible module: dump the databases of a server, encrypted, prove a dump, restore it. What may be done is `reprov.domain.database`'s."""

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.reprov_database import (
    ORIGIN,
    SEED,
    Dump,
    Record,
    choose,
    is_restored,
    settled,
    unproved,
    why_not_dumped,
    why_not_kept,
    why_not_restored,
)
from ansible.module_utils.reprov_database_files import DumpFiles
from ansible.module_utils.reprov_database_server import DatabaseServer, free_bytes
from ansible.module_utils.reprov_program import Trouble

DOCUMENTATION = r"""
module: reprov_database
short_description: Dump the databases of a server, prove the dump, restore it
description:
  - A dump is an artefact, C(databases.sql.enc), encrypted by C(openssl) with a key that is a file, and its manifest, C(databases.json),
    which is written last. It is made once, and never written over. One that was killed in the middle has no manifest, and is made anew.
  - Runs as root on the host of the server, whose own programs do the work, over its socket.
options:
  state:
    description:
      - C(dumped), there is a dump of the databases.
      - C(verified), the dump has its checksum, can be deciphered with the key, and is whole. Changes nothing.
      - C(restored), the server has what is dumped. The dump is verified first; whatever could be refused is, before anything is changed.
        Afterwards every table has the rows that it had. Nothing is done where the server has what this dump, or its restore, has left.
    choices: [dumped, verified, restored]
    required: true
    type: str
  directory:
    description: Where the dump is. Made if need be.
    required: true
    type: path
  key_file:
    description: The key. Made if need be, when a dump is.
    required: true
    type: path
  databases:
    description: Which ones to dump, those of them that are there; by default all, with the accounts of the server.
    type: list
    elements: str
    default: []
  into:
    description:
      - C(origin), what the server of the dump has is replaced. Another one is refused unless it has nothing in databases of these names.
      - C(seed), what a server on another host has in databases of these names is replaced. The host of the dump is refused.
    choices: [origin, seed]
    default: origin
    type: str
  engine:
    description: Whose server it is. C(mariadb) is MySQL's, too.
    choices: [mariadb, postgresql]
    default: mariadb
    type: str
  socket:
    description: The socket of MariaDB, or the directory of PostgreSQL's, where it is not the usual one.
    type: path
  options_file:
    description: A file of options with the account for MariaDB; by default it is root over the socket.
    type: path
author:
  - the authors of reprov (@reprov)
"""

RETURN = r"""
dump:
  description: The manifest, without the tables.
  returned: when there is a dump
  type: dict
absent:
  description: Databases that were named and that the server does not have.
  returned: dumped
  type: list
  elements: str
identical:
  description: Whether the server would be dumped exactly like the dump. A later version of it may word the same otherwise.
  returned: restored
  type: bool
"""


def dumped(module: AnsibleModule, server: DatabaseServer, files: DumpFiles) -> dict[str, Any]:
    """Make the dump, unless it is there."""
    wanted = choose(server.names(), module.params["databases"])
    if module.check_mode and not files.directory.is_dir():
        return {"changed": True, "absent": wanted.absent}
    files.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with files.alone():
        dump = files.dump()
        if dump is not None:
            refuse(why_not_kept(dump, files.artefact_bytes(), wanted), files)
            return {"changed": False, "dump": told(dump), "absent": wanted.absent}
        before = server.look(wanted.names, is_counted=not module.check_mode)
        if not module.check_mode:
            files.remove_unfinished()  # it takes room
        refuse(why_not_dumped(wanted, before.databases, free_bytes(str(files.directory)) or 0), files)
        if module.check_mode:
            return {"changed": True, "absent": wanted.absent}
        files.make_key()
        has_accounts = not module.params["databases"] and server.has_accounts(before)
        made_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            size_bytes, sha256, content = files.encrypt(server.dumped(wanted.names, with_accounts=has_accounts))
        except (OSError, Trouble) as error:
            files.remove_unfinished()
            raise Trouble(f"the databases could not be dumped, and there is no dump: {error}") from None
        databases, busy = settled(before.databases, server.look(wanted.names, is_counted=True).databases)
        if busy:
            module.warn(f"written to while they were dumped: {', '.join(busy)}; a service still runs, and what it writes now is in no dump")
        dump = Dump(before.product, before.version, before.machine, made_at, databases, has_accounts, size_bytes, sha256, content)
        files.finish(dump)
    return {"changed": True, "dump": told(dump), "absent": wanted.absent}


def verified(_module: AnsibleModule, _server: DatabaseServer, files: DumpFiles) -> dict[str, Any]:
    """Prove the dump."""
    dump = files.ended_dump()
    files.verify(dump)
    return {"changed": False, "dump": told(dump)}


def restored(module: AnsibleModule, server: DatabaseServer, files: DumpFiles) -> dict[str, Any]:
    """Restore the dump, unless its content is there."""
    dump = files.ended_dump()
    with files.alone():
        files.verify(dump)
        record, content = files.record(), server.content(dump)
        if is_restored(dump, record, content):
            return {"changed": False, "dump": told(dump), "identical": content == dump.content}
        reasons = why_not_restored(dump, server.look(dump.names, is_counted=False), module.params["into"], record)
        if reasons:
            raise Trouble(f"the dump of {dump.made_at} was not restored, and nothing was changed: {'; '.join(reasons)}")
        if module.check_mode:
            return {"changed": True, "dump": told(dump)}
        files.write_record(Record(dump.sha256))
        try:
            with files.deciphered() as source:
                server.restore(source)
        except Trouble as error:
            raise Trouble(f"the restore ended in the middle, and databases are incomplete: {error}; mend it, then restore again") from None
        lost = unproved(dump, server.look(dump.names, is_counted=True).databases)
        if lost:
            raise Trouble(f"the server has not what was dumped: {', '.join(lost)}; stop whatever else writes to it, then restore again")
        content = server.content(dump)
        files.write_record(Record(dump.sha256, content))
    return {"changed": True, "dump": told(dump), "identical": content == dump.content}


def refuse(why: str, files: DumpFiles) -> None:
    """Raises `Trouble` where there is a reason."""
    if why:
        raise Trouble(f"{files.directory}: {why}")


def told(dump: Dump) -> dict[str, Any]:
    """The manifest, with the names of the databases alone."""
    return {**dump._asdict(), "databases": dump.names}


def main() -> None:
    """Run the module."""
    states = {"dumped": dumped, "verified": verified, "restored": restored}
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": list(states), "required": True},
            "directory": {"type": "path", "required": True},
            "key_file": {"type": "path", "required": True, "no_log": False},
            "databases": {"type": "list", "elements": "str", "default": []},
            "into": {"type": "str", "choices": [ORIGIN, SEED], "default": ORIGIN},
            "engine": {"type": "str", "choices": ["mariadb", "postgresql"], "default": "mariadb"},
            "socket": {"type": "path"},
            "options_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = states[module.params["state"]](module, DatabaseServer(module), DumpFiles(module))
    except Trouble as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
