"""Directories that unit files name."""

import pytest

from reprov.domain.unit_files import directories_of

CASES = {
    "the three settings lie in their places": (
        "a.service",
        ["[Service]\nStateDirectory=app\nCacheDirectory=app\nLogsDirectory=app/web\n"],
        ["var/lib/app", "var/cache/app", "var/log/app/web"],
    ),
    "a setting may name several, and be there twice": (
        "a.service",
        ["[Service]\nStateDirectory=a b\nStateDirectory=c\n"],
        ["var/lib/a", "var/lib/b", "var/lib/c"],
    ),
    "an empty assignment of a drop-in takes back what came before": (
        "a.service",
        ["[Service]\nStateDirectory=a\n", "[Service]\nStateDirectory=\nStateDirectory=b\n"],
        ["var/lib/b"],
    ),
    "what follows a colon is a link to it": ("a.service", ["[Service]\nStateDirectory=app:old-app\n"], ["var/lib/app"]),
    "a dynamic user's is private, with a link in its place": (
        "a.service",
        ["[Service]\nDynamicUser=yes\nStateDirectory=app\n"],
        ["var/lib/private/app", "var/lib/app"],
    ),
    "a drop-in may make the user dynamic": (
        "a.service",
        ["[Service]\nStateDirectory=app\n", "[Service]\nDynamicUser=1\n"],
        ["var/lib/private/app", "var/lib/app"],
    ),
    "the unit's own name is known": ("app.service", ["[Service]\nStateDirectory=%N/%p%%\n"], ["var/lib/app/app%"]),
    "the name of an instance is not: the directory above is meant": (
        "a@.service",
        ["[Service]\nStateDirectory=app/%i/x\n"],
        ["var/lib/app"],
    ),
    "and where there is none above, nothing": ("a@.service", ["[Service]\nStateDirectory=%i app-%m\n"], []),
    "a template has no name of its own, but a prefix": ("a@.service", ["[Service]\nStateDirectory=%p %n\n"], ["var/lib/a"]),
    "a line may be continued, with comments in between": (
        "a.service",
        ["[Service]\nStateDirectory=a \\\n# why\n  b\n"],
        ["var/lib/a", "var/lib/b"],
    ),
    "comments and other sections do not count": (
        "a.service",
        ["[Unit]\nStateDirectory=no\n[Service]\n#StateDirectory=no\n;StateDirectory=no\n"],
        [],
    ),
    "mounts have directories, too": ("srv.mount", ["[Mount]\nStateDirectory=a\n"], ["var/lib/a"]),
    "nothing leads upwards": ("a.service", ["[Service]\nStateDirectory=../../etc a/../b\n"], []),
    "a name that is given twice is one": ("a.service", ["[Service]\nStateDirectory=a a\n"], ["var/lib/a"]),
}


@pytest.mark.parametrize(("unit", "texts", "paths"), CASES.values(), ids=CASES)
def test_the_directories_of_a_unit(unit: str, texts: list[str], paths: list[str]) -> None:
    assert [found.path for found in directories_of(unit, texts)] == paths


def test_a_directory_says_which_setting_of_which_unit_it_is() -> None:
    (found,) = directories_of("app.service", ["[Service]\nLogsDirectory=app\n"])
    assert found == ("app.service", "LogsDirectory", "var/log/app")
