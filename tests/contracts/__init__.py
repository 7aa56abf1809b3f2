"""Contracts of the vendors: generated from pinned packages, or written by us from public facts."""
