"""Cases chosen by their scores, against sorting all of them."""

import random

from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.callbacks.case_pool import SAMPLE, CasePool

SCORES = st.lists(st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.9, 1.0]) | st.floats(0, 1), max_size=SAMPLE)


def chosen(scores, sample=SAMPLE, order=None):
    pool, drawn = CasePool(sample), []
    for number in order or range(len(scores)):
        case = f"case-{number:04d}"
        pool.offer(case, scores[number], lambda case=case: drawn.append(case) or case)
    return pool.chosen(), drawn


@given(SCORES)
def test_of_no_more_cases_than_the_sample_holds_all_three_are_exact(scores):
    found, _ = chosen(scores)
    ranked = sorted((score, f"case-{number:04d}") for number, score in enumerate(scores))
    if not scores:
        assert found == {}
        return
    best = min(ranked, key=lambda item: (-item[0], item[1]))[1]
    worst = ranked[0][1]
    if best == worst and len(scores) > 1:  # all equal: the first by id is both
        assert set(found) == {"best", "median"}
    assert found["best"] == best
    assert found.get("worst", best) == worst
    assert len(set(found.values())) == len(found) == min(len(scores), 3 if best != worst else 2)
    if "median" in found:
        middle = ranked[(len(ranked) - 1) // 2][0]
        others = [item for item in ranked if item[1] not in (best, worst)]
        nearest = min(abs(score - middle) for score, _ in others)
        assert nearest == min(abs(score - middle) for score, case in others if case == found["median"])


def test_of_many_cases_the_ends_are_exact_and_the_median_is_near():
    noise = random.Random(0)
    scores = [noise.random() for _ in range(1000)]
    found, drawn = chosen(scores)
    by_case = {f"case-{number:04d}": score for number, score in enumerate(scores)}
    assert (by_case[found["best"]], by_case[found["worst"]]) == (max(scores), min(scores))
    assert 0.4 < sorted(scores).index(by_case[found["median"]]) / 1000 < 0.6
    assert len(drawn) < 250  # most are never drawn


def test_the_order_in_which_cases_come_does_not_matter():
    noise = random.Random(1)
    scores = [round(noise.random(), 2) for _ in range(300)]
    orders = [list(range(300)), list(range(300))[::-1], noise.sample(range(300), 300)]
    assert len({str(chosen(scores, order=order)[0]) for order in orders}) == 1


def test_a_median_that_is_the_best_or_the_worst_gives_way_to_the_next():
    found, _ = chosen([0.5, 0.5, 0.5, 0.1])
    assert found == {"best": "case-0000", "median": "case-0001", "worst": "case-0003"}
