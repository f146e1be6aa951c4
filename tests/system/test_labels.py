"""SELinux labels: a node has those that its policy says, by every path's own attribute and by setfiles, in every tree that is live."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reprov.adapters.labels import OWN_RULE
from reprov.domain.labels import Labelling
from reprov.errors import ReprovError
from reprov.events import NullMonitor
from reprov.workflows.policy import Rebuilt, label_what_was_made, rebuild_policies
from tests.conftest import Ran
from tests.system.filesystems import Filesystems
from tests.system.node import Node, Run, Store
from tests.system.trees import Tree, selinux_trees

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mount", "rsync", "setfiles")]

LABEL = "security.selinux"
POLICY = "etc/selinux/default/contexts/files"
LOCAL = f"{POLICY}/file_contexts.local"
STORE = "var/lib/selinux/default/active"
OWN = OWN_RULE + "\n"
REAL_MIB = 1200
EXCLUDE = "/etc/hostname\n/etc/site.d/\n/opt/vendor/data/\nlost+found/\n"
ADD_ONLY = "- /var/lib/dpkg/\n- /var/lib/selinux/\n/var/\n"
MERGE = "/etc/**\n/var/lib/selinux/\n"
RULES = {
    "/.*": "default_t",
    "/(etc|srv)(/.*)?": "etc_t",
    "/usr(/.*)?": "usr_t",
    r"/usr/(s)?bin(/.*)?": "bin_t",
    "/usr/bin/tool\t--": "tool_exec_t",
    "/usr/lib/.*\\.so(\\.[^/]*)*  --": "lib_t",
    "/var(/.*)?": "var_t",
    "/opt/vendor(/.*)?": "vendor_t",
    "/etc/site\\.d(/.*)?": "site_t",
    "/proc(/.*)?": "",
}


def context(name: str) -> str:
    return f"system_u:object_r:{name}:s0"


def in_a_process(*words: object) -> Ran:
    """The command line where the fixture for one test is not at hand."""
    done = subprocess.run([sys.executable, "-m", "reprov", *map(str, words)], capture_output=True, text=True, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)


def contexts(rules: dict[str, str]) -> str:
    return "# rules\n\n" + "".join(f"{rule}\t{context(name) if name else '<<none>>'}\n" for rule, name in rules.items())


def policy(tree: Tree, rules: dict[str, str]) -> Tree:
    """Give a tree a policy that says just this of paths, as installed and as in its store."""
    tree.file("etc/selinux/config", "# a comment\nSELINUX=enforcing\nSELINUXTYPE=default\n")
    tree.file(f"{POLICY}/file_contexts.subs_dist", "# aliases\n/lib /usr/lib\n")
    tree.file(f"{STORE}/file_contexts", contexts(rules), mode=0o600)
    return tree.file(f"{POLICY}/file_contexts", contexts(rules))


def a_tree(folder: Path, rules: dict[str, str] | None = None) -> Tree:
    tree = Tree(folder)
    policy(tree, RULES if rules is None else rules)
    tree.file("usr/bin/tool", "tool", mode=0o755).symlink("usr/bin/alias", "tool").file("usr/bin/su", "su", mode=0o4755)
    tree.file("usr/lib/libx.so.1", "x").file("usr/share/doc/x", "x").hard_link("usr/share/doc/y", "usr/share/doc/x")
    tree.file("etc/app.conf", "release").file("etc/other.conf", "release").file("etc/hostname", "image")
    return tree.directory("proc").directory("opt").directory("opt/vendor").file("srv/new\nline \udcff", "x").fifo("srv/pipe")


@pytest.fixture
def store(tmp_path: Path, reprov: Run) -> Store:
    return a_store(tmp_path / "store", reprov)


def a_store(folder: Path, reprov: Run) -> Store:
    store = Store(folder, reprov)
    lists = store.library / "excludes"
    lists.mkdir(parents=True)
    for kind, text in (("exclude", EXCLUDE), ("add-only", ADD_ONLY), ("merge", MERGE)):
        (lists / f"base.{kind}").write_text(text)
    return store


def labels(root: Path) -> dict[str, str]:
    """Of every path of a root; "" for one without. What is in reprov's own directory is left out."""
    found = {}
    for folder, directories, files in os.walk(os.fsencode(root)):
        if folder == os.fsencode(root):
            directories[:] = [name for name in directories if name not in (b".reprov", b"lost+found")]
        for name in (b"", *directories, *files):
            place = os.path.join(folder, name)  # noqa: PTH118 - names of bytes
            found[os.fsdecode(os.path.relpath(place, os.fsencode(root)))] = label(place)
    return found


