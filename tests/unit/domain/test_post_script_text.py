"""A post-script as text: whatever scripts hold comes back, and what is no post-script is refused by line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprov.domain.post_script import PostScript, Step, Work, WorkKind
from reprov.domain.post_script_text import parse, to_text
from reprov.domain.release import ReleaseId
from reprov.errors import InvalidInput

BEFORE, AFTER = ReleaseId("base", "1.0"), ReleaseId("base", "1.1")
DBUS = Step(
    "dbus.postinst triggered",
    ("/bin/sh", "-e"),
    ("triggered", "/usr/share/dbus-1 it's"),
    "#!/bin/sh -e\n\n#### not a header\nexit 0",
    "dbus",
    "1.14",
    (("DPKG_ROOT", ""),),
    "one\ntwo\n",
    60,
    "/var/lib/dpkg/info/dbus.postinst",
)
OWN = Step("50-own", (), (), "\x7fELF\r\n\udcff")
TEXT = """\
# reprov post-script, format 1
# before: base 1.0
# after: base 1.1
# work: ldconfig 'libc-bin.postinst triggered'

#### 'dbus.postinst triggered'
# package: dbus 1.14
# interpreter: /bin/sh -e
# arguments: triggered $'/usr/share/dbus-1 it\\'s'
# path: /var/lib/dpkg/info/dbus.postinst
# with: DPKG_ROOT ''
# timeout_s: 60
# stdin: 2 lines
one
two
# script: 4 lines, the last one without an end
#!/bin/sh -e

#### not a header
exit 0

#### 50-own
# timeout_s: 600
# script: 2 lines, the last one without an end
\x7fELF\r
\udcff
"""

PIECES = (
    "",
    "a",
    " ",
    "-",
    "\n",
    "\r",
    "\t",
    "'",
    '"',
    "\\",
    "\\n",
    "$",
    "#### x\n",
    "# script: 1 line\n",
    "é",
    "\udcff",
    "\x1f",
    "\0",
    "\u2028",
)
words = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)


def a_post(parts: list[str], timeout_s: int, kinds: list[WorkKind]) -> PostScript:
    """A post-script with a step for every seven of the words."""
    steps = []
    for at in range(0, len(parts) - 6, 7):
        script, one, two, body, name, value, stdin = parts[at : at + 7]
        interpreter = (one, two) if at % 2 else (one,) if two else ()
        environment = ((name, value), (value, name))
        steps.append(Step(f"{at}{script}", interpreter, (two, one), body, name, value, environment, stdin, timeout_s, one))
    return PostScript(BEFORE if parts else None, AFTER, tuple(steps), tuple(Work(kind, "".join(parts[:1])) for kind in kinds))


posts = st.builds(a_post, st.lists(words, max_size=21), st.integers(0, 10**6), st.lists(st.sampled_from(WorkKind), max_size=2))


def test_the_text_can_be_read() -> None:
    assert to_text(PostScript(BEFORE, AFTER, (DBUS, OWN), (Work(WorkKind.LDCONFIG, "libc-bin.postinst triggered"),))) == TEXT


@given(posts)
def test_whatever_it_holds_comes_back_through_a_file(post: PostScript) -> None:
    raw = to_text(post).encode("utf-8", "surrogateescape")
    assert parse(raw.decode("utf-8", "surrogateescape"), "post") == post


WRONG = {
    "something else": ("#!/bin/sh\n", "post:1: not a post-script (it does not start with '# reprov post-script, format 1')"),
    "nothing": ("", "post:1: the post-script is cut off"),
    "cut off in a line": (TEXT[:-1], "post:26: the post-script is cut off"),
    "cut off in a script": (
        TEXT.partition("\n#### 50")[0].replace("4 lines,", "9 lines,"),
        "post:16: 9 lines are announced, but there are 4",
    ),
    "no release before": (TEXT.replace("# before: base 1.0\n", ""), "post:2: `# before:` is expected"),
    "a version that is none": (TEXT.replace("base 1.0", "'base' '1/0'"), "'1/0' is not a version"),
    "no version": (TEXT.replace("base 1.0", "base"), "post:2: 2 words are expected, there are 1"),
    "work of tomorrow": (TEXT.replace("work: ldconfig", "work: teleport"), "post:4: 'teleport' is no work that reprov knows"),
    "a quote that stays open": (TEXT.replace("'dbus.postinst triggered'", "'dbus"), 'post:6: not a word: "\'dbus"'),
    "no heading": (TEXT.replace("\n#### 50-own", "\n50-own"), "post:22: an empty line and the heading of a step are expected"),
    "a word that is none": (TEXT.replace("r: /bin/sh -e", "r: /bin/sh;-e"), "post:8: not a word: '/bin/sh;-e'"),
    "no number of seconds": (TEXT.replace("timeout_s: 60\n", "timeout_s: soon\n"), "post:12: 'soon' is no number of seconds"),
    "no number of lines": (TEXT.replace("stdin: 2 lines", "stdin: 02 lines"), "post:13: '02 lines' is no number of lines"),
    "a header that misses a line": (TEXT.replace("# timeout_s: 60\n", ""), "post:12: `# timeout_s:` is expected"),
    "a step twice": (TEXT.replace("#### 50-own", "#### 'dbus.postinst triggered'"), "post: there are two steps 'dbus.postinst triggered'"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_post_script_is_refused_by_line(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse(text, "post")
    assert raised.value.message == message
