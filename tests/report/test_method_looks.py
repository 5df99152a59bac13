"""Looks of methods: the same wherever a method is drawn, and no two alike in one plot."""

from dataclasses import replace

import pytest

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.groups import MOST_SHOWN
from adpfl_bench.report.board import make_board
from adpfl_bench.report.method_looks import share_looks
from tests.leaderboard.records import private, write_rounds, write_run

DICE = {"a1": 0.8, "b": 0.6}


@pytest.fixture(scope="module")
def groups(tmp_path_factory):
    """Two tasks: the second lacks a method, has one of its own, and orders the private ones the other way round."""
    root = tmp_path_factory.mktemp("looks")
    methods = {"one": ("fedavg", "dp_fl", "adp_fl", "dp_sgd"), "two": ("local", "fedavg", "adp_fl", "dp_sgd")}
    for task, names in methods.items():
        for place, name in enumerate(names):
            level = 0.1 * place if task == "one" else -0.1 * place
            privacy = {} if name in ("fedavg", "local") else {"privacy": private(3.0)}
            run = write_run(root / task / name, name, {c: d + level / 4 for c, d in DICE.items()}, task=task, **privacy)
            write_rounds(run, thresholds=bool(privacy))
    found, *_ = compare_runs(find_runs([root]))
    return root, found


def test_a_method_looks_alike_in_all_groups_whatever_its_place(groups):
    one, two = share_looks(groups[1])
    assert one.places["adp_fl"] != two.places["adp_fl"]
    shared = set(one.places) & set(two.places)
    assert shared == {"fedavg", "adp_fl", "dp_sgd"}
    assert all(one.look(label) == two.look(label) for label in shared)
    looks = {label: group.look(label) for group in (one, two) for label in group.places}
    assert sorted(looks.values()) == list(range(5))


def test_all_figures_of_all_groups_have_the_methods_colour(groups):
    board = make_board([groups[0]], png=False)
    swatches = {}
    for illustrations in board.illustrations.values():
        for title in ("Rounds", "Privacy and utility", "Clients"):
            for plot in illustrations.sections[title].values():
                for entry in plot.key:
                    colour = entry.swatch.split("var(")[1].split(")")[0]
                    swatches.setdefault(entry.label, set()).add(colour)
    assert set(swatches) == {"fedavg", "local", "dp_fl", "adp_fl", "dp_sgd"}
    assert all(len(colours) == 1 for colours in swatches.values())
    assert len(set.union(*swatches.values())) == 5


def test_of_more_methods_than_looks_those_shown_together_differ(groups):
    first, second = groups[1]

    def renamed(group, start):
        variants = [
            replace(group.variants[0], label=f"m{start + n:03d}", method=f"m{start + n:03d}") for n in range(25)
        ]
        return replace(group, variants=tuple(variants))

    made = share_looks([renamed(first, 0), renamed(second, 10), renamed(first, 60)])
    for group in made:
        looks = [group.look(label) for label in group.places]
        assert len(set(looks)) == len(looks) == 25
        assert max(looks) < MOST_SHOWN + 10
    assert made[0].look("m012") == made[1].look("m012")
