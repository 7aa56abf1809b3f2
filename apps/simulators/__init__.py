"""Stateful stand-ins for other companies' systems, spoken to over HTTP only."""
