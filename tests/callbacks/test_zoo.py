"""The zoo: cheats of six families, of which each is refused, accounted as none, or found by the named check."""

import re

import pytest

from adpfl_bench.errors import ConfigError
from tests.callbacks.audits import audited as audited
from tests.callbacks.audits import failed
from tests.callbacks.zoo import (
    correlated_cheats,
    ledger_cheats,
    mechanism_cheats,
    sampling_cheats,
    task_cheats,
    threshold_cheats,
)
from tests.callbacks.zoo.cheat import cheats_of

FAMILIES = (mechanism_cheats, correlated_cheats, threshold_cheats, ledger_cheats, sampling_cheats, task_cheats)
CHEATS = {name: kind for family in FAMILIES for name, kind in cheats_of(family).items() if not name.startswith("_")}


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_is_refused_or_unaccounted_or_found(audited, monkeypatch, name):
    cheat = CHEATS[name]()
    privacy, arguments = cheat.privacy(), cheat.arguments()
    cheat.arrange(monkeypatch)
    if cheat.unaccounted is not None:
        result, _ = audited(privacy, **arguments)
        assert result.accounted is None
        assert re.search(cheat.unaccounted, privacy.accounted.reason)
        return
    if not cheat.found_by:
        with pytest.raises(ConfigError, match=cheat.says):
            audited(privacy, **arguments)
        return
    result, _ = audited(privacy, **arguments)
    assert set(cheat.found_by) <= set(failed(result))
    assert re.search(cheat.says, result.checks[cheat.found_by[0]].reason), result.checks[cheat.found_by[0]].reason
    assert result.verdict in ("check failed", "audited exceeds accounted")


def test_the_zoo_has_six_families():
    assert len(CHEATS) >= 50
    assert min(len(cheats_of(family)) for family in FAMILIES) >= 6
