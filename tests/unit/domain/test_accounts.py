"""What becomes of the account files, rule by rule, and what is said of it."""

from typing import NamedTuple

import pytest

from reprov.domain.account_files import GROUP, GSHADOW, PASSWD, SHADOW, SUBGID, SUBUID, AccountFiles, AccountNote
from reprov.domain.account_ids import AccountKind, DroppedAccount, IdRange, LeavingAccount, MovedId, PeopleIds
from reprov.domain.accounts import MergedAccounts, merge_accounts
from reprov.domain.comparison import Blocker
from reprov.errors import InvalidInput

USER, THE_GROUP = AccountKind.USER, AccountKind.GROUP


def etc(passwd: bytes = b"", group: bytes = b"", shadow: bytes | None = None, gshadow: bytes | None = None) -> AccountFiles:
    """The files that a case is about, with the groups of most accounts."""
    return AccountFiles(passwd, b"root:x:0:\nnogroup:x:65534:\n" + group, shadow, gshadow)


class Merge(NamedTuple):
    """Three sides and what is to come of them."""

    pristine: AccountFiles | None
    live: AccountFiles
    new: AccountFiles
    merged: AccountFiles
    notes: tuple[AccountNote, ...] = ()
    moved: tuple[MovedId, ...] = ()
    dropped: tuple[DroppedAccount, ...] = ()
    leaving: tuple[LeavingAccount, ...] = ()


SSHD = b"sshd:x:100:65534:sshd:/run/sshd:/usr/sbin/nologin\n"
SSHD_NEW = b"sshd:x:100:65534:OpenSSH:/run/sshd:/usr/bin/false\n"
ALICE = b"alice:x:1000:1000:Alice:/home/alice:/bin/bash\n"
MAN, GAMES, NEWS = b"man:x:6:0::/:/\n", b"games:x:5:0::/:/\n", b"news:x:9:0::/:/\n"
CEPH_GROUP = b"ceph:x:64045:\n"

