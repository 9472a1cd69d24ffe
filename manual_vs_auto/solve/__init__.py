"""The optimum of softmax(W x + b), by gradients and curvature that were derived by hand.

curvature.py   how the losses bend: products with the Hessian in the logits, the equations
objective.py   the objective over all rows, its gradient and its Hessian's products, in chunks
metric.py      D x D matrices that turn the long valleys round
lbfgs.py       a direction from the last steps
newton.py      a direction from Hessian products
descent.py     the steps
walk.py        from one penalty to the next
told.py        what is said on the way, and what is needed to go on from there
minimise.py    `minimise` and `path`
"""

from manual_vs_auto.solve.minimise import minimise, path
from manual_vs_auto.solve.told import Progress, Solution, State

__all__ = ["Progress", "Solution", "State", "minimise", "path"]
