"""The command ``adpfl-bench completion``: a script by which a shell completes commands, files and options."""

from __future__ import annotations

import inspect
import io
import re
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module

from adpfl_bench.cli.main import COMMANDS, Command
from adpfl_bench.cli.offers import KINDS
from adpfl_bench.cli.training_help import has_screen, training_help
from adpfl_bench.config.config_files import WordParser, packaged_configs
from adpfl_bench.errors import ConfigError

SHELLS = ("bash", "zsh")

_HELP = """usage: adpfl-bench completion bash|zsh

Prints a script by which the shell completes commands, YAML files (those of the package and those of the working
directory) and options. It needs shtab: pip install 'adpfl-bench[completion]'.

  bash: adpfl-bench completion bash > ~/.local/share/bash-completion/completions/adpfl-bench
  zsh:  adpfl-bench completion zsh > "${fpath[1]}/_adpfl-bench"        (a folder of $fpath that is yours)"""

_CONFIG_FUNCTIONS = {
    "bash": """
_adpfl_configs() {{
  compgen -W "{names}" -- "$1"
  compgen -f -X '!*.yaml' -- "$1"
  compgen -d -S / -- "$1"
}}
""",
    "zsh": """
_adpfl_configs() {{
  compadd {names}
  _files -g '*.yaml'
}}
""",
}
_CONFIGS = {"bash": "_adpfl_configs", "zsh": "_adpfl_configs"}
_OPTION = re.compile(r"^  (--[\w.]+)", re.MULTILINE)


def completion(words: Sequence[str]) -> int:
    """Print the script.

    Args:
        words: The command line after the program's name.

    Raises:
        ConfigError: There is no such shell, or shtab is not installed.
    """
    _, *words = words
    if not words or words[0] in ("-h", "--help"):
        print(_HELP)
        return 0
    parser = WordParser()
    parser.add_argument("shell", choices=SHELLS)
    shell = parser.parse_args(words).shell
    try:
        import shtab  # deferred: an extra
    except ImportError:
        raise ConfigError(
            "completion needs shtab, which is not installed: pip install 'adpfl-bench[completion]'."
        ) from None
    configs = _CONFIG_FUNCTIONS[shell].format(names=" ".join(packaged_configs()))
    print(shtab.complete(_whole_parser(), shell=shell, preamble=configs))
    return 0


def _whole_parser() -> ArgumentParser:
    """A parser of all commands with the options that a person types; it completes and parses nothing."""
    parser = ArgumentParser(prog="adpfl-bench")
    parser.add_argument("--version", action="store_true")
    below = parser.add_subparsers()
    for name, listed in COMMANDS.items():
        command = below.add_parser(name, help=listed.text, description=listed.text)
        if name == "list":
            command.add_argument("kind", choices=list(KINDS))
        elif name == "show":
            command.add_argument("name").complete = _CONFIGS  # type: ignore[attr-defined]  # shtab's own
        elif name == "completion":
            command.add_argument("shell", choices=SHELLS)
        for option in _options(name, listed):
            added = command.add_argument(option)
            if option == "--config":
                added.complete = _CONFIGS  # type: ignore[attr-defined]
    return parser


def _options(name: str, command: Command) -> list[str]:
    """The options of a command, as its help or its function's signature states them."""
    if has_screen(name):
        return list(dict.fromkeys(_OPTION.findall(training_help(name))))
    function = getattr(import_module(f"adpfl_bench.{command.module}"), command.function)
    if command.reads_words:
        said = io.StringIO()
        with redirect_stdout(said):
            function([name, "--help"])
        return list(dict.fromkeys(_OPTION.findall(said.getvalue())))
    found = inspect.signature(function).parameters
    return [f"--{parameter.name}" for parameter in found.values() if parameter.default is not parameter.empty]