def label(place: bytes | Path) -> str:
    try:
        return os.getxattr(place, LABEL, follow_symlinks=False).rstrip(b"\0").decode()
    except OSError:
        return ""


def set_label(place: Path, name: str) -> None:
    os.setxattr(place, LABEL, context(name).encode() + b"\0", follow_symlinks=False)


def wrong_labels(root: Path) -> list[str]:
    """What setfiles would relabel by the policy that is in the root, one line a path."""
    argv = ("setfiles", "-n", "-v", "-F", "-r", os.fspath(root), os.fspath(root / POLICY / "file_contexts"), os.fspath(root))
    said = subprocess.run(argv, capture_output=True, check=False)
    assert said.returncode == 0, said.stderr
    lines = (said.stdout + said.stderr).decode(errors="surrogateescape").splitlines()
    return [line for line in lines if "relabel" in line and "lost+found" not in line]


# --- A real tree, with the distribution's own policy ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("real")
    store = a_store(folder / "store", in_a_process)
    trees = selinux_trees()
    store.publish(trees.old, "1.0")
    store.publish(trees.new, "1.1")
    changed = folder / "tree"
    subprocess.run(["cp", "-a", os.fspath(trees.new), os.fspath(changed)], check=True)
    tree = Tree.over(changed)
    for name in ("file_contexts.bin", "file_contexts.homedirs.bin"):
        tree.remove(f"{POLICY}/{name}")
    text = (trees.new / POLICY / "file_contexts").read_text()
    ours = "/usr/bin/openssl -- system_u:object_r:ssh_exec_t:s0\n/opt/vendor(/.*)? system_u:object_r:usr_t:s0\n"
    tree.file(f"{POLICY}/file_contexts", text + ours)
    store.publish(changed, "2.0")
    shutil.rmtree(changed)
    yield store
    shutil.rmtree(folder)


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_every_path_of_a_debian_node_has_its_label(
    kind: str, tmp_path: Path, filesystems: Filesystems, real_store: Store, reprov: Run
) -> None:
    node = Node(filesystems.make(kind, tmp_path / "node", size_mib=REAL_MIB), real_store, reprov)
    node.install("1.0", "--no-post")
    first = labels(node.root)
    assert len(first) > 10_000
    assert [path for path, found in first.items() if not found] == ["proc"]  # <<none>>
    assert wrong_labels(node.root) == []
    assert first["usr/sbin/unix_chkpwd"] == context("chkpwd_exec_t")

    node.write("opt/vendor/data/secret")
    assert label_what_was_made(node.root) == 3
    node.install("1.1", "--no-post")
    assert wrong_labels(node.root) == []
    assert node.run("verify").stdout.endswith("paths are as base 1.1 says\n")
    assert node.upgrade("1.1").stdout == "base 1.1: nothing to do\n"
    if kind == "ext4":  # a relabelling must not get at live files through their links in the previous tree
        assert node.path("usr/bin/perl").stat().st_nlink > 1
    before = labels(node.root)
    subprocess.run(["setfiles", "-F", "-r", node.root, node.path(f"{POLICY}/file_contexts"), node.root], check=True, capture_output=True)
    assert labels(node.root) == before

    node.install("2.0", "--no-post")
    assert wrong_labels(node.root) == []
    assert label(node.path("usr/bin/openssl")) == context("ssh_exec_t")
    node.rollback()
    assert wrong_labels(node.root) == []
    assert label(node.path("usr/bin/openssl")) == context("bin_t")


# --- Small trees, with a policy of a few rules ---------------------------------------------------------------------------------


def install_both(node: Node, tmp_path: Path, changed: dict[str, str]) -> None:
    """1.0 installed, and 1.1 published, with these rules changed and nothing else."""
    tree = a_tree(tmp_path / "tree")
    node.store.publish(tree, "1.0")
    node.install("1.0")
    policy(tree, {**RULES, **changed})
    node.store.publish(tree, "1.1")


