"""The worlds of the contract suite, one module per backend.

A backend joins by a module of its name with a function ``world``: how its service is started, and how a piece
of work is written as a job spec of it. The tests know only what stands in
:class:`~tests.contract.world.World`.
"""

from __future__ import annotations
