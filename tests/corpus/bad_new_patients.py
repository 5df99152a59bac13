"""Bad images of new patients, bad bundles, and cohorts and folders that cannot be: segment, evaluate and export."""

from pathlib import Path

import torch
from PIL import Image

from tests.corpus.asks import answer_of, command
from tests.corpus.damages import Damage, at, both_of, copied, cut, nothing, redrawn, removed, written
from tests.corpus.json_damages import put, without
from tests.corpus.kind import Answer, Ask, Refused, kinds

PICTURE, WEIGHTS, STATED = at("new/p1.jpg"), at("bundle/models/model.pt"), at("bundle/configs/adpfl_bench.json")

CHECKPOINT = at("run/checkpoints/last.ckpt")

_SEGMENT = command(
    "segment",
    "exported",
    lambda root: ["segment", root / "bundle", root / "new", "--output", root / "masks", "--cpu"],
)


def _others_are_segmented(root: Path) -> Answer:
    """Segment; a case that is broken must not take the others with it."""
    answer = _SEGMENT.answer(root)
    assert {path.name for path in (root / "masks").glob("*.png")} >= {"p0_lesion.png", "p2_lesion.png"}
    return answer


_PAST = Ask("segment", "exported", _others_are_segmented)


def _pages(root: Path) -> None:
    with Image.open(PICTURE(root)) as image:
        image.save(root / "new/p1.tif", save_all=True, append_images=[image.copy()])
    PICTURE(root).unlink()


def _folder(name: str) -> Damage:
    return lambda root: (root / name).mkdir(parents=True)


def _changed(change: object) -> Damage:
    """Write weights that were changed."""

    def damage(root: Path) -> None:
        state = torch.load(WEIGHTS(root), weights_only=True)
        torch.save(change(state), WEIGHTS(root))  # type: ignore[operator]

    return damage


NEW_PATIENTS = [
    *kinds(
        "new patients",
        _PAST,
        [
            ("an empty file", written(PICTURE, b""), Refused(r"not segmented: p1: .*p1\.jpg")),
            ("half a picture", cut(PICTURE, 0.5), Refused(r"not segmented: p1: .*p1\.jpg cannot be read")),
            ("text", written(PICTURE, "no image\n"), Refused(r"not segmented: p1: .*p1\.jpg cannot be read")),
            (
                "a palette",
                redrawn(PICTURE, lambda image: image.convert("P")),
                Refused(r"not segmented: p1: .*image of mode P; convert it"),
            ),
            (
                "16 bits",
                redrawn(PICTURE, lambda image: image.convert("I;16")),
                Refused(r"not segmented: p1: .*image of mode I;16"),
            ),
            ("several pages", _pages, Refused(r"not segmented: p1: .*p1\.tif has 2 pictures where one is expected")),
            (
                "one there twice",
                copied(PICTURE, lambda path: "p1.png"),
                Refused(r"not segmented: p1: is there twice"),
            ),
        ],
    ),
    *kinds(
        "new patients",
        _SEGMENT,
        [
            (
                "an output that is not empty",
                _folder("masks/older"),
                Refused("masks is not empty; choose another --output"),
            ),
            (
                "no picture",
                both_of(*(removed(at(f"new/p{number}.jpg")) for number in range(3))),
                Refused("There is no image in .*new; expected files that end in"),
            ),
        ],
    ),
]

BUNDLES = kinds(
    "bundles",
    _SEGMENT,
    [
        ("no weights", removed(WEIGHTS), Refused("cannot be read as the model's weights")),
        ("half the weights", cut(WEIGHTS, 0.5), Refused("cannot be read as the model's weights")),
        (
            "weights of another shape",
            _changed(lambda state: {name: value[:1] for name, value in state.items()}),
            Refused("cannot be read as the model's weights: .* has the shape"),
        ),
        (
            "a weight too few",
            _changed(lambda state: dict(list(state.items())[1:])),
            Refused("cannot be read as the model's weights: .*lacks the weight"),
        ),
        (
            "other weights",
            _changed(lambda state: {name: value + 1 for name, value in state.items()}),
            Refused("holds other weights than .*bundle states; export the model again"),
        ),
        ("a module that is pickled", _changed(lambda state: torch.nn.Linear(1, 1)), Refused("the model's weights")),
        ("no description", removed(STATED), Refused("it is no run, and no model of adpfl-bench export")),
        ("half a description", cut(STATED, 0.5), Refused("cannot be read as the description of a model")),
        ("no configuration", without(STATED, "config"), Refused("cannot be read as the description of a model")),
        (
            "a description of a later version",
            put(STATED, "format", 2),
            Refused("cannot be read as the description of a model"),
        ),
        (
            "a class that would run",
            put(STATED, "config.model.class_path", "subprocess.Popen"),
            Refused("names subprocess.Popen, whose code would run"),
        ),
        (
            "a datamodule that would run",
            put(STATED, "config.data.class_path", "os.system"),
            Refused("names os.system, whose code would run"),
        ),
        (
            "a network that is none",
            put(STATED, "config.model.init_args.network", "Net"),
            Refused("model.network is Net, which"),
        ),
        (
            "an image size of nothing",
            put(STATED, "config.data.init_args.image_size", [0, 16]),
            Refused("data.image_size is height and width in pixels"),
        ),
    ],
)


def _with_run(words: tuple[str, ...]) -> Ask:
    """Return a command on the trained run, whose folder stands first; ROOT in words is the folder of the trial."""

    def answer(root: Path) -> Answer:
        name, *more = words
        return answer_of([name, root / "run", *(word.replace("ROOT", str(root)) for word in more)])

    return Ask(" ".join(words), "trained", answer)


COHORTS = [
    *kinds(
        "cohorts",
        _with_run(("evaluate", "--cohort", "x=ROOT/other", "--cpu")),
        [
            ("a folder that is not there", nothing, Refused("other does not exist")),
            ("an empty folder", _folder("other"), Refused("the folder .*other is empty")),
            (
                "one that was scored before",
                _folder("run/cohorts/x"),
                Refused("this cohort was scored before. Remove it, or give another name"),
            ),
        ],
    ),
    *kinds(
        "cohorts",
        _with_run(("export", "--output", "ROOT/bundle")),
        [
            (
                "export without a checkpoint",
                removed(at("run/checkpoints/last.ckpt")),
                Refused("There is no checkpoint"),
            ),
            (
                "export of half a checkpoint",
                cut(at("run/checkpoints/last.ckpt"), 0.5),
                Refused("last.ckpt is not a checkpoint of a run of this suite"),
            ),
            (
                "export into a folder that is not empty",
                _folder("bundle/older"),
                Refused("bundle is not empty; choose another --output"),
            ),
        ],
    ),
]
