"""The people of a simulated province, repeatable by seed: who calls, and who sits at the seats.

Callers only use a telephone; staff only use a telephone and the agent API. Neither knows anything of the core.
"""
