"""Strategies of texts in YAML and nearly so, from a grammar whose words are those that readers take in several ways."""

from hypothesis import strategies as st

SCALARS = (
    *("yes", "no", "on", "off", "y", "n", "True", "~", "null", "NULL", '""', "''", "", "a", "b c", "naïve", "北京"),
    *("0", "-0", "01", "010", "0o7", "0x1F", "0x_", "0b1", "0b_", "1_000", "1_", "+3", "-4", "9" * 30, "9" * 5000),
    *("1e3", "1e-3", "1.e3", ".5", "5.", ".", "-.5", "1e400", ".inf", "-.INF", ".nan", "1:30", "190:20:30.15", "1.2.3"),
    *(
        "2001-01-01",
        "2001-01-01T00:00:00Z",
        "2001-99-99",
        "-",
        "--",
        "?",
        ":",
        "=",
        "<<",
        "@x",
        "`x",
        "%x",
        ",",
        "#",
        "!",
    ),
    *("'it''s'", "'open", '"open', r'"\x00"', r'"\ud800"', r'"\U00110000"', r'"\n\t"', "|\n  x\n", ">-\n  x\n  y\n"),
    *(
        "adpfl_bench.FedAvg",
        "torch.optim.SGD",
        "os.system",
        "../x",
        "a/b",
        ".hidden",
        "\x07",
        "\ufeff",
        "\u2028",
        "\x85",
    ),
)
TAGS = (
    *(
        "!!str",
        "!!int",
        "!!float",
        "!!bool",
        "!!null",
        "!!seq",
        "!!map",
        "!!merge",
        "!!binary",
        "!!set",
        "!!omap",
        "!!pairs",
    ),
    *(
        "!!timestamp",
        "!!value",
        "!!python/name:os.system",
        "!!python/object/apply:os.getcwd",
        "!local",
        "!",
        "!<tag:yaml.org,2002:int>",
    ),
    *("!e!x", "!!yaml", "!!none", "!<>"),
)
KEYS = (
    *(
        "task",
        "method",
        "by_task",
        "model",
        "data",
        "federated",
        "privacy",
        "trainer",
        "class_path",
        "init_args",
        "unit",
    ),
    *("optimizer", "lr", "threshold", "mechanism", "callbacks", "isic", "seed_everything", "tasks", "methods", "seeds"),
    *("configs", "overrides", "exclude", "output", "results", "slurm", "trust", "file", "files", "name", "seed"),
)
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1")
LINE_ENDS = ("\n", "\n", "\n", "\r\n", "\r", "\x85")

_scalar = st.sampled_from(SCALARS)
_plain = st.sampled_from([text for text in SCALARS if "\n" not in text])
_key = st.sampled_from(KEYS) | _plain
_mark = st.sampled_from(["", "", "", "", "&a ", "&b ", *(f"{tag} " for tag in TAGS)])
_leaf = st.builds("{}{}".format, _mark, _scalar) | st.sampled_from(["*a", "*b", "*c"])


def _flow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.builds("{}: {}".format, _key, inner), max_size=3)
    items = st.lists(inner, max_size=3)
    ends = st.sampled_from([("[", "]"), ("{", "}"), ("[", ""), ("", "}")])
    inside = (items | pairs).map(", ".join)
    return st.builds(lambda mark, end, text: f"{mark}{end[0]}{text}{end[1]}", _mark, ends, inside)


def _block(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    entry = st.builds("{}: {}".format, _key | st.just("<<") | st.just("? [a]\n"), inner) | st.builds(
        "- {}".format, inner
    )
    lines = st.lists(entry, min_size=1, max_size=4)
    depth = st.sampled_from([2, 2, 2, 1, 0])

    def joined(mark: str, lines: list[str], depth: int) -> str:
        spaces = " " * depth
        return f"{mark}\n" + "\n".join(f"{spaces}{line}".replace("\n", f"\n{spaces}") for line in lines)

    return st.builds(joined, _mark, lines, depth)


_values = st.recursive(_leaf, lambda inner: _flow(inner) | _block(inner), max_leaves=8)


@st.composite
def yaml_texts(draw: st.DrawFn) -> str:
    """A document or several, with directives and comments at times, and with other letters in places."""
    head = draw(
        st.sampled_from(
            ["", "", "", "%YAML 1.1\n---\n", "%YAML 9.9\n---\n", "%TAG !e! tag:x:\n---\n", "---\n", "\ufeff"]
        )
    )
    entries = st.builds("{}: {}".format, _key, _values) if draw(st.booleans()) else _values
    text = head + "\n".join(draw(st.lists(entries, min_size=1, max_size=5))) + "\n"
    text += draw(st.sampled_from(["", "", "", "...\n", "---\nb: 1\n", "# end", "\t\n", "]"]))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(" :-[]{},&*!|>'\"%@`#\t\n\0é") | st.characters()) + text[place:]
    return text


@st.composite
def yaml_bytes(draw: st.DrawFn) -> bytes:
    """The bytes of such a text in some encoding."""
    text = draw(yaml_texts()).replace("\n", draw(st.sampled_from(LINE_ENDS)))
    return text.encode(draw(st.sampled_from(ENCODINGS)), "replace")


wrong = st.sampled_from(
    [None, True, 0, -1, 10**30, 0.5, float("nan"), "", "x", "os.system", "../x", "a\nb", "*", [], {}]
)
"""Plain values that stand where something else is meant."""

settings = st.recursive(
    wrong,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.just("a.b"), inner, max_size=4)
    ),
    max_leaves=15,
)
"""Plain values, nested, under the names of settings."""
