"""The province: picture, proposals, ledger, intervals, console."""
