"""What rpm prints about its database becomes packages, whatever they write into their scripts."""

import pytest

from reprov.domain.rpm import Condition, FileTrigger, RpmPackage, Script, Trigger, parse, query
from reprov.errors import InvalidInput

SAID = r"""package 'late' 0 '2.0' '1.el10' 'noarch' 7
provides 'late'
package 'early' 3 '1.0' '1' 'x86_64' 2
file '/usr/lib/a' 0
file '/usr/share/doc/left-out' 2
file '/usr/lib/it'\''s' 0
provides 'early'
provides 'early(x86-64)'
requires '/bin/sh'
trigger-script '/bin/sh -e' 'echo in'
trigger-script '<lua>' 'print(1)'
trigger-condition 0 65536 'bar' ''
trigger-condition 1 131080 'foo' '1:2.0'
trigger-condition 0 65548 'foo' '1'
script pre 'echo '\''\'\'''\''
package '\''nobody'\'' 0' '/bin/sh'
script postun '' '/sbin/ldconfig'
filetrigger-script '/bin/sh' 'ft' 200000
filetrigger-prefix 0 65536 '/usr/lib/a'
filetrigger-prefix 0 65536 '/usr/lib/b'
transfiletrigger-script '<lua>' 'tft' 1000000
transfiletrigger-prefix 0 262144 '/usr/lib/a'
"""

EARLY = RpmPackage(
    name="early",
    version="3:1.0-1",
    arch="x86_64",
    scripts=(("pre", Script(("/bin/sh",), "echo '\\''\npackage 'nobody' 0")), ("postun", Script(("/sbin/ldconfig",), ""))),
    triggers=(
        Trigger("triggerin", Script(("/bin/sh", "-e"), "echo in"), (Condition("bar", 65536, ""), Condition("foo", 65548, "1"))),
        Trigger("triggerun", Script(("<lua>",), "print(1)"), (Condition("foo", 131080, "1:2.0"),)),
    ),
    file_triggers=(
        FileTrigger("in", False, 200000, Script(("/bin/sh",), "ft"), ("/usr/lib/a", "/usr/lib/b")),
        FileTrigger("postun", True, 1000000, Script(("<lua>",), "tft"), ("/usr/lib/a",)),
    ),
    files=("/usr/lib/a", "/usr/share/doc/left-out", "/usr/lib/it's"),
    placed=("/usr/lib/a", "/usr/lib/it's"),
    provides=("early", "early(x86-64)"),
    requires=("/bin/sh",),
    instance=2,
)


def test_packages_come_in_the_order_of_their_installation() -> None:
    early, late = parse(SAID, "db")
    assert early == EARLY
    assert (late.name, late.version, late.scriptlets) == ("late", "2.0-1.el10", ())
    assert early.scriptlets == ("filetriggerin", "postun", "pre", "transfiletriggerpostun", "triggerin", "triggerun")


def test_a_database_without_packages_is_none() -> None:
    assert parse("", "db") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("error: rpmdb\n", "db: not a package: ['error:', 'rpmdb'] (KeyError: 'package')", id="what is no answer"),
        pytest.param("package 'a\n", 'db: not a list of packages: "\'a\\n"', id="a quote without its end"),
        pytest.param(
            "package 'a' x '1' '1' 'noarch' 1\n",
            "db: not a package: ['package', 'a', 'x', '1', '1', 'noarch', '1'] (ValueError: invalid literal for int() with base 10: 'x')",
            id="an epoch that is no number",
        ),
    ],
)
def test_other_output_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text, "db")
    assert caught.value.message == message


def test_an_older_rpm_is_not_asked_for_tags_that_it_does_not_know() -> None:
    assert "PREUNTRANS" not in query(["PREIN", "PREINPROG"])
    assert "script pre " in query(["PREIN"])
    assert "script preuntrans " in query(["PREUNTRANS"])


LESS, GREATER, EQUAL = 2, 4, 8


@pytest.mark.parametrize(
    ("flags", "wanted", "version", "matches"),
    [
        pytest.param(0, "", "1-1", True, id="any version"),
        pytest.param(LESS, "2", "1-1", True, id="an older one"),
        pytest.param(LESS, "2", "2-1", False, id="no older one"),
        pytest.param(GREATER | EQUAL, "2", "2-1", True, id="the same version with any release"),
        pytest.param(GREATER, "2", "2-1", False, id="the same version is not newer"),
        pytest.param(GREATER, "2-1", "2-2", True, id="a newer release"),
        pytest.param(EQUAL, "2-1", "2-2", False, id="another release"),
        pytest.param(LESS, "1:0.1", "5-1", True, id="an epoch that is wanted"),
        pytest.param(EQUAL, "2", "1:2-1", True, id="no epoch is wanted"),
    ],
)
def test_the_versions_of_a_trigger(flags: int, wanted: str, version: str, matches: bool) -> None:
    condition = Condition("foo", flags, wanted)
    assert condition.matches(RpmPackage("foo", version, "x86_64")) is matches
    assert condition.matches(RpmPackage("food", version, "x86_64")) is False
