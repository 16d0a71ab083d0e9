"""The search for the events that make a destination refuse a batch."""

from __future__ import annotations

from itertools import islice
from math import ceil, log2
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as some

from orchestrator.domain.events import Deferred, Delivered, Refusal, Rejected
from orchestrator.sinks.parcels import Parcel, Refused, pack, send_apart
from tests.events import event, record, stored

if TYPE_CHECKING:
    from orchestrator.domain.events import EventRecord


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


@given(size=some.integers(1, 500), place=some.integers(0, 499))
def test_one_culprit_costs_few_posts(size: int, place: int) -> None:
    """In a post of n: one for each time that n is halved, one alone, one for what is behind; nothing arrives twice."""
    culprit, posts, arrived = place % size, 0, list[int]()

    def send(contents: list[int]) -> Delivered | Refused:
        nonlocal posts
        posts += 1
        if culprit in contents:
            return Refused("poison")
        arrived.extend(contents)
        return Delivered()

    answer = send_apart([[Parcel(number, number) for number in range(size)]], send, {})
    assert answer == Rejected({culprit: Refusal("poison")})
    assert arrived == [number for number in range(size) if number != culprit]
    assert posts <= 1 + ceil(log2(size)) + (size > 1) + (culprit < size - 1)


@given(size=some.integers(0, 60), refusing=some.data())
def test_only_what_was_refused_alone_is_refused_for_good(size: int, refusing: some.DataObject) -> None:
    """Whatever the destination answers: what was refused together with others, and never alone, is not condemned."""
    posts: list[list[int]] = []
    arrived: list[int] = []
    refused_alone = set[int]()

    def send(contents: list[int]) -> Delivered | Refused:
        posts.append(list(contents))
        if refusing.draw(some.booleans()):
            refused_alone.update(contents if len(contents) == 1 else ())
            return Refused("no")
        arrived.extend(contents)
        return Delivered()

    answer = send_apart([[Parcel(number, number) for number in range(size)]], send, {})
    assert answer == (Rejected(dict.fromkeys(refused_alone, Refusal("no"))) if refused_alone else Delivered())
    assert arrived == [number for number in range(size) if number not in refused_alone]


@pytest.mark.parametrize("size", [2, 8, 1_000])
def test_a_refusal_that_passes_condemns_nothing(size: int) -> None:
    """A 400 that somebody on the way gave once: all of it is delivered, for the price of one search."""
    posts = 0

    def send(_: list[int]) -> Delivered | Refused:
        nonlocal posts
        posts += 1
        return Refused("a proxy was restarted") if posts == 1 else Delivered()

    assert send_apart([[Parcel(number, number) for number in range(size)]], send, {}) == Delivered()
    assert posts <= 3 + ceil(log2(size))


@pytest.mark.parametrize("most", [1, 2, 3, 10, 300, 999])
def test_a_destination_that_refuses_more_than_some_condemns_nothing(most: int) -> None:
    """Where it says 400 and means that it is too many: all is delivered, and soon no post is too large for it."""
    posts, size = 0, 1_000

    def send(contents: list[int]) -> Delivered | Refused:
        nonlocal posts
        posts += 1
        return Refused("expected fewer events") if len(contents) > most else Delivered()

    assert send_apart([[Parcel(number, number) for number in range(size)]], send, {}) == Delivered()
    assert posts <= 2 * size / most + 2 * ceil(log2(size))