USERS = {
    "what the release changes of a system account is the release's": Merge(etc(SSHD), etc(SSHD), etc(SSHD_NEW), etc(SSHD_NEW)),
    "what the operator changed of a system account stays, field by field": Merge(
        etc(SSHD),
        etc(SSHD.replace(b"nologin", b"sync")),
        etc(SSHD.replace(b":sshd:", b":OpenSSH:")),
        etc(b"sshd:x:100:65534:OpenSSH:/run/sshd:/usr/sbin/sync\n"),
    ),
    "what both changed stays the node's, and is said": Merge(
        etc(SSHD),
        etc(SSHD.replace(b"nologin", b"sync")),
        etc(SSHD_NEW),
        etc(b"sshd:x:100:65534:OpenSSH:/run/sshd:/usr/sbin/sync\n"),
        (AccountNote(PASSWD, "the shell of sshd stays the node's (/usr/sbin/sync); the release has /usr/bin/false"),),
    ),
    "a node that never had a release keeps its fields": Merge(
        None,
        etc(SSHD),
        etc(SSHD.replace(b":sshd:", b":g\xff:")),
        etc(SSHD),
        (AccountNote(PASSWD, "the gecos of sshd stays the node's (sshd); the release has g\\xff"),),
    ),
    "an account of the node alone stays": Merge(etc(SSHD), etc(SSHD + ALICE), etc(SSHD_NEW), etc(SSHD_NEW + ALICE)),
    "a system account of the node alone stays": Merge(etc(), etc(MAN), etc(SSHD), etc(MAN + SSHD)),
    "a person whom the release has, too, is the node's whole": Merge(
        etc(ALICE), etc(ALICE), etc(b"alice:x:1001:1001:A:/a:/bin/sh\n"), etc(ALICE)
    ),
    "above 16 bits are people again": Merge(
        etc(b"c:x:70000:0:::\n"), etc(b"c:x:70000:0:::\n"), etc(b"c:x:70001:0:::\n"), etc(b"c:x:70000:0:::\n")
    ),
    "a new account stands after its neighbour in the release": Merge(
        etc(MAN + NEWS), etc(NEWS + MAN + ALICE), etc(MAN + GAMES + NEWS), etc(NEWS + MAN + GAMES + ALICE)
    ),
    "a new account that is the release's first stands before its neighbour": Merge(
        etc(MAN), etc(b"# mine\n" + MAN + ALICE), etc(GAMES + MAN), etc(b"# mine\n" + GAMES + MAN + ALICE)
    ),
    "an account without any neighbour stands at the end": Merge(etc(), etc(ALICE), etc(GAMES), etc(ALICE + GAMES)),
    "a file that nobody touched gets the release's order": Merge(etc(MAN + NEWS), etc(MAN + NEWS), etc(NEWS + MAN), etc(NEWS + MAN)),
    "an account that the node removed stays away": Merge(etc(MAN + NEWS), etc(MAN), etc(MAN + NEWS), etc(MAN)),
    "one that the release changed meanwhile, too, and it is said": Merge(
        etc(MAN + NEWS),
        etc(MAN),
        etc(MAN + NEWS.replace(b"::", b":News:")),
        etc(MAN),
        (AccountNote(PASSWD, "news, which the release has changed, stays away: the node removed it"),),
    ),
    "lines that are no entries stay where they are, to the byte": Merge(
        etc(MAN),
        etc(b"# g\xff\n\n" + MAN + b"broken:x\n+@ops::::::\n-mallory::::::\n#news:x:9:0::/:/\n+:*:0:0:::\n"),
        etc(MAN + GAMES),
        etc(b"# g\xff\n\n" + MAN + GAMES + b"broken:x\n+@ops::::::\n-mallory::::::\n#news:x:9:0::/:/\n+:*:0:0:::\n"),
    ),
    "a missing last newline stays missing where nothing changes": Merge(etc(MAN), etc(MAN + ALICE[:-1]), etc(MAN), etc(MAN + ALICE[:-1])),
    "a missing last newline never joins two entries": Merge(etc(), etc(ALICE[:-1]), etc(GAMES), etc(ALICE + GAMES)),
    "the first of two lines with one name counts, and both stay": Merge(
        None, etc(ALICE + ALICE.replace(b"bash", b"zsh")), etc(MAN), etc(ALICE + ALICE.replace(b"bash", b"zsh") + MAN)
    ),
    "a colon too many is the shell's": Merge(
        etc(SSHD), etc(SSHD.replace(b"nologin", b"a:b")), etc(SSHD), etc(SSHD.replace(b"nologin", b"a:b"))
    ),
    "a password that stands in passwd is the node's, too": Merge(
        etc(MAN), etc(MAN.replace(b":x:", b":$y$mine:")), etc(MAN.replace(b":x:", b":*:")), etc(MAN.replace(b":x:", b":$y$mine:"))
    ),
    "a file that neither side has is not made": Merge(None, AccountFiles(), AccountFiles(), AccountFiles()),
    "a file that the node removed is not made for nothing": Merge(
        AccountFiles(subuid=b""), AccountFiles(), AccountFiles(subuid=b""), AccountFiles()
    ),
    "a file that is new in the release is made, also when it is empty": Merge(
        AccountFiles(), AccountFiles(), AccountFiles(subuid=b""), AccountFiles(subuid=b"")
    ),
}

