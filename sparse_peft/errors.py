"""What can go wrong in a way that a person can mend.

UserError            shown word for word; the command line ends with exit status 2
|-- SpecError        a setting, a preset, a method or a budget
|-- DataError        pictures, captions, prompts
|-- BackboneError    a model folder, an adapter, or the two together
`-- RunError         a run that cannot go on: not finite, no room on the disk, locked
"""


class UserError(Exception):
    """A person can act on this: the message says where, what, what is allowed and what to do."""


# Also a ValueError, as library users expect: what catches those has to let this one through first.
class SpecError(UserError, ValueError):
    """A setting is unknown, of the wrong kind or out of range."""


class DataError(UserError):
    """Pictures, captions or prompts cannot be used as they are."""


class BackboneError(UserError):
    """A backbone or an adapter cannot be opened, or they do not belong together."""


class RunError(UserError):
    """A run cannot go on."""
