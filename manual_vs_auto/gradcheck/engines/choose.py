"""Which engine runs a claim: one a check."""

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.trees import import_jax
from manual_vs_auto.gradcheck.engines.engine import Engine, widen
from manual_vs_auto.gradcheck.engines.numpy import NumpyEngine


def engine_for(claim: Claim) -> Engine:
    """PyTorch for tensors; JAX where it is installed and can trace the function; NumPy otherwise."""
    if any(leaf.device for leaf in claim.inputs.leaves):
        from manual_vs_auto.gradcheck.engines.torch.engine import TorchEngine

        return TorchEngine(claim)
    jax = import_jax()
    if jax is not None:
        from manual_vs_auto.gradcheck.engines.jax.engine import JaxEngine, traces
        from manual_vs_auto.gradcheck.engines.jax.jaxpr import refuses_tracing

        refusal = traces(claim)
        if refusal is None:
            return JaxEngine(claim)
        if not refuses_tracing(refusal):
            # Not the tracing was refused but the arguments: NumPy says it in the function's own words.
            claim.f(widen(claim.inputs.sample))
    return NumpyEngine(claim)
