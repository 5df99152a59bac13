"""Bad configuration files: YAML that can be read in two ways or without end, and names that are none."""

from typing import Any

import yaml

from tests.corpus.asks import command
from tests.corpus.damages import Damage, at, linked, made_folder, written
from tests.corpus.kind import Accepted, Answer, Refused, kinds

FILE = at("x.yaml")
WORDS = ("--config", "tasks/isic.yaml", "--config", "configs/smoke.yaml")


def _text(content: str | bytes) -> Damage:
    return written(FILE, content)


def _settled(key: str, value: Any, meaning: str) -> Accepted:
    """The settled configuration has a value at a dotted key."""

    def shows(answer: Answer) -> bool:
        found = yaml.safe_load(answer.text.partition("\n# ")[0] if answer.text.startswith("# ") else answer.text)
        for name in key.split("."):
            found = found[name]
        return bool(found == value)

    return Accepted(meaning, shows)


def _plain(words: str) -> Refused:
    return Refused(rf"x\.yaml is not a YAML file of plain values: {words}")


_LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30))]
)
YAML_FILES = kinds(
    "configurations",
    command("fit", "configuration", lambda root: ["fit", *WORDS, "--config", FILE(root)]),
    [
        ("a folder in its place", made_folder(FILE), Refused("There is no configuration file .*x.yaml, neither in")),
        ("a link to itself", linked(FILE, lambda path: path.name), Refused("There is no configuration file .*x.yaml")),
        ("a list", _text("- a\n"), Refused("x.yaml must hold settings by name")),
        ("a text", _text("rounds\n"), Refused("x.yaml must hold settings by name")),
        (
            "a key twice",
            _text("seed_everything: 1\nseed_everything: 2\n"),
            _plain("line 2: the key seed_everything stands"),
        ),
        (
            "a key twice, in a block",
            _text("federated: {rounds: 1, rounds: 2}\n"),
            _plain("line 1: the key rounds stands"),
        ),
        (
            "a key that is a boolean",
            _text("federated:\n  on: 3\n"),
            _plain("line 2: a key is on, which YAML reads as bool"),
        ),
        ("a key that is a number", _text("7: 3\n"), _plain("line 1: a key is 7, which YAML reads as int")),
        ("a key that is a list", _text("? [a]\n: 3\n"), _plain("line 1: a key is a list or a block")),
        (
            "an alias of itself",
            _text("model: &a {network: *a}\n"),
            _plain("line 1: an alias refers to the block that it"),
        ),
        (
            "aliases that multiply",
            _text(_LAUGHS),
            _plain("line 6: with its aliases it states more than 100,000 values"),
        ),
        ("an unknown alias", _text("model: *x\n"), _plain("line 1: found undefined alias")),
        (
            "100,000 brackets",
            _text("model: " + "[" * 100_000),
            _plain("line 1: blocks stand in blocks, more than 100 deep"),
        ),
        (
            "a Python object",
            _text("model: !!python/object/apply:os.system [rm kept]\n"),
            _plain("line 1: the tag !!python"),
        ),
        ("bytes", _text("task: !!binary aGk=\n"), _plain("line 1: the tag !!binary stands for an object")),
        (
            "a date with a tag",
            _text("task: !!timestamp 2001-01-01\n"),
            _plain("line 1: the tag !!timestamp stands for"),
        ),
        (
            "a tag of one's own",
            _text("task: !include y.yaml\n"),
            _plain("line 1: the tag !include stands for an object"),
        ),
        ("a boolean that is none", _text("score: !!bool maybe\n"), _plain("line 1: ")),
        ("a number without digits", _text('seed_everything: !!int ""\n'), _plain("line 1: ")),
        ("a number of 5,000 digits", _text("seed_everything: " + "9" * 5000), _plain("Exceeds the limit")),
        ("two documents", _text("score: true\n---\nscore: false\n"), _plain("line 2: expected a single document")),
        ("a tab", _text("federated:\n\trounds: 3\n"), _plain("line 2: while scanning for the next token")),
        ("half a list", _text("model: [1,\n"), _plain("line 2: while parsing a flow node")),
        ("half a character", _text(r'task: "\ud800"'), Refused("x.yaml")),
        ("a control character", _text("task: \x07\n"), _plain("unacceptable character")),
        ("UTF-16", _text("task: \xfc\n".encode("utf-16")), Refused(r"x.yaml is not in UTF-8 \(UTF-16\); save it in")),
        ("UTF-16 without a mark", _text("task: a\n".encode("utf-16-le")), _plain("unacceptable character")),
        (
            "Latin-1",
            _text("score: true\ntask: \xfc\n".encode("latin-1")),
            Refused(r"not in UTF-8 \(byte 0xfc in line 2\)"),
        ),
        ("a picture", _text(b"\x89PNG\r\n\x1a\n"), Refused("x.yaml is not in UTF-8 .byte 0x89 in line 1")),
        ("a megabyte", _text("# " + "x" * 1_000_000), Refused("x.yaml is longer than 1,000,000 bytes")),
        (
            "a method that is a boolean",
            _text("method: no\n"),
            Refused("method in .*x.yaml, line 1, is read as False and"),
        ),
        (
            "a method that is a number",
            _text("\nmethod: 1e3\n"),
            Refused("method in .*, line 2, is read as 1000.0 and not"),
        ),
        (
            "a task that is a boolean",
            _text("task: on\n"),
            Refused("task in .*x.yaml, line 1, is read as True and not as"),
        ),
        (
            "a method that is a path",
            _text("method: ../../x\n"),
            Refused("The method is called '../../x', which is no folder"),
        ),
        ("a task that is a path", _text("task: a/b\n"), Refused("The task is called 'a/b', which is no folder's")),
        ("a hidden task", _text("task: .x\n"), Refused("The task is called '.x', which is no folder's")),
        ("a task without a name", _text('task: ""\n'), Refused("The task is called '', which is none")),
        (
            "a task with a line break",
            _text('task: "a\\nb"\n'),
            Refused("The task is called .*, which contains a line break"),
        ),
        (
            "a method of 300 letters",
            _text("method: " + "x" * 300),
            Refused("The method is called .*, which has 300 letters"),
        ),
        (
            "settings by task that are a list",
            _text("by_task: [isic]\n"),
            Refused("by_task in .*x.yaml must hold a block"),
        ),
        ("an unknown setting", _text("federated: {roundz: 3}\n"), Refused("roundz")),
        ("a boolean for a number", _text("federated: {rounds: yes}\n"), Refused("federated.rounds")),
        ("a list for a number", _text("federated: {rounds: [3]}\n"), Refused("federated.rounds")),
        ("a number for a block", _text("federated: 3\n"), Refused("federated")),
        ("a class that is not there", _text("model: adpfl_bench.NoTask\n"), Refused("NoTask")),
        ("a class of another kind", _text("model: adpfl_bench.FixedThreshold\n"), Refused("FixedThreshold")),
        ("a file that vouches for itself", _text("trust: [os]\n"), Refused("There is no setting trust")),
        ("weights as code", _text("weights_only: false\n"), Refused("weights_only is false, but a checkpoint")),
    ],
)