def test_a_release_carries_what_its_policy_says(tmp_path: Path, store: Store) -> None:
    store.publish(a_tree(tmp_path / "tree"), "1.0")
    manifest = subprocess.run(["zcat", store.release("1.0") / "manifest.mtree.gz"], capture_output=True, text=True, check=True).stdout
    assert f"#@ selinux={context('tool_exec_t')}\n./usr/bin/tool type=file" in manifest
    assert f"#@ selinux={context('bin_t')}\n./usr/bin/alias type=link" in manifest
    assert "\n./proc type=dir" in manifest
    assert f"#@ selinux={context('usr_t')}\n./proc" not in manifest
    assert (store.release("1.0") / "file_contexts").read_text().startswith("#alias 1 /lib /usr/lib\n/.* ")
    assert set(labels(store.tree("1.0")).values()) == {""}  # the server's policy is another one


def test_a_release_without_a_policy_has_nothing_of_it(tmp_path: Path, store: Store, node: Node) -> None:
    tree = a_tree(tmp_path / "tree").remove("etc/selinux")
    store.publish(tree, "1.0")
    manifest = subprocess.run(["zcat", store.release("1.0") / "manifest.mtree.gz"], capture_output=True, text=True, check=True).stdout
    assert "selinux=" not in manifest
    assert not (store.release("1.0") / "file_contexts").exists()
    node.install("1.0")
    assert set(labels(node.root).values()) == {""}
    refused = node.upgrade("1.0", "--selinux", "enabled")
    assert (refused.status, refused.stderr.splitlines()[-2]) == (4, "reprov: base 1.0 has no SELinux policy, and so no labels")


@pytest.mark.parametrize("node", ["ext4", "xfs"], indirect=True)
def test_labels_follow_the_policy_there_and_back(node: Node, tmp_path: Path) -> None:
    install_both(node, tmp_path, {"/usr/bin/tool\t--": "other_exec_t", "/etc/app\\.conf": "app_t"})
    assert wrong_labels(node.root) == []
    old = labels(node.root)
    node.install("1.1")
    assert wrong_labels(node.root) == []
    new = labels(node.root)
    differing = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    assert differing == {"usr/bin/tool", "etc/app.conf"}
    # The other one of a changed label is another file: one inode has one label.
    assert label(node.path(".reprov/previous/usr/bin/tool")) == context("tool_exec_t")
    node.rollback()
    assert labels(node.root) == old
    assert node.run("verify").status == 0
    node.rollback()
    assert labels(node.root) == new
    assert wrong_labels(node.root) == []
    assert node.run("verify").status == 0


