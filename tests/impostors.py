"""Classes that say they are others."""

_made: list[type] = []


def impostor(base: type, module: str, name: str) -> type:
    """A class that goes by another's name until the test has ended: the command line looks classes up by theirs."""
    made = type(name, (base,), {"__module__": module, "__qualname__": name})
    _made.append(made)
    return made


def unmask() -> None:
    """Give all impostors a name of their own."""
    for made in _made:
        made.__name__ = made.__qualname__ = "Impostor"
    _made.clear()
