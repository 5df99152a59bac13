"""YAML that can be read in two ways, or without end, is refused with file and line, wherever the suite reads YAML."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.cli import main
from adpfl_bench.config.config_files import settle
from adpfl_bench.config.yaml_text import dump_yaml, parse_yaml, problem_of, read_yaml
from adpfl_bench.errors import ConfigError
from tests.cli.conftest import resolved

pytestmark = pytest.mark.usefixtures("empty_folder")

LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30))]
)
REFUSED = {
    "a key twice": ("a: 1\nb: 2\na: 3\n", "line 3: the key a stands twice, first in line 1"),
    "a key twice within": ("m: {a: 1, b: {c: 1, c: 1}}\n", "line 1: the key c stands twice, first in line 1"),
    "a key twice, once in quotes": ("a: 1\n'a': 2\n", "line 2: the key a stands twice, first in line 1"),
    "two merges": ("x: &x {a: 1}\ny:\n  <<: *x\n  <<: *x\n", "line 4: the key << stands twice, first in line 3"),
    "a key that is a boolean": (
        "a: 1\nno: 3\n",
        "line 2: a key is no, which YAML reads as bool and not as text; put it in",
    ),
    "a key that is a number": (
        "7: 3\n",
        "line 1: a key is 7, which YAML reads as int and not as text; put it in quotes",
    ),
    "a key that is nothing": ("~: 3\n", "line 1: a key is ~, which YAML reads as null and not as text"),
    "a key that is a list": ("? [a]\n: 3\n", "line 1: a key is a list or a block, which YAML reads as seq and not"),
    "an alias of itself": ("a: 1\nb: &b [*b]\n", "line 2: an alias refers to the block that it stands in"),
    "a merge of itself": ("b: &b {<<: *b}\n", "line 1: an alias refers to the block that it stands in"),
    "aliases that multiply": (LAUGHS, "line 6: with its aliases it states more than 100,000 values"),
    "lists without end": ("a: " + "[" * 200_000, "line 1: blocks stand in blocks, more than 100 deep"),
    "blocks without end": ("{a: " * 200_000, "line 1: blocks stand in blocks, more than 100 deep"),
    "dashes without end": ("- " * 200_000, "line 1: blocks stand in blocks, more than 100 deep"),
    "deep": ("a: " + "[" * 150 + "]" * 150, "line 1: blocks stand in blocks, more than 100 deep"),
    "a Python object": (
        "a: 1\nb: !!python/name:os.system\n",
        "line 2: the tag !!python/name:os.system",
    ),
    "a call": (
        "b: !!python/object/apply:os.system [touch ran]\n",
        "line 1: the tag !!python/object/app",
    ),
    "bytes": ("b: !!binary aGk=\n", "line 1: the tag !!binary stands for an object, and only plain values may stand"),
    "a set": ("b: !!set {a, b}\n", "line 1: the tag !!set stands for an object"),
    "a date": ("b: !!timestamp 2001-01-01\n", "line 1: the tag !!timestamp stands for an object"),
    "a tag of one's own": ("b: !include other.yaml\n", "line 1: the tag !include stands for an object"),
    "two documents": (
        "a: 1\n---\nb: 2\n",
        "line 2: expected a single document in the stream, but found another document",
    ),
    "a tab": ("a:\n\t- b\n", "line 2: while scanning for the next token, found character that cannot start any token"),
    "half a list": ("a: [1,\n", "line 2: while parsing a flow node, did not find expected node content"),
    "half a text": ("a: 1\nb: 'x\n", "found unexpected end of stream"),
    "an unknown alias": ("a: 1\nb: *x\n", "line 2: found undefined alias"),
    "a control character": ("a: \x07\n", "unacceptable character #x0007: control characters are not allowed"),
    "a number too long": (f"a: {'9' * 5000}\n", "Exceeds the limit"),
    "no number": ("a: 1\nb: !!int x\n", "line 2: the tag !!int stands before 'x', which is no whole number"),
    "no number at all": ('a: !!int ""\n', "line 1: the tag !!int stands before '', which is no whole number"),
    "no fraction": ("a: !!float 1:30\n", "line 1: the tag !!float stands before '1:30', which is no number"),
    "no boolean": (
        "a: !!bool maybe\n",
        "line 1: the tag !!bool stands before 'maybe', which is neither true nor false",
    ),
    "not nothing": ("a: !!null 3\n", "line 1: the tag !!null stands before '3', which is not null"),
}
BYTES = {
    "UTF-16": ("a: ü\n".encode("utf-16"), "x.yaml is not in UTF-8 (UTF-16); save it in UTF-8."),
    "UTF-16 the other way": (b"\xfe\xff" + "a: ü\n".encode("utf-16-be"), "x.yaml is not in UTF-8 (UTF-16); save it in"),
    "UTF-16 without a mark": ("a: 1\n".encode("utf-16-le"), "unacceptable character #x0000"),
    "Latin-1": ("a: 1\nb: ü\n".encode("latin-1"), "x.yaml is not in UTF-8 (byte 0xfc in line 2); save it in UTF-8."),
    "a picture": (b"\x89PNG\r\n\x1a\n", "x.yaml is not in UTF-8 (byte 0x89 in line 1); save it in UTF-8."),
    "too long": (b"# " + b"x" * 1_000_000, "x.yaml is longer than 1,000,000 bytes, which is no configuration."),
}
NUMBERS = "[1e-3, 1.0e-3, 1e3, .5, 5., 1_000, +3, -4, 0x1F, 0b11, .inf, -.INF, 0, yes, ~]"
VALUES = [0.001, 0.001, 1000.0, 0.5, 5.0, 1000, 3, -4, 31, 3, float("inf"), -float("inf"), 0, True, None]


@pytest.mark.parametrize("case", REFUSED)
def test_text_is_refused(case: str) -> None:
    text, sentence = REFUSED[case]
    started = time.monotonic()
    with pytest.raises(yaml.YAMLError) as caught:
        parse_yaml(text)
    assert sentence in problem_of(caught.value)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("case", ["a key twice", "aliases that multiply", "lists without end", "a call", "a date"])
@pytest.mark.parametrize("command", ["fit", "privacy", "audit", "benchmark", "a task of the grid"])
def test_every_command_reads_strictly(capsys: pytest.CaptureFixture[str], command: str, case: str) -> None:
    text, sentence = REFUSED[case]
    Path("x.yaml").write_text(text)
    words = [command, "--config", "x.yaml", "--data.root=phantom"]
    if command == "benchmark":
        words = ["benchmark", "--config", "x.yaml", "--dry_run"]
    if command == "a task of the grid":
        Path("grid.yaml").write_text("tasks: [x.yaml]\nmethods: [callbacks/fedavg.yaml]\nseeds: [0]\n")
        words = ["benchmark", "--config", "grid.yaml", "--dry_run"]
    assert main(words) == 1
    assert f"adpfl-bench: x.yaml is not a YAML file of plain values: {sentence}" in capsys.readouterr().err
    assert not Path("ran").exists()


@pytest.mark.parametrize("case", BYTES)
def test_file_is_refused(case: str) -> None:
    content, sentence = BYTES[case]
    Path("x.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_yaml(Path("x.yaml"))
    assert sentence in str(caught.value)


def test_byte_order_mark_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.yaml").write_bytes(b"\xef\xbb\xbf" + "task: ünten\nseed_everything: 3\n".encode())
    config = resolved(capsys, "--config", "tasks/isic.yaml", "--config", "x.yaml")
    assert (config["task"], config["seed_everything"]) == ("ünten", 3)


@pytest.mark.parametrize(
    ("text", "key", "line", "found"),
    [
        ("method: no\n", "method", 1, "False"),
        ("# x\n\ntask: on\n", "task", 3, "True"),
        ("method: 3\n", "method", 1, "3"),
        ("task: 1e3\n", "task", 1, "1000.0"),
        ("federated: {rounds: 3}\nmethod: [a]\n", "method", 2, r"\['a'\]"),
    ],
)
def test_no_text_where_a_name_is_meant(text: str, key: str, line: int, found: str) -> None:
    Path("x.yaml").write_text(text)
    with pytest.raises(
        ConfigError, match=rf"^{key} in x.yaml, line {line}, is read as {found} and not as text; put it in quotes\.$"
    ):
        settle(["--config", "tasks/isic.yaml", "--config", "x.yaml"])
    Path("x.yaml").write_text('method: "no"\ntask: "1e3"\n')
    line_ = settle(["--config", "tasks/isic.yaml", "--config", "x.yaml"])
    assert line_.method == "no"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("methods: [no]\n", "methods.0.files.0 in grid.yaml is False: input should be a valid string (line 3)."),
        (
            "methods: [{files: callbacks/fedavg.yaml,\n  name: 3}]\n",
            "methods.0.name in grid.yaml is 3: input should be a valid string (line 4).",
        ),
        (
            "methods: [callbacks/fedavg.yaml]\noutput: on\n",
            "output in grid.yaml is True: input is not a valid path for <class 'pathlib.Path'> (line 4).",
        ),
    ],
)
def test_no_text_where_a_grid_means_a_name(capsys: pytest.CaptureFixture[str], text: str, where: str) -> None:
    Path("grid.yaml").write_text(f"seeds: [0]\ntasks: [tasks/isic.yaml]\n{text}")
    assert main(["benchmark", "--config", "grid.yaml", "--dry_run"]) == 1
    assert where in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--data.image_size={a: 1, a: 2}"],
            "--data.image_size is not given in YAML of plain values: line 1: the key a",
        ),
        (
            ["--model.network_arguments", "[!!binary x]"],
            "--model.network_arguments is not given in YAML of plain values",
        ),
        (
            ["--model", "{a: &a [*a]}"],
            "--model is not given in YAML of plain values: line 1: an alias refers to the block",
        ),
        (
            ["--model.optimizer", "[" * 200_000],
            "--model.optimizer is not given in YAML of plain values: line 1: blocks",
        ),
    ],
    ids=["duplicate", "tag", "alias", "depth"],
)
def test_option_is_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settle(["--config", "tasks/isic.yaml", *words])
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("text", ["unit: record\nunit: none\n", "delta: &a [*a]\n", "delta: !!binary a\n", "unit: ü\n"])
def test_file_that_an_option_names_is_read_strictly(capsys: pytest.CaptureFixture[str], text: str) -> None:
    Path("privacy.yaml").write_text(text, encoding="latin-1")
    assert main(["fit", "--config", "tasks/isic.yaml", "--privacy=privacy.yaml", "--data.root=phantom"]) == 1
    assert "adpfl-bench: " in capsys.readouterr().err


def test_numbers_are_those_of_json_and_dates_are_text() -> None:
    assert parse_yaml(NUMBERS) == VALUES
    words = ["2001-01-01", "010", "1:30", "1e", "0o7", "1.2.3", "e3"]
    assert parse_yaml(f"[{', '.join(words)}]") == words
    assert parse_yaml("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\n") == {"x": {"a": 1, "b": 2}, "y": {"a": 1, "b": 3}}
    assert (parse_yaml(""), parse_yaml("# nothing")) == (None, None)


def test_setting_means_the_same_in_a_file_and_as_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.yaml").write_text("model: {optimizer: {lr: 1e-4, eps: 1e-6}}\nby_task: {isic: {task: '1e3'}}\n")
    task = ["--config", "tasks/isic.yaml"]
    file = resolved(capsys, *task, "--config", "x.yaml")
    options = resolved(capsys, *task, "--model.optimizer.lr=1e-4", "--model.optimizer.eps", "1e-6", "--task=1e3")
    assert file == options
    assert (file["task"], file["model"]["init_args"]["optimizer"]["init_args"]["lr"]) == ("1e3", 0.0001)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["C"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab1:e-. ", max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(content=plain)
def test_what_is_written_is_read_back(content: Any) -> None:
    assert parse_yaml(dump_yaml(content)) == content
    if isinstance(content, str):  # other readers take it for text too
        assert yaml.safe_load(dump_yaml(content)) == content


def test_deep_text_does_not_overflow_the_stack() -> None:
    # In a process of its own, since what it shows would end this one.
    code = "from adpfl_bench.config.yaml_text import parse_yaml\nparse_yaml('[' * 400000)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "blocks stand in blocks, more than 100 deep" in ended.stderr
