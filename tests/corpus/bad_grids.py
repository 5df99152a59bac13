"""Bad grid files of ``benchmark``, each planned and never started."""

from pathlib import Path
from typing import Any

import yaml

from tests.corpus.asks import command
from tests.corpus.damages import Damage, at, content, linked, made_folder, recoded, removed, text, written, zeros
from tests.corpus.kind import Accepted, Refused, kinds

FILE = at("grid.yaml")


def _stated(**changes: Any) -> Damage:
    """State other values; ``None`` takes a key away."""

    def damage(root: Path) -> None:
        found = {**yaml.safe_load(FILE(root).read_text()), **changes}
        FILE(root).write_text(yaml.safe_dump({key: value for key, value in found.items() if value is not None}))

    return damage


def _beside(name: str, content: str, **changes: Any) -> Damage:
    """State other values, of which one names a file that lies in the working directory."""

    def damage(root: Path) -> None:
        (root.parent / name).write_text(content)
        _stated(**changes)(root)

    return damage


def _planned(*words: str) -> Accepted:
    """The plan names these."""
    return Accepted("planned as stated", lambda answer: all(word in " ".join(answer.text.split()) for word in words))


_FEDAVG, _DP = "callbacks/fedavg.yaml", "callbacks/dp_fl.yaml"
_NO_YAML = r"grid\.yaml is not a YAML file of plain values: line \d+"

