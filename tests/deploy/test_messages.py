"""Messages are read without code and without trust: whatever is not one is refused in a sentence."""

import io

import numpy as np
import pytest
import torch

from adpfl_bench.deploy.arrays import load_state, packed, read_broadcast, read_update, state_arrays, unpacked
from adpfl_bench.deploy.messages import Answer, MessageError, Request, StatedCounts, pack, unpack
from adpfl_bench.federation.client_update import Broadcast

REQUEST = Request(
    kind="train",
    run="ab" * 16,
    configuration="cd" * 32,
    version="1",
    hospital="north",
    round=3,
    roster={"north": StatedCounts(examples=3, units=2)},
)
LIKE = Broadcast([torch.zeros(2, 3), torch.zeros(3)], [torch.zeros(3), torch.zeros((), dtype=torch.int64)], [])


def test_a_message_comes_back_as_it_was_and_always_in_the_same_bytes():
    arrays = {"weights.0": np.arange(6, dtype=np.float32).reshape(2, 3)}
    content = pack(REQUEST, arrays)
    assert content == pack(REQUEST, dict(arrays))
    facts, found = unpack(content, Request)
    assert facts == REQUEST
    assert found.keys() == arrays.keys()
    assert found["weights.0"].tobytes() == arrays["weights.0"].tobytes()


def archive(compressed=False, **members):
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, allow_pickle=True, **members)
    return file.getvalue()


FACTS = np.frombuffer(REQUEST.model_dump_json().encode(), dtype=np.uint8)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello", "are not read"),
        (pack(REQUEST)[:-30], "are not read"),
        (archive(facts=FACTS, w=np.array([print], dtype=object)), "are not read"),
        (archive(compressed=True, facts=FACTS), "something in it is compressed"),
        (archive(facts=FACTS, w=np.array(["text"])), "w is of the type"),
        (archive(w=np.zeros(2)), "are not read"),
        (archive(facts=FACTS[:-1]), "is no request of this version"),
        (pack(REQUEST).replace(b'"round":3', b'"sound":3'), "are not read"),
    ],
    ids=["no archive", "cut off", "a pickle", "compressed", "text", "no facts", "no JSON", "a wrong checksum"],
)
def test_what_is_no_message_is_refused(content, said):
    with pytest.raises(MessageError, match=said):
        unpack(content, Request)


def test_a_message_of_the_other_kind_and_one_that_is_too_large_are_refused():
    with pytest.raises(MessageError, match=r"no answer of this version of adpfl-bench: .*: "):
        unpack(pack(REQUEST), Answer)
    content = pack(REQUEST, {"w": np.zeros(1000)})
    with pytest.raises(MessageError, match=r"at most 100 bytes was expected, but one of [0-9,]+ came"):
        unpack(content, Request, most_bytes=100)


def sent(**changes):
    arrays = packed(delta=LIKE.weights, buffers=[value.double() for value in LIKE.buffers])
    return {**arrays, **{name.replace("_", "."): array for name, array in changes.items()}}


def test_an_update_of_another_shape_or_type_or_with_a_nan_is_refused_with_its_sender():
    update = read_update(sent(), "north", LIKE, sends_method=False)
    assert [tuple(own.shape) for own in update.delta] == [(2, 3), (3,)]
    assert [own.dtype for own in update.buffers] == [torch.float64] * 2
    nan = np.zeros((2, 3), np.float32)
    nan[1, 1] = np.nan
    wrong = {
        r"hospital north has sent does not fit: its delta.0 has the shape \(3, 2\)": {
            "delta_0": np.zeros((3, 2), np.float32)
        },
        r"its delta.0 is of the type torch.float64": {"delta_0": np.zeros((2, 3))},
        r"is not finite: its delta.0 has a NaN": {"delta_0": nan},
        r"has the array delta.2": {"delta_2": nan},
    }
    for said, change in wrong.items():
        with pytest.raises(MessageError, match=said):
            read_update(sent(**change), "north", LIKE, sends_method=False)
    with pytest.raises(MessageError, match=r"lacks the array method.0"):
        read_update(sent(), "north", LIKE, sends_method=True)


def test_a_broadcast_may_lack_what_the_method_has_not_made_yet():
    arrays = packed(weights=LIKE.weights, buffers=LIKE.buffers)
    assert read_broadcast(arrays, LIKE).method == []
    with_method = {**arrays, **packed(method=LIKE.weights)}
    assert len(read_broadcast(with_method, LIKE).method) == 2
    with pytest.raises(MessageError, match=r"lacks the array buffers.1"):
        unpacked(
            {name: array for name, array in arrays.items() if name != "buffers.1"},
            "the server",
            {"weights": LIKE.weights, "buffers": LIKE.buffers},
        )


def test_first_weights_go_into_the_same_network_alone():
    torch.manual_seed(0)
    made, other = torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    torch.nn.init.normal_(made.weight)
    load_state(other, state_arrays(made))
    assert torch.equal(made.weight, other.weight)
    for wrong in (torch.nn.BatchNorm1d(4), torch.nn.Linear(3, 3)):
        with pytest.raises(MessageError, match=r"the server has sent|first weights"):
            load_state(wrong, state_arrays(made))
