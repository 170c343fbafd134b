"""The people of a simulated province, repeatable by seed: who calls, who sits at the seats, and what is on record of
the operator's customers (``customers``).

Callers only use a telephone; staff only use a telephone and the agent API. Neither knows anything of the core.
"""
