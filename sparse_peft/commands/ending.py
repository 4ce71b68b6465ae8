"""Where a run stood that a person stopped, in words."""

from sparse_peft.runs.run import RunDirectory


def stopped(directory: RunDirectory) -> str:
    """How far a cancelled run came, such as "stopped at step 27 of 100"."""
    training = directory.spec.settings.get("training")
    steps = [event["step"] for event in directory.events()[0] if "step" in event]
    gone = ", discarded" if directory.cancel_requested() == "discard" else ""
    if training is None:
        return f"stopped{gone}"
    if not steps:
        return f"stopped before its first step{gone}"
    return f"stopped at step {steps[-1]} of {training['steps']}{gone}"
