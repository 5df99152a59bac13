import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adpfl_bench.data.case import Case
from adpfl_bench.data.partitioning.partition import (
    DirichletPartition,
    FilePartition,
    IIDPartition,
    NaturalPartition,
    SizesPartition,
)
from adpfl_bench.data.partitioning.partition_file import write_partition
from adpfl_bench.data.partitioning.patients import apportion, group_by_patient
from adpfl_bench.data.partitioning.split import Split, make_clients
from adpfl_bench.errors import ConfigError, DataError


def make_cases(images_of_patients, sites=None):
    """Make cases: the number of images of each patient, and the patients' sites."""
    return [
        Case(f"c{patient:03d}-{image}", f"p{patient:03d}", (), None, site=sites[patient] if sites else None)
        for patient, images in enumerate(images_of_patients)
        for image in range(images)
    ]


def patients_of(cases):
    return {case.patient_id for case in cases}


def patient_counts(clients):
    return {name: len(patients_of(cases)) for name, cases in clients.items()}


seeds = st.integers(0, 2**32)
cohorts = st.lists(st.integers(1, 4), min_size=12, max_size=40).map(make_cases)
partitions = st.one_of(
    st.builds(IIDPartition, st.integers(1, 6)),
    st.builds(DirichletPartition, st.integers(1, 4), st.floats(1e-3, 1e3), st.integers(1, 3)),
    st.builds(SizesPartition, st.lists(st.integers(1, 500), min_size=1, max_size=6).map(tuple)),
)


@st.composite
def cohorts_with_sites(draw):
    """Draw cases of patients who may have been at several sites."""
    cases = draw(cohorts)
    return [Case(c.case_id, c.patient_id, (), None, site=draw(st.sampled_from(["a", "b", "c"]))) for c in cases]


def check_partition(clients, cases):
    """Each case is in one client, and so is each patient."""
    assert sorted(case.case_id for theirs in clients.values() for case in theirs) == sorted(c.case_id for c in cases)
    owners = Counter(patient for theirs in clients.values() for patient in patients_of(theirs))
    assert set(owners.values()) == {1}
    assert list(clients) == sorted(clients)


@settings(deadline=None)
@given(cohorts, partitions, seeds)
def test_every_case_and_patient_is_in_one_client_whatever_the_order(cases, partition, seed):
    clients = partition.assign(cases, seed)
    check_partition(clients, cases)
    shuffled = random.Random(0).sample(cases, len(cases))
    assert partition.assign(shuffled, seed) == clients


@settings(deadline=None)
@given(cohorts_with_sites(), st.integers(0, 12))
def test_natural_clients_are_the_sites_with_small_ones_pooled(cases, min_patients):
    clients = NaturalPartition(min_patients).assign(cases, seed=0)
    check_partition(clients, cases)
    assert min(patient_counts(clients).values()) >= min_patients
    for name, theirs in clients.items():
        if name != "other":
            for patient in patients_of(theirs):
                sites = Counter(case.site for case in cases if case.patient_id == patient)
                assert sites[name] == max(sites.values())


def test_natural_clients_bear_the_names_of_the_sites():
    cases = make_cases([1] * 7, sites=["b", "a", "b", "b", "c", "b", "a"])
    assert patient_counts(NaturalPartition().assign(cases, 0)) == {"a": 2, "b": 4, "c": 1}
    assert patient_counts(NaturalPartition(2).assign(cases, 0)) == {"b": 4, "other": 3}
    assert patient_counts(NaturalPartition(1).assign(cases, 0)) == {"a": 2, "b": 4, "c": 1}


def test_a_natural_partition_needs_sites():
    with pytest.raises(ConfigError, match=r"5 cases of 5 have none \(c000-0, c000-1, c001-0 and 2 more\).*IID"):
        NaturalPartition().assign(make_cases([2, 3]), 0)


def test_a_natural_partition_cannot_ask_for_more_patients_than_there_are():
    with pytest.raises(ConfigError, match=r"min_patients=4 asks for more .* 3; lower it"):
        NaturalPartition(4).assign(make_cases([1] * 3, sites="aab"), 0)


