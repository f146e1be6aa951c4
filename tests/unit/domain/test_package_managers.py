"""The texts that keep people from package managers; what they do is tested with a shell and dpkg."""

import pytest

from reprov.domain.package_managers import MANAGERS, Manager, hook_text, is_ours, stub_text


@pytest.mark.parametrize("manager", MANAGERS, ids=lambda manager: manager.name)
def test_a_stub_names_its_program_and_is_known_again(manager: Manager) -> None:
    text = stub_text(manager)
    assert text.startswith("#!/bin/sh\n")
    assert f'exec /usr/bin/{manager.name} "$@"' in text
    assert is_ours(text.encode())


def test_dpkg_s_hook_is_one_line_of_configuration_and_is_known_again() -> None:
    assert [line.partition("=")[0] for line in hook_text().splitlines() if not line.startswith("#")] == ["pre-invoke"]
    assert is_ours(hook_text().encode())


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\nexec apt\n", b"\n\n# Laid by `reprov pkgmngr deactivate`;", b"\xff"])
def test_somebody_else_s_file_is_not_ours(content: bytes) -> None:
    assert not is_ours(content)
