"""Plans as comparisons keep them: read back, and compared with each other."""

from sparse_peft import tables
from sparse_peft.errors import SpecError
from sparse_peft.planning.classes import ClassesPlan
from sparse_peft.planning.subject import ComparisonPlan
from sparse_peft.runs.spec import ComparisonSpec
from sparse_peft.tasks.fewshot.recipe import TASK

AnyPlan = ComparisonPlan | ClassesPlan
_PLANS: dict[str, type[AnyPlan]] = {"dreambooth": ComparisonPlan, TASK: ClassesPlan}


def read_plan(spec: ComparisonSpec) -> AnyPlan:
    """What planning put into a comparison's spec.

    Raises:
        SpecError: it is of a task that this version does not know, or damaged.
    """
    task = spec.settings.get("task")
    if task not in _PLANS:
        raise SpecError(f"comparison {spec.id} is of the unknown task {task!r}.")
    return tables.build(_PLANS[task], spec.settings, f"comparison {spec.id}")


def read_subject_plan(spec: ComparisonSpec) -> ComparisonPlan:
    """As `read_plan`, of a DreamBooth comparison.

    Raises:
        SpecError: it is of another task.
    """
    found = read_plan(spec)
    if not isinstance(found, ComparisonPlan):
        raise SpecError(f"comparison {spec.id} is not about one subject; it is of {found.task}.")
    return found


def read_classes_plan(spec: ComparisonSpec) -> ClassesPlan:
    """As `read_plan`, of a few-shot comparison.

    Raises:
        SpecError: it is of another task.
    """
    found = read_plan(spec)
    if not isinstance(found, ClassesPlan):
        raise SpecError(f"comparison {spec.id} is not about classes; it is of {found.task}.")
    return found


def same(one: AnyPlan, other: AnyPlan) -> bool:
    """Whether both ask for the same: everything but the ids of the runs.

    What the preset has beside what is asked for is not compared: older plans do not say it.
    """

    def asked(content: AnyPlan) -> object:
        table = tables.table(content) | {"prepare": None}
        apart = {"run": None, "preset_steps": None}
        return table | {"runs": [run | apart for run in table["runs"]]}

    return asked(one) == asked(other)
