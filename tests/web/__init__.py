"""The screens in a real browser, against the demo that everybody starts."""
