"""The tree over a dataset's files: its root, its cases, and what differs between two of them."""

import hashlib
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.errors import RecordError
from adpfl_bench.records.file_digests import FileDigest, case_digests, contents_difference, contents_root
from adpfl_bench.records.run_directory import RunDirectory

# No file name holds a zero, which csv writes from Python 3.11 on only.
names = st.text(
    st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=8
) | st.sampled_from(["caf\udce9.png", "a\nb", 'a"b', "a,b", " ", "ä"])
rows = st.builds(FileDigest, names, names, st.integers(0, 2**50), st.binary(min_size=32, max_size=32).map(bytes.hex))
datasets = st.lists(rows, min_size=1, max_size=8, unique_by=lambda row: (row.case, row.file))


@dataclass
class PlainTree:
    """The tree once more, over bytes in place of digests, as its docstring states it."""

    files: dict[str, dict[str, bytes]]

    def root(self) -> str:
        def text(name: str) -> bytes:
            raw = name.encode("utf-8", "surrogateescape")
            return len(raw).to_bytes(8, "big") + raw

        cases = b""
        for case in sorted(self.files, key=lambda name: name.encode("utf-8", "surrogateescape")):
            leaves = sorted(
                hashlib.sha256(b"\x00" + text(file) + hashlib.sha256(content).digest()).digest()
                for file, content in self.files[case].items()
            )
            cases += hashlib.sha256(b"\x01" + text(case) + b"".join(leaves)).digest()
        return hashlib.sha256(b"\x02" + text("sha256-tree-1") + cases).hexdigest()


@given(files=st.dictionaries(names, st.dictionaries(names, st.binary(max_size=9), min_size=1), min_size=1, max_size=4))
def test_the_root_is_that_of_the_stated_tree(files):
    leaves = [
        FileDigest(case, file, len(content), hashlib.sha256(content).hexdigest())
        for case, own in files.items()
        for file, content in own.items()
    ]
    assert contents_root(leaves) == PlainTree(files).root()


@given(dataset=datasets, data=st.data())
def test_it_depends_on_no_order(dataset, data):
    other = data.draw(st.permutations(dataset))
    assert contents_root(other) == contents_root(dataset)
    assert case_digests(other) == case_digests(dataset)
    assert contents_difference(dataset, other) == ""


@given(dataset=datasets, data=st.data())
def test_one_bit_anywhere_changes_the_root_and_the_digest_of_its_case_alone(dataset, data):
    at, bit = data.draw(st.integers(0, len(dataset) - 1)), data.draw(st.integers(0, 255))
    old = dataset[at]
    changed = f"{int(old.sha256, 16) ^ (1 << bit):064x}"
    other = [*dataset[:at], old._replace(sha256=changed), *dataset[at + 1 :]]
    assert contents_root(other) != contents_root(dataset)
    before, now = case_digests(dataset), case_digests(other)
    assert {case for case in before if before[case] != now[case]} == {old.case}
    assert contents_difference(dataset, other) == f"{old.file} of the case {old.case} has another content"


@given(one=datasets, other=datasets)
def test_other_files_have_another_root(one, other):
    same = {row._replace(size=0) for row in one} == {row._replace(size=0) for row in other}
    assert (contents_root(one) == contents_root(other)) == same
    assert (contents_difference(one, other) == "") == same


@given(dataset=datasets, data=st.data())
def test_renaming_moving_and_dropping_change_it(dataset, data):
    at = data.draw(st.integers(0, len(dataset) - 1))
    row, others = dataset[at], [*dataset[:at], *dataset[at + 1 :]]
    root = contents_root(dataset)
    assert contents_root(others) != root
    assert contents_root([*others, row._replace(file=row.file + "x")]) != root
    assert contents_root([*others, row._replace(case=row.case + "x")]) != root


def test_nothing_has_no_root():
    assert (contents_root([]), case_digests([]), contents_difference([], [])) == ("", {}, "")


def leaf(file, content="1", case="b"):
    return FileDigest(case, file, 1, content * 64)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ([leaf("2"), leaf("3")], "1 of the case b is missing"),
        ([leaf("1"), leaf("2"), leaf("3"), leaf("0")], "0 of the case b was added"),
        ([leaf("0"), leaf("2"), leaf("3", "2")], "3 of the case b has another content, as one of 3 files that differ"),
        ([leaf("1", case="a"), leaf("2"), leaf("3")], "1 of the case b is missing, as one of 2 files that differ"),
    ],
)
def test_the_first_difference_is_named(now, said):
    assert contents_difference([leaf("1"), leaf("2"), leaf("3")], now) == said


@given(dataset=datasets)
def test_the_files_round_trip_through_data_csv(tmp_path_factory, dataset):
    directory = RunDirectory(tmp_path_factory.mktemp("run"))
    directory.write_data(dataset)
    assert directory.read_data() == dataset
    directory.write_data([])
    assert not directory.data_file.exists()


HEADER = "case,file,size,sha256\n"


@pytest.mark.parametrize(
    "text", ["", "case,file\n", f"{HEADER}a,b,many,{'0' * 64}\n", f"{HEADER}a,b,1,xyz\n", f"{HEADER}a\n", f'{HEADER}"a']
)
def test_a_table_of_files_that_is_none_is_told(tmp_path, text):
    (tmp_path / "data.csv").write_text(text)
    with pytest.raises(RecordError, match=r"data\.csv cannot be read as a table of files"):
        RunDirectory(tmp_path).read_data()