def test_iid_clients_are_of_equal_size_and_their_names_sort():
    counts = patient_counts(IIDPartition(10).assign(make_cases([1] * 43), 0))
    assert list(counts) == [f"client-{i:02d}" for i in range(1, 11)]
    assert sorted(counts.values()) == [4] * 7 + [5] * 3


def test_seeds_draw_different_patients():
    cases = make_cases([1] * 40)
    drawn = [frozenset(patients_of(IIDPartition(2).assign(cases, seed)["client-1"])) for seed in range(5)]
    assert len(set(drawn)) == 5


def test_sizes_are_exact_where_they_can_be_and_proportional_elsewhere():
    partition = SizesPartition((380, 270, 190, 120))
    assert list(patient_counts(partition.assign(make_cases([1] * 960), 0)).values()) == [380, 270, 190, 120]
    assert list(patient_counts(partition.assign(make_cases([2] * 96), 0)).values()) == [38, 27, 19, 12]
    assert list(patient_counts(SizesPartition((1000, 1)).assign(make_cases([1] * 9), 0)).values()) == [8, 1]


def test_dirichlet_sizes_follow_the_distribution():
    """The variance of one share of a symmetric Dirichlet distribution is (1/K)(1 - 1/K) / (K alpha + 1)."""
    cases, clients = make_cases([1] * 1000), 4
    for alpha in (0.5, 5.0):
        shares = [
            count / 1000
            for seed in range(150)
            for count in patient_counts(DirichletPartition(clients, alpha).assign(cases, seed)).values()
        ]
        variance = (1 / clients) * (1 - 1 / clients) / (clients * alpha + 1)
        assert np.var(shares) == pytest.approx(variance, rel=0.2)


@settings(deadline=None)
@given(st.integers(30, 60), st.floats(1e-3, 1.0), st.integers(1, 6), seeds)
def test_dirichlet_clients_have_their_minimum(patients, alpha, min_patients, seed):
    counts = patient_counts(DirichletPartition(5, alpha, min_patients).assign(make_cases([1] * patients), seed))
    assert min(counts.values()) >= min_patients


@settings(deadline=None)
@given(st.integers(0, 300), st.lists(st.floats(0, 100), min_size=1, max_size=8).filter(lambda s: sum(s) > 1e-3))
def test_apportioning_gives_each_share_its_quota_to_within_one(total, shares):
    counts = apportion(total, shares)
    assert sum(counts) == total
    for count, share in zip(counts, shares, strict=True):
        assert abs(count - total * share / sum(shares)) < 1 + 1e-9


def test_patients_and_their_cases_are_grouped_in_one_order():
    cases = make_cases([2, 1, 3])
    grouped = group_by_patient(cases[::-1])
    assert list(grouped.items()) == [("p000", cases[:2]), ("p001", cases[2:3]), ("p002", cases[3:])]


def test_too_few_patients_for_the_clients():
    with pytest.raises(ConfigError, match=r"6 clients of at least 1 patient.* need 6 patients, but the dataset has 5"):
        IIDPartition(6).assign(make_cases([3] * 5), 0)
    with pytest.raises(ConfigError, match=r"2 clients of at least 3 patient.* need 6 patients, but the dataset has 5"):
        DirichletPartition(2, 0.5, min_patients=3).assign(make_cases([3] * 5), 0)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: IIDPartition(0), "clients .* found 0"),
        (lambda: DirichletPartition(3, 0.0), "alpha .* found 0"),
        (lambda: DirichletPartition(3, float("nan")), "alpha .* found nan"),
        (lambda: DirichletPartition(3, 1.0, 0), "min_patients .* found 0"),
        (lambda: SizesPartition(()), "at least one client"),
        (lambda: SizesPartition((3, -1)), "sizes .* found -1"),
        (lambda: NaturalPartition(-1), "min_patients .* found -1"),
        (lambda: Split(validation=-0.1), r"validation fraction .* found -0\.1"),
        (lambda: Split(test=1.0), r"test fraction .* found 1\.0"),
        (lambda: Split(0.5, 0.5), r"leave patients to train on; found 0\.5 \+ 0\.5"),
    ],
)
def test_impossible_settings(make, sentence):
    with pytest.raises(ConfigError, match=sentence):
        make()


