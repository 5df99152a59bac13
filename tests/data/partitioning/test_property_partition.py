"""Clients whose patients differ in a property."""

import random
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adpfl_bench.data.case import Case
from adpfl_bench.data.images.rgb_files import read_native_mask
from adpfl_bench.data.partitioning.partition import FilePartition, IIDPartition
from adpfl_bench.data.partitioning.partition_file import write_partition
from adpfl_bench.data.partitioning.property_partition import PropertyPartition, ShardPartition
from adpfl_bench.datasets.ham10000 import HAM10000DataModule
from adpfl_bench.datasets.isic import ISICDataModule
from adpfl_bench.errors import ConfigError, DataError


def cohort(values, by="age", images=(1,)):
    """Patients with these values, and as many cases each as ``images`` says in turn."""
    return [
        Case(f"c{patient:03d}-{image}", f"p{patient:03d}", (), None, metadata={by: str(value)})
        for patient, value in enumerate(values)
        for image in range(images[patient % len(images)])
    ]


def patients_of(cases):
    return {case.patient_id for case in cases}


numbers = st.lists(st.integers(0, 90) | st.floats(0, 1), min_size=12, max_size=60)
words = st.lists(st.sampled_from(["nevus", "melanoma", "other"]), min_size=12, max_size=60)
partitions = st.one_of(
    st.builds(
        PropertyPartition,
        st.integers(1, 4),
        st.just("age"),
        st.floats(1e-2, 1e3),
        bins=st.integers(1, 8),
        min_patients=st.integers(1, 3),
    ),
    st.builds(ShardPartition, st.integers(1, 6), st.just("age"), shards_per_client=st.integers(1, 2)),
)


@settings(deadline=None)
@given(numbers | words, partitions, st.integers(0, 2**32))
def test_every_case_and_patient_is_in_one_client_whatever_the_order(values, partition, seed):
    cases = cohort(values, images=(1, 3))
    clients = partition.assign(cases, seed)
    assert sorted(case.case_id for own in clients.values() for case in own) == [case.case_id for case in cases]
    owners = Counter(patient for own in clients.values() for patient in patients_of(own))
    assert set(owners.values()) == {1}
    assert list(clients) == [f"client-{i + 1}" for i in range(partition.clients)]
    assert min(len(patients_of(own)) for own in clients.values()) >= getattr(partition, "min_patients", 1)
    assert partition.assign(random.Random(seed).sample(cases, len(cases)), seed) == clients


def test_seeds_draw_different_clients():
    cases = cohort(range(60))
    for partition in (PropertyPartition(4, "age"), ShardPartition(4, "age")):
        drawn = {frozenset(patients_of(partition.assign(cases, seed)["client-1"])) for seed in range(5)}
        assert len(drawn) == 5


