"""The loss of softmax(Wx) and its hand-derived gradient in one, from ten classes to hundreds of thousands."""

from manual_vs_auto.fused.chunks import Plan
from manual_vs_auto.fused.loss import linear_softmax_loss, linear_softmax_loss_and_grad
from manual_vs_auto.fused.modes import MODES
from manual_vs_auto.fused.planning import plan
from manual_vs_auto.fused.seam import value_and_grad

__all__ = ["MODES", "Plan", "linear_softmax_loss", "linear_softmax_loss_and_grad", "plan", "value_and_grad"]