SETTLED = kinds(
    "settled configurations",
    command(
        "fit --print_config",
        "configuration",
        lambda root: ["fit", *WORDS, "--config", FILE(root), "--print_config"],
    ),
    [
        ("an empty file", _text(""), _settled("task", "isic", "no settings")),
        ("comments alone", _text("# nothing\n"), _settled("task", "isic", "no settings")),
        ("null", _text("null\n"), _settled("task", "isic", "no settings")),
        ("a mark of UTF-8", _text(b"\xef\xbb\xbfseed_everything: 3\n"), _settled("seed_everything", 3, "left out")),
        (
            "line ends of Windows",
            _text("score: false\r\nseed_everything: 3\r\n"),
            _settled("seed_everything", 3, "the same"),
        ),
        (
            "a rate of 1e-3",
            _text("model: {optimizer: {lr: 1e-3}}\n"),
            _settled("model.init_args.optimizer.init_args.lr", 0.001, "a number"),
        ),
        ("a date as a task", _text("task: 2001-01-01\n"), _settled("task", "2001-01-01", "text")),
        ("a boolean in quotes as a method", _text("method: 'no'\n"), _settled("method", "no", "a name")),
        ("octal digits as a task", _text("task: 010\n"), _settled("task", "010", "text")),
        (
            "an optimizer of torch",
            _text("model: {optimizer: torch.optim.SGD}\n"),
            _settled("model.init_args.optimizer.class_path", "torch.optim.SGD", "named"),
        ),
        (
            "an alias",
            _text("federated: {rounds: &n 7}\nseed_everything: *n\n"),
            _settled("seed_everything", 7, "what it stands for"),
        ),
    ],
)

CONFIGURATIONS = [*YAML_FILES, *SETTLED]
