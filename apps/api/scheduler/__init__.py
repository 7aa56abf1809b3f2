"""The scheduler: who rings, when, and what happens when nobody hears."""