@given(sizes=some.lists(some.integers(1, 12), max_size=40), data=some.data())
def test_a_post_that_is_too_large_condemns_no_event_of_it(sizes: list[int], data: some.DataObject) -> None:
    """Where less goes at once than we thought, everything arrives but what is too large alone, or poison."""
    most, numbers = 10, range(len(sizes))
    poison = data.draw(some.sets(some.sampled_from(numbers))) if sizes else set()
    arrived: list[int] = []

    def send(contents: list[int]) -> Delivered | Refused:
        if sum(sizes[number] for number in contents) > most:
            return Refused("413", too_large=True)
        if poison.intersection(contents):
            return Refused("400")
        arrived.extend(contents)
        return Delivered()

    answer = send_apart([[Parcel(number, number) for number in numbers]], send, {})
    dead = {n: Refusal("413" if sizes[n] > most else "400") for n in numbers if sizes[n] > most or n in poison}
    assert answer == (Rejected(dead) if dead else Delivered())
    assert arrived == [number for number in numbers if number not in dead]


@pytest.mark.parametrize(("number", "most_posts"), [(500, 600), (64, 110)])
def test_a_destination_that_refuses_everything_costs_little_more_than_a_post_each(number: int, most_posts: int) -> None:
    """Where all of a post is poison, no search is made for each of it."""
    posts = 0

    def send(_: list[int]) -> Refused:
        nonlocal posts
        posts += 1
        return Refused("no")

    answer = send_apart([[Parcel(each, each) for each in range(number)]], send, {})
    assert answer == Rejected(dict.fromkeys(range(number), Refusal("no")))
    assert posts <= most_posts


def test_a_fault_of_ours_in_one_event_holds_up_no_other() -> None:
    """An event whose encoding breaks is refused by itself, and says so; the others are packed."""

    def encode(given: EventRecord) -> str:
        if given.id == "odd":
            raise KeyError("gen_ai")
        return given.id

    parcels, refused = pack(stored(*(record(event(event_id=name)) for name in ("a", "odd", "b"))), encode)
    assert parcels == [Parcel(1, "a"), Parcel(3, "b")]
    assert refused == {2: Refusal("expected an event that can be encoded, got a fault of ours: KeyError")}


def test_what_was_not_even_sent_is_rejected_with_its_own_reason() -> None:
    """Events that could not be encoded join those that were refused; with nothing else to send, nothing is sent."""
    assert send_apart([[]], lambda _: Delivered(), {7: Refusal("not JSON")}) == Rejected({7: Refusal("not JSON")})
    assert send_apart([[Parcel(1, 1)]], lambda _: Refused("no"), {7: Refusal("not JSON")}) == Rejected(
        {7: Refusal("not JSON"), 1: Refusal("no")}
    )
    assert send_apart([[Parcel(1, 1)]], lambda _: Deferred("down"), {7: Refusal("not JSON")}) == Deferred("down")


@given(sizes=some.lists(some.integers(0, 30), min_size=1, max_size=4), data=some.data())
def test_a_deferral_says_how_far_the_parts_came(sizes: list[int], data: some.DataObject) -> None:
    """Whatever the order of the parts, what is told to be settled has arrived or is refused; the rest goes again."""
    numbers = data.draw(some.permutations(range(sum(sizes))))
    poison = data.draw(some.sets(some.sampled_from(numbers))) if numbers else set()
    unsendable = {len(numbers): Refusal("not JSON"), -1: Refusal("not JSON")}
    left, arrived = data.draw(some.integers(0, 20)), set[int]()

    def send(contents: list[int]) -> Delivered | Deferred | Refused:
        nonlocal left
        left -= 1
        if left < 0:
            return Deferred("busy", 7.0)
        if poison.intersection(contents):
            return Refused("poison")
        arrived.update(contents)
        return Delivered()

    places = iter(numbers)
    parts = [[Parcel(number, number) for number in sorted(islice(places, size))] for size in sizes]
    answer = send_apart(parts, send, dict(unsendable))
    if isinstance(answer, Deferred):
        assert (answer.reason, answer.retry_after, answer.upto is None) == ("busy", 7.0, False)
        settled = {number for number in (-1, *numbers) if number <= (answer.upto or 0)}
        assert settled <= arrived | set(answer.refusals)
        assert set(answer.refusals) <= settled & (poison | {-1})
        assert set(numbers) - settled
