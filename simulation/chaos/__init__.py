"""The province with faults on one clock: hubs and cities as in production, and everything going wrong by seed.

One seed is one run of twenty virtual minutes: callers at the switches, agents at the agent API, and faults that aim at
the moments between the steps of an attempt. Afterwards everything heals, the people go, and a checker asks whether the
promises were kept (docs/chaos.md).
"""
