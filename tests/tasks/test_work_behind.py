"""Cases are scored while the next are predicted: in order, no more than two at a time, and failures say whose."""

import threading

import numpy as np
import pytest
import torch

from adpfl_bench.data.evaluation.evaluation_batch import EvaluationCase, collate_cases
from adpfl_bench.metrics.registry import MaskMetric
from adpfl_bench.tasks import work_behind
from adpfl_bench.tasks.work_behind import MOST, WorkBehind

PATIENCE = 30


@pytest.fixture
def processors(monkeypatch):
    """Says how many processors there are."""

    def there_are(number):
        monkeypatch.setattr(work_behind, "count_processors", lambda: number)

    return there_are


def test_this_thread_goes_on_while_a_piece_is_done(processors):
    """The piece waits for what is only set after it was begun, as it could not if it were done on the spot."""
    processors(2)
    behind, predicted = WorkBehind(), threading.Event()
    assert behind.begin(lambda: predicted.wait(PATIENCE)) == []
    predicted.set()
    assert behind.finish() == [True]
    assert behind.finish() == []


@pytest.mark.parametrize("number", [2, 8])
def test_results_come_in_order_and_few_pieces_wait(processors, number):
    processors(number)
    behind, found, most = WorkBehind(), [], 0
    for index in range(20):
        found += behind.begin(lambda index=index: index)
        most = max(most, index + 1 - len(found))
    found += behind.finish()
    assert found == list(range(20))
    assert most == MOST == 2


def test_one_processor_does_pieces_on_the_spot(processors):
    processors(1)
    behind = WorkBehind()
    assert behind.begin(threading.current_thread) == [threading.current_thread()]


def test_after_an_error_nothing_is_left(processors):
    processors(2)
    behind, done = WorkBehind(), []
    behind.begin(lambda: 1 / 0)
    behind.begin(lambda: done.append(1))
    with pytest.raises(ZeroDivisionError):
        behind.finish()
    assert behind.finish() == []
    assert behind.begin(lambda: 5) == []
    assert behind.finish() == [5]


def test_what_is_dropped_is_not_begun(processors):
    processors(2)
    behind, go_on, done = WorkBehind(), threading.Event(), []
    behind.begin(lambda: go_on.wait(PATIENCE))
    behind.begin(lambda: done.append(1))
    behind.drop()
    go_on.set()
    assert behind.begin(lambda: 1) == []
    assert behind.finish() == [1]
    assert done == []


def batch(*labels, place=0):
    cases = [EvaluationCase(torch.zeros(1, 4, 4), label) for label in labels]
    names = [f"case{place}.{number}" for number in range(len(labels))]
    return collate_cases(cases, names, names, "bay", "test", place=place)


class FixedLogits(torch.nn.Module):
    def forward(self, image):
        return torch.ones(len(image), 1, 4, 4)


def scored(task, size):
    task.network = FixedLogits()
    generator = torch.Generator().manual_seed(1)
    for place in range(5):
        labels = [(torch.rand(1, 4, 4, generator=generator) > 0.5).to(torch.uint8) for _ in range(size)]
        masks = task.score(batch(*labels, place=place), complete=True)
        assert all(mask.all() for mask in masks)
    return task.scores


@pytest.mark.parametrize("size", [1, 3])
def test_scores_are_those_of_one_processor(toy_task, processors, size):
    found = []
    for number in (1, 2, 4):
        processors(number)
        found.append(scored(toy_task(), size))
    assert [row.case for row in found[0]] == [f"case{place}.{number}" for place in range(5) for number in range(size)]
    assert found[0] == found[1] == found[2]


def test_a_failure_names_its_case(toy_task, processors):
    """Also where a later batch is scored by then."""
    processors(2)
    task = toy_task()

    def refuse(masks):
        if not masks.target.any():
            raise ZeroDivisionError
        return float(np.mean(masks.target))

    task.metrics = (MaskMetric(name="odd", title="Odd", description="odd", function=refuse, one_empty=refuse),)
    task.network = FixedLogits()
    task.score(batch(torch.ones(1, 4, 4, dtype=torch.uint8), place=3), complete=True)
    task.score(batch(torch.zeros(1, 4, 4, dtype=torch.uint8), place=4), complete=True)
    with pytest.raises(ZeroDivisionError) as caught:
        assert task.scores
    assert caught.value.__notes__ == ["It was raised while case case4.0 was scored."]


def test_what_is_added_at_once_comes_behind_what_was_begun_before(toy_task, processors):
    processors(2)
    task = toy_task()
    task.network = FixedLogits()
    first, second = (batch(torch.ones(1, 4, 4, dtype=torch.uint8), place=place) for place in (1, 2))
    task.score(first, complete=True)
    task.add_score(second, 0, "lesion", {"dice": 0.5})
    assert [row.case for row in task.scores] == ["case1.0", "case2.0"]