def bin_counts(clients, size):
    """Number of each client's patients in each bin of consecutive ages, [clients, bins]."""
    ages = [[int(case.metadata["age"]) for case in own] for own in clients.values()]
    return np.array([np.bincount(np.array(own) // size, minlength=5) for own in ages])


def test_shares_of_a_bin_follow_the_dirichlet_distribution():
    """The variance of one share of a symmetric Dirichlet distribution is (1/K)(1 - 1/K) / (K alpha + 1)."""
    cases, clients = cohort(random.Random(0).sample(range(1000), 1000)), 4
    for alpha in (0.5, 5.0):
        shares = [bin_counts(PropertyPartition(clients, "age", alpha).assign(cases, s), 200) / 200 for s in range(60)]
        assert np.mean(shares) == pytest.approx(1 / clients)
        variance = (1 / clients) * (1 - 1 / clients) / (clients * alpha + 1)
        assert np.var(shares) == pytest.approx(variance, rel=0.15)
        first, second = np.array(shares)[:, 0, 0], np.array(shares)[:, 0, 1]
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.4  # each bin is drawn by itself


def spread(clients):
    """How far apart the clients' mean ages are."""
    return np.std([np.mean([float(case.metadata["age"]) for case in own]) for own in clients.values()])


def test_the_smaller_alpha_the_more_skewed_are_the_clients():
    cases = cohort(range(300))
    skews = [
        np.mean([spread(PropertyPartition(4, "age", alpha).assign(cases, seed)) for seed in range(30)])
        for alpha in (0.05, 0.5, 5.0, 500.0)
    ]
    assert skews == sorted(skews, reverse=True)
    assert skews[0] > 5 * skews[-1]
    iid = np.mean([spread(IIDPartition(4).assign(cases, seed)) for seed in range(30)])
    assert skews[-1] < 2 * iid


def test_categories_are_bins_as_they_are():
    cases = cohort(["nevus"] * 90 + ["melanoma"] * 10, by="dx")
    clients = PropertyPartition(2, "dx", alpha=1e-3).assign(cases, 1)
    owners = defaultdict(set)
    for name, own in clients.items():
        for case in own:
            owners[case.metadata["dx"]].add(name)
    # Such an alpha gives a bin to one client, but for the one patient that the other is owed.
    assert sorted(len(names) for names in owners.values()) in ([1, 1], [1, 2])


def test_numbers_written_as_words_are_compared_as_numbers():
    cases = cohort(["9", "10.0", "100", "1e3"] * 5)
    clients = ShardPartition(4, "age", shards_per_client=1).assign(cases, 0)
    found = {frozenset(float(case.metadata["age"]) for case in own) for own in clients.values()}
    assert found == {frozenset({value}) for value in (9.0, 10.0, 100.0, 1000.0)}


def test_shards_are_ranges_of_equal_size():
    cases = cohort(random.Random(1).sample(range(120), 120))
    partition = ShardPartition(5, "age", shards_per_client=3)
    clients = partition.assign(cases, 3)
    shards = Counter()
    for own in clients.values():
        counts = np.bincount([int(case.metadata["age"]) // 8 for case in own], minlength=15)
        assert sorted(counts[counts > 0]) == [8, 8, 8]
        shards.update(np.flatnonzero(counts).tolist())
    assert shards == dict.fromkeys(range(15), 1)


def test_a_patient_is_placed_by_the_mean_over_its_cases():
    def case(name, patient, age):
        return Case(name, patient, (), None, metadata={"age": age})

    cases = [case("a", "p", "0"), case("b", "p", "100"), case("c", "q", "40"), case("d", "r", "60"), case("e", "r", "")]
    clients = ShardPartition(3, "age", 1).assign(cases, 0)
    order = sorted(clients.values(), key=lambda own: {"q": 0, "p": 1, "r": 2}[own[0].patient_id])
    assert [patients_of(own) for own in order] == [{"q"}, {"p"}, {"r"}]
    halves = ShardPartition(2, "age", 1).assign([*cases, case("f", "s", "55")], 0)
    assert {frozenset(patients_of(own)) for own in halves.values()} == {frozenset("qp"), frozenset("sr")}


def test_patients_of_equal_value_come_in_no_order_of_their_ids():
    cases = cohort([50] * 60)
    clients = ShardPartition(2, "age", 1).assign(cases, 0)
    first = sorted(int(patient[1:]) for patient in patients_of(clients["client-1"]))
    assert first not in (list(range(30)), list(range(30, 60)))


@pytest.mark.parametrize(
    "partition", [PropertyPartition(2, "age", keep_unstated=True), ShardPartition(2, "age", 1, True)]
)
def test_patients_without_a_value_are_kept_where_asked_for(partition):
    cases = cohort([*range(20), "", "NaN", "n/a", " "])
    clients = partition.assign(cases, 0)
    assert len({patient for own in clients.values() for patient in patients_of(own)}) == 24
    if isinstance(partition, ShardPartition):
        assert {frozenset(patients_of(own)) for own in clients.values()} == {
            frozenset(f"p{i:03d}" for i in range(12)),
            frozenset(f"p{i:03d}" for i in range(12, 24)),
        }


@pytest.mark.parametrize("keep", [False, True])
def test_an_unknown_property_names_what_there_is(keep):
    cases = [
        Case(c.case_id, c.patient_id, (), None, metadata={"age": "", "sex": "f", "dx": "nv"}) for c in cohort("ab")
    ]
    with pytest.raises(ConfigError, match=r"by grade, which the cases .* possible are dx, sex, lesion_size \(which is"):
        PropertyPartition(2, "grade", keep_unstated=keep).assign(cases, 0)
    with pytest.raises(ConfigError, match="possible are lesion_size"):
        ShardPartition(2, "grade", keep_unstated=keep).assign(
            [Case(c.case_id, c.patient_id, (), None) for c in cohort("abcd")], 0
        )


def test_missing_values_are_refused_with_who_lacks_them():
    with pytest.raises(ConfigError, match=r"by age, which 2 patients of 14 do not state \(p003, p013\); keep_unstated"):
        PropertyPartition(2, "age").assign(cohort([*"123", "", *"456789012", "nan"]), 0)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: PropertyPartition(0, "age"), "clients of a partition must be a positive number; found 0"),
        (lambda: PropertyPartition(2, "age", alpha=0.0), "alpha of a partition must be a positive number"),
        (lambda: PropertyPartition(2, "age", bins=0), "bins of a partition must be a positive number"),
        (lambda: PropertyPartition(2, "age", min_patients=0), "min_patients of a partition must be"),
        (lambda: ShardPartition(2, "age", 0), "shards_per_client of a partition must be"),
        (
            lambda: PropertyPartition(3, "age", min_patients=5).assign(cohort(range(14)), 0),
            "need 15 patients, .* has 14",
        ),
        (lambda: ShardPartition(5, "age", 3).assign(cohort(range(14)), 0), "need at least 15 patients, .* has 14"),
    ],
)
def test_impossible_settings(make, sentence):
    with pytest.raises(ConfigError, match=sentence):
        make()


def test_lesions_are_measured_only_where_a_partition_asks(isic, monkeypatch):
    calls = []
    measure = ISICDataModule.lesion_size
    monkeypatch.setattr(ISICDataModule, "lesion_size", lambda self, case: calls.append(case) or measure(self, case))
    for partition in (IIDPartition(2), None, PropertyPartition(2, "lesion_size"), ShardPartition(2, "lesion_size")):
        calls.clear()
        data = ISICDataModule(isic, partition, test_fraction=0.0, validation_fraction=0.0)
        data.divide()
        assert len(calls) == (4 if getattr(partition, "by", "") else 0)


def test_unreadable_label_files_are_told_at_once(isic):
    masks = sorted((isic / "ISIC-2017_Training_Part1_GroundTruth").iterdir())
    for mask in masks[:2]:
        mask.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"2 cases of 4 cannot be used:\n.*\n.*"):
        ISICDataModule(isic, ShardPartition(2, "lesion_size", 1)).divide()


def test_a_partition_by_lesion_size_is_read_back_from_its_file(isic, tmp_path):
    data = ISICDataModule(isic, ShardPartition(2, "lesion_size", 1), test_fraction=0.5, validation_fraction=0.0)
    data.divide()
    write_partition(tmp_path / "partition.csv", data.clients)
    again = ISICDataModule(isic, FilePartition(tmp_path / "partition.csv"))
    again.divide()
    ids = [[[case.case_id for case in split] for split in (c.train, c.test)] for c in data.clients]
    assert [[[case.case_id for case in split] for split in (c.train, c.test)] for c in again.clients] == ids
    assert again.describe().fingerprint == data.describe().fingerprint


def test_columns_of_ham10000_divide_its_lesions(ham10000):
    lines = (ham10000 / "HAM10000_metadata").read_text().splitlines()
    lines = [line.replace(",nv,", ",mel,") if "HAM_0000003" in line else line for line in lines]
    (ham10000 / "HAM10000_metadata").write_text("\n".join(lines) + "\n")
    data = HAM10000DataModule(ham10000, ShardPartition(4, "dx", 1), test_fraction=0.0, validation_fraction=0.0)
    data.divide()
    assert sorted(case.metadata["dx"] for client in data.clients for case in client.train).count("mel") == 2
    assert [len(patients_of(client.train)) for client in data.clients] == [1, 1, 1, 1]


def test_real_lesions_are_sorted_by_size(real_data):
    data = ISICDataModule(
        real_data / "isic2017", ShardPartition(4, "lesion_size", 1), test_fraction=0.0, validation_fraction=0.0
    )
    data.divide()
    sizes = [[read_native_mask(case).mean() for case in client.train[:40]] for client in data.clients]
    ranges = sorted((min(own), max(own)) for own in sizes)
    assert all(below[1] <= above[0] for below, above in pairwise(ranges))
    assert sum(len(client.train) for client in data.clients) == 1200
    assert {len(client.train) for client in data.clients} == {300}