IDS = {
    "an id that the release moves is moved, and said": Merge(
        etc(b"ceph:x:64045:64045::/:/\n", CEPH_GROUP),
        etc(b"ceph:x:64045:64045::/:/\n", CEPH_GROUP),
        etc(b"ceph:x:167:167::/:/\n", b"ceph:x:167:\n"),
        etc(b"ceph:x:167:167::/:/\n", b"ceph:x:167:\n"),
        moved=(MovedId(USER, "ceph", 64045, 167), MovedId(THE_GROUP, "ceph", 64045, 167)),
    ),
    "an id that the operator moved goes back to the release's, for its tree has that number": Merge(
        etc(SSHD), etc(SSHD.replace(b":100:", b":200:")), etc(SSHD), etc(SSHD), moved=(MovedId(USER, "sshd", 200, 100),)
    ),
    "a person follows the primary group, by its name": Merge(
        etc(b"", b"staff:x:50:\n"),
        etc(ALICE.replace(b":1000:1000:", b":1000:50:"), b"staff:x:50:\n"),
        etc(b"", b"staff:x:60:\n"),
        etc(ALICE.replace(b":1000:1000:", b":1000:60:"), b"staff:x:60:\n"),
        (AccountNote(PASSWD, "the gid of alice follows its primary group staff from 50 to 60"),),
        (MovedId(THE_GROUP, "staff", 50, 60),),
    ),
    "two accounts may exchange their ids": Merge(
        etc(b"a:x:100:0::/:/\nb:x:101:0::/:/\n"),
        etc(b"a:x:100:0::/:/\nb:x:101:0::/:/\n"),
        etc(b"a:x:101:0::/:/\nb:x:100:0::/:/\n"),
        etc(b"a:x:101:0::/:/\nb:x:100:0::/:/\n"),
        moved=(MovedId(USER, "a", 100, 101), MovedId(USER, "b", 101, 100)),
    ),
    "an account that the release dropped stays, for files may be its": Merge(
        etc(MAN + GAMES, b"games:x:60:\n"),
        etc(MAN + GAMES, b"games:x:60:\n"),
        etc(MAN),
        etc(MAN + GAMES, b"games:x:60:\n"),
        dropped=(DroppedAccount(USER, "games", 5), DroppedAccount(THE_GROUP, "games", 60)),
    ),
    "a dropped account whose id another one gets goes with everything that it has, and is said": Merge(
        etc(MAN + GAMES, b"games:x:60:\nadm:x:4:games\n", b"games:*:::::::\n", b"games:*::\nadm:*::games\n"),
        etc(MAN + GAMES, b"games:x:60:\nadm:x:4:games\n", b"games:*:::::::\n", b"games:*::\nadm:*::games\n"),
        etc(MAN + b"play:x:5:4::/:/\n", b"play:x:60:\nadm:x:4:\n", b"play:*:::::::\n", b"play:*::\nadm:*::\n"),
        etc(MAN + b"play:x:5:4::/:/\n", b"play:x:60:\nadm:x:4:\n", b"play:*:::::::\n", b"play:*::\nadm:*::\n"),
        leaving=(
            LeavingAccount(USER, "games", 5, "the release gives its uid to play"),
            LeavingAccount(THE_GROUP, "games", 60, "the release gives its gid to play"),
        ),
    ),
    "a group that goes takes the dropped account along whose own it is (Debian 11 to 12 without stable ids)": Merge(
        etc(b"systemd-coredump:x:999:999::/:/\n", b"systemd-coredump:x:999:\n"),
        etc(b"systemd-coredump:x:999:999::/:/\n", b"systemd-coredump:x:999:\n"),
        etc(b"", b"systemd-journal:x:999:\n"),
        etc(b"", b"systemd-journal:x:999:\n"),
        leaving=(
            LeavingAccount(THE_GROUP, "systemd-coredump", 999, "the release gives its gid to systemd-journal"),
            LeavingAccount(USER, "systemd-coredump", 999, "its primary group systemd-coredump goes"),
        ),
    ),
    "a second name of root that the release dropped takes nobody's id away": Merge(
        etc(b"root:x:0:0:::\ntoor:x:0:0:::\n"),
        etc(b"root:x:0:0:::\ntoor:x:0:0:::\n"),
        etc(b"root:x:0:0:::\n"),
        etc(b"root:x:0:0:::\ntoor:x:0:0:::\n"),
        dropped=(DroppedAccount(USER, "toor", 0),),
    ),
    "a group that goes is not missed by an account that the release gives another one": Merge(
        etc(b"a:x:100:999::/:/\n", b"old:x:999:\n"),
        etc(b"a:x:100:999::/:/\n", b"old:x:999:\n"),
        etc(b"a:x:100:0::/:/\n", b"new:x:999:\n"),
        etc(b"a:x:100:0::/:/\n", b"new:x:999:\n"),
        leaving=(LeavingAccount(THE_GROUP, "old", 999, "the release gives its gid to new"),),
    ),
    "who goes is no member any more of a dropped group that stays": Merge(
        etc(GAMES, b"old:x:50:games,man\n"),
        etc(GAMES, b"old:x:50:games,man\n"),
        etc(b"play:x:5:0::/:/\n"),
        etc(b"play:x:5:0::/:/\n", b"old:x:50:man\n"),
        dropped=(DroppedAccount(THE_GROUP, "old", 50),),
        leaving=(LeavingAccount(USER, "games", 5, "the release gives its uid to play"),),
    ),
    "an account with a person's id that becomes a system account moves": Merge(
        etc(b"svc:x:1005:0::/:/\n"),
        etc(b"svc:x:1005:0::/:/\n"),
        etc(b"svc:x:205:0::/:/\n"),
        etc(b"svc:x:205:0::/:/\n"),
        moved=(MovedId(USER, "svc", 1005, 205),),
    ),
    "a second name for an id that the release itself brings is the release's matter": Merge(
        etc(), etc(b"root:x:0:0:::\n"), etc(b"root:x:0:0:::\ntoor:x:0:0:::\n"), etc(b"root:x:0:0:::\ntoor:x:0:0:::\n")
    ),
    "two lines that the release itself brings, too": Merge(etc(MAN + MAN), etc(MAN + MAN), etc(MAN), etc(MAN)),
    "of two groups with one gid the first one is a person's primary group": Merge(
        etc(b"", b"a:x:50:\nb:x:50:\n"),
        etc(ALICE.replace(b"1000:1000", b"1000:50"), b"a:x:50:\nb:x:50:\n"),
        etc(b"", b"a:x:51:\nb:x:50:\n"),
        etc(ALICE.replace(b"1000:1000", b"1000:51"), b"a:x:51:\nb:x:50:\n"),
        (AccountNote(PASSWD, "the gid of alice follows its primary group a from 50 to 51"),),
        (MovedId(THE_GROUP, "a", 50, 51),),
    ),
    "ids that the node had twice may stay so": Merge(
        None, etc(b"a:x:100:0:::\nb:x:100:0:::\n"), etc(b"a:x:100:0:::\n"), etc(b"a:x:100:0:::\nb:x:100:0:::\n")
    ),
}

