"""A sentence at a field stays as long as the field holds the mistake."""

from typing import Any

from sparse_peft.ui.classes.sorting import ACTIONS as SORTING
from sparse_peft.ui.clicks.actions import Answer
from sparse_peft.ui.clicks.choosing import ACTIONS as CHOOSING
from sparse_peft.ui.clicks.doing import ACTIONS as DOING
from sparse_peft.ui.clicks.gathering import ACTIONS as GATHERING
from sparse_peft.ui.clicks.mistakes import ANEW, FIELDS, MOST_OWNERS, Mistakes
from sparse_peft.ui.clicks.turning import ACTIONS as TURNING

WRONG = Answer(("methods",), errors={"steps": "Steps is 0."})
RIGHT = Answer(("methods",))


def asked(do: str, **more: Any) -> dict[str, Any]:
    return {"do": do, **more}


def test_another_answer_leaves_it_and_mending_takes_it_away() -> None:
    mistakes = Mistakes()
    assert mistakes.beside("a", asked("steps", steps="0"), WRONG) == WRONG
    assert mistakes.beside("a", asked("budget", stop=3), RIGHT).errors == WRONG.errors
    assert mistakes.beside("b", asked("budget", stop=3), RIGHT).errors == {}
    assert mistakes.beside("a", asked("steps", steps="5"), RIGHT).errors == {}
    assert mistakes.beside("a", asked("budget", stop=3), RIGHT).errors == {}


def test_the_fields_of_methods_are_told_apart() -> None:
    mistakes = Mistakes()
    scaling = Answer(errors={"waveft.scaling": "Too small."})
    rank = Answer(errors={"lora.alpha": "Too small."})
    mistakes.beside("a", asked("field", method="waveft", name="scaling", value=0), scaling)
    both = mistakes.beside("a", asked("field", method="lora", name="alpha", value=0), rank)
    assert set(both.errors) == {"waveft.scaling", "lora.alpha"}
    left = mistakes.beside("a", asked("field", method="waveft", name="scaling", value=1), RIGHT)
    assert set(left.errors) == {"lora.alpha"}


def test_the_mistake_of_a_button_is_told_once() -> None:
    mistakes = Mistakes()
    missing = Answer(errors={"pictures": "Add one first."})
    assert mistakes.beside("a", asked("next"), missing) == missing
    assert mistakes.beside("a", asked("look_pictures"), RIGHT).errors == {}


def test_a_new_form_and_a_new_page_begin_without() -> None:
    mistakes = Mistakes()
    mistakes.beside("a", asked("steps", steps="0"), WRONG)
    again = mistakes.beside("a", asked("reset"), RIGHT)
    assert (again.errors, again.anew) == ({}, True)
    mistakes.beside("a", asked("steps", steps="0"), WRONG)
    mistakes.forget("a")
    assert mistakes.beside("a", asked("budget", stop=3), RIGHT).errors == {}


def test_going_on_waits_for_the_mending() -> None:
    mistakes = Mistakes()
    assert mistakes.before("a", asked("start")) is None
    mistakes.beside("a", asked("steps", steps="0"), WRONG)
    told = mistakes.before("a", asked("start"))
    assert told is not None
    assert (told.errors, told.tab) == (WRONG.errors, None)
    assert mistakes.before("a", asked("next")) is None  # that step has nothing wrong
    long = Answer(errors={"picture:00.png": "At most 300."})
    mistakes.beside("a", asked("caption", picture="00.png", text="x"), long)
    told = mistakes.before("a", asked("next"))
    assert told is not None
    assert told.errors == long.errors
    told = mistakes.before("a", asked("start"))
    assert told is not None
    assert told.tab == "pictures"
    mistakes.beside("a", asked("caption", picture="00.png", text="y"), RIGHT)
    mistakes.beside("a", asked("steps", steps="9"), RIGHT)
    assert mistakes.before("a", asked("start")) is None


def test_only_so_many_persons_are_kept() -> None:
    mistakes = Mistakes()
    mistakes.beside("first", asked("steps", steps="0"), WRONG)
    for number in range(MOST_OWNERS):
        mistakes.beside(str(number), asked("look"), RIGHT)
    assert mistakes.beside("first", asked("budget", stop=3), RIGHT).errors == {}


def test_every_name_is_an_action() -> None:
    assert {*FIELDS, *ANEW} <= {*TURNING, *CHOOSING, *DOING, *GATHERING, *SORTING}
