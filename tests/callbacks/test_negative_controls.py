"""Methods broken on purpose beside the zoo: what stops by itself, and what the bound shows."""

import pytest

from adpfl_bench.errors import BenchError
from adpfl_bench.privacy.privacy_engine import PrivacyEngine
from adpfl_bench.privacy.thresholds import PercentileThreshold
from adpfl_bench.privacy.unit_gradients import UnitGradients
from tests.callbacks.audits import audited as audited
from tests.callbacks.audits import failed, per_record
from tests.callbacks.broken_sums import broken_sum


def test_a_threshold_from_raw_data_says_that_nothing_is_accounted(audited):
    result, _ = audited(per_record(2.0, threshold=PercentileThreshold()), canaries=20)
    assert result.accounted is None
    assert result.checks["threshold"].passed is None
    assert "raw percentile of private gradient norms" in result.checks["threshold"].reason


class SkipsEmpty(PrivacyEngine):
    """Makes no release where nobody was drawn."""

    def release(self, batch, optimizer, see=None):
        if len(batch.image):
            super().release(batch, optimizer, see)
        else:
            self._clipping.take()


def test_a_skipped_empty_batch_stops_the_run(audited, toy_data):
    privacy = per_record(sampling="poisson")
    privacy.engine.__class__ = SkipsEmpty
    with pytest.raises(BenchError, match="released nothing"):
        audited(privacy, data=toy_data({"alps": 12, "cape": 3}, batch_size=1))


def test_the_sum_that_is_broken_below_is_right_unless_it_is(audited, monkeypatch):
    monkeypatch.setattr(UnitGradients, "clipped_sum", broken_sum(lambda norms, factors: factors))
    result, _ = audited(per_record(4.0), canaries=20)
    assert failed(result) == []


def test_a_unit_left_unclipped(audited, toy_data, monkeypatch):
    """The last of every batch, as by a wrong index."""

    def factor(norms, factors):
        factors[-1] = 1.0
        return factors

    monkeypatch.setattr(UnitGradients, "clipped_sum", broken_sum(factor))
    result, _ = audited(per_record(4.2), canaries=100, data=toy_data({"alps": 12, "cape": 3}, batch_size=2))
    assert failed(result) == ["sensitivity"]
    assert result.checks["sensitivity"].figures["largest_move"] > 10
    assert result.accounted == pytest.approx(0.844, abs=1e-3)
    assert result.epsilon > result.accounted
    assert result.verdict == "audited exceeds accounted"
