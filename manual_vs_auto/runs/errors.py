"""What a command refuses to do."""


class UsageError(ValueError):
    """Flags or files that can't be used, in one line: the command ends with 2."""

    status = 2


class NoRoomError(UsageError):
    """What does not fit into memory, in one line: the command ends with 3."""

    status = 3