def test_the_same_case_twice():
    with pytest.raises(DataError, match="there twice: c000-0"):
        IIDPartition(1).assign(make_cases([1, 1]) + make_cases([1]), 0)


@settings(deadline=None)
@given(cohorts, partitions, seeds, st.sampled_from([(0.1, 0.2), (0.0, 0.3), (0.25, 0.0), (0.01, 0.01), (0.49, 0.5)]))
def test_splits_are_by_patient_and_each_client_has_all_of_them(cases, partition, seed, fractions):
    validation, test = fractions
    clients = make_clients(cases, partition, Split(validation, test), seed)
    assert [client.name for client in clients] == sorted(client.name for client in clients)
    assert sorted(case.case_id for client in clients for case in client.cases) == sorted(c.case_id for c in cases)
    for client in clients:
        splits = [patients_of(client.train), patients_of(client.validation), patients_of(client.test)]
        total = len(set().union(*splits))
        assert sum(map(len, splits)) == total
        assert splits[0]
        for theirs, fraction in zip(splits[1:], fractions, strict=True):
            if fraction == 0:
                assert not theirs
            elif total >= 3:
                assert theirs
                assert len(theirs) < 1 + max(1, fraction * total)
    assert make_clients(random.Random(1).sample(cases, len(cases)), partition, Split(validation, test), seed) == clients


def test_fractions_count_patients():
    (client,) = make_clients(make_cases([1, 9] * 50), IIDPartition(1), Split(0.1, 0.2), 0)
    assert [len(patients_of(s)) for s in (client.train, client.validation, client.test)] == [70, 10, 20]


def test_a_client_splits_alike_whoever_else_takes_part():
    cases = make_cases([2] * 20, sites="ab" * 10)
    both = make_clients(cases, NaturalPartition(), Split(), 3)
    (alone,) = make_clients([case for case in cases if case.site == "b"], NaturalPartition(), Split(), 3)
    assert alone == both[1]
    assert alone.test != Split().divide("b", [case for case in cases if case.site == "b"], seed=4).test


def test_clients_of_equal_size_draw_independently():
    cases = make_cases([1] * 40)
    assert Split().divide("a", cases, seed=0).test != Split().divide("b", cases, seed=0).test


@pytest.mark.parametrize(("patients", "sizes"), [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1))])
def test_few_patients_train_first_then_test_then_validate(patients, sizes):
    client = Split(0.1, 0.2).divide("small", make_cases([1] * patients), 0)
    assert (len(client.train), len(client.validation), len(client.test)) == sizes


def test_a_client_without_training_cases_is_named(tmp_path):
    cases = make_cases([1] * 4)
    file = tmp_path / "partition.csv"
    file.write_text("case,patient,client,split\nc000-0,p000,north,train\nc001-0,p001,south,test\n")
    with pytest.raises(ConfigError, match=r"client south has no training cases \(validation 0, test 1\)"):
        make_clients(cases, FilePartition(file), Split(), 0)


def test_no_cases():
    with pytest.raises(ConfigError, match="no cases to divide"):
        make_clients([], IIDPartition(1), Split(), 0)


def test_a_file_partition_takes_clients_and_splits_from_the_file(tmp_path):
    cases = make_cases([1, 2, 3] * 6)
    clients = make_clients(cases, DirichletPartition(3, 1.0, 3), Split(0.2, 0.2), 5)
    write_partition(tmp_path / "partition.csv", clients)
    partition = FilePartition(tmp_path / "partition.csv")
    assert make_clients(cases, partition, Split(0.4, 0.0), seed=99) == clients
    assert partition.assign(cases, 0) == DirichletPartition(3, 1.0, 3).assign(cases, 5)
