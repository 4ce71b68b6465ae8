"""Whoever comes second waits, and nothing is left of those who came."""

import threading
from pathlib import Path

from sparse_peft.ui.desk.turns import Turns


def test_two_of_one_key_take_turns_and_others_do_not_wait() -> None:
    turns, seen = Turns(), list[str]()
    inside, go = threading.Event(), threading.Event()

    def first() -> None:
        with turns.of("alice"):
            inside.set()
            assert go.wait(10)
            seen.append("first")

    def second() -> None:
        with turns.of("alice"):
            seen.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    with turns.of("bob"):
        seen.append("bob")
    go.set()
    for thread in threads:
        thread.join()
    assert seen == ["bob", "first", "second"]


def test_nothing_is_kept_of_who_has_gone() -> None:
    turns = Turns()
    for number in range(100):
        with turns.of(Path(f"owner-{number}")):
            assert len(turns) == 1
    assert len(turns) == 0
