"""The rules: what may be deployed, by whom, when, and what the numbers mean.

Plain Python from the standard library: frozen dataclasses, enums and functions. No I/O, no clock,
no randomness, no vendor: values come in, decisions go out.
"""
