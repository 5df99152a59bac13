import subprocess
import sys
from typing import get_args, get_type_hints

from adpfl_bench.cli.phantom import phantom
from adpfl_bench.datasets.catalogue import PHANTOMS


def test_one_line_says_what_was_written(tmp_path, capsys):
    phantom("ham10000", tmp_path / "out", cases=12, image_size=(32, 32))
    assert capsys.readouterr().out == (
        "Wrote a phantom of 12 ham10000 images (vidir_molemax 3, vidir_modern 3, rosendahl 3, vienna_dias 3) "
        f"in {tmp_path / 'out'}\n"
    )


def test_one_line_says_that_it_was_kept(tmp_path, capsys):
    for _ in range(2):
        phantom("isic", tmp_path / "out", cases=1, image_size=(32, 32))
    assert capsys.readouterr().out.splitlines()[1] == (
        f"Kept, as it was there already: a phantom of 1 isic image (sites not stated) in {tmp_path / 'out'}"
    )


def test_default_folder_is_named_after_the_dataset(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    phantom("isic", cases=1, image_size=(32, 32))
    assert (tmp_path / "phantoms" / "isic" / "PHANTOM.json").is_file()


def test_a_line_in_place_of_a_bar_where_there_is_no_terminal(tmp_path, capsys):
    phantom("isic", tmp_path / "out", cases=1, image_size=(32, 32))
    assert capsys.readouterr().err == "Writing the isic phantom: 1 to do ...\n"


def test_command_offers_every_phantom_there_is():
    names, *_ = get_args(get_type_hints(phantom)["dataset"])
    assert set(get_args(names)) == {*PHANTOMS}


def test_import_is_light():
    heavy = "{'torch', 'monai', 'lightning', 'pandas', 'matplotlib', 'wandb'}"
    script = f"import sys, adpfl_bench.cli.phantom; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