GROUPS = {
    "members are the release's and those that the node added, in the node's order": Merge(
        etc(b"", b"adm:x:4:syslog\n"),
        etc(b"", b"adm:x:4:alice,syslog\n"),
        etc(b"", b"adm:x:4:syslog,man\n"),
        etc(b"", b"adm:x:4:alice,syslog,man\n"),
    ),
    "a member that the node removed stays away": Merge(
        etc(b"", b"adm:x:4:man,news\n"), etc(b"", b"adm:x:4:man\n"), etc(b"", b"adm:x:4:news,man,lp\n"), etc(b"", b"adm:x:4:man,lp\n")
    ),
    "a member that the release took out goes": Merge(
        etc(b"", b"adm:x:4:man,news\n"), etc(b"", b"adm:x:4:man,news,lp\n"), etc(b"", b"adm:x:4:news\n"), etc(b"", b"adm:x:4:news,lp\n")
    ),
    "but a person stays a member: nobody is locked out of sudo by an upgrade": Merge(
        etc(ALICE, b"sudo:x:27:alice\n"),
        etc(ALICE, b"sudo:x:27:alice\n"),
        etc(b"", b"sudo:x:27:\n"),
        etc(ALICE, b"sudo:x:27:alice\n"),
        dropped=(DroppedAccount(USER, "alice", 1000),),
    ),
    "on a node that never had a release, every member stays": Merge(
        None, etc(b"", b"adm:x:4:a,b\n"), etc(b"", b"adm:x:4:b,c\n"), etc(b"", b"adm:x:4:a,b,c\n")
    ),
    "a user whom the node removed does not become a member": Merge(
        etc(MAN, b"adm:x:4:\n"), etc(b"", b"adm:x:4:\n"), etc(MAN, b"adm:x:4:man\nlp:x:7:man\n"), etc(b"", b"adm:x:4:\nlp:x:7:\n")
    ),
    "gshadow's administrators and members are merged alike": Merge(
        etc(gshadow=b"adm:*:man:man\n"),
        etc(gshadow=b"adm:*:man,alice:man,alice\n"),
        etc(gshadow=b"adm:*::\n"),
        etc(gshadow=b"adm:*:alice:alice\n"),
    ),
    "the node's password of a group stays": Merge(
        etc(gshadow=b"adm:!::\n"), etc(gshadow=b"adm:$6$a::\n"), etc(gshadow=b"adm:*::\n"), etc(gshadow=b"adm:$6$a::\n")
    ),
    "also one that the release brought once": Merge(
        etc(gshadow=b"adm:$6$a::\n"), etc(gshadow=b"adm:$6$a::\n"), etc(gshadow=b"adm:*::\n"), etc(gshadow=b"adm:$6$a::\n")
    ),
    "and none is set by a release": Merge(
        etc(gshadow=b"adm:*::\n"), etc(gshadow=b"adm:*::\n"), etc(gshadow=b"adm:$6$a::\n"), etc(gshadow=b"adm:*::\n")
    ),
    "how a group without a password says so is the release's, where nobody touched it": Merge(
        etc(gshadow=b"adm:*::\nlp:*::\n"),
        etc(gshadow=b"adm:*::\nlp:!::\n"),
        etc(gshadow=b"adm:!::\nlp:!*::\n"),
        etc(gshadow=b"adm:!::\nlp:!::\n"),
    ),
    "a group that the node removed stays away": Merge(etc(b"", b"lp:x:7:\n"), etc(), etc(b"", b"lp:x:7:\n"), etc()),
    "a group that the node removed comes back as the primary group of an account": Merge(
        etc(b"lp:x:7:7::/:/\n", b"lp:x:7:\n"),
        etc(b"lp:x:7:7::/:/\n"),
        etc(b"lp:x:7:7::/:/\n", b"lp:x:7:\n"),
        etc(b"lp:x:7:7::/:/\n", b"lp:x:7:\n"),
        (AccountNote(GROUP, "lp, which the node removed, comes back: it is the primary group of lp"),),
    ),
    "a primary group that the operator changed stays": Merge(
        etc(b"a:x:100:7::/:/\n", b"lp:x:7:\nadm:x:4:\n"),
        etc(b"a:x:100:4::/:/\n", b"lp:x:7:\nadm:x:4:\n"),
        etc(b"a:x:100:7::/:/\n", b"lp:x:7:\nadm:x:5:\n"),
        etc(b"a:x:100:5::/:/\n", b"lp:x:7:\nadm:x:5:\n"),
        (AccountNote(PASSWD, "the gid of a follows its primary group adm from 4 to 5"),),
        (MovedId(THE_GROUP, "adm", 4, 5),),
    ),
    "one that both changed stays the node's, and is said by name": Merge(
        etc(b"a:x:100:7::/:/\n", b"lp:x:7:\nadm:x:4:\nnews:x:9:\n"),
        etc(b"a:x:100:4::/:/\n", b"lp:x:7:\nadm:x:4:\nnews:x:9:\n"),
        etc(b"a:x:100:9::/:/\n", b"lp:x:7:\nadm:x:4:\nnews:x:9:\n"),
        etc(b"a:x:100:4::/:/\n", b"lp:x:7:\nadm:x:4:\nnews:x:9:\n"),
        (AccountNote(PASSWD, "the primary group of a stays the node's (adm); the release has news"),),
    ),
}


