"""How Python is started for runs: without the working directory among the places that modules are found in.

Whoever starts a benchmark in a stranger's folder would else import whatever Python files lie there. Modules of one's
own are found on ``PYTHONPATH``, as ever.
"""

import shlex
import sys

SAFE_PATH = "PYTHONSAFEPATH"
"""Variable that has the same effect on every Python that is started, from 3.11 on."""

_SAFE = ("-P",)  # from Python 3.11 on
# Before that, python -c puts the working directory first; nothing but the built-in sys has been imported by then.
_AS_MODULE = """import sys
del sys.path[0]
import runpy
sys.argv = sys.argv[sys.argv.index("-m") + 1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)"""
_BEFORE = ("-c", _AS_MODULE)


def python_command(version: tuple[int, ...] = sys.version_info[:2]) -> tuple[str, ...]:
    """Return the words before ``-m MODULE`` that start this interpreter, of a version, in the safe way."""
    return (sys.executable, *(_SAFE if version >= (3, 11) else _BEFORE))


def python_shell_command() -> str:
    """Return the same as a shell would have it."""
    return shlex.join(python_command())
