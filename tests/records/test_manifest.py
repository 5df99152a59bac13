"""Manifests of published files: as sha256sum writes and checks them, and signed by minisign."""

import os
import subprocess
from pathlib import Path

import minisign
import pytest

from adpfl_bench.cli import main
from adpfl_bench.errors import RecordError
from adpfl_bench.records.manifest import NAME, SIGNATURE, check_manifest, check_signature, write_manifest

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "published"
    for name in ("run/run.json", "run/cases.csv", "a b.md", "é.txt", "run/.hidden", ".cache/x"):
        path = found / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert write_manifest(found) == 4
    return found


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A pair of keys, and the file of the public one."""
    pair = minisign.KeyPair.generate()
    path = tmp_path_factory.mktemp("keys") / "minisign.pub"
    path.write_bytes(bytes(pair.public_key))
    return pair, path


def sign(folder, pair):
    signature = pair.secret_key.sign((folder / NAME).read_bytes(), trusted_comment="results of today")
    (folder / SIGNATURE).write_bytes(bytes(signature))


def test_sha256sum_reads_it(folder):
    assert [line.split("  ")[1] for line in (folder / NAME).read_text().splitlines()] == [
        "a b.md",
        "run/cases.csv",
        "run/run.json",
        "é.txt",
    ]
    command = ["sha256sum", "--quiet", "--strict", "--check", NAME]
    assert subprocess.run(command, cwd=folder, check=False).returncode == 0
    (folder / "run/run.json").write_text("another")
    assert subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 1


def test_what_is_changed_missing_or_new_is_named(folder, capsys):
    assert list(check_manifest(folder)) == []
    assert main(["manifest", str(folder), "--check"]) == 0
    assert capsys.readouterr().out == f"{folder}: 4 files as published\n"
    (folder / "run/run.json").write_text("another")
    (folder / "a b.md").unlink()
    (folder / "new.csv").write_text("")
    assert main(["manifest", str(folder), "--check"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}/a b.md is missing",
        f"{folder}/run/run.json is not the file that was published",
        f"{folder}/new.csv is not in {NAME}",
    ]


def test_a_manifest_is_written_by_the_command_and_the_same_again(folder, capsys):
    before = (folder / NAME).read_bytes()
    assert main(["manifest", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / NAME}: 4 files\n"
    assert (folder / NAME).read_bytes() == before


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "adpfl-bench manifest .* writes one"),
        (b"\xff", "cannot be read"),
        (b"abc  run.json\n", "line 1: expected a SHA-256 and a path"),
        (b"0" * 64 + b"  ../secret\n", "line 1: ../secret lies outside the folder"),
        (b"0" * 64 + b"  a\0b\n", "line 1: a\0b lies outside the folder"),
    ],
)
def test_what_is_no_manifest_is_a_sentence(folder, content, sentence):
    (folder / NAME).unlink()
    if content is not None:
        (folder / NAME).write_bytes(content)
    with pytest.raises(RecordError, match=sentence):
        list(check_manifest(folder))


def test_what_cannot_be_stated_is_a_sentence(tmp_path):
    with pytest.raises(RecordError, match="is no folder"):
        write_manifest(tmp_path / "missing")
    with pytest.raises(RecordError, match="There is no file in"):
        write_manifest(tmp_path)
    (tmp_path / "a\nb").write_text("")
    with pytest.raises(RecordError, match="which sha256sum would write in another way; rename it"):
        write_manifest(tmp_path)


def test_a_signature_is_of_this_manifest_and_this_key(folder, keys, capsys):
    pair, public = keys
    sign(folder, pair)
    assert check_signature(folder, public) == "results of today"
    assert main(["manifest", str(folder), "--key", str(public)]) == 0
    assert f"was signed by the owner of {public}: results of today" in capsys.readouterr().out
    other = public.with_name("other.pub")
    other.write_bytes(bytes(minisign.KeyPair.generate().public_key))
    with pytest.raises(RecordError, match=r"is no signature of .* by the key"):
        check_signature(folder, other)
    (folder / "run/run.json").write_text("another")
    assert main(["manifest", str(folder), "--key", str(public)]) == 1
    write_manifest(folder)
    assert main(["manifest", str(folder), "--key", str(public)]) == 1
    assert "MANIFEST.sha256.minisig is no signature of" in capsys.readouterr().err
    (folder / SIGNATURE).unlink()
    with pytest.raises(RecordError, match="is no signature of"):
        check_signature(folder, public)


def test_published_results_are_those_of_their_manifest():
    """``adpfl-bench manifest results`` renews it, where results change on purpose."""
    assert list(check_manifest(RESULTS)) == []


def test_a_name_may_have_what_python_takes_for_the_end_of_a_line(folder):
    (folder / "a\x0bb\u2028c.md").write_text("")
    assert write_manifest(folder) == 5
    assert list(check_manifest(folder)) == []


def test_a_name_that_is_no_text_is_a_sentence(folder):
    try:
        Path(os.fsdecode(bytes(folder) + b"/\xff.md")).touch()
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    with pytest.raises(RecordError, match=r"no text in UTF-8; rename it\."):
        write_manifest(folder)