def root(password: bytes, ageing: bytes = b"20000:0:99999:7:::") -> AccountFiles:
    return etc(b"root:x:0:0:::\n", shadow=b"root:" + password + b":" + ageing + b"\n")


PASSWORDS = {
    "the node's password stays": Merge(
        root(b"*"), root(b"$y$mine", b"20100::::::"), root(b"!", b"20500::::::"), root(b"$y$mine", b"20100::::::")
    ),
    "an old password does not come back": Merge(root(b"$y$old"), root(b"$y$rotated"), root(b"$y$old", b"20500::::::"), root(b"$y$rotated")),
    "a password that the release brings for an account of the node is left out, and that is said": Merge(
        root(b"*"),
        root(b"*"),
        root(b"$y$image"),
        root(b"*"),
        (AccountNote(SHADOW, "the password of root stays the node's; the release has another one"),),
    ),
    "an empty password does not open an account either": Merge(
        root(b"*"),
        root(b"*"),
        root(b""),
        root(b"*"),
        (AccountNote(SHADOW, "the password of root stays the node's; the release has another one"),),
    ),
    "an account that the operator locked stays locked": Merge(root(b"$y$a"), root(b"!$y$a"), root(b"$y$a"), root(b"!$y$a")),
    "a locked entry that nobody touched is as the release has it": Merge(
        root(b"*"), root(b"*"), root(b"!*", b"20500::::::"), root(b"!*", b"20500::::::")
    ),
    "one that the operator touched is the node's, with its ageing": Merge(
        root(b"*"), root(b"*", b"20000:0:30:7:::"), root(b"!", b"20500::::::"), root(b"*", b"20000:0:30:7:::")
    ),
    "the password of a new account is the release's": Merge(etc(), etc(), root(b"$y$image"), root(b"$y$image")),
    "an account of the node without an entry gets a locked one": Merge(
        None,
        etc(b"a:x:100:0::/:/\n", b"a:x:100:man\n", b"", b""),
        etc(),
        etc(b"a:x:100:0::/:/\n", b"a:x:100:man\n", b"a:!:::::::\n", b"a:!::man\n"),
        (
            AccountNote(SHADOW, "a, which had no entry, gets a locked one"),
            AccountNote(GSHADOW, "a, which had no entry, gets one without a password"),
        ),
    ),
    "and never the release's password": Merge(
        None,
        etc(b"a:x:100:0::/:/\n", b"a:x:100:man\n"),
        etc(b"a:x:100:0::/:/\n", b"a:x:100:\n", b"a:$y$image:::::::\n", b"a:$6$image::\n"),
        etc(b"a:x:100:0::/:/\n", b"a:x:100:man\n", b"a:!:::::::\n", b"a:!::man\n"),
        (
            AccountNote(SHADOW, "a, which had no entry, gets a locked one"),
            AccountNote(GSHADOW, "a, which had no entry, gets one without a password"),
        ),
    ),
    "but what stands for users of a directory service gets none": Merge(
        None, etc(b"+nis:x:0:0:::\n-nis:x:0:0:::\n", b"", b"", b""), etc(shadow=b""), etc(b"+nis:x:0:0:::\n-nis:x:0:0:::\n", b"", b"", b"")
    ),
    "but one whose password is in passwd gets none": Merge(
        None, etc(b"a:$y$b:100:0::/:/\n", b"a:*:100:\n"), etc(), etc(b"a:$y$b:100:0::/:/\n", b"a:*:100:\n")
    ),
    "an entry that the release itself forgot is not made": Merge(
        etc(b"a:x:100:0::/:/\n", b"a:x:100:\n"),
        etc(b"a:x:100:0::/:/\n", b"a:x:100:\n"),
        etc(b"a:x:100:0:::\n", b"a:x:100:\n"),
        etc(b"a:x:100:0:::\n", b"a:x:100:\n"),
    ),
    "a tree without shadow files gets none": Merge(
        AccountFiles(SSHD, CEPH_GROUP),
        AccountFiles(SSHD, CEPH_GROUP),
        AccountFiles(SSHD_NEW, CEPH_GROUP),
        AccountFiles(SSHD_NEW, CEPH_GROUP),
    ),
}


