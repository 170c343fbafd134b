"""Days of a real call center, played to the real core: exactly as they were, or with the core deciding.

A trace has the form of the Anonymous Bank's call-center data (17 columns, one line per call). Traces are not part of
the project; they are read from where ``--trace`` or ``YHT_TRACE`` says.
"""
