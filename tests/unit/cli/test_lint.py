"""lint: all problems of a site in one run, with file and line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Reprov = Callable[..., Any]
REPOSITORY = Path(__file__).parents[3]
GOOD = {
    "infra.yaml": "name: x\nprofiles:\n  a: {arity: n}\nhosts:\n  h[1:3]: {profile: a}\n",
    "roles/own/role.yaml": "extends: base\nexcludes: [own]\npost-scripts: [10-own]\n",
    "excludes/own.exclude": "/var/lib/own/\n",
    "excludes/README": "",
    "post-scripts/10-own.sh.j2": "{% for package in changed %}echo {{ package.name }} {{ before }}\n{% endfor %}",
    "ids/debian.yaml": "groups:\n  own: 990\n",
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site directory without mistakes, which is the current one."""
    for name, text in GOOD.items():
        write(tmp_path, name, text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(site: Path, name: str, text: str) -> None:
    path = site / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_site_without_mistakes(site: Path, reprov: Reprov) -> None:
    ran = reprov("lint")
    assert (ran.status, ran.stdout, ran.stderr) == (0, "5 files checked, no problems\n", "")


def test_the_shipped_library_is_without_mistakes(reprov: Reprov) -> None:
    ran = reprov("lint", REPOSITORY)
    assert ran.status == 0, ran.stdout


WRONG = {
    "infra.yaml": ("name: x\nprofiles:\n  a: {arity: n}\nhosts:\n  h: {}\n  i: {}\n", "5: h has no profile"),
    "roles/own/role.yaml": ("extends: base\nexcludes: [base, owm]\n", "2: excludes: there is no 'owm' (did you mean 'own'?)"),
    "excludes/own.exclude": ("/a\n- \n", "2: a rule without a pattern"),
    "post-scripts/10-own.sh.j2": ("x\n{% if before %}{{ chnaged }}{% endif %}\n", "2: 'chnaged' is undefined (did you mean 'changed'?)"),
    "ids/debian.yaml": ("groups:\n  own: no\n", "2: groups.own: should be a valid integer"),
}


def test_the_scripts_of_single_hops_are_checked_too(site: Path, reprov: Reprov) -> None:
    write(site, "post-scripts/own/1.0/1.1/pst", "#!/bin/sh\n")
    write(site, "post-scripts/own/1.0/1.2/post", "exit 0\n")
    (site / "post-scripts/own/1.0/1.2/post").chmod(0o755)
    ran = reprov("lint")
    assert ran.status == 2
    assert "post-scripts/own/1.0/1.1/pst: neither pre nor post, which are what runs on a hop\n" in ran.stdout
    assert "post-scripts/own/1.0/1.2/post:1: not `#!` and the path of what runs the script\n" in ran.stdout


@pytest.mark.parametrize(("name", "text", "said"), [(name, *rest) for name, rest in WRONG.items()], ids=WRONG)
def test_a_file_is_checked_by_its_name_and_in_its_site(name: str, text: str, said: str, site: Path, reprov: Reprov) -> None:
    write(site, name, text)
    for path in (name, site / name):
        ran = reprov("lint", path)
        assert (ran.status, ran.stdout.splitlines()[0]) == (2, f"{path}:{said}")


def test_all_problems_of_a_site_are_named_in_order(site: Path, reprov: Reprov) -> None:
    for name, (text, _) in WRONG.items():
        write(site, name, text)
    write(site, "roles/other/files/x", "")
    write(site, "post-scripts/20-x.sh.j2", "{% if %}")
    write(site, "post-scripts/x.sh.j2", "")
    ran = reprov("lint")
    lines = [line for line in ran.stdout.splitlines() if not line.startswith("  hint: ")]
    assert (ran.status, lines) == (
        2,
        [
            "excludes/own.exclude:2: a rule without a pattern",
            "ids/debian.yaml:2: groups.own: should be a valid integer",
            "infra.yaml:5: h has no profile",
            "infra.yaml:6: i has no profile",
            "post-scripts/10-own.sh.j2:2: 'chnaged' is undefined (did you mean 'changed'?)",
            "post-scripts/20-x.sh.j2:1: Expected an expression, got 'end of statement block'",
            "post-scripts/x.sh.j2: a post-script is called NN-name, and its number is its place among the others",
            "roles/other/role.yaml: a role's folder must have this file",
            "roles/own/role.yaml:2: excludes: there is no 'owm' (did you mean 'own'?)",
            "8 files checked, 9 problems",
        ],
    )


@pytest.mark.parametrize("kind", ["snippets", "actions", "checks", "procedures"])
def test_what_playbooks_are_made_of_is_checked(kind: str, site: Path, reprov: Reprov) -> None:
    write(site, f"playbooks/{kind}/x.yaml", "title: x\ntytle: x\n")
    ran = reprov("lint")
    assert (ran.status, "6 files checked" in ran.stdout) == (2, True)
    assert f"\nplaybooks/{kind}/x.yaml:2: unknown key 'tytle' (did you mean 'title'?)\n" in ran.stdout


def test_a_snippet_after_one_that_there_is_not(site: Path, reprov: Reprov) -> None:
    text = (REPOSITORY / "playbooks/snippets/memcached.yaml").read_text().replace("title:", "after: [mariadc]\ntitle:", 1)
    write(site, "playbooks/snippets/memcached.yaml", text)
    ran = reprov("lint", "playbooks/snippets/memcached.yaml")
    assert (ran.status, "there is no snippet of 'mariadc' (did you mean 'mariadb'?)" in ran.stdout) == (2, True)


def test_a_mistake_in_a_role_is_named_once_however_many_extend_it(site: Path, reprov: Reprov) -> None:
    write(site, "roles/own/role.yaml", "extends: base\nx: 1\ny: 1\n")
    write(site, "roles/a/role.yaml", "extends: own\n")
    ran = reprov("lint", "roles/a/role.yaml", "roles/own/role.yaml")
    assert ran.stdout == "roles/own/role.yaml:2: unknown key 'x'\nroles/own/role.yaml:3: unknown key 'y'\n2 files checked, 2 problems\n"


def test_a_note_is_no_problem(site: Path, reprov: Reprov) -> None:
    write(site, "global.yml", "infra: x\nname: x\nprofiles:\n  a: {arity: n}\nkey: 1\nhosts: {}\n")
    ran = reprov("lint", "global.yml")
    assert (ran.status, ran.stdout) == (0, "1 file checked, no problems\n")
    assert ran.stderr == "note: global.yml:5: unknown key 'key'; it is kept in config.key\n"


def test_the_answer_in_json(site: Path, reprov: Reprov) -> None:
    write(site, "infra.yaml", "name: x\nprofiles:\n  a: {arity: 1}\nhosts: {}\n")
    ran = reprov("lint", "infra.yaml", "--json")
    assert ran.status == 2
    assert json.loads(ran.stdout) == {
        "files": ["infra.yaml"],
        "problems": [{"file": "infra.yaml", "line": 3, "message": "a has 0 hosts, and its arity is 1: 1 would fit", "hint": ""}],
        "notes": [],
    }


REFUSED = {
    "a directory of something else": ("empty", "reprov: empty: holds nothing that is checked"),
    "a file of something else": ("x.txt", "reprov: x.txt: nothing that is checked has such a name"),
}


@pytest.mark.parametrize(("name", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_path_that_lint_does_not_know_is_refused(name: str, said: str, site: Path, reprov: Reprov) -> None:
    (site / "empty").mkdir()
    (site / "x.txt").touch()
    ran = reprov("lint", name)
    assert (ran.status, ran.stderr.splitlines()[0]) == (2, said)
