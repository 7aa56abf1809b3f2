"""What the console's tags draw: frozen dataclasses in, text and geometry out.

No query, no clock, no request: everything here is a pure function.
"""
