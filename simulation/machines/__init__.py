"""Starts real Asterisk, RabbitMQ, baresip and SIPp for ``yht up`` and for the tests, beside what the host runs itself.

Everything here blocks: it is called before a reactor runs, from a thread, or from the command line, never from reactor
code. Every start has a deadline, and what fails says which machine it was, in both languages, with the end of its log.
"""
