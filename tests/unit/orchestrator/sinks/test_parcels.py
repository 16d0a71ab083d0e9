"""The search for the events that make a destination refuse a batch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from orchestrator.domain.events import Deferred, Delivered, Refusal, Rejected
from orchestrator.sinks.parcels import Parcel, Refused, send_apart


@given(sizes=some.lists(some.integers(0, 40), max_size=4), data=some.data())
def test_exactly_the_culprits_are_rejected_and_the_others_arrive_once_in_order(
    sizes: list[int], data: some.DataObject
) -> None:
    """Whatever the batch and whichever of it are poison: no innocent is condemned, none is lost or sent on twice."""
    numbers = list(range(sum(sizes)))
    poison = data.draw(some.sets(some.sampled_from(numbers))) if numbers else set()
    arrived: list[int] = []

    def send(contents: list[int]) -> Delivered | Refused:
        if poison.intersection(contents):
            return Refused("poison")
        arrived.extend(contents)
        return Delivered()

    parcels = iter([Parcel(number, number) for number in numbers])
    parts = [[next(parcels) for _ in range(size)] for size in sizes]
    answer = send_apart(parts, send, {})
    assert answer == (Rejected(dict.fromkeys(poison, Refusal("poison"))) if poison else Delivered())
    assert arrived == [number for number in numbers if number not in poison]


def test_one_culprit_among_many_costs_few_posts() -> None:
    """Halving asks about twice for each doubling of the batch: some twenty posts for one among 1,000."""
    posts: list[int] = []

    def send(contents: list[int]) -> Delivered | Refused:
        posts.append(len(contents))
        return Refused("poison") if 617 in contents else Delivered()

    answer = send_apart([[Parcel(number, number) for number in range(1000)]], send, {})
    assert answer == Rejected({617: Refusal("poison")})
    assert len(posts) <= 21


def test_what_was_not_even_sent_is_rejected_with_its_own_reason() -> None:
    """Events that could not be encoded join those that were refused; with nothing else to send, nothing is sent."""
    assert send_apart([[]], lambda _: Delivered(), {7: Refusal("not JSON")}) == Rejected({7: Refusal("not JSON")})
    assert send_apart([[Parcel(1, 1)]], lambda _: Refused("no"), {7: Refusal("not JSON")}) == Rejected(
        {7: Refusal("not JSON"), 1: Refusal("no")}
    )
    assert send_apart([[Parcel(1, 1)]], lambda _: Deferred("down"), {7: Refusal("not JSON")}) == Deferred("down")
