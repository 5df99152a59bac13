"""Site files of FeTS and Fed-KiTS19."""

import logging
from collections import Counter
from pathlib import Path

import pytest

from adpfl_bench.data.case import Case
from adpfl_bench.data.partitioning.sites import read_sites, with_sites
from adpfl_bench.errors import DataError

FETS = "Partition_ID,Subject_ID\n1,FeTS2022_00000\n12,FeTS2022_00002\n1,FeTS2022_00003\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def case(case_id: str) -> Case:
    return Case(case_id, case_id, (Path(f"{case_id}.nii.gz"),), None)


@pytest.mark.parametrize(
    ("text", "sites"),
    [
        (FETS, {"FeTS2022_00000": "site-01", "FeTS2022_00002": "site-12", "FeTS2022_00003": "site-01"}),
        ("case,site_id\ncase_00000,13\ncase_00001,7\n", {"case_00000": "site-13", "case_00001": "site-07"}),
        (
            "case_ids,site_ids,train_test_split,train_test_split_silo\ncase_00021,0,train,train_0\n",
            {"case_00021": "site-0"},
        ),
        ("case,site_id\na,Boston\nb,3\n", {"a": "Boston", "b": "site-3"}),
    ],
)
def test_published_formats_are_recognised_by_their_header(tmp_path, text, sites):
    assert read_sites(write(tmp_path / "sites.csv", text)) == sites


def test_numbered_sites_sort_by_number(tmp_path):
    rows = "".join(f"case_{number:05d},{number}\n" for number in range(101))
    sites = read_sites(write(tmp_path / "sites.csv", f"case,site_id\n{rows}"))
    assert sorted(set(sites.values())) == [f"site-{number:03d}" for number in range(101)]


def test_two_sites_for_a_case_are_told_with_their_lines(tmp_path):
    path = write(tmp_path / "sites.csv", "case,site_id\na,1\nb,2\na,1\n\na,3\n")
    with pytest.raises(DataError, match=r"sites.csv, lines 2 and 6: the case a is from the sites 1 and 3; keep one"):
        read_sites(path)


def test_the_same_site_twice_is_no_contradiction(tmp_path):
    assert read_sites(write(tmp_path / "sites.csv", "case,site_id\na,1\na,1\n")) == {"a": "site-1"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "subject,hospital\na,1\n",
            r"has the columns hospital, subject; expected Subject_ID and Partition_ID \(FeTS\)",
        ),
        ("case,site_id\n", "has no rows; expected"),
        ("", "is empty"),
        ("case,site_id\na,\n", "line 2: the column site_id is empty; fill it in"),
        ("case,site_id\na\n", "line 2: 1 fields where the header has 2"),
    ],
)
def test_other_files_are_refused(tmp_path, text, sentence):
    with pytest.raises(DataError, match=sentence):
        read_sites(write(tmp_path / "sites.csv", text))


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"site file .*nowhere\.csv does not exist"):
        read_sites(tmp_path / "nowhere.csv")


def test_cases_get_their_sites_and_others_are_left_out(tmp_path, caplog):
    path = write(tmp_path / "sites.csv", FETS)
    cases = [case(f"FeTS2022_0000{number}") for number in (0, 1, 2, 4)]
    with caplog.at_level(logging.INFO):
        named = with_sites(cases, path)
    assert [(case.case_id, case.site) for case in named] == [
        ("FeTS2022_00000", "site-01"),
        ("FeTS2022_00002", "site-12"),
    ]
    assert [case.site for case in cases] == [None] * 4
    assert "names 2 of 4 cases; the others are left out" in caplog.text


def test_nothing_is_logged_when_all_are_named(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        with_sites([case("FeTS2022_00000")], write(tmp_path / "sites.csv", FETS))
    assert caplog.text == ""


def test_the_file_of_another_dataset_is_refused_with_ids_of_both(tmp_path):
    path = write(tmp_path / "sites.csv", FETS)
    with pytest.raises(
        DataError, match=r"none of the dataset's 1 case: it has FeTS2022_00000.*has case_00000; use its own"
    ):
        with_sites([case("case_00000")], path)


def test_real_site_files(real_data):
    folder = real_data / "partitions"
    all_sites = read_sites(folder / "FLamby_fed_kits19_anony_sites.csv")
    large = read_sites(folder / "FLamby_fed_kits19_thresholded_sites.csv")
    fets = read_sites(folder / "FeTS2022_partitioning_1.csv")
    assert (len(all_sites), len(large), len(set(large.values()))) == (300, 96, 6)
    sizes = Counter(fets.values())
    assert (len(fets), len(sizes), sizes.most_common(2), min(sizes.values())) == (
        1251,
        23,
        [("site-01", 511), ("site-18", 382)],
        4,
    )
    assert len(set(read_sites(folder / "FeTS2022_partitioning_2.csv").values())) == 33


def test_real_sites_of_real_cases(real_data):
    folders = sorted((real_data / "kits19_labels" / "data").glob("case_*"))
    cases = with_sites(
        [case(folder.name) for folder in folders], real_data / "partitions/FLamby_fed_kits19_anony_sites.csv"
    )
    assert len(cases) == 24
    assert all(case.site is not None and case.site.startswith("site-") for case in cases)
