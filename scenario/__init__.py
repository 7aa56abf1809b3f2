"""The demo world: it acts on the platforms as their users do, and on the hub as a person does.

Everything here talks HTTP; nothing imports the hub or the simulators.
"""
