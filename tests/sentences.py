"""What every refusal has to be: one sentence, of a length that one reads, that says where."""

from adpfl_bench.errors import BenchError

LONGEST = 1500


def check_sentence(error: BenchError, *places: object) -> None:
    """Check that an error is one sentence, in letters that any terminal can print, which names one of some places."""
    words = str(error)
    assert words.endswith("."), words
    assert "\n" not in words, words
    assert len(words) <= LONGEST, words
    words.encode()
    assert any(str(place) in words for place in places) or not places, words
