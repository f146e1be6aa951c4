"""GRUB's menu: which entries there are, which one is booted, and how another one is tried once."""

import pytest

from reprov.domain.grub_menu import (
    Default,
    MenuEntry,
    boot_by_default,
    default_version,
    entry_of,
    environment_trouble,
    has_saved_default,
    menu_trouble,
    parse_environment,
    parse_menu,
    with_saved_default,
    without_trial,
)

UUID = "5d9c"
ROOT = f"root=UUID={UUID}"


def header(default: str = "0") -> str:
    """As grub-mkconfig 2.06 writes it, shortened."""
    return f"""\
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${{next_entry}}" ] ; then
   set default="${{next_entry}}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="{default}"
fi

if [ x"${{feature_menuentry_id}}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
function recordfail {{
  set recordfail=1
}}
"""


def entry(title: str, name: str, version: str, words: str = "ro quiet", indent: str = "", initrd: str = "") -> str:
    return f"""\
{indent}menuentry '{title}' --class gnu-linux --class os $menuentry_id_option '{name}' {{
{indent}	insmod gzio
{indent}	if [ x$feature_platform_search_hint = xy ]; then
{indent}	  search --no-floppy --fs-uuid --set=root  {UUID}
{indent}	else
{indent}	  search --no-floppy --fs-uuid --set=root {UUID}
{indent}	fi
{indent}	echo	'Loading Linux {version} ...'
{indent}	linux	/boot/vmlinuz-{version} {ROOT} {words}
{indent}	initrd	{initrd or f"/boot/initrd.img-{version}"}
{indent}}}
"""


def menu(*versions: str, default: str = "0") -> str:
    newest = entry("Debian", f"gnulinux-simple-{UUID}", versions[0])
    deeper = ""
    for version in versions:
        deeper += entry(f"Linux {version}", f"gnulinux-{version}-advanced-{UUID}", version, indent="\t")
        deeper += entry(f"Linux {version} (rescue)", f"gnulinux-{version}-recovery-{UUID}", version, "ro single", "\t")
    return f"{header(default)}{newest}submenu 'Advanced' $menuentry_id_option 'gnulinux-advanced-{UUID}' {{\n{deeper}}}\n"


def name_of(version: str) -> str:
    return f"gnulinux-advanced-{UUID}>gnulinux-{version}-advanced-{UUID}"


def test_the_entries_of_a_menu() -> None:
    found = parse_menu(menu("6.2", "6.1"))
    assert [(one.name, one.version, one.is_plain) for one in found] == [
        (f"gnulinux-simple-{UUID}", "6.2", True),
        (name_of("6.2"), "6.2", True),
        (f"gnulinux-advanced-{UUID}>gnulinux-6.2-recovery-{UUID}", "6.2", False),
        (name_of("6.1"), "6.1", True),
        (f"gnulinux-advanced-{UUID}>gnulinux-6.1-recovery-{UUID}", "6.1", False),
    ]
    assert found[0] == MenuEntry(f"gnulinux-simple-{UUID}", "6.2", "initrd.img-6.2", (ROOT, "ro", "quiet"))
    assert entry_of(found, "6.1") == found[3]
    assert entry_of(found, "6.3") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("menuentry 'Memory test' {\n\tlinux16 /boot/memtest86+.bin\n}\n", [], id="no kernel of Linux"),
        pytest.param(
            'menuentry "It\'s 6.1" --class a {\n  linuxefi /vmlinuz-6.1 root=/dev/sda1\n  initrdefi /ucode.img /initramfs-6.1.img\n}\n',
            [MenuEntry("It's 6.1", "6.1", "initramfs-6.1.img", ("root=/dev/sda1",))],
            id="without an id, on a /boot of its own, with microcode",
        ),
        pytest.param(
            "menuentry 'a' --id a {\n linux /vmlinuz-6.1\n}\nmenuentry 'b' --id b {\n linux /vmlinuz-6.0\n}\n",
            [MenuEntry("a", "6.1", "", ()), MenuEntry("b", "6.0", "", ())],
            id="no initramfs, no submenu",
        ),
    ],
)
def test_other_menus(text: str, found: list[MenuEntry]) -> None:
    assert list(parse_menu(text)) == found


