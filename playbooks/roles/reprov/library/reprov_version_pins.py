#!/usr/bin/python
"""Pins values of an OpenStack service's configuration for the time of an upgrade. How, is `reprov.domain.version_pins`'."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.reprov_text_file import read_text, remove, write_text
from ansible.module_utils.reprov_version_pins import Prior, pinned, restored, wrong_pins

DOCUMENTATION = """
module: reprov_version_pins
short_description: Pin values of an OpenStack service's configuration for the time of an upgrade
description:
  - Sets options, such as those of [upgrade_levels], and notes what was there before; or gives that back, and forgets the note.
  - Everything else in the file stays as it is, byte by byte, as do its owner, its mode, its SELinux context and its extended attributes.
  - A value that somebody has changed since it was pinned is left, and named in left.
  - Services read the file when they start. Restart them when something has changed.
options:
  path:
    description: The file of the service.
    type: path
    required: true
  section:
    description: The section of the options.
    type: str
    default: upgrade_levels
  pins:
    description: Options and their values, which are auto, a release's name, or a version of messages. For pinned.
    type: dict
  note:
    description: The file in which is noted what was there before.
    type: path
    required: true
  state:
    description: Whether the options are to be pinned, or to be what they were.
    choices: [pinned, restored]
    required: true
    type: str
author:
  - the authors of reprov (@reprov)
"""

RETURN = """
left:
  description: Options that somebody has changed since they were pinned.
  returned: when restored
  type: list
  elements: str
"""


def main() -> None:
    """Pin, or restore."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "section": {"type": "str", "default": "upgrade_levels"},
            "pins": {"type": "dict"},
            "note": {"type": "path", "required": True},
            "state": {"choices": ["pinned", "restored"], "required": True},
        },
        required_if=[("state", "pinned", ["pins"])],
        supports_check_mode=True,
    )
    path, note, section = Path(module.params["path"]).resolve(), Path(module.params["note"]), module.params["section"]
    prior = _noted(module, note)
    if module.params["state"] == "pinned":
        pins = module.params["pins"]
        if wrong := wrong_pins(pins):
            module.fail_json(msg=f"pins: {wrong}")
        new = pinned(_configuration(module, path), section, {key: str(value) for key, value in pins.items()}, prior)
        # The note first: interrupted between the two, it has nothing to give back. The other way round, nobody would remove the pin.
        is_noted = write_text(module, note, new.prior.to_text())
        module.exit_json(changed=write_text(module, path, new.text) or is_noted)
    if not prior:
        module.exit_json(changed=False, left=[])
    back = restored(_configuration(module, path), section, prior)
    write_text(module, path, back.text)
    remove(module, note)
    for key in back.left:
        module.warn(f"{path}: {key} in [{section}] is not what it was pinned to, and is left as it is")
    module.exit_json(changed=True, left=list(back.left))


def _noted(module: AnsibleModule, path: Path) -> Prior | None:
    """What was noted, if anything was. A note that cannot be read fails: without it, what was there before is lost."""
    text = read_text(path)
    try:
        return None if text is None else Prior.parse(text)
    except ValueError as error:
        module.fail_json(msg=f"{path}: {error}. Compare the pinned file with a backup of it, then remove this one")
        raise  # for whoever reads types: the module has ended


def _configuration(module: AnsibleModule, path: Path) -> str:
    text = read_text(path)
    if text is None:
        module.fail_json(msg=f"there is no {path}: is the service configured in another file? Nothing was changed")
    return text or ""


if __name__ == "__main__":
    main()
