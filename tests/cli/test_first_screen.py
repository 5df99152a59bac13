"""Help of the commands that take a configuration: a first screen at once, everything on demand; and completion."""

import io
import re
import shutil
import subprocess
from contextlib import redirect_stdout

import pytest

from adpfl_bench.cli import main
from adpfl_bench.cli.training_help import training_help

LINES_OF_A_SCREEN = 45
TRAINING = ("fit", "validate", "test", "predict", "audit")


@pytest.fixture(scope="module")
def bash_script() -> str:
    said = io.StringIO()
    with redirect_stdout(said):
        assert main(["completion", "bash"]) == 0
    return said.getvalue()


@pytest.mark.parametrize("command", TRAINING)
def test_first_screen_fits_a_screen(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: adpfl-bench {command} --config TASK")
    assert "--data.root PATH" in text
    assert len(text.splitlines()) <= LINES_OF_A_SCREEN
    assert max(map(len, text.splitlines())) <= 120


def test_every_option_of_the_first_screen_exists(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fit", "--help_all"])
    assert ended.value.code == 0
    everything = capsys.readouterr().out
    options = set(re.findall(r"^  (--[\w.]+)", training_help("fit"), re.MULTILINE))
    of_classes = {option for option in options if option.startswith(("--data.", "--model."))}
    missing = [
        option for option in sorted(options - of_classes - {"--trust", "--help_all"}) if option not in everything
    ]
    assert not missing
    assert "--data.help" in everything
    assert "--trust MODULE" in everything


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["fi"], {"fit"}),
        (["fit", "--data.r"], {"--data.root"}),
        (["fit", "--config", "callbacks/adp_fl_q"], {"callbacks/adp_fl_quantile.yaml"}),
        (["list", "th"], {"thresholds"}),
        (["leaderboard", "--over"], {"--overlays"}),
        (["segment", "--unc"], {"--uncertainty"}),
    ],
)
def test_bash_completes(bash_script: str, typed: list[str], offered: set[str]) -> None:
    words = " ".join(["adpfl-bench", *typed])
    asked = f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}; COMP_LINE='{words}'; COMP_POINT={len(words)}"
    program = f'{bash_script}\n{asked}; _shtab_adpfl_bench; printf "%s\\n" "${{COMPREPLY[@]}}"'
    ended = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert {word.strip() for word in ended.stdout.split()} == offered, ended.stderr
