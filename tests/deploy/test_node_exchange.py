import pytest

from adpfl_bench.deploy.door import Missing
from adpfl_bench.deploy.node_exchange import NAME, Node, NodeExchange, Reply
from tests.deploy.paper_mail import PaperMail

NORTH, SOUTH = Node(11, "2026-01-01T10:00"), Node(7, "2026-01-01T10:01")


def exchange(mail: PaperMail, answer: float = 1000.0, absent: float = 50.0) -> NodeExchange:
    return NodeExchange(mail, answer, absent, mail.said.append, 0.5, mail.clock, mail.sleep)


def test_each_hospital_gets_its_own_request_by_the_name_that_its_node_states():
    mail = PaperMail({NORTH: "north", SOUTH: "south"})
    mail.answer_after = {NORTH: 3, SOUTH: 1}
    asked = exchange(mail)
    assert asked({"south": b"s", "north": b"n"}) == {"north": b"answer to n", "south": b"answer to s"}
    assert asked({"north": b"n2"}) == {"north": b"answer to n2"}
    assert sum(kind == NAME for _, kind, _ in mail.sent) == 2  # once for each node


def test_a_node_that_comes_back_is_sent_the_same_bytes_whatever_its_number():
    mail = PaperMail({NORTH: "north"})
    again = Node(99, "2026-01-01T11:00")
    mail.events = [(10, {}), (20, {again: "north"})]
    mail.answer_after = {again: 1}
    assert exchange(mail)({"north": b"n"}) == {"north": b"answer to n"}
    assert mail.requests(NORTH) == mail.requests(again) == [b"n"]
    assert "north is connected again and is sent the same request again." in mail.said


def test_a_node_that_restarts_under_its_number_is_sent_the_request_again():
    mail = PaperMail({NORTH: "north"})
    again = Node(NORTH.number, "2026-01-01T11:00")
    mail.events = [(10, {again: "north"})]
    mail.answer_after = {again: 1}
    assert exchange(mail)({"north": b"n"}) == {"north": b"answer to n"}
    assert mail.requests(again) == [b"n"]


def test_of_two_nodes_of_a_hospital_the_last_that_connected_is_asked():
    later = Node(3, "2026-01-01T12:00")
    mail = PaperMail({later: "north", NORTH: "north"})
    mail.answer_after = {later: 1}
    assert exchange(mail)({"north": b"n"}) == {"north": b"answer to n"}
    assert not mail.requests(NORTH)


def test_a_request_that_was_lost_is_sent_again_and_its_late_answer_counts():
    mail = PaperMail({NORTH: "north"})
    asked = exchange(mail)
    real_post = mail.post

    def post(node, kind, content, seconds):
        number = real_post(node, kind, content, seconds)
        if kind != NAME:
            first = len(mail.requests(node)) == 1
            mail.replies[number] = (mail.now + 2, Reply(None, "gone", lost=True) if first else Reply(b"late"))
        return number

    mail.post = post
    assert asked({"north": b"n"}) == {"north": b"late"}
    assert mail.requests(NORTH) == [b"n", b"n"]
    assert "The node of north was lost before it answered." in mail.said


def test_who_is_not_connected_is_missing_after_a_while_and_others_are_not_held_up():
    mail = PaperMail({NORTH: "north"})
    mail.answer_after = {NORTH: 70}
    found = exchange(mail)({"north": b"n", "south": b"s"})
    assert found == {"north": b"answer to n", "south": Missing("no node of it was connected for 50 s")}
    assert any("Waiting for north, which is connected" in sentence for sentence in mail.said)


def test_who_does_not_answer_is_missing_in_the_end():
    mail = PaperMail({NORTH: "north"})
    assert exchange(mail, answer=90)({"north": b"n"}) == {"north": Missing("it did not answer within 90 s")}
    assert mail.now == pytest.approx(90, abs=1)


def test_trouble_at_the_hospital_comes_back_as_it_was_said():
    mail = PaperMail({NORTH: "north"})
    mail.troubles = {NORTH: Reply(None, "its worker is away")}
    assert exchange(mail)({"north": b"n"}) == {"north": Missing("its worker is away")}


def test_a_node_that_is_busy_is_waited_for_before_its_hospital_counts_as_missing():
    mail = PaperMail({NORTH: "north"})
    asked = exchange(mail, absent=5)
    real_post = mail.post

    def post(node, kind, content, seconds):
        number = real_post(node, kind, content, seconds)
        if kind == NAME:
            mail.replies[number] = (mail.now + 80, mail.replies[number][1])
        return number

    mail.post = post
    mail.answer_after = {NORTH: 1}
    assert asked({"north": b"n"}) == {"north": b"answer to n"}
    assert any("a node that is busy has not said its name yet" in sentence for sentence in mail.said)


@pytest.mark.parametrize(
    ("node", "said", "sentence"),
    [
        (Node(5, "t", "south"), "north", "Node 5 is registered as south, but calls itself north; it is not used."),
        (
            Node(5, "t"),
            Reply(b"[]"),
            "Node 5 did not say its hospital's name in the way of this package; it is not used.",
        ),
        (
            Node(5, "t"),
            Reply(b"\xff"),
            "Node 5 did not say its hospital's name in the way of this package; it is not used.",
        ),
        (Node(5, "t"), "", "Node 5 did not say its hospital's name in the way of this package; it is not used."),
        (Node(5, "t"), Reply(None, "no app"), "Node 5 did not say its hospital's name (no app); it is not used."),
    ],
)
def test_a_node_without_a_name_that_holds_gets_no_request(node, said, sentence):
    mail = PaperMail({node: said})
    mail.answer_after = {node: 0}
    assert exchange(mail)({"north": b"n"}) == {"north": Missing("no node of it was connected for 50 s")}
    assert not mail.requests(node)
    assert mail.said.count(sentence) == 1


def test_a_node_that_is_registered_by_its_own_name_is_used():
    node = Node(5, "t", "north")
    mail = PaperMail({node: "north"})
    mail.answer_after = {node: 0}
    assert exchange(mail)({"north": b"n"}) == {"north": b"answer to n"}