def ranges(content: bytes) -> AccountFiles:
    return AccountFiles(subuid=content, subgid=content)


RANGES = {
    "the node's ranges stay, several of a name, too": Merge(
        ranges(b""),
        ranges(b"alice:100000:65536\nalice:300000:1\n"),
        ranges(b"pod:200000:65536\n"),
        ranges(b"alice:100000:65536\nalice:300000:1\npod:200000:65536\n"),
    ),
    "ranges that the release moves stay as well, and it is said": Merge(
        ranges(b"pod:100000:65536\n"),
        ranges(b"pod:100000:65536\n"),
        ranges(b"pod:200000:65536\n"),
        ranges(b"pod:100000:65536\n"),
        (
            AccountNote(SUBUID, "the ranges of pod stay the node's; the release has others"),
            AccountNote(SUBGID, "the ranges of pod stay the node's; the release has others"),
        ),
    ),
    "ranges that the node removed stay away": Merge(ranges(b"pod:1:2\n"), ranges(b""), ranges(b"pod:1:2\n"), ranges(b"")),
    "ranges that overlap in the release already are the release's matter": Merge(
        ranges(b""), ranges(b"a:1:10\n"), ranges(b"a:1:10\nb:5:10\n"), ranges(b"a:1:10\nb:5:10\n")
    ),
    "ranges that overlap on the node already are no matter of an upgrade": Merge(
        None, ranges(b"a:1:10\nb:5:10\n"), ranges(b"c:15:1\nd:0:1\ne:3:0\n"), ranges(b"a:1:10\nb:5:10\nc:15:1\nd:0:1\ne:3:0\n")
    ),
}

CASES = {**USERS, **IDS, **GROUPS, **PASSWORDS, **RANGES}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_merge(case: Merge) -> None:
    expected = MergedAccounts(case.merged, case.notes, case.moved, case.dropped, case.leaving, ())
    assert merge_accounts(case.pristine, case.live, case.new) == expected


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_merge_with_what_is_merged_already(case: Merge) -> None:
    assert merge_accounts(case.new, case.merged, case.new) == MergedAccounts(case.merged, (), (), (), (), ())


