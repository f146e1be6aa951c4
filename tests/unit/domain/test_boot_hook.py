"""By what an initramfs with the hook is recognised."""

import pytest

from reprov.domain.boot_hook import carries, digest_of

DIGEST = digest_of((b"local-bottom", b"at-root"))
OF_LSINITRAMFS = f"usr/lib/reprov\nusr/lib/reprov/boot\nusr/lib/reprov/boot/at-root\nusr/lib/reprov/boot/hook-{DIGEST}\n"
OF_LSINITRD = f"Image: x: 21M\n-rw-r--r--   1 root     root            0 Nov 22 00:56 usr/lib/reprov/boot/hook-{DIGEST}\n"


@pytest.mark.parametrize(
    ("listing", "found"),
    [
        pytest.param(OF_LSINITRAMFS, True, id="listed by lsinitramfs"),
        pytest.param(OF_LSINITRAMFS.replace("usr/lib/reprov", "./usr/lib/reprov"), True, id="listed by an older lsinitramfs"),
        pytest.param(OF_LSINITRD, True, id="listed by lsinitrd"),
        pytest.param(OF_LSINITRAMFS.replace(DIGEST, digest_of((b"local-bottom", b"older at-root"))), False, id="with other content"),
        pytest.param(OF_LSINITRAMFS.replace(f"usr/lib/reprov/boot/hook-{DIGEST}\n", ""), False, id="without the mark"),
        pytest.param(f"home/usr/lib/reprov/boot/hook-{DIGEST}\n", False, id="a mark elsewhere"),
        pytest.param(f"usr/lib/reprov/boot/hook-{DIGEST}.old\n", False, id="another mark that begins so"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_an_image_with_the_hook(listing: str, found: bool) -> None:
    assert carries(listing, DIGEST) is found


def test_the_digest_is_that_of_the_parts_one_after_the_other() -> None:
    """As `cat PARTS | sha256sum`, by which the hooks name their mark."""
    assert digest_of((b"a", b"bc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
