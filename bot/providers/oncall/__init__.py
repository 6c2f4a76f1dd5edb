"""Who is on call: one module per source. Parsing and rules have no I/O;
unknown is never somebody.
"""
