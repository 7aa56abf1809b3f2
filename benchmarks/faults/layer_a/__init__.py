"""Layer A: the hub's own services in one process against a real database and fake platforms.

A worker's death is an exception that abandons the call chain with its database socket cut, so
that nothing of it commits afterwards; time passes by moving the times of rows. Nothing here is
shared with the code under test but its public services and tasks.
"""
