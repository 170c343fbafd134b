"""What the operations of the agent API answer, as declared types, by subject: the description that a node serves of
itself is made of them, and tests hold every answer against them.

Durations are seconds at the moment of sending, moments are seconds since 1970 (UTC), money is whole fen. What a hub
answers in the same shape is in ``federation.node.answers``.
"""
