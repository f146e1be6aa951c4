"""What rpm would install and erase, in which order."""

import pytest

from reprov.domain.rpm import RpmPackage
from reprov.domain.rpm_transaction import Transaction, ordered


def package(name: str, version: str = "1-1", *, requires: tuple[str, ...] = (), files: tuple[str, ...] = ()) -> RpmPackage:
    return RpmPackage(name, version, "x86_64", requires=requires, files=files, provides=(name, f"{name}(x86-64)"))


@pytest.mark.parametrize(
    ("packages", "order"),
    [
        pytest.param([package("b"), package("a")], "a b", id="by name where nothing is required"),
        pytest.param(
            [package("a", requires=("b",)), package("b", requires=("c(x86-64)",)), package("c")], "c b a", id="what is required first"
        ),
        pytest.param([package("a", requires=("/bin/sh",)), package("z", files=("/bin/sh",))], "z a", id="a file that is required"),
        pytest.param([package("a", requires=("b",)), package("b", requires=("a",)), package("c", requires=("a",))], "a b c", id="a circle"),
        pytest.param([package("a", requires=("elsewhere", "a"))], "a", id="what is there already, and itself"),
    ],
)
def test_packages_are_ordered(packages: list[RpmPackage], order: str) -> None:
    assert " ".join(found.name for found in ordered(packages)) == order


def test_a_thousand_packages_in_a_chain_are_no_deep_recursion() -> None:
    chain = [package(f"p{number:04}", requires=(f"p{number + 1:04}",)) for number in range(3000)]
    assert [found.name for found in ordered(chain)][:2] == ["p2999", "p2998"]


def test_only_what_differs_is_in_the_transaction() -> None:
    old = [package("kept"), package("grown", "1-1", requires=("kept",)), package("gone", requires=("grown",))]
    new = [package("kept"), package("grown", "2-1"), package("come", requires=("grown",))]
    transaction = Transaction.between(old, new)
    assert [(found.name, found.version) for found in transaction.installed] == [("grown", "2-1"), ("come", "1-1")]
    assert [(found.name, found.version) for found in transaction.erased] == [("gone", "1-1"), ("grown", "1-1")]
    assert [transaction.is_upgrade(found) for found in (*transaction.installed, *transaction.erased)] == [True, False, False, True]


def test_a_second_kernel_is_no_upgrade_of_the_first() -> None:
    transaction = Transaction.between([package("kernel", "1-1")], [package("kernel", "1-1"), package("kernel", "2-1")])
    assert [found.version for found in transaction.installed] == ["2-1"]
    assert transaction.erased == ()
    assert not transaction.is_upgrade(transaction.installed[0])
