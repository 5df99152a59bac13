"""What a run says before its first round."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from adpfl_bench.callbacks.headline import headline


@pytest.mark.parametrize(
    ("clients", "told"),
    [(2, "(training cases: c0 5, c1 6)"), (10_000, ", c11 16 and 9,988 more)")],
)
def test_of_many_clients_a_few_are_told(clients, told):
    sizes = {f"c{number}": SimpleNamespace(train=5 + number) for number in range(clients)}
    data = SimpleNamespace(cases=20, kind="phantom", clients=sizes)
    record = SimpleNamespace(task="isic", method="fedavg", seed=0, data=data, model=SimpleNamespace(parameters=7))
    said = headline(record, "none, and none claimed", "cpu", Path("runs"))
    assert f"{clients} clients" in said
    assert told in said
    assert len(said) < 400