def test_the_environment_block() -> None:
    block = b"# GRUB Environment Block\nsaved_entry=a>b\nkernelopts=root=/dev/sda1 ro\n" + b"#" * 900
    assert parse_environment(block) == {"saved_entry": "a>b", "kernelopts": "root=/dev/sda1 ro"}
    assert parse_environment(b"") == {}


@pytest.mark.parametrize(
    ("default", "variables", "version"),
    [
        pytest.param("0", {}, "6.2", id="the first entry"),
        pytest.param("0", {"saved_entry": name_of("6.1")}, "6.2", id="what is saved does not count"),
        pytest.param("${saved_entry}", {"saved_entry": name_of("6.1")}, "6.1", id="the saved entry"),
        pytest.param(
            "${saved_entry}", {"saved_entry": f"gnulinux-6.1-advanced-{UUID}"}, "6.1", id="the saved entry, named without its menu"
        ),
        pytest.param("${saved_entry}", {}, "6.2", id="nothing saved"),
        pytest.param("${saved_entry}", {"saved_entry": "memtest"}, "", id="something else saved"),
        pytest.param(name_of("6.1"), {}, "6.1", id="an entry that the operator has named"),
    ],
)
def test_what_is_booted_by_default(default: str, variables: dict[str, str], version: str) -> None:
    assert default_version(menu("6.2", "6.1", default=default), variables) == version


def test_a_menu_without_entries_boots_nothing() -> None:
    assert default_version(header(), {}) == ""


def test_the_saved_entry_becomes_the_default_and_nothing_else_changes() -> None:
    before = menu("6.2", "6.1")
    after = with_saved_default(before)
    assert after == before.replace('set default="0"', 'set default="${saved_entry}"')
    assert (has_saved_default(before), has_saved_default(after)) == (False, True)
    assert with_saved_default(after) == after
    assert with_saved_default("set default=0\n") == "set default=0\n"


@pytest.mark.parametrize(
    ("configuration", "variables", "version", "back", "default", "set_to"),
    [
        pytest.param(menu("6.2", "6.1"), {}, "6.2", "", "0", {"next_entry": ""}, id="the newest: as it comes"),
        pytest.param(
            menu("6.2", "6.1"),
            {},
            "6.2",
            "6.1",
            "${saved_entry}",
            {"saved_entry": name_of("6.1"), "next_entry": "reprov-trial"},
            id="the newest, once",
        ),
        pytest.param(
            menu("6.2", "6.1"),
            {},
            "6.1",
            "",
            "${saved_entry}",
            {"saved_entry": name_of("6.1"), "next_entry": ""},
            id="an older one than what is left of before",
        ),
        pytest.param(
            menu("6.2", "6.1", default="${saved_entry}"),
            {"saved_entry": name_of("6.1")},
            "6.2",
            "",
            "${saved_entry}",
            {"saved_entry": name_of("6.2"), "next_entry": ""},
            id="where the operator has GRUB boot what is saved",
        ),
    ],
)
def test_how_a_kernel_is_booted(
    configuration: str, variables: dict[str, str], version: str, back: str, default: str, set_to: dict[str, str]
) -> None:
    found = boot_by_default(configuration, variables, version, once_from=back)
    assert found is not None
    assert found.variables == set_to
    assert f'set default="{default}"\nfi' in found.configuration


