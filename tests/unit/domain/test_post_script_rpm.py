"""The scriptlets of RPM packages become steps and works."""

from reprov.domain.post_script import Step, WorkKind
from reprov.domain.post_script_rpm import scripts_between
from reprov.domain.rpm import FileTrigger, RpmPackage, Script

SHELL = ("/bin/sh",)


def package(name: str, version: str, scripts: dict[str, Script], *triggers: FileTrigger, files: tuple[str, ...] = ()) -> RpmPackage:
    return RpmPackage(name, version, "x86_64", tuple(scripts.items()), (), triggers, files)


def shell(body: str) -> Script:
    return Script(SHELL, body)


def test_an_upgrade_calls_the_new_version_with_two_and_the_old_one_with_one() -> None:
    old = package("web", "1-1", {"pre": shell("old pre\n"), "preun": shell("old preun\n"), "postun": Script(("<lua>",), "old()")})
    new = package("web", "2-1", {"pre": shell("new pre\n"), "post": Script(("/usr/bin/python3", "-I"), "new"), "preun": shell("never\n")})
    assert scripts_between([old], [new]) == (
        (
            Step("web.pre", SHELL, ("2",), "new pre\n", "web", "2-1"),
            Step("web.post", ("/usr/bin/python3", "-I"), ("2",), "new", "web", "2-1"),
            Step("web.preun", SHELL, ("1",), "old preun\n", "web", "1-1"),
            Step("web.postun", ("<lua>",), ("1",), "old()", "web", "1-1"),
        ),
        (),
    )


def test_a_package_that_comes_gets_one_and_one_that_goes_nothing() -> None:
    steps, _ = scripts_between([package("gone", "1-1", {"preun": shell("x\n")})], [package("come", "1-1", {"post": shell("y\n")})])
    assert [(step.script, step.arguments) for step in steps] == [("come.post", ("1",)), ("gone.preun", ("0",))]


def test_what_does_not_change_has_no_step() -> None:
    same = package("same", "1-1", {"post": shell("x\n"), "posttrans": shell("x\n")})
    assert scripts_between([same], [same]) == ((), ())


def test_a_file_trigger_reads_the_paths_and_every_step_has_a_name_of_its_own() -> None:
    watcher = package("watcher", "1-1", {}, FileTrigger("in", False, 100, shell("cat\n"), ("/srv/",)))
    new = [package(name, "1-1", {}, files=(f"/srv/{name}", "/opt/x")) for name in ("a", "b")]
    steps, _ = scripts_between([watcher], [watcher, *new])
    assert [(step.script, step.package, step.stdin) for step in steps] == [
        ("watcher.filetriggerin", "watcher", "/srv/a\n"),
        ("watcher.filetriggerin 2", "watcher", "/srv/b\n"),
    ]


def test_known_work_is_no_step() -> None:
    trigger = FileTrigger("in", True, 1000700, shell("systemd-sysusers || :\n"), ("/usr/lib/sysusers.d",))
    units = FileTrigger("in", True, 1000900, shell("reload\n"), ("/usr/lib/systemd/system/", "/etc/systemd/system/"))
    libc = FileTrigger("in", True, 1000000, Script(("/sbin/ldconfig",), ""), ("/usr/lib64",))
    here = [package("systemd", "1-1", {}, trigger, units), package("glibc-common", "1-1", {}, libc)]
    new = [
        package("lib", "1-1", {"post": Script(("/sbin/ldconfig",), "")}, files=("/usr/lib64/libx.so.1",)),
        package("kernel-core", "6-1", {"posttrans": shell("kernel-install add 6\n")}),
        package("web", "1-1", {}, files=("/usr/lib/sysusers.d/web.conf", "/usr/lib/systemd/system/web.service")),
    ]
    steps, works = scripts_between(here, [*here, *new])
    assert steps == ()
    assert {(work.kind, work.asked_by) for work in works} == {
        (WorkKind.LDCONFIG, "lib.post"),
        (WorkKind.DEPMOD, "kernel-core.posttrans"),
        (WorkKind.INITRAMFS, "kernel-core.posttrans"),
        (WorkKind.SYSUSERS, "systemd.transfiletriggerin 2"),
        (WorkKind.DAEMON_RELOAD, "systemd.transfiletriggerin"),  # its priority is higher
    }


def test_a_trigger_of_somebody_else_for_such_files_is_a_step() -> None:
    trigger = FileTrigger("in", True, 1, shell("mine\n"), ("/usr/lib/sysusers.d",))
    here = [package("mine", "1-1", {}, trigger)]
    steps, works = scripts_between(here, [*here, package("web", "1-1", {}, files=("/usr/lib/sysusers.d/web.conf",))])
    assert ([step.script for step in steps], works) == (["mine.transfiletriggerin"], ())


def test_a_program_without_a_script_is_called_with_nothing_and_an_empty_script_of_a_shell_not_at_all() -> None:
    new = package("web", "1-1", {"pre": shell(""), "post": Script(("/usr/bin/web-setup", "--all"), "")})
    assert scripts_between([], [new]).steps == (Step("web.post", SHELL, (), "exec /usr/bin/web-setup --all\n", "web", "1-1"),)
