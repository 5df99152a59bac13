"""Who the clients are: the sites, as long as they leave a federation."""

import pytest

from adpfl_bench.data.case import Case
from adpfl_bench.errors import DataError
from adpfl_bench.planning.federation_choice import choose_federation


def cases(*sites: str | None) -> list[Case]:
    """Two cases of each patient, who are from these sites."""
    return [
        Case(f"p{number}-{scan}", f"p{number}", (), None, site) for number, site in enumerate(sites) for scan in (0, 1)
    ]


@pytest.mark.parametrize(
    ("sites", "partition", "clients"),
    [
        (["a"] * 5 + ["b"] * 4, {"min_patients": 3}, 2),
        (["a"] * 5 + ["b"] * 4 + ["c", "d", "e"], {"min_patients": 3}, 3),
        (["a", "a", "b", "b"], {"min_patients": 2}, 2),
        (["a", "b", "c"], {"min_patients": 1}, 3),
        (["a"] * 12, {"clients": 4}, 4),
        (["a"] * 11 + [None], {"clients": 4}, 4),
        ([None] * 7, {"clients": 2}, 2),
        ([None] * 3, {"clients": 1}, 1),
    ],
)
def test_sites_are_clients_and_otherwise_there_are_up_to_four(sites, partition, clients):
    found = choose_federation(cases(*sites), by_patient=True)
    assert (found.partition["init_args"], found.clients) == (partition, clients)
    kind = "Natural" if "min_patients" in partition else "IID"
    assert found.partition["class_path"] == f"adpfl_bench.{kind}Partition"


def test_the_smallest_client_is_counted_in_patients_or_in_cases():
    several = cases(*["a"] * 10, *["b"] * 5)
    assert choose_federation(several, by_patient=True).smallest == 3
    assert choose_federation(several, by_patient=False).smallest == 6


def test_too_few_patients_are_refused():
    with pytest.raises(DataError, match="There are 4 cases of 2 patients that can be read; a plan needs at least 3"):
        choose_federation(cases(None, None), by_patient=True)
