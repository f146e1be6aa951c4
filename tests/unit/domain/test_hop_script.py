"""The post-script of a hop, put together."""

import pytest

from reprov.domain.debian_package import DebianTree
from reprov.domain.fragment import Fragment
from reprov.domain.hop_fragment import HopFragment, HopPlace
from reprov.domain.hop_script import PackageTree, post_script_between
from reprov.domain.post_script import PostScript, Step, Work, WorkKind
from reprov.domain.release import ReleaseId
from tests.debian_trees import a_package, a_tree

BEFORE, AFTER = ReleaseId("base", "1.0"), ReleaseId("base", "1.1")


def made(
    old: PackageTree,
    new: PackageTree,
    *changed: str,
    fragments: tuple[Fragment, ...] = (),
    hop_fragments: tuple[HopFragment, ...] = (),
    before: ReleaseId | None = BEFORE,
) -> PostScript:
    return post_script_between(before, AFTER, old, new, changed, fragments, hop_fragments)


def test_packages_first_then_fragments_by_number() -> None:
    fragments = [Fragment(name, "{{ added[0].name }} {{ changed[0].after }}", name) for name in ("100-late", "50-b", "50-a")]
    post = made(a_tree(a_package("up")), a_tree(a_package("up", "2"), a_package("come")), fragments=tuple(fragments))
    assert [step.script for step in post.steps] == ["come.postinst", "up.postinst", "50-a", "50-b", "100-late"]
    assert post.steps[-1].body == "come 2"
    assert (post.before, post.after) == (BEFORE, AFTER)


OF_HOP = (HopFragment(BEFORE, AFTER, HopPlace.POST, "#!/bin/sh -x\n"), HopFragment(BEFORE, AFTER, HopPlace.PRE, "#!/bin/bash\n{{ x }}\n"))


def test_the_scripts_of_the_hop_are_around_all_others() -> None:
    post = made(a_tree(), a_tree(a_package("come")), fragments=(Fragment("50-a", "", "50-a"),), hop_fragments=OF_HOP)
    assert [step.script for step in post.steps] == ["1.0-to-1.1.pre", "come.postinst", "50-a", "1.0-to-1.1.post"]
    assert post.steps[0] == Step("1.0-to-1.1.pre", ("/bin/bash",), (), "#!/bin/bash\n{{ x }}\n")


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(ReleaseId("base", "0.9"), id="another version"),
        pytest.param(ReleaseId("other", "1.0"), id="another role"),
        pytest.param(None, id="no release"),
    ],
)
def test_no_script_of_another_hop_runs(before: ReleaseId | None) -> None:
    assert made(a_tree(), a_tree(), hop_fragments=OF_HOP, before=before).steps == ()


def test_work_that_several_paths_ask_for_is_done_once() -> None:
    tree = a_tree(a_package("a"))
    post = made(tree, tree, "usr/lib/modules/6/x.ko", "usr/lib/modules/6/y.ko", "etc/sysusers.d/x.conf")
    assert post.works == (
        Work(WorkKind.SYSUSERS, "/etc/sysusers.d/x.conf"),
        Work(WorkKind.DEPMOD, "/usr/lib/modules/6/x.ko"),
        Work(WorkKind.INITRAMFS, "/usr/lib/modules/6/x.ko"),
    )


def test_without_changed_packages_paths_ask_for_work_alone() -> None:
    tree = a_tree(a_package("t", triggers="interest /usr/lib/udev/rules.d\n"))
    post = made(tree, tree, "usr/lib/udev/rules.d/x")
    assert (post.steps, post.works) == ((), (Work(WorkKind.UDEV, "/usr/lib/udev/rules.d/x"),))


@pytest.mark.parametrize(("old", "new"), [(a_tree(a_package("a")), ()), ((), a_tree(a_package("a")))], ids=["to rpm", "to dpkg"])
def test_no_script_of_a_package_runs_where_the_family_changes(old: PackageTree, new: PackageTree) -> None:
    assert isinstance(old, DebianTree) or isinstance(new, DebianTree)
    assert made(old, new).steps == ()