GRIDS = kinds(
    "grids",
    command("benchmark --dry_run", "grid", lambda root: ["benchmark", "--config", FILE(root), "--dry_run"]),
    [
        ("missing", removed(FILE), Refused("There is no configuration file .*grid.yaml")),
        ("a folder in its place", made_folder(FILE), Refused("There is no configuration file .*grid.yaml")),
        (
            "a link to itself",
            linked(FILE, lambda path: path.name),
            Refused("There is no configuration file .*grid.yaml"),
        ),
        ("an empty file", written(FILE, ""), Refused("the file in .*grid.yaml must be a mapping with keys of tasks")),
        ("zero bytes", zeros(FILE), Refused(r"grid\.yaml is not a YAML file of plain values")),
        ("a list", written(FILE, "- tasks/isic.yaml\n"), Refused("the file in .*grid.yaml must be a mapping")),
        ("a text", written(FILE, "tasks/isic.yaml\n"), Refused("the file in .*grid.yaml must be a mapping")),
        ("half a list", text(FILE, lambda grid: grid + "x: [1,"), Refused(_NO_YAML)),
        ("UTF-16", recoded(FILE, "utf-16"), Refused(r"is not in UTF-8 \(UTF-16\)")),
        ("Latin-1", content(FILE, lambda data: data + b"output: Z\xfcrich\n"), Refused("is not in UTF-8 .byte 0xfc")),
        ("tasks twice", text(FILE, lambda grid: grid + "tasks: []\n"), Refused("the key tasks stands twice, first in")),
        ("an alias of itself", text(FILE, lambda grid: grid + "exclude: &a [*a]\n"), Refused("an alias refers to the")),
        ("a tag", text(FILE, lambda grid: grid + "slurm: !!python/name:os.system\n"), Refused("the tag !!python/name")),
        ("an unknown key", _stated(methodz=[_FEDAVG]), Refused("has methodz, which is none of tasks, methods, seeds")),
        ("no tasks", _stated(tasks=None), Refused("must list tasks, at least one of them")),
        ("an empty list of tasks", _stated(tasks=[]), Refused("must list tasks, at least one of them")),
        ("a number as a task", _stated(tasks=[3]), Refused("tasks.0.file in .* is 3: input should be a valid string")),
        (
            "a task's file that is not there",
            _stated(tasks=["tasks/isik.yaml"]),
            Refused("no configuration file tasks/is"),
        ),
        ("a method's file as a task", _stated(tasks=[_FEDAVG]), Refused("fedavg.yaml, which does not name a task")),
        ("a task twice", _stated(tasks=["tasks/isic.yaml"] * 2), Refused("tasks in .* has isic twice")),
        (
            "an unknown key of a task",
            _stated(tasks=[{"file": "tasks/isic.yaml", "x": 1}]),
            Refused("has x, which is none"),
        ),
        ("a task of a path", _beside("t.yaml", "task: ../../x\n", tasks=["t.yaml"]), Refused("is no folder's")),
        (
            "a task that is a boolean",
            _beside("t.yaml", "task: no\n", tasks=["t.yaml"]),
            Refused("does not name a task"),
        ),
        ("no methods", _stated(methods=None), Refused("must list methods, at least one of them")),
        ("an empty list of methods", _stated(methods=[]), Refused("must list methods, at least one of them")),
        ("a boolean as a method", _stated(methods=[False]), Refused("is False: input should be a valid string")),
        (
            "a method's file that is not there",
            _stated(methods=["callbacks/fedavgg.yaml"]),
            Refused("There is no config"),
        ),
        (
            "a method twice",
            _stated(methods=[_FEDAVG] * 2),
            Refused("are both called fedavg on isic: give one of them a"),
        ),
        (
            "two methods of one name",
            _stated(methods=[_FEDAVG, {"name": "fedavg", "files": _DP}]),
            Refused("are both called fedavg on isic"),
        ),
        (
            "a method without files",
            _stated(methods=[{"name": "x"}]),
            Refused("must list methods.0.files, at least one"),
        ),
        (
            "a method called by a path",
            _stated(methods=[{"name": "../x", "files": _FEDAVG}]),
            Refused("The method is called '../x', which is no folder's"),
        ),
        (
            "a method with a line break",
            _stated(methods=[{"name": "a\nb", "files": _FEDAVG}]),
            Refused(r"The method is called 'a\\nb', which contains a line break"),
        ),
        ("a method without a name", _stated(methods=[{"name": "", "files": _FEDAVG}]), Refused("name in .* is ''")),
        (
            "a method's boolean name",
            _beside("m.yaml", "method: off\nfederated: {rounds: 3}\n", methods=["m.yaml"]),
            Refused("method in .*m.yaml, line 1, is read as False and not as text; put it in quotes"),
        ),
        ("a method that is two", _stated(methods=[["callbacks/fedprox.yaml", _DP]]), _planned("fedprox")),
        ("no seeds", _stated(seeds=None), Refused("must list seeds, at least one of them")),
        ("an empty list of seeds", _stated(seeds=[]), Refused("must list seeds, at least one of them")),
        ("a seed of text", _stated(seeds=["0"]), Refused("seeds.0 in .* is '0': input should be a valid integer")),
        (
            "a seed that is a boolean",
            _stated(seeds=[True]),
            Refused("seeds.0 in .* is True: input should be a valid int"),
        ),
        ("a seed of 1.0", _stated(seeds=[1.0]), Refused("seeds.0 in .* is 1.0: input should be a valid integer")),
        ("a negative seed", _stated(seeds=[-1]), Refused("seeds.0 in .* is -1: input should be greater than or equal")),
        ("a seed of 30 digits", _stated(seeds=[10**30]), Refused("should be less than or equal to 4294967295")),
        ("a seed twice", _stated(seeds=[0, 0]), Refused("seeds in .* has 0 twice")),
        ("one seed without a list", _stated(seeds=4), _planned("fedavg 4 new")),
        (
            "further files that are not there",
            _stated(configs=["x.yaml"]),
            Refused("There is no configuration file x.yaml"),
        ),
        (
            "further files that are a number",
            _stated(configs=5),
            Refused("configs.0 in .* is 5: input should be a valid st"),
        ),
        ("settings that are a list", _stated(overrides=["a"]), Refused("overrides in .* should be a valid dictionary")),
        ("a setting that is none", _stated(overrides={"federated.roundz": 3}), Refused("roundz")),
        (
            "a setting of text for a number",
            _stated(overrides={"federated.rounds": "many"}),
            Refused("federated.rounds"),
        ),
        ("a setting out of range", _stated(overrides={"federated.rounds": -1}), Refused("rounds must be at least 1")),
        (
            "a setting that names the run",
            _stated(overrides={"seed_everything": 3}),
            Refused("cannot set seed_everything"),
        ),
        (
            "a setting that skips scores",
            _stated(overrides={"score": False}),
            Refused("cannot set score: tables are made"),
        ),
        (
            "a setting of a shell command",
            _stated(overrides={"model.optimizer": "os.system"}),
            Refused("add --trust os"),
        ),
        (
            "settings of an unknown task",
            _stated(by_task={"brats": {}}),
            Refused("has brats, which is none of the grid's"),
        ),
        ("settings of a task that are text", _stated(by_task={"isic": "x"}), Refused("by_task.isic in .* is 'x'")),
        ("nothing left", _stated(exclude=[{"task": "*"}]), Refused("No run is left of the grid: see what exclude")),
        (
            "an exclusion that fits nothing",
            _stated(exclude=[{"method": "x"}]),
            Refused("exclude has .*, which fits no run"),
        ),
        (
            "an exclusion of nothing",
            _stated(exclude=[{}]),
            Refused("exclude.0 in .* must be a mapping with keys of task"),
        ),
        ("an exclusion by a seed of text", _stated(exclude=[{"seed": "0"}]), Refused("exclude.0.seed.0 in .* is '0'")),
        ("a number as its folder", _stated(output=3), Refused("output in .* is 3: input is not a valid path")),
        (
            "modules that nobody trusts",
            _stated(trust=["stranger"]),
            Refused("asks to trust stranger, whose code would"),
        ),
        ("a module that is none", _stated(trust=["../x"]), Refused(r"asks to trust \.\./x, whose code would run here")),
        (
            "shell commands for Slurm",
            _stated(slurm={"slurm_setup": ["rm x"]}),
            Refused("slurm_setup in .*--trust submitit"),
        ),
        (
            "a line break for Slurm",
            _stated(slurm={"slurm_partition": "a\nrm x"}),
            Refused("must be one line of ordinary"),
        ),
        ("Slurm's that are a list", _stated(slurm=["x"]), Refused("slurm in .* should be a valid dictionary")),
    ],
)
