"""Command lines that people get wrong, each answered by one sentence."""

import re
import shlex
from pathlib import Path

from tests.corpus.asks import command
from tests.corpus.damages import nothing
from tests.corpus.kind import Kind, Refused

_PLACE = "--config configs/smoke.yaml --trainer.devices 1"
_TASK = "--config tasks/isic.yaml --trainer.devices 1"
_RUN = f"{_TASK} --config callbacks/adp_fl.yaml {_PLACE}"

# In a folder with a text note.txt, an empty folder emptydir, and files bad.yaml (broken off) and list.yaml (a list).
_OF_CONFIGURATIONS = [
    ("fit --trainer.devices 1", "No file or option states data and model: give a task's file first"),
    ("validate", "No file or option states data and model"),
    ("audit", "No file or option states data and model"),
    ("fit @task", "data.root is missing: give the dataset's folder with --data.root PATH"),
    (
        "fit @run --config configs/gpu.yaml",
        "(trainer): No supported gpu backend found!",
    ),
    ("fit @run --config bad.yaml", "bad.yaml is not a YAML file of plain values: line 2"),
    ("fit @run --config list.yaml", "list.yaml must hold settings by name"),
    ("fit @run --config note.txt", "note.txt must hold settings by name"),
    ("fit @run --config emptydir", "There is no configuration file emptydir"),
    ("fit @run --config", "Argument -c/--config: expected one argument"),
    ("fit --config tasks/isik.yaml", "did you mean tasks/isic.yaml?"),
    ("fit --config tasks/isic", "did you mean tasks/isic.yaml?"),
    ("fit --config callbacks/adpfl.yaml", "did you mean callbacks/adp_fl.yaml?"),
    ("fit @run extra", "There is no place for extra by itself: a file of settings is given as --config FILE"),
    ("audit emptydir", "There is no place for emptydir by itself"),
    ("fit @run --rounds 3", "There is no setting rounds; possible are ckpt_path, data, examples, federated,"),
    ("fit @run --federated.round 3", "There is no setting federated.round; possible in federated are"),
    ("fit @run --audit.canaries 3", "There is no setting audit.canaries; possible are"),
    ("fit @run --trainer.max_epochs 3", "trainer.max_epochs follows from federated.rounds"),
    ("fit @run --federated.rounds 0", "federated.rounds must be at least 1, but it is 0"),
    ("fit @run --federated.rounds 1.5", "federated.rounds is 1.5, but must be a whole number"),
    ("fit @run --federated.rounds many", "federated.rounds is many, but must be a whole number"),
    ("fit @run --federated.local_epochs 0", "federated.local_epochs must be at least 1, but it is 0"),
    ("fit @run --federated.client_optimizer Adamm", "federated.client_optimizer is Adamm, which names nothing"),
    (
        "fit @run --federated.client_optimizer torch.optim.Adam --federated.client_optimizer.lr -1",
        "federated.client_optimizer cannot be made: Invalid learning rate: -1.0",
    ),
    ("fit @run --federated.aggregator Median", "(Median is none); possible are adpfl_bench.CoordinateMedian"),
    ("fit @run --federated.client_method Prox", "(Prox is none); possible are adpfl_bench.ClientMethod"),
    ("fit @run --federated.buffers no", "federated.buffers is no, but must be average, local, reset"),
    ("fit @run --privacy.threshold Percentile", "(Percentile is none); possible are adpfl_bench.FixedThreshold"),
    ("fit @run --privacy.mechanism Gauss", "(Gauss is none); possible are adpfl_bench.CorrelatedGaussianMechanism,"),
    ("fit @run --privacy.noise_multiplier abc", "privacy.noise_multiplier is abc, but must be a number"),
    ("fit @run --privacy.target_epsilon 0", "give one and leave the other null; they are 0.01 and 0.0"),
    (
        "fit @run --privacy.target_epsilon -1 --privacy.noise_multiplier null",
        "privacy.target_epsilon must be greater than 0 and finite, but it is -1.0",
    ),
    ("fit @run --privacy.delta 0", "privacy.delta must lie between 0 and 1, but it is 0.0"),
    ("fit @run --privacy.unit person", "privacy.unit is person, but must be none, batch, record, patient, client"),
    ("fit @run --model.network Unet", "model.network is Unet, which is not a segmentation network of this suite"),
    ("fit @run --model.network_arguments 3", "model.network_arguments is 3, but must be a block such as"),
    ("fit @run --model.network nowhere.Net", "add --trust nowhere"),
    ("fit @run --model.network nowhere.Net --trust nowhere", "which cannot be imported: No module named 'nowhere'"),
    ("fit @run --model.init_from nowhere.ckpt", "model.init_from is nowhere.ckpt, but the weights of this network"),
    ("fit @run --model.init_from note.txt", "model.init_from is note.txt, but the weights of this network"),
    ("fit @run --model.frozen '('", "model.frozen is (, which is no regular expression: missing )"),
    ("fit @run --model.frozen nothing", "model.frozen is nothing, which is found in 0 of the"),
    ("fit @run --model.loss dice", "SkinLesionTask has no setting loss; it has network"),
    ("fit @run --model.optimizer SGD --model.optimizer.lrr 1", "torch.optim.SGD has no setting lrr; it has lr"),
    ("fit @run --data.batch_size two", "data.batch_size is two, but must be a whole number"),
    ("fit @run --data.batch_size 0", "data.batch_size and data.evaluation_batch_size must be at least 1"),
    ("fit @run --data.image_size 32", "data.image_size is 32, but must be a list such as [1,2]"),
    ("fit @run --data.image_size [32,32,32]", "data.image_size is [32, 32, 32], but must be a list of 2"),
    ("fit @run --data.num_workers -1", "data.num_workers must be from 0 to"),
    ("fit @run --data.validation_fraction 2", "The validation fraction of a split must be in [0, 1); found 2.0"),
    ("fit @run --data HAM10000", "(HAM10000 is none); possible are adpfl_bench.BraTSDataModule"),
    ("fit @run --data.partition Dirichlet", "(Dirichlet is none); possible are adpfl_bench.DirichletPartition"),
    ("fit @run --data.partition", "data needs a value"),
    ("fit @task --data.root emptydir", "ISIC: the folder emptydir is empty; give the folder that holds"),
    ("fit @task --data.root note.txt", "ISIC: note.txt is a file; unpack it if it is an archive"),
    ("fit @task --data.root nowhere", "ISIC: the folder nowhere does not exist"),
    ("fit @task --data.root '~/nowhere'", "/nowhere does not exist; give the folder that holds"),
    (
        "fit @run --trainer.accelerator gpu",
        "(trainer): No supported gpu backend found!",
    ),
    ("fit @run --trainer.accelerator tpu", "The Trainer refuses its settings (trainer): "),
    ("fit @run --trainer.accelerator nope", "You selected an invalid accelerator name"),
    ("fit @run --trainer.devices 0", "trainer.devices must be a whole number of at least 1, but it is 0"),
    ("fit @run --trainer.devices many", "trainer.devices must be a whole number of at least 1, but it is 'many'"),
    ("fit @run --trainer.precision 12", "trainer.precision is 12, but must be"),
    ("fit @run --trainer.default_root_dir note.txt", "note.txt cannot be locked for this run"),
    ("fit @run --trainer.callbacks EarlyStop", "trainer.callbacks is EarlyStop, which names nothing"),
    ("fit @run --trainer.callbacks+=EarlyStopping", "which needs monitor: give --trainer.callbacks.monitor"),
    ("fit @run --trainer.logger TensorBoardLogger", "which needs save_dir: give --trainer.logger.save_dir"),
    ("fit @run --trainer.logger CSVLogger", "which needs save_dir: give --trainer.logger.save_dir"),
    ("fit @run --trainer.logger Tensorboard", "(Tensorboard is none); possible are"),
    ("fit @run --seed_everything -1", "seed_everything must be a whole number from 0 to"),
    ("fit @run --seed_everything abc", "seed_everything is abc, but must be"),
    ("fit @run --ckpt_path nowhere.ckpt", "There is no checkpoint nowhere.ckpt; give --ckpt_path the file, or 'last'"),
    ("fit @run --ckpt_path note.txt", "note.txt is not a checkpoint of a run of this suite"),
    ("fit @run --score maybe", "score is maybe, but must be true or false"),
    ("fit @run --method a/b", "The method is called 'a/b', which is no folder's"),
    ("fit @run --method ''", "The method is called '', which is none"),
    ("fit @run --task ''", "The task is called '', which is none"),
    ("validate @run", "last.ckpt to validate: train with the same --config files first"),
    ("test @run", "last.ckpt to test: train with the same --config files first, or give --ckpt_path"),
    ("predict @run", "last.ckpt to predict: train with the same --config files first"),
    ("audit @run --audit.canaries 0", "audit.canaries must be at least 1, but it is 0"),
    ("audit @run --ckpt_path last", "An audit must see every release of its run: start it anew"),
    ("privacy --config", "Argument -c/--config: expected one argument"),
    ("privacy @run --clients x", "--clients lists each client's number of training units"),
    ("privacy @run --clients 0", "--clients lists each client's number of training units"),
    ("privacy @run --targets 0", "--targets lists epsilons greater than 0, such as 1 4 8, but it has 0"),
    ("privacy @run --targets x", "--targets lists epsilons greater than 0, such as 1 4 8, but it has x"),
]
_OF_COMMANDS = [
    ("nope", "there is no command nope; possible are fit, validate"),
    ("--nope", "there is no command --nope; possible are fit"),
    ("benchmark", "benchmark needs --config"),
    ("benchmark configs/demo.yaml", "benchmark has no option or place for configs/demo.yaml"),
    ("benchmark --config nowhere.yaml", "There is no configuration file nowhere.yaml"),
    ("benchmark --config bad.yaml", "bad.yaml is not a YAML file of plain values: line 2"),
    ("benchmark --config tasks/isic.yaml", "tasks/isic.yaml has task, which is none of tasks, methods, seeds"),
    ("benchmark --config configs/demo.yaml --jobs 0", "--jobs must be at least 1, but it is 0"),
    ("benchmark --config configs/demo.yaml --jobs many", "--jobs is many, but must be a whole number"),
    ("benchmark --config configs/demo.yaml --only nothing", "--only has nothing/*/*, which fits no run of the grid"),
    ("benchmark --config configs/demo.yaml --engine pbs", "--engine is pbs, but must be local, slurm"),
    ("verify", "verify needs --root and DATASET"),
    ("verify isic", "verify needs --root"),
    ("verify isic --root", "--root needs a value"),
    ("verify isic --root nowhere", "ISIC: the folder nowhere does not exist"),
    ("verify isic --root emptydir", "ISIC: the folder emptydir is empty"),
    ("verify nope --root emptydir", "There is no dataset 'nope'; there are isic"),
    ("prepare kits", "prepare needs --root"),
    ("prepare isic --root emptydir", "prepare is for volumes; the pictures of isic are read as they are"),
    ("phantom nope --output x", "There is no phantom of 'nope'; there are phantoms of brats2021"),
    ("phantom isic --output note.txt", "note.txt exists and is not a phantom, so nothing was written"),
    ("phantom isic --output x --cases 0", "A phantom needs at least 1 case, but 0 were asked for"),
    ("phantom isic --output x --cases many", "--cases is many, but must be a whole number"),
    ("phantom isic --output x --seed -1", "The seed of a phantom must be 0 or more, but it is -1"),
    ("phantom isic --output x --image_size 5", "--image_size is 5, but must be a list such as [1,2]"),
    ("leaderboard", "leaderboard needs RUNS"),
    ("leaderboard nowhere", "nowhere does not exist; give run folders"),
    ("leaderboard emptydir", "There is no run.json in or below emptydir"),
    ("leaderboard note.txt", "note.txt is a file, and no run.json"),
    ("leaderboard emptydir --overlays maybe", "--overlays is maybe, but must be true or false"),
    ("report", "report needs RUNS"),
    ("report note.txt", "note.txt is a file, and no run.json"),
    ("verify-run emptydir", "There is no run.json in or below emptydir"),
    ("manifest", "manifest needs FOLDER"),
    ("manifest nowhere", "nowhere is no folder; give the one that is published"),
    ("wandb", "wandb needs RESULTS"),
    ("wandb nowhere", "Expected leaderboard.csv and report.html in nowhere"),
    ("privacy nowhere", "nowhere holds no run: run.json is missing there"),
    ("evaluate nowhere --cohort a=emptydir", "nowhere does not exist; give run folders"),
    ("evaluate nowhere --cohort a", "Argument --cohort: is NAME=ROOT, but it is a"),
    ("segment emptydir", "The following arguments are required: files, --output"),
    ("segment emptydir note.txt --output out", "emptydir holds no run: run.json is missing there"),
    ("segment note.txt note.txt --output out", "note.txt is a file, and no run; give the folder that holds run.json"),
    ("export emptydir", "The following arguments are required: --output"),
    ("export emptydir --output out", "emptydir holds no run: run.json is missing there"),
    ("plan emptydir", "plan needs --output"),
    ("plan emptydir --output x", "--output x is no name of a task file; it must end in .yaml or .yml"),
    ("account show nowhere", "nowhere is no account (account.log is missing there)"),
    ("account create x", "create needs --epsilon and --delta"),
    ("deploy nope", "deploy has the commands init, "),
    ("deploy init x", "A deployment is of a task and a method: give their files, each with --config"),
    ("deploy init x --config tasks/isic.yaml", "A deployment is of hospitals: give their names, each with --hospital"),
    ("deploy init x --config tasks/isik.yaml --hospital a", "did you mean tasks/isic.yaml?"),
    (
        "deploy init emptydir --config tasks/isic.yaml --hospital a",
        "emptydir exists already, and nothing is overwritten",
    ),
    (
        "deploy init x --config tasks/isic.yaml --hospital a --hospital a",
        "told apart by their names, but they are a, a",
    ),
    ("deploy init x --config callbacks/fedavg.yaml --hospital a", "A deployment needs a task: add --config tasks/"),
    ("deploy init x --config tasks/isic.yaml --hospital a --superlink here", "--superlink is host:port"),
    ("deploy check nowhere.yaml", "nowhere.yaml cannot be read"),
    ("deploy certificates emptydir", "emptydir/server/server.yaml"),
    ("deploy node nowhere.yaml", "node needs --superlink"),
    ("deploy node list.yaml --superlink here:1", "list.yaml must hold settings by name, such as name: north"),
    ("list nope", "There is no kind nope of things to list; there are tasks"),
    ("show nope", "There is nothing called nope"),
    ("show adp_f", "did you mean adp_fl?"),
    ("completion fish", "invalid choice: 'fish' (choose from 'bash', 'zsh')"),
]


def _beside(root: Path) -> None:
    """What the command lines name lies in the working directory."""
    nothing(root)
    (root.parent / "note.txt").write_text("hello")
    (root.parent / "emptydir").mkdir(exist_ok=True)
    (root.parent / "bad.yaml").write_text("federated: {rounds: [1\n")
    (root.parent / "list.yaml").write_text("- a\n")


def _kind(line: str, sentence: str) -> Kind:
    words = shlex.split(line.replace("@task", _TASK).replace("@run", _RUN))
    ask = command(words[0] if words else "", "nothing", lambda _: words, ("runs/*", "phantoms/*"))
    return Kind("command lines", line, _beside, ask, Refused(re.escape(sentence)))


COMMAND_LINES = [_kind(line, sentence) for line, sentence in (*_OF_CONFIGURATIONS, *_OF_COMMANDS)]