def test_a_path_of_the_nodes_own_is_labelled_anew_where_its_rule_has_changed(node: Node, tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree")
    node.store.publish(tree, "1.0")
    node.install("1.0")
    for name, found in {"opt/vendor/data": "vendor_t", "opt/vendor/data/a": "vendor_t", "opt/vendor/data/b": "mine_t"}.items():
        node.path(name).mkdir(parents=True, exist_ok=True) if name.endswith("data") else node.write(name)
        set_label(node.path(name), found)
    node.write("etc/site.d/x")
    node.write("etc/app.conf", "the node's")
    for name, found in {"etc/site.d": "site_t", "etc/site.d/x": "site_t", "etc/app.conf": "etc_t"}.items():
        set_label(node.path(name), found)
    old = labels(node.root)
    policy(tree, {**RULES, "/opt/vendor(/.*)?": "data_t", "/etc/app\\.conf": "app_t"})
    node.store.publish(tree, "1.1")
    node.install("1.1")
    assert label(node.path("opt/vendor/data")) == context("data_t")
    assert label(node.path("opt/vendor/data/a")) == context("data_t")
    assert label(node.path("opt/vendor/data/b")) == context("mine_t")  # somebody's choice
    assert label(node.path("etc/site.d/x")) == context("site_t")
    assert (label(node.path("etc/app.conf")), node.path("etc/app.conf").read_text()) == (context("app_t"), "the node's")
    node.rollback()
    assert labels(node.root) == old
    node.rollback()
    assert label(node.path("opt/vendor/data/a")) == context("data_t")


def test_the_nodes_own_rules_hold(node: Node, tmp_path: Path) -> None:
    install_both(node, tmp_path, {"/usr/share(/.*)?": "share_t"})
    local = node.path(LOCAL)
    assert local.read_text() == OWN
    local.write_text(OWN + f"/usr/share/doc/x\t--\t{context('mine_t')}\n/usr/lib/.*  {context('my_lib_t')}\n")
    wanted = {"usr/lib/libx.so.1": "my_lib_t", "usr/share/doc/x": "mine_t", "usr/share/doc/y": "mine_t", "usr/share": "share_t"}
    plan = node.run("plan", "base", "1.1", "--from", node.store.folder, "--all")
    assert "attributes differ (security.selinux)" in plan.stdout
    node.install("1.1")
    assert {path: label(node.path(path)) for path in wanted} == {path: context(name) for path, name in wanted.items()}
    assert local.read_text().splitlines()[1:] == [f"/usr/share/doc/x\t--\t{context('mine_t')}", f"/usr/lib/.*  {context('my_lib_t')}"]
    assert node.run("verify").status == 0
    # Of two names of one file setfiles takes the one that it sees last.
    assert [line for line in wrong_labels(node.root) if "/usr/share/doc/" not in line] == []


def test_a_relabelling_is_kept_out_before_anything_is_linked(node: Node, tmp_path: Path) -> None:
    install_both(node, tmp_path, {})
    for place in (node.path(LOCAL), node.path(f"{STORE}/file_contexts.local")):
        place.write_text(f"/srv/x {context('x_t')}")  # as an operator has it, without a newline at the end
    node.write("usr/share/more")
    staged = node.upgrade("1.1", "--stage-only")
    assert staged.status == 0, staged.stderr
    for place in (node.path(LOCAL), node.path(f"{STORE}/file_contexts.local")):
        assert place.read_text() == f"/srv/x {context('x_t')}\n{OWN}"
    assert stat.S_IMODE(node.path(f"{STORE}/file_contexts.local").stat().st_mode) == 0o600
    again = node.path(LOCAL).stat().st_ino
    node.install("1.1")
    assert node.path(LOCAL).read_text().count(OWN) == 1
    assert node.path(LOCAL).stat().st_ino == again or node.path(LOCAL).read_text().endswith(OWN)


def test_without_that_rule_nothing_is_linked(node: Node, tmp_path: Path) -> None:
    install_both(node, tmp_path, {"/usr/bin/tool\t--": "other_exec_t"})
    node.path(LOCAL).unlink()
    node.path(LOCAL).mkdir()
    refused = node.upgrade("1.1")
    assert refused.status == 4
    assert refused.stderr.splitlines()[-2] == f"reprov: /{LOCAL} cannot be written: it is no regular file"
    assert node.leftovers() == []


def test_a_label_that_differs_is_drift(node: Node, tmp_path: Path) -> None:
    install_both(node, tmp_path, {})
    assert node.run("verify").status == 0
    set_label(node.path("proc"), "whatever_t")  # <<none>>
    assert node.run("verify").status == 0
    set_label(node.path("usr/bin/tool"), "usr_t")
    os.removexattr(node.path("usr/bin/alias"), LABEL, follow_symlinks=False)
    drift = node.run("verify")
    assert drift.status == 3
    assert [line.split()[1:3] for line in drift.stdout.splitlines()[1:]] == [["metadata", "/usr/bin/alias"], ["metadata", "/usr/bin/tool"]]
    assert "attributes differ (security.selinux)" in drift.stdout
    assert node.run("verify", "--selinux", "disabled").status == 0
    node.install("1.1")
    assert wrong_labels(node.root) == []


def test_a_node_without_labels_gets_none_unless_it_is_told_to(node: Node, tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree")
    node.store.publish(tree, "1.0")
    node.install("1.0", "--selinux", "disabled")
    tree.file("usr/bin/tool", "new", mode=0o755)
    node.store.publish(tree, "1.1")
    node.install("1.1")
    assert set(labels(node.root).values()) == {""}
    assert node.run("verify").status == 0
    assert node.upgrade("1.1").stdout == "base 1.1: nothing to do\n"
    node.install("1.1", "--selinux", "enabled")
    assert wrong_labels(node.root) == []
    assert node.run("verify").status == 0  # it is a node with labels now
    node.rollback()
    assert label(node.path("usr/bin/tool")) == ""
    assert node.run("verify").status == 0


def test_a_release_with_labels_after_one_without(node: Node, tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "tree").remove("etc/selinux")
    node.store.publish(tree, "1.0")
    node.install("1.0")
    policy(tree, RULES)
    node.store.publish(tree, "1.1")
    node.install("1.1", "--selinux", "enabled")
    assert wrong_labels(node.root) == []
    assert node.path(LOCAL).read_text() == OWN  # the new tree's, before it is the live one
    assert node.run("verify").status == 0
    policy(tree, {**RULES, "/usr/bin/tool\t--": "other_exec_t"})
    tree.remove("etc/selinux")
    node.store.publish(tree, "1.2")
    node.install("1.2")
    assert node.run("verify").status == 0


def test_a_policy_that_cannot_be_read_is_refused_by_the_server(tmp_path: Path, store: Store) -> None:
    tree = a_tree(tmp_path / "tree", {**RULES, "/usr/bin/x[": "bin_t"})
    with pytest.raises(AssertionError, match=r"file_contexts:\d+: '/usr/bin/x\[' cannot be read"):
        store.publish(tree, "1.0")


def test_what_scripts_make_gets_its_label_afterwards(node: Node, tmp_path: Path) -> None:
    install_both(node, tmp_path, {"/usr/bin/tool\t--": "other_exec_t"})
    node.write("opt/vendor/data/before")
    node.runs_scripts = True
    node.install("1.1")
    assert label(node.path("opt/vendor/data/before")) == ""  # whoever made it may have had a reason
    node.write("usr/bin/made")
    node.write("etc/made.d/x")
    set_label(node.write("usr/share/other"), "mine_t")
    node.write(".reprov/mine")
    assert label_what_was_made(node.root) == 3
    made = {"usr/bin/made": "bin_t", "etc/made.d": "etc_t", "etc/made.d/x": "etc_t"}
    assert {name: label(node.path(name)) for name in made} == {name: context(wanted) for name, wanted in made.items()}
    assert (label(node.path("usr/share/other")), label(node.path(".reprov/mine"))) == (context("mine_t"), "")
    assert label_what_was_made(node.root, Labelling.DISABLED) == 0
    assert label_what_was_made(node.root) == 0


def test_a_node_that_dies_in_the_commit_has_the_labels_of_one_of_the_two(node: Node, tmp_path: Path) -> None:
    install_both(node, tmp_path, {"/usr/bin/tool\t--": "other_exec_t", "/opt/vendor(/.*)?": "data_t"})
    old = labels(node.root)
    assert node.kill_upgrade("1.1", "start", "commit") == -9
    assert node.run("recover").status == 0
    assert labels(node.root) == old
    assert node.kill_upgrade("1.1", "start", "finish") == -9
    assert node.run("recover").status == 0
    assert wrong_labels(node.root) == []
    assert label(node.path("opt/vendor")) == context("data_t")


# --- The operator's part of a policy -------------------------------------------------------------------------------------------


def test_a_policy_with_a_part_of_the_nodes_own_is_compiled_anew(tmp_path: Path, filesystems: Filesystems) -> None:
    root = filesystems.make("ext4", tmp_path / "node", size_mib=REAL_MIB)
    subprocess.run(["cp", "-a", f"{selinux_trees().new}/.", os.fspath(root)], check=True)
    active = root / STORE
    released = {os.fspath(path.relative_to(root)) for path in active.rglob("*")}
    compiled = (active / "policy.kern").read_bytes()
    changed = {f"{STORE}/policy.kern"}
    assert rebuild_policies(root, changed, released, NullMonitor()) == ()
    (active / "file_contexts.local").write_text(OWN)
    assert rebuild_policies(root, changed, released, NullMonitor()) == ()  # reprov's own rule is no reason
    module = active / "modules/400/mine"
    module.mkdir(parents=True)
    rule = '(filecon "/srv/mine" any (system_u object_r mine_t ((s0)(s0))))'
    (module / "cil").write_text(f"(type mine_t)\n(roletype object_r mine_t)\n{rule}\n")
    (module / "lang_ext").write_text("cil")
    (active / "booleans.local").write_text("allow_execmem=1\n")
    beside = root / STORE / "policy.kern.reprov-new"
    beside.write_text("the release's")
    assert rebuild_policies(root, {"usr/bin/true"}, released, NullMonitor()) == ()
    assert rebuild_policies(root, changed, released, NullMonitor()) == (Rebuilt("default", ("booleans.local", "modules/400/mine")),)
    assert not beside.exists()
    assert (active / "policy.kern").read_bytes() != compiled
    assert "mine_t" in (root / POLICY / "file_contexts").read_text()
    assert OWN in (root / LOCAL).read_text()
    (module / "cil").write_text("(allow no_such_t mine_t (file (read)))\n")
    with pytest.raises(ReprovError, match="the SELinux policy default cannot be compiled with what this node adds to it: "):
        rebuild_policies(root, changed, released, NullMonitor())
