"""A snippet is taken as it is written, and every mistake in one is told by file and line."""

import pytest

from reprov.domain.snippet import Family
from reprov.domain.snippet_text import parse
from reprov.errors import InvalidInput, problems_of

GOOD = """\
title: etcd
packages:
  debian: [etcd-server]
units:
  debian: [etcd.service]
quorum: true
defaults:
  etcd_health: [etcdctl, endpoint, health]
tasks:
  # Before it goes.
  - name: Wait for the others
    ansible.builtin.command:
      argv: "{{ etcd_health }}"
    changed_when: false  # it asks
    tags: step4

  # After it has come back:
  # the second line of the same.
  - name: Start it
    ansible.builtin.systemd_service:
      name: etcd.service
      state: started
    tags: [step6]
"""


def test_tasks_keep_their_text_with_the_comments_above_them() -> None:
    snippet = parse(GOOD, "etcd.yaml", "etcd")
    assert snippet.tags == {4, 6}
    assert [(task.name, task.step, task.line) for task in snippet.tasks] == [("Wait for the others", 4, 11), ("Start it", 6, 19)]
    assert snippet.tasks[0].text == (
        "# Before it goes.\n- name: Wait for the others\n  ansible.builtin.command:\n"
        '    argv: "{{ etcd_health }}"\n  changed_when: false  # it asks\n  tags: step4\n'
    )
    assert snippet.tasks[1].text.startswith("# After it has come back:\n# the second line of the same.\n- name: Start it\n")


def test_what_a_family_does_not_have_is_nothing() -> None:
    snippet = parse(GOOD, "etcd.yaml", "etcd")
    assert snippet.packages == {Family.DEBIAN: ("etcd-server",), Family.RPM: ()}
    assert snippet.parts == {Family.DEBIAN: (), Family.RPM: ()}
    assert snippet.quorum


BAD = [
    pytest.param(
        "quorum: true", "quorun: true", "etcd.yaml:6: unknown key 'quorun' (did you mean 'quorum'?)", id="a key that there is not"
    ),
    pytest.param(
        "  debian: [etcd-server]", "  debain: [etcd-server]", "etcd.yaml:3: unknown key 'debain'", id="a family that there is not"
    ),
    pytest.param("title: etcd\n", "", "'title' is missing", id="no title"),
    pytest.param("[etcd-server]", "[]", "etcd.yaml:2: packages: at least one of debian and rpm has a package", id="no package"),
    pytest.param("[etcd.service]", "[etcd;rm]", "'etcd;rm' is not a name of a package or a unit", id="a unit that is none"),
    pytest.param(
        "etcd_health: [", "health: [", "etcd.yaml:8: 'health': a variable of this snippet begins with etcd_", id="a foreign variable"
    ),
    pytest.param("tags: step4", "tags: [step4, step6]", "etcd.yaml:15: a task has exactly one tag", id="two steps"),
    pytest.param(
        "tags: step4", "tags: step5", "etcd.yaml:15: a task has exactly one tag, which is its step: step1, step2", id="the re-image"
    ),
    pytest.param("tags: step4", "tags: [step4, always]", "etcd.yaml:15: a task has exactly one tag", id="a tag that is no step"),
    pytest.param("    tags: step4\n", "", "etcd.yaml:11: a task has exactly one tag", id="no step"),
    pytest.param(
        "name: Wait for", "name: wait for", "etcd.yaml:11: a task has a name that begins with a capital letter", id="a small name"
    ),
    pytest.param(
        "ansible.builtin.command:",
        "command:",
        "etcd.yaml:12: 'command' is neither a module of ansible.builtin.* or reprov",
        id="a short name",
    ),
    pytest.param(
        "ansible.builtin.systemd_service:", "community.general.systemd:", "'community.general.systemd' is neither", id="a collection"
    ),
    pytest.param(
        "changed_when: false  # it asks", "chnged_when: false", "(did you mean 'changed_when'?)", id="a keyword that there is not"
    ),
    pytest.param("    changed_when: false  # it asks\n", "", "etcd.yaml:11: a command says with `changed_when`", id="a silent command"),
    pytest.param(
        "changed_when: false  # it asks",
        "changed_when: true",
        "etcd.yaml:11: a command that changes something has a guard (when, creates, removes)",
        id="a command without a guard",
    ),
    pytest.param("tags: step4", "tags: step4\n    ignore_errors: true", "'ignore_errors' is neither", id="hidden errors"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_a_mistake_is_told_with_its_place(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(InvalidInput) as caught:
        parse(GOOD.replace(old, new), "etcd.yaml", "etcd")
    assert message in caught.value.message


def test_all_mistakes_are_told_at_once() -> None:
    text = GOOD.replace("name: Wait for", "name: wait for").replace("tags: [step6]", "tags: []")
    with pytest.raises(InvalidInput) as caught:
        parse(text, "etcd.yaml", "etcd")
    assert [problem.message.partition(": ")[0] for problem in problems_of(caught.value)] == ["etcd.yaml:11", "etcd.yaml:23"]


def test_a_snippet_is_named_like_a_service() -> None:
    with pytest.raises(InvalidInput, match="'nova_compute' is not the name of a service"):
        parse(GOOD, "nova_compute.yaml", "nova_compute")
