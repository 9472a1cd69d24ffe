"""What a shell may ask of JAX while somebody's own code is debugged, and no command can bear."""

import os
import sys

_NO = ("", "0", "f", "false", "n", "no", "off")
_PLAIN = {  # and what each says where JAX does what it does anyway
    "JAX_DISABLE_JIT": _NO,  # programs are compiled ahead
    "JAX_DEBUG_NANS": _NO,  # what is not finite is expected, and said
    "JAX_DEBUG_INFS": _NO,
    "JAX_TRANSFER_GUARD": ("allow", "log"),
    "JAX_TRANSFER_GUARD_HOST_TO_DEVICE": ("allow", "log"),
    "JAX_TRANSFER_GUARD_DEVICE_TO_DEVICE": ("allow", "log"),
    "JAX_TRANSFER_GUARD_DEVICE_TO_HOST": ("allow", "log"),
}


def leave_out() -> None:
    """Take these out of the environment, before JAX is imported and reads it; and say which, in one line."""
    strict = [name for name, plain in _PLAIN.items() if name in os.environ and os.environ[name].lower() not in plain]
    if strict and "jax" not in sys.modules:
        for name in strict:
            del os.environ[name]
        print(f"warning: {', '.join(strict)}: not heeded, for JAX would refuse what is done here", file=sys.stderr)