def test_a_trial_is_an_entry_of_its_own_which_boots_the_old_kernel_where_grub_could_not_take_it_away() -> None:
    found = boot_by_default(menu("6.2", "6.1"), {}, "6.2", once_from="6.1", words="reprov.trial=600 panic=30")
    assert found is not None
    before, _, trial = found.configuration.partition("### BEGIN reprov-trial ###\n")
    assert before == with_saved_default(menu("6.2", "6.1"))
    lines = [line.strip() for line in trial.splitlines()]
    assert lines[:3] == [
        "menuentry 'Trial of kernel 6.2' --id reprov-trial {",
        "load_env next_entry",
        'if [ "${next_entry}" ] ; then',
    ]
    kernels = [line.split() for line in lines if line.startswith("linux")]
    assert [(words[1], words[-2:]) for words in kernels] == [
        ("/boot/vmlinuz-6.1", ["ro", "quiet"]),
        ("/boot/vmlinuz-6.2", ["reprov.trial=600", "panic=30"]),
    ]
    assert [line.split()[1] for line in lines if line.startswith("initrd")] == ["/boot/initrd.img-6.1", "/boot/initrd.img-6.2"]
    assert lines[-3:] == ["fi", "}", "### END reprov-trial ###"]
    assert entry_of(parse_menu(found.configuration), "6.2") == entry_of(parse_menu(before), "6.2")
    assert without_trial(found.configuration) == before
    assert without_trial(before) == before


@pytest.mark.parametrize(
    ("configuration", "version", "back"),
    [
        pytest.param(menu("6.2", "6.1", default="1>2"), "6.2", "", id="an operator's own GRUB_DEFAULT"),
        pytest.param(menu("6.2"), "6.3", "", id="no such kernel"),
        pytest.param(menu("6.2"), "6.2", "6.1", id="nothing to go back to"),
        pytest.param(menu("6.2", "6.1").replace("set next_entry=\n", ""), "6.2", "6.1", id="a header that knows no next_entry"),
    ],
)
def test_what_only_the_operator_can_have(configuration: str, version: str, back: str) -> None:
    found: Default | None = boot_by_default(configuration, {}, version, once_from=back)
    assert found is None


@pytest.mark.parametrize(
    ("configuration", "trouble"),
    [
        pytest.param(menu("6.2", "6.1"), "", id="nothing"),
        pytest.param(menu("6.2"), "it does not offer kernel 6.1", id="the old kernel is missing"),
        pytest.param(
            menu("6.2", "6.1").replace("/boot/initrd.img-6.1", "/boot/initrd.img-6.0"),
            "it boots kernel 6.1 with initrd.img-6.0 instead of initrd.img-6.1",
            id="another initramfs",
        ),
        pytest.param(
            menu("6.2", "6.1").replace("initrd\t/boot/initrd.img-6.1", "echo"),
            "it boots kernel 6.1 with no initramfs instead of initrd.img-6.1",
            id="no initramfs",
        ),
        pytest.param(
            menu("6.2", "6.1").replace(ROOT, "root=/dev/sda2"),
            "it gives kernel 6.2 root=/dev/sda2 instead of root=UUID=5d9c",
            id="another root",
        ),
        pytest.param(menu("6.2", "6.1").replace(ROOT, "rw"), "it gives kernel 6.2 no root=", id="no root"),
    ],
)
def test_what_is_wrong_with_a_menu(configuration: str, trouble: str) -> None:
    assert menu_trouble(configuration, {"6.2": "initrd.img-6.2", "6.1": "initrd.img-6.1"}, {ROOT}) == trouble


def test_a_first_menu_may_name_any_root() -> None:
    assert menu_trouble(menu("6.2"), {"6.2": "initrd.img-6.2"}, set()) == ""


@pytest.mark.parametrize(
    ("block", "filesystem", "layers", "trouble"),
    [
        (b"#" * 1024, "ext2", (), ""),
        (b"#" * 1024, "xfs", (), ""),
        (b"#" * 1024, "btrfs", (), "GRUB cannot write to btrfs"),
        (b"#" * 1024, "ext2", ("diskfilter", "mdraid1x"), "GRUB cannot write through diskfilter"),
        (b"#" * 1024, "ext2", ("lvm",), "GRUB cannot write through lvm"),
        (None, "ext2", (), "there is no environment block"),
        (b"#", "ext2", (), "there is no environment block"),
    ],
)
def test_whether_grub_can_take_a_trial_entry_away(block: bytes | None, filesystem: str, layers: tuple[str, ...], trouble: str) -> None:
    assert environment_trouble(block, filesystem, layers) == trouble