class Blocked(NamedTuple):
    """Three sides, and why they must not be merged."""

    pristine: AccountFiles | None
    live: AccountFiles
    new: AccountFiles
    blockers: list[Blocker]


def both(path: str, what: str, number: int, theirs: str, ours: str) -> Blocker:
    """Two accounts with one id."""
    return Blocker(
        path,
        f"would give the {what} {number} to {theirs} of the release and {ours} of the node",
        f"give {ours} another {what} together with its files, or {theirs} in the family's ids",
    )


ROOT = AccountFiles(b"root:x:0:0:::\n", b"root:x:0:\n")
BLOCKED = {
    "a new account wants an id of the node's own": Blocked(
        etc(),
        etc(b"backup:x:120:0:::\n", b"backup:x:121:\n"),
        etc(b"ceph:x:120:120:::\n", b"ceph:x:120:\nnova:x:121:\n"),
        [
            both(PASSWD, "uid", 120, "ceph", "backup"),
            both(GROUP, "gid", 121, "nova", "backup"),
        ],
    ),
    "a moved account wants the id of a dropped one that the operator changed": Blocked(
        etc(b"a:x:100:0:::\nb:x:101:0:::\n"),
        etc(b"a:x:100:0:::\nb:x:101:0:::/bin/sh\n"),
        etc(b"a:x:101:0:::\n"),
        [both(PASSWD, "uid", 101, "a", "b")],
    ),
    "a dropped group whose id another one gets is a person's own": Blocked(
        etc(b"", b"old:x:999:\n"),
        etc(b"alice:x:1000:999:::\n", b"old:x:999:\n"),
        etc(b"", b"new:x:999:\n"),
        [both(GROUP, "gid", 999, "new", "old")],
    ),
    "a dropped account that the operator made a member is not nobody's": Blocked(
        etc(GAMES, b"adm:x:4:\n"),
        etc(GAMES, b"adm:x:4:games\n"),
        etc(b"play:x:5:4:::\n", b"adm:x:4:\n"),
        [both(PASSWD, "uid", 5, "play", "games")],
    ),
    "a dropped account whose id another one gets has a password by now": Blocked(
        etc(GAMES, b"old:x:60:\n", b"games:*:::::::\n", b"old:*::\n"),
        etc(GAMES, b"old:x:60:\n", b"games:$y$a:::::::\n", b"old:$6$a::\n"),
        etc(b"play:x:5:0:::\n", b"new:x:60:\n"),
        [both(PASSWD, "uid", 5, "play", "games"), both(GROUP, "gid", 60, "new", "old")],
    ),
    "it is a person's": Blocked(
        etc(b"alice:x:1000:0:::\n", b"alice:x:1000:\n"),
        etc(b"alice:x:1000:0:::\n", b"alice:x:1000:\n"),
        etc(b"cloud:x:1000:0:::\n", b"cloud:x:1000:\n"),
        [both(PASSWD, "uid", 1000, "cloud", "alice"), both(GROUP, "gid", 1000, "cloud", "alice")],
    ),
    "it has a second line": Blocked(etc(GAMES), etc(GAMES + GAMES), etc(b"play:x:5:0:::\n"), [both(PASSWD, "uid", 5, "play", "games")]),
    "a line has a number that is no id": Blocked(
        etc(MAN),
        etc(MAN.replace(b":6:", b":4294967295:")),
        etc(MAN),
        [Blocker(PASSWD, "line 1 is for man, which the release has, too, but is no entry of 7 fields", "mend the line, or remove it")],
    ),
    "a person has the name of a system account that is new": Blocked(
        etc(),
        etc(b"nova:x:1003:0:::\n", b"nova:x:1003:\n"),
        etc(b"nova:x:162:162:::\n", b"nova:x:162:\n"),
        [
            Blocker(
                PASSWD,
                "has nova with a person's uid (1003), and the release brings a system user of that name (162)",
                "rename the node's user, or give it the uid 162 together with its files",
            ),
            Blocker(
                GROUP,
                "has nova with a person's gid (1003), and the release brings a system group of that name (162)",
                "rename the node's group, or give it the gid 162 together with its files",
            ),
        ],
    ),
    "the node has lost its files": Blocked(
        ROOT,
        AccountFiles(b"", None),
        ROOT,
        [
            Blocker(PASSWD, "has no user with the uid 0 on the node any more", "restore it, for example from /etc/passwd-"),
            Blocker(GROUP, "has no group with the gid 0 on the node any more", "restore it, for example from /etc/group-"),
        ],
    ),
    "a line for an account of the release cannot be read": Blocked(
        etc(MAN),
        etc(b"# man:x\n\n man:x:6:0::/:/\n", b"adm:x:4\n", b"man:\n", b"adm:\n"),
        etc(MAN, b"adm:x:4:\n", b"man:*:::::::\n", b"adm:*::\n"),
        [
            Blocker(PASSWD, "line 3 is for man, which the release has, too, but is no entry of 7 fields", "mend the line, or remove it"),
            Blocker(GROUP, "line 3 is for adm, which the release has, too, but is no entry of 4 fields", "mend the line, or remove it"),
            Blocker(SHADOW, "line 1 is for man, which the release has, too, but is no entry of 9 fields", "mend the line, or remove it"),
            Blocker(GSHADOW, "line 1 is for adm, which the release has, too, but is no entry of 4 fields", "mend the line, or remove it"),
        ],
    ),
    "an account of the release has two lines": Blocked(
        etc(MAN, b"lp:x:7:\n"),
        etc(MAN + MAN, b"lp:x:7:\nlp:x:8:\n"),
        etc(MAN, b"lp:x:7:\n"),
        [
            Blocker(PASSWD, "has several lines for man, which the release has, too", "remove all but the first one"),
            Blocker(GROUP, "has several lines for lp, which the release has, too", "remove all but the first one"),
        ],
    ),
    "a new account has a gid that is only the node's": Blocked(
        etc(),
        etc(b"", b"finance:x:500:\n"),
        etc(b"svc:x:120:500:::\n"),
        [Blocker(PASSWD, "would give svc of the release the gid 500, which no group of the release has", "mend /etc/group in the release")],
    ),
    "a new range overlaps one of the node's": Blocked(
        ranges(b""),
        ranges(b"alice:100000:65536\n"),
        AccountFiles(subuid=b"pod:165535:10\n", subgid=b"pod:165536:10\n"),
        [
            Blocker(
                SUBUID,
                "would give 165535-165544 to pod of the release, and 100000-165535 are alice's on the node",
                "give one of them a range of its own",
            )
        ],
    ),
}


