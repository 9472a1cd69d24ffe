"""What a command refuses to do."""


class UsageError(ValueError):
    """Flags or files that can't be used, in one line: the command ends with 2."""

    status = 2


class NoRoomError(UsageError):
    """What does not fit into memory, in one line: the command ends with 3."""

    status = 3


class LostError(RuntimeError):
    """Another process of the same run is gone or has failed, in one line: the command ends with 4, or as that did."""

    status = 4

    def __init__(self, message: str, status: int = status) -> None:
        super().__init__(message)
        self.status = status