@pytest.mark.parametrize("case", BLOCKED.values(), ids=BLOCKED.keys())
def test_what_must_not_be_merged(case: Blocked) -> None:
    assert merge_accounts(case.pristine, case.live, case.new).blockers == tuple(case.blockers)


def test_a_person_with_the_name_of_a_system_account_is_not_moved_either() -> None:
    case = BLOCKED["a person has the name of a system account that is new"]
    merged = merge_accounts(case.pristine, case.live, case.new)
    assert (merged.files, merged.moved) == (case.live, ())


def test_the_ids_of_people_are_read_from_login_defs() -> None:
    content = b"#UID_MIN 1\n\nUID_MIN\t\t  500\nGID_MAX 59999\nUID_MIN_X 7\n\xff\n"
    assert PeopleIds.parse(content, "etc/login.defs") == PeopleIds(IdRange(500, 60000), IdRange(1000, 59999))


@pytest.mark.parametrize("line", [b"GID_MIN", b"GID_MIN -1", b"GID_MIN x"])
def test_an_id_in_login_defs_that_is_no_number_is_an_error(line: bytes) -> None:
    with pytest.raises(InvalidInput) as error:
        PeopleIds.parse(b"\n" + line + b"\n", "etc/login.defs")
    assert error.value.message == "etc/login.defs:2: GID_MIN is not a number"


def test_who_is_a_person_is_as_the_node_says() -> None:
    files = etc(b"old:x:600:0:::\n")
    people = PeopleIds(IdRange(500, 60000), IdRange(500, 60000))
    assert merge_accounts(files, files, etc(b"old:x:700:0:::\n"), people).files == files


def test_the_files_by_path() -> None:
    files = AccountFiles(passwd=b"a", subgid=b"")
    assert files.by_path() == {"etc/passwd": b"a", "etc/subgid": b""}
    assert AccountFiles.of({**files.by_path(), "etc/fstab": b"x"}) == files
